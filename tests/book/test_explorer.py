"""Explorers: what stands on the page, and what a reader can do with it."""

import json
import re
from xml.etree import ElementTree

import browser as chromium
import numpy as np
import pytest

from book.tools import compare, explorer, panels

KINDS = ("affine", "constant")
STEPS = 4


def example(shift=0.0):
    """An explorer with every kind of panel and three choices."""
    t, words = explorer.walk(KINDS, STEPS)
    n, g = len(t), np.random.default_rng(0)
    loss = np.stack([(1 + t * (2 - t)) / k for k in (1, 2, 4)]) + shift
    counts = g.integers(1, 99, size=(3, n, 5))
    matrices = g.random((n, 2, 3)) * np.linspace(1, 2, n)[:, None, None]
    parts = [
        explorer.Curves(
            "loss", {"path": loss}, {"bound": loss.max(1)}, log=True
        ),
        explorer.Curves("error", {"a": loss[0], "b <&": 3 - t}, unit="%"),
        explorer.Blocks("A", matrices),
        explorer.Bars("w", counts, (-1, 1), (-1, 0, 1)),
    ]
    return explorer.Explorer(
        "A path </script> & more",
        t,
        words,
        parts,
        choices={f"N = {k}": f"Bound {2 / k:g}." for k in (1, 2, 4)},
        choose="Width",
        kinds=KINDS,
        ticks={0: "start", 2: "end"},
    )


def payload(page):
    return json.loads(re.search(r"<script[^>]*>(.*?)</script>", page, re.S)[1])


def test_walk_names_every_frame():
    t, words = explorer.walk(KINDS, STEPS)
    assert t.tolist() == [k / 4 for k in range(9)]
    assert words[0] == "Segment 1 of 2, affine, 0 %"
    assert words[4] == "Segment 2 of 2, constant, 0 %"
    assert words[-1] == "Segment 2 of 2, constant, 100 %"


def test_pooled_means_of_absolute_weights():
    weight = -np.arange(12.0).reshape(3, 4)
    found = explorer.pooled(weight, 2, 2)  # rows 0-1 and 2
    assert found.tolist() == [[2.5, 4.5], [8.5, 10.5]]


def test_frames_come_back_as_they_were():
    part = example().panels[2]
    data = part.data()
    size = part.frames[0].reshape(len(example().t), -1)
    for frame, want in zip(data["index"][0], size):
        got = [panels.LEVELS.index(c) / 63 for c in data["frames"][frame]]
        assert np.abs(np.array(got) - (want / size.max()) ** 0.6).max() < 0.01


def test_frames_that_repeat_are_stored_once():
    same = explorer.Blocks("A", np.ones((5, 2, 2))).data()
    assert len(same["frames"]) == 1
    assert same["index"] == [[0] * 5]


def test_zero_is_white():
    part = explorer.Blocks("A", np.array([[[0.0, 1.0]]]))
    assert part.values(0, 0) == [0, 1]


def test_the_still_shows_the_highest_point_of_the_first_choice():
    page = example()
    assert page.first() == (0, STEPS)
    html = page._repr_html_()
    assert "Bound 2. Segment 2 of 2, constant, 0 %; loss 2;" in html


def test_the_picture_is_well_formed_and_hides_what_needs_a_script():
    html = example()._repr_html_()
    bare = re.sub(r"<script.*?</script>", "", html)
    bare = re.sub(r" (hidden|selected)(?=[ >])", r' \1=""', bare)
    bare = re.sub(r"(<input[^>]*)>", r"\1/>", bare)
    tree = ElementTree.fromstring(bare)
    assert len(tree.findall(".//svg[@role='img']")) == 4
    assert "hidden" in tree.find(".//div[@class='controls']").attrib
    assert html.count("</script>") == 1
    assert [p.text for p in tree.findall("./div/div/p")] == [
        *("loss", "error (%)", "A", "w")
    ]


def test_numbers_have_three_digits_and_little_weight():
    page = example(shift=1 / 3)._repr_html_()
    for _, rows in payload(page)["panels"][0]["series"]:
        for v in np.ravel(rows):
            assert v == float(f"{v:.3g}")
    assert len(page) < 10_000


def test_wrong_lengths_are_named():
    with pytest.raises(ValueError, match="'path' has 3 frames and t has 4"):
        explorer.Explorer(
            "x", range(4), [""] * 4, [explorer.Curves("l", {"path": [1] * 3})]
        )
    with pytest.raises(ValueError, match="2 choices and there are 3"):
        explorer.Explorer(
            "x",
            range(4),
            [""] * 4,
            [explorer.Curves("l", {"path": np.ones((2, 4))})],
            choices=dict.fromkeys("abc", ""),
        )


def test_nbval_compares_the_twin_and_not_the_drawing():
    one, near, far = (example(shift) for shift in (0, 1e-9, 1e-2))
    assert "drag it in the built book" in str(one)
    assert compare.same(one.twin(), near.twin())
    assert not compare.same(one.twin(), far.twin())
    before, after = "<p>7 runs</p>", "<p>8 runs</p>"
    html, other = one._repr_html_(), far._repr_html_()
    assert html != other
    assert compare.same(before + html, before + other)
    assert not compare.same(before + html, after + html)


