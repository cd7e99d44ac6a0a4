"""Explorers that compute: their script beside the kernels, to 1e-6.

The page's own data go to `_static/compute.js`, in Node or in Chromium,
whichever is there.
"""

import itertools
import json
import re
import shutil
import subprocess

import browser as chromium
import numpy as np
import pytest
import torch

from book.tools import builder, compare, records, splitting
from kernels import (
    certificates,
    data,
    device,
    dropout,
    interpolation,
    networks,
    paths,
)

STATIC = records.ROOT / "book" / "_static"
SCRIPTS = ("explorer", "compute", "builder", "splitting")
NET = networks.mlp([64, 32, 10])


@pytest.fixture(scope="module")
def shown():
    """What the first page shows."""
    d = data.load("digits").train
    g = device.generator(0, "index")
    pair = builder.trained(NET, d, generator=g)
    return builder.Builder(NET, pair, d.x[:400], d.y[:400])


@pytest.fixture(scope="module")
def page_file(shown, tmp_path_factory):
    """A page with the explorer, the book's style and its scripts."""
    folder = tmp_path_factory.mktemp("compute")
    return chromium.write(folder, shown._repr_html_(), scripts=SCRIPTS)


@pytest.fixture(
    scope="module",
    params=["node", pytest.param("browser", marks=pytest.mark.browser)],
)
def script(request):
    """Runs the body of a function of `data` and `landscape`."""
    if request.param == "node":
        if not (node := shutil.which("node")):
            pytest.skip("no Node found: apt-get install nodejs")

        def run(data, body):
            code = (
                f"const landscape = require('{STATIC / 'compute.js'}');"
                "const data = JSON.parse(require('fs').readFileSync(0));"
                f"console.log(JSON.stringify((() => {{{body}}})()))"
            )
            done = subprocess.run(
                [node, "-e", code],
                input=json.dumps(data),
                capture_output=True,
                text=True,
                check=True,
            )
            return json.loads(done.stdout)

        yield run
        return
    browser = request.getfixturevalue("browser")
    with browser.page() as tab:
        source = (STATIC / "compute.js").read_text()
        tab.evaluate(source.replace("const landscape", "var landscape", 1))
        yield lambda data, body: tab.evaluate(
            f"(data => {{{body}}})({json.dumps(data)})"
        )


def near(a, b):
    np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6)


def tensors(kept):
    return [torch.tensor(kept, dtype=torch.long)]


CHOICES = [
    ([0, 3, 5], [0, 4, 5, 31], 2.0, 0.7),  # common ones must move
    ([], [7], 1.0, 4.0),
    (list(range(16)), list(range(16)), 2.0, 2.0),
    (list(range(0, 32, 2)), list(range(1, 32, 2)), 0.0, 1.0),
    (list(range(31)), [30], 1.1, 3.3),
]


@pytest.mark.parametrize(("kept_a", "kept_b", "scale_a", "scale_b"), CHOICES)
def test_knots_losses_and_supremum(
    shown, script, kept_a, kept_b, scale_a, scale_b
):
    path = paths.two_layer(
        NET,
        *shown.ends,
        kept_a=tensors(kept_a),
        kept_b=tensors(kept_b),
        scale_a=scale_a,
        scale_b=scale_b,
    )
    told = shown.data() | {
        "kept": [kept_a, kept_b],
        "scales": [scale_a, scale_b],
    }
    got = script(
        told,
        """const {nets, ...digits} = landscape.read(data);
        const units = nets.map(net => landscape.hidden(net, digits));
        const knots = landscape.knots(nets, data.kept, data.scales);
        return {
          knots: knots.map(k => ["w", "b", "a", "c"].map(n => [...k[n]])),
          loss: landscape.walk(knots, digits, 2),
          ...landscape.supremum(
            nets, units, digits.y, data.kept, data.scales),
          kinds: landscape.KINDS};""",
    )
    for knot, theta in zip(got["knots"], path.knots):
        for mine, theirs in zip(knot, [v for pair in theta for v in pair]):
            near(mine, theirs.flatten())
    x, y = shown.x.double(), shown.y
    near(got["loss"], interpolation.loss_curve(NET, path, x, y, points=3).loss)
    sure = certificates.certify(NET, path, x, y)
    assert sure.exact
    near(got["top"], sure.attained)
    near(got["top"], sure.upper)
    for found, k in zip(got["four"], (0, 1, 3, 7)):
        z = NET.forward(path.knots[k], x)
        near(found["loss"], float(torch.nn.functional.cross_entropy(z, y)))
        assert found["right"] == int((z.argmax(1) == y).sum())
    # what the script calls constant must be: affine may rest, too
    for mine, proved in zip(got["kinds"], path.kinds):
        assert proved in (mine, "constant")