# --- in a browser --------------------------------------------------------


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """A page with the example, the book's style and its script."""
    folder = tmp_path_factory.mktemp("explorer")
    return chromium.write(
        folder, example()._repr_html_(), scripts=["explorer"]
    )


@pytest.fixture
def page(browser, file):
    with browser.page() as tab:
        yield tab.open(file)
        assert all(url.startswith("file:") for url in tab.requests)
        assert tab.complaints == []


STATE = """(() => {
  const get = (css, name) => [...document.querySelectorAll(css)]
    .map(e => e.getAttribute(name));
  return {marks: get("circle", "cx").concat(get("circle", "cy")).map(Number),
          lines: get(".line", "d"), cells: get(".blocks rect", "opacity"),
          stairs: get(".stairs", "d"),
          said: get("input", "aria-valuetext")[0],
          text: document.querySelector(".explorer > .says").textContent};
})()"""


def press(page, key, code):
    for kind in ("rawKeyDown", "keyUp"):
        page.call(
            "Input.dispatchKeyEvent",
            type=kind,
            key=key,
            code=key,
            windowsVirtualKeyCode=code,
        )


def numbers(text):
    return np.array(re.findall(r"[\d.]+", text), float)


@pytest.mark.browser
def test_the_script_draws_what_stood_there(browser, file, page):
    with browser.page() as still:
        still.call("Emulation.setScriptExecutionDisabled", value=True)
        still.call("Page.navigate", url=file.as_uri())
        browser.wait(still._session, "Page.loadEventFired")
        still.call("Emulation.setScriptExecutionDisabled", value=False)
        before = still.evaluate(STATE)
        shown = still.evaluate("""["svg", ".says", ".controls", "noscript"]
          .map(css => document.querySelector(`.explorer ${css}`)
            .checkVisibility())""")
    assert shown[:3] == [True, True, False]
    after = page.evaluate(STATE)
    assert after["said"] == before["said"]
    assert after["text"] == before["text"]
    for name in ("marks", "lines", "cells", "stairs"):
        a, b = (numbers(str(s[name])) for s in (before, after))
        assert len(a)
        np.testing.assert_allclose(a, b, atol=0.5, rtol=0, err_msg=name)


@pytest.mark.browser
def test_arrow_keys_move_marks_and_words(page):
    assert page.evaluate(
        "document.querySelector('.explorer .controls').checkVisibility()"
    )
    page.evaluate("document.querySelector('.explorer input').focus()")
    start = page.evaluate(STATE)
    press(page, "ArrowRight", 39)
    moved = page.evaluate(STATE)
    for name in ("marks", "cells", "stairs", "said", "text"):
        assert moved[name] != start[name], name
    assert moved["lines"] == start["lines"]
    assert moved["said"] == (
        "Segment 2 of 2, constant, 25 %; loss 1.94; "
        "error: a 1.94 %, b <& 1.75 %"
    )
    assert moved["text"].endswith(moved["said"])
    press(page, "Home", 36)
    assert page.evaluate(STATE)["said"].startswith("Segment 1 of 2, affine, 0")


@pytest.mark.browser
def test_the_list_changes_curve_bound_and_histogram(page):
    start = page.evaluate(STATE)
    page.evaluate("""(() => {
      const list = document.querySelector(".explorer select");
      list.selectedIndex = 2;
      list.dispatchEvent(new Event("change", {bubbles: true}));
    })()""")
    now = page.evaluate(STATE)
    assert now["lines"][:2] != start["lines"][:2]
    assert now["lines"][2:] == start["lines"][2:]
    assert now["stairs"] != start["stairs"]
    assert now["text"].startswith("Bound 0.5.")
    assert (
        page.evaluate("document.querySelector('.says').ariaLive == 'off'")
        is False
    )
    low, high = example().panels[0].scale()
    share = (np.log10(0.5) - low) / (high - low)
    want = panels.LOW - share * (panels.LOW - panels.HIGH)
    assert numbers(now["lines"][1])[1] == pytest.approx(want, abs=0.1)


@pytest.mark.browser
def test_a_curve_can_be_dragged(page):
    box = page.evaluate(
        "document.querySelector('.curves svg').getBoundingClientRect()"
        ".toJSON()"
    )
    for kind, x in (("mousePressed", 5), ("mouseMoved", box["width"] - 5)):
        page.call(
            "Input.dispatchMouseEvent",
            type=kind,
            x=box["x"] + x,
            y=box["y"] + 50,
            button="left",
            buttons=1,
            clickCount=1,
        )
    assert page.evaluate("document.querySelector('input').value") == "8"


@pytest.mark.browser
@pytest.mark.parametrize("width", [400, 1600])
def test_it_fits(page, width):
    page.resize(width)
    over = page.evaluate("document.scrollingElement.scrollWidth - innerWidth")
    assert over <= 0


@pytest.mark.browser
def test_paper_has_the_picture_and_no_slider(page):
    page.prefer("light", media="print")
    assert page.evaluate("""[".panels svg", ".says", ".controls"].map(
      css => document.querySelector(`.explorer ${css}`).checkVisibility())
    """) == [True, True, False]