def test_a_supremum_is_met_by_no_walk(shown, script):
    """Finer walks come no higher than the largest of four."""
    top, walked = script(
        shown.data(),
        """const {nets, ...digits} = landscape.read(data);
        const units = nets.map(net => landscape.hidden(net, digits));
        const how = [data.kept, data.scales];
        const walked = landscape.walk(
          landscape.knots(nets, ...how), digits, 20);
        return [landscape.supremum(nets, units, digits.y, ...how).top,
          Math.max(...walked)];""",
    )
    assert walked <= top * (1 + 1e-12)
    near(walked, top)


def test_the_least_useful_half_and_the_best_scale(shown, script):
    got = script(
        shown.data(),
        """const {nets, ...digits} = landscape.read(data);
        return nets.map(net => {
          const units = landscape.hidden(net, digits);
          const some = landscape.sums(net, units, [1, 2, 5, 8, 13]);
          return {...landscape.choose(net, units, digits.y, 16),
            best: landscape.bestScale(some, net.c, digits.y)};
        });""",
    )
    x, y = shown.x.double(), shown.y
    for found, (kept, scale), theta in zip(got, shown.start, shown.ends):
        assert found["kept"] == kept
        near(found["scale"], scale)
        z = NET.features(theta, x, 1)[:, [1, 2, 5, 8, 13]]
        z = z @ theta[1][0][:, [1, 2, 5, 8, 13]].T
        best = dropout.best_scale(z.T[None], y, bias=theta[1][1])
        near(found["best"], min(4, float(best[0])))


def test_what_the_first_page_says_holds(shown):
    """Chosen halves stay far below the hill, first halves do not."""
    path, line = shown.sure
    assert path.exact
    assert path.upper < line.attained / 5
    first = list(range(16))
    blind = builder.Builder(
        NET,
        shown.pair,
        shown.x,
        shown.y,
        choice=tuple((first, scale) for _, scale in shown.start),
    )
    assert blind.sure[0].attained > line.upper


def test_the_page_is_small_and_nbval_reads_the_twin(shown):
    html = shown._repr_html_()
    assert len(html) < 300_000
    payload = re.search(r"<script[^>]*>(.*?)</script>", html, re.S)[1]
    assert len(payload) < 100_000
    assert compare.same(html, '<div class="explorer"></script></div>')
    assert shown.says() in shown.twin()


def test_what_the_page_cannot_hold_is_named(shown):
    with pytest.raises(ValueError, match=r"biases \[False, False\]; two"):
        builder.Builder(
            networks.mlp([64, 32, 10], bias=False),
            shown.pair,
            shown.x,
            shown.y,
        )
    fine = torch.linspace(0, 1, 6400).reshape(100, 64)
    with pytest.raises(ValueError, match="6400 different values; at most 256"):
        builder.Builder(NET, shown.pair, fine, shown.y[:100])


# --- a certificate's intervals -------------------------------------------


@pytest.fixture(scope="module")
def split(shown):
    """The straight line of the first page, its tree and what certify needs."""
    line = paths.straight(*shown.ends)
    how = NET, line, shown.x[:100].double(), shown.y[:100]
    tree = splitting.tree(*how, tolerance=1e-3)
    loss = interpolation.loss_curve(*how, points=51).loss
    return how, splitting.Splitting(tree, loss, splitting.TOLERANCES[:10])


def payload(html):
    return json.loads(re.search(r"<script[^>]*>(.*?)</script>", html, re.S)[1])


def test_every_tolerance_is_that_of_certify(split, script):
    how, made = split
    told = payload(made._repr_html_())
    got = script(
        told, "return data.tolerances.map(t => landscape.bisect(data, t))"
    )
    for tolerance, found in zip(told["tolerances"], got):
        sure = certificates.certify(
            *how, tolerance=tolerance, engine="boxes", initial=1
        )
        assert found["done"]
        assert found["count"] == sure.intervals
        near(found["upper"], sure.upper)
        near(found["attained"], sure.attained)
        edges = [leaf[:2] for leaf in found["leaves"]]
        assert edges[0][0] == 0
        assert edges[-1][1] == 1
        assert all(p[1] == q[0] for p, q in itertools.pairwise(edges))
        assert len(edges) == (found["count"] + 1) / 2
        python = splitting.bisect(*made.tree, tolerance)
        assert [leaf[:2] for leaf in python[0]] == edges
        near(python[1:], [sure.upper, sure.attained, sure.intervals])


def test_an_interval_that_was_never_halved_ends_the_search(split, script):
    """A tolerance beyond the tree's is not met, and that is said."""
    told = payload(split[1]._repr_html_())
    assert not script(told, "return landscape.bisect(data, 0)")["done"]


# --- in a browser --------------------------------------------------------

STATE = """(() => {
  const all = css => [...document.querySelectorAll(css)];
  return {said: document.querySelector(".says").textContent,
    live: document.querySelector(".says").ariaLive,
    table: all("tbody tr").map(row => [...row.cells]
      .map(cell => cell.textContent)),
    top: all("tbody tr.top").length,
    lines: all(".curves .line").map(e => e.getAttribute("d")),
    drawn: all(".curves .line").map(e => e.checkVisibility()),
    kept: all("fieldset").map(side =>
      [...side.querySelectorAll("[aria-pressed=true]")].length),
    off: all("fieldset :disabled").length,
    values: all("fieldset input").map(e => e.getAttribute("aria-valuetext")),
    focus: document.activeElement.getAttribute("aria-label")};
})()"""


@pytest.fixture
def page(browser, page_file):
    with browser.page() as tab:
        yield tab.open(page_file)
        assert all(url.startswith(("file:", "data:")) for url in tab.requests)
        assert tab.complaints == []


def press(page, key, code):
    text = {"text": " "} if key == " " else {}
    for kind in ("keyDown" if text else "rawKeyDown", "keyUp"):
        page.call(
            "Input.dispatchKeyEvent",
            type=kind,
            key=key,
            code="Space" if text else key,
            windowsVirtualKeyCode=code,
            **(text if kind == "keyDown" else {}),
        )


def settle(page):
    """The state after the next drawn frame."""
    page.evaluate("new Promise(r => requestAnimationFrame(() => r(1)))")
    return page.evaluate(STATE)


def told(shown, kept, scale):
    """The four rows of the kernels for another choice."""
    other = builder.Builder(
        NET, shown.pair, shown.x, shown.y, choice=tuple(zip(kept, scale))
    )
    rows = [[n, f"{v:.3g}", str(right)] for n, v, right in other.four]
    return rows, other.says()


@pytest.mark.browser
def test_the_script_says_what_stood_there(browser, page_file, page):
    with browser.page() as still:
        still.call("Emulation.setScriptExecutionDisabled", value=True)
        still.call("Page.navigate", url=page_file.as_uri())
        browser.wait(still._session, "Page.loadEventFired")
        still.call("Emulation.setScriptExecutionDisabled", value=False)
        before = still.evaluate(STATE)
    after = page.evaluate(STATE)
    assert before["off"] == 74  # nothing can be pressed without the script
    assert after["off"] == 0
    for name in ("said", "table", "top", "kept"):
        assert before[name] == after[name], name
    for old, new in zip(before["lines"], after["lines"]):
        numbers = [
            np.array(re.findall(r"[\d.]+", line), float) for line in (old, new)
        ]
        np.testing.assert_allclose(*numbers, atol=0.2, rtol=0)


@pytest.mark.browser
def test_a_pressed_neuron_is_dropped_and_the_kernels_agree(shown, page):
    (kept_a, scale_a), (kept_b, scale_b) = shown.start
    gone = kept_a[2]
    page.evaluate(
        f"document.querySelectorAll('.neurons button')[{gone}].click()"
    )
    now = settle(page)
    rest = [i for i in kept_a if i != gone]
    rows, says = told(shown, (rest, kept_b), (scale_a, scale_b))
    assert now["table"] == rows
    assert now["said"] == says
    assert now["live"] == "polite"
    assert now["kept"] == [15, 16]
    assert now["top"] == 1


@pytest.mark.browser
def test_a_scale_is_dragged_and_speaks_for_itself(shown, page):
    page.evaluate("""(() => {
      const slider = document.querySelectorAll("fieldset input")[1];
      slider.value = 3.25;
      slider.dispatchEvent(new Event("input", {bubbles: true}));
    })()""")
    now = settle(page)
    (kept_a, scale_a), (kept_b, _) = shown.start
    rows, says = told(shown, (kept_a, kept_b), (scale_a, 3.25))
    assert (now["table"], now["said"]) == (rows, says)
    assert now["values"][1] == f"3.25; loss {float(rows[2][1]):g}"
    assert now["live"] == "off"


@pytest.mark.browser
def test_the_keyboard_reaches_every_neuron(page):
    page.evaluate("document.querySelector('.neurons button').focus()")
    start = page.evaluate(STATE)
    tabbed = page.evaluate(
        "document.querySelectorAll('.neurons [tabindex=\"0\"]').length"
    )
    assert tabbed == 2  # one stop a toolbar
    for key, code, number in (
        ("ArrowRight", 39, 2),
        ("ArrowDown", 40, 10),
        ("ArrowLeft", 37, 9),
        ("ArrowUp", 38, 1),
        ("End", 35, 32),
        ("Home", 36, 1),
    ):
        press(page, key, code)
        assert page.evaluate(STATE)["focus"].startswith(
            f"Neuron {number} of A"
        )
    press(page, " ", 32)
    now = settle(page)
    assert abs(now["kept"][0] - start["kept"][0]) == 1


@pytest.mark.browser
def test_too_many_neurons_have_no_path(page):
    page.evaluate("document.querySelector('[data-do=all]').click()")
    now = settle(page)
    assert now["kept"] == [32, 16]
    assert now["drawn"] == [False, True, False]
    assert "32 + 16 neurons do not fit" in now["said"]
    assert "drop 16 more" in now["said"]
    page.evaluate("document.querySelector('[data-do=choose]').click()")
    assert settle(page)["drawn"] == [True] * 3


@pytest.mark.browser
def test_paper_has_the_picture_and_nothing_to_press(page):
    page.prefer("light", media="print")
    assert (
        page.evaluate("""[".curves svg", "table", ".neurons", ".says",
      "fieldset label", ".doing"].map(
      css => document.querySelector(`.explorer ${css}`).checkVisibility())
    """)
        == [True] * 4 + [False] * 2
    )


@pytest.mark.browser
@pytest.mark.parametrize("width", [400, 1280])
def test_it_fits_and_fingers_hit(page, width):
    page.resize(width)
    over = page.evaluate("document.scrollingElement.scrollWidth - innerWidth")
    assert over <= 0
    smallest = page.evaluate("""Math.min(...[...document.querySelectorAll(
      "fieldset button")].map(e => e.getBoundingClientRect())
      .map(b => Math.min(b.width, b.height)))""")
    assert smallest >= 24


@pytest.fixture
def segment(browser, split, tmp_path):
    body = split[1]._repr_html_()
    file = chromium.write(tmp_path, body, scripts=SCRIPTS)
    with browser.page() as tab:
        yield tab.open(file)
        assert tab.complaints == []


@pytest.mark.browser
def test_the_tolerance_is_dragged_by_keys(segment, split):
    state = """(() => ({
      said: document.querySelector(".says").textContent,
      value: document.querySelector("input").getAttribute("aria-valuetext"),
      stairs: document.querySelector(".stairs").getAttribute("d")}))()"""
    made = split[1]
    leaves = made.at(made.start)[0]
    still = made.stairs(leaves)
    first = segment.evaluate(state)
    assert first["said"] == first["value"] == made.says(made.start)
    near(
        *(
            np.array(re.findall(r"[\d.]+", d), float)
            for d in (first["stairs"], still)
        )
    )
    segment.evaluate("document.querySelector('.controls input').focus()")
    for step in (1, 2):
        press(segment, "ArrowRight", 39)
        now = segment.evaluate(state)
        assert now["said"] == now["value"] == made.says(made.start + step)
    assert now["stairs"].count("M") > first["stairs"].count("M")
    segment.resize(400)
    assert (
        segment.evaluate("document.scrollingElement.scrollWidth - innerWidth")
        <= 0
    )
