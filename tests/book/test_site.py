"""The built book, as its readers meet it: offline, in a browser.

The pages are built once per session, or read from the folder that the
environment variable BOOK_HTML names. They are opened over ``file://`` in a
Chromium whose name resolution is switched off.
"""

import io
import itertools
import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import browser as chromium
import nbformat
import pytest

from book.tools import site

ROOT = Path(__file__).resolve().parents[2]
ALT = 40  # characters that say what a figure shows
MEGABYTE = 1_000_000
AXE = Path(
    os.environ.get("AXE", ROOT / ".cache/node_modules/axe-core/axe.min.js")
)
NO_AXE = (
    "no axe-core found: npm install --prefix .cache axe-core, "
    "or set AXE to its axe.min.js"
)


@pytest.fixture(scope="session")
def html(tmp_path_factory):
    """The folder of the built site."""
    if built := os.environ.get("BOOK_HTML"):
        return Path(built).resolve()
    out = tmp_path_factory.mktemp("book")
    command = Path(sys.executable).parent / "jupyter-book"
    flags = ["--all", "-W", "-n", "--keep-going", "--path-output", out]
    done = subprocess.run(
        [command, "build", ROOT, *flags], capture_output=True, text=True
    )
    faults = [
        line
        for line in (done.stdout + done.stderr).splitlines()
        if "WARNING" in line or "ERROR" in line
    ]
    assert done.returncode == 0, "\n".join(faults) or done.stderr[-2000:]
    return out / "_build" / "html"


@pytest.fixture(
    scope="module",
    params=[*site.chapters(), "reference/networks", "reference/paths"],
)
def chapter(request):
    """Each chapter's name in turn, and two of the reference's pages."""
    return request.param


@pytest.fixture(scope="module")
def page(browser, html, chapter):
    """The chapter, open at 1280 pixels in the light theme."""
    with browser.page() as tab:
        yield tab.open(html / "book" / f"{chapter}.html")


@pytest.fixture
def tab(page):
    """The open chapter, put back afterwards as it was."""
    yield page
    page.resize(1280)
    dress(page, "light")


def dress(tab, scheme):
    """Put the page into the light or the dark theme."""
    tab.prefer(scheme)
    tab.until(f"document.documentElement.dataset.theme == '{scheme}'")


class Document(HTMLParser):
    """Ids, links and pictures of a page."""

    def __init__(self, file):
        super().__init__()
        self.ids, self.links, self.pictures = [], [], []
        self._inside = 0
        self.feed(file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        known = dict(attributes)
        self._inside += tag == "article"
        if known.get("id"):
            self.ids.append(known["id"])
        self.links += [known[n] for n in ("href", "src") if known.get(n)]
        if tag == "img" and self._inside:
            self.pictures.append(known)

    def handle_endtag(self, tag):
        self._inside -= tag == "article"


@pytest.fixture(scope="session")
def documents(html):
    """Every page of the site, parsed."""
    return {file: Document(file) for file in html.rglob("*.html")}


# --- the files -----------------------------------------------------------


def test_links_inside_the_book_lead_somewhere(documents):
    dead = []
    for file, document in documents.items():
        for link in document.links:
            to = urlsplit(link)
            if to.scheme or to.netloc:
                continue
            target = (file.parent / unquote(to.path)).resolve()
            target = file if not to.path else target
            if not target.exists():
                dead.append(f"{file.name}: {link}")
            elif (
                to.fragment
                and target in documents
                and unquote(to.fragment) not in documents[target].ids
            ):
                dead.append(f"{file.name}: {link} (no such id)")
    assert not dead


def test_an_id_is_on_a_page_once(documents):
    for file, document in documents.items():
        twice = {i for i in document.ids if document.ids.count(i) > 1}
        assert not twice, file.name


def test_figures_are_described_in_words(documents):
    dumb = []
    for file, document in documents.items():
        told = set()  # a panel of a picture has its words from the first
        for picture in document.pictures:
            src, alt = picture.get("src"), picture.get("alt") or ""
            if len(alt) < ALT and not (alt == "" and src in told):
                dumb.append(f"{file.name}: {src}: {alt!r}")
            elif alt and src in told:
                dumb.append(f"{file.name}: {src}: described twice")
            told.add(src)
    assert not dumb


def test_the_first_page_sends_readers_on(html):
    text = (html / "index.html").read_text()
    target = re.search(r'url=([^"]+)"', text)[1]
    assert (html / target).exists()
    assert target == "book/index.html"


def test_the_site_is_light(html):
    size = sum(f.stat().st_size for f in html.rglob("*") if f.is_file())
    assert size < 60 * MEGABYTE


@pytest.mark.parametrize("chapter", site.chapters())
def test_chapters_download_as_notebooks(html, documents, chapter):
    file = html / "book" / f"{chapter}.html"
    links = [i for i in documents[file].links if i.endswith(".ipynb")]
    assert links, "no link to the notebook"
    target = (file.parent / unquote(links[0])).resolve()
    downloaded = nbformat.read(target, as_version=4)
    nbformat.validate(downloaded)
    committed = site.notebook(chapter, ROOT)
    if "BOOK_HTML" not in os.environ:
        assert json.loads(target.read_text()) == json.loads(
            committed.read_text()
        )


# --- the pages -----------------------------------------------------------


@pytest.mark.browser
def test_maths_is_drawn(page):
    found = page.evaluate("""(() => {
      const set = [...document.querySelectorAll("article .math")];
      const drawn = e => e.querySelector("mjx-container svg")
        ?.getBoundingClientRect().width > 0;
      return {raw: set.filter(e => !drawn(e)).map(e => e.textContent),
              unknown: [...document.querySelectorAll(
                "[data-mml-node=merror], mjx-container [fill=red]")]
                .map(e => e.closest(".math").textContent),
              text: document.querySelector("article").innerText};
    })()""")
    assert found["raw"] == []
    assert found["unknown"] == [], "TeX commands that MathJax does not know"
    assert not re.search(r"\\[()\[\]]|\$\$", found["text"])


@pytest.mark.browser
def test_nothing_is_fetched_from_elsewhere(page):
    away = [
        url
        for url in page.requests
        if not url.startswith(("file:", "data:", "blob:"))
    ]
    assert page.requests
    assert away == []
    assert page.complaints == []


@pytest.mark.browser
def test_a_page_weighs_less_than_three_megabytes(page):
    files = {
        unquote(urlsplit(url).path)
        for url in page.requests
        if url.startswith("file:")
    }
    weight = sum(Path(f).stat().st_size for f in files)
    assert weight < 3 * MEGABYTE


@pytest.mark.browser
@pytest.mark.parametrize("width", [400, 768, 1280, 1600])
def test_no_page_scrolls_sideways(tab, width):
    tab.resize(width)
    over = tab.evaluate("document.scrollingElement.scrollWidth - innerWidth")
    assert over <= 0


@pytest.mark.browser
def test_panels_are_stacked_on_narrow_screens(tab):
    """Each panel as wide as the page, below the one before it; else once."""
    seen = """[...document.querySelectorAll(".stacked")].map(e =>
      [e.getBoundingClientRect().width, ...[...e.children].filter(
        c => c.checkVisibility()).map(c => c.getBoundingClientRect())
        .map(b => [b.left, b.top, b.width, b.height])])"""
    tab.resize(1280)
    assert all(len(row) == 2 for row in tab.evaluate(seen))
    tab.resize(400)
    for room, *panels in tab.evaluate(seen):
        assert len(panels) > 1
        assert max(p[2] for p in panels) > 0.99 * room > 320
        assert len({p[0] for p in panels}) == 1
        for above, below in itertools.pairwise(panels):
            assert below[1] >= above[1] + above[3]
            assert abs(below[3] - above[3]) < 2


# boxes that scroll on their own, out of the keyboard's reach
DEAF = """[...document.querySelectorAll("article *:not(svg *)")].filter(e =>
  /auto|scroll/.test(getComputedStyle(e).overflowX)
  && e.scrollWidth > e.clientWidth + 1 && e.tabIndex < 0
  && !e.querySelector("a, button, [tabindex='0']"))
  .map(e => e.outerHTML.slice(0, 80))"""


@pytest.mark.browser
def test_what_scrolls_is_in_reach_of_the_keyboard(tab):
    tab.resize(400)
    try:
        tab.until(f"{DEAF}.length == 0", seconds=3)
    except chromium.BrowserError:
        assert tab.evaluate(DEAF) == []


@pytest.mark.browser
def test_79_columns_of_code_fit(tab):
    tab.resize(1280)
    room = tab.evaluate("""(() => {
      const probe = document.createElement("div");
      probe.className = "cell docutils container";
      probe.innerHTML = '<div class="cell_input docutils container">'
        + '<div class="highlight"><pre>' + "m".repeat(79)
        + '</pre></div></div>';
      document.querySelector("article section").append(probe);
      const pre = probe.querySelector("pre");
      const room = pre.clientWidth - pre.scrollWidth;
      probe.remove();
      return room;
    })()""")
    assert room >= 0


@pytest.mark.browser
def test_printed_lines_are_seen_whole(tab):
    tab.resize(1280)
    cut = tab.evaluate("""[...document.querySelectorAll(
      "article .output.stream pre")].filter(
      e => e.scrollWidth > e.clientWidth).map(e => e.innerText.slice(0, 80))
      """)
    assert cut == []


CONTRAST = """(() => {
  const light = c => {
    const [r, g, b] = c.map(v => v / 255).map(
      v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const parts = c => c.match(/[\\d.]+/g).map(Number);
  const ground = e => {
    for (; e; e = e.parentElement) {
      const c = parts(getComputedStyle(e).backgroundColor);
      if (c.length < 4 || c[3] > 0.99) return c.slice(0, 3);
    }
    return [255, 255, 255];
  };
  const worst = {};
  const walk = document.createTreeWalker(
    document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const e = walk.currentNode.parentElement;
    if (!walk.currentNode.data.trim() || !e.checkVisibility?.()
        || e.closest("svg, script, style, .visually-hidden, .headerlink,"
                     + "mjx-assistive-mml, .copybtn")) continue;
    const a = light(parts(getComputedStyle(e).color).slice(0, 3));
    const b = light(ground(e));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const name = `${e.tagName} ${e.className}`;
    worst[name] = Math.min(worst[name] ?? 21, ratio);
  }
  return worst;
})()"""


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out(tab, scheme):
    dress(tab, scheme)
    worst = tab.evaluate(CONTRAST)
    assert len(worst) > 3
    faint = {name: round(c, 2) for name, c in worst.items() if c < 4.5}
    assert faint == {}


def sides(box, start):
    """First and last pixel of a box's extent, its rim left out."""
    size = box["width" if start == "left" else "height"]
    return int(box[start]) + 2, int(box[start] + size) - 2


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_figures_sit_on_the_page(tab, scheme):
    from matplotlib.image import imread

    dress(tab, scheme)
    box = tab.evaluate("""(() => {
      const figures = document.querySelectorAll(
        "article .cell_output img:not(.keep-colours)");
      const figure = [...figures].find(f => f.height < innerHeight);
      figure?.scrollIntoView({block: "center", behavior: "instant"});
      return figure?.getBoundingClientRect().toJSON();
    })()""")
    if box is None:
        pytest.skip("a page without figures")
    x, y = slice(*sides(box, "left")), slice(*sides(box, "top"))
    pixels = imread(io.BytesIO(tab.picture()))[y, x, :3]
    paper = tab.evaluate(
        "getComputedStyle(document.body).backgroundColor.match(/\\d+/g)"
    )
    edge = pixels[0].mean(0) * 255
    assert abs(edge - [float(c) for c in paper]).max() < 12
    ink = abs(pixels.mean(-1) - edge.mean() / 255).max()
    assert ink > 0.5, "the lines do not stand out from the page"


# what axe-core calls serious or critical, and where; the strokes of formulas,
# half of a page's elements and hidden from it, are put aside meanwhile
FAULTS = """(async () => {
  const drawn = [...document.querySelectorAll("svg[aria-hidden=true]")]
    .map(svg => [svg, [...svg.childNodes]]);
  drawn.forEach(([svg]) => svg.replaceChildren());
  try {
    const found = await axe.run(
      document, {resultTypes: ["violations"], ...%s});
    return found.violations
      .filter(v => ["serious", "critical"].includes(v.impact))
      .map(v => [v.id, v.help, ...v.nodes.map(n => n.html.slice(0, 120))]);
  } finally {
    drawn.forEach(([svg, strokes]) => svg.replaceChildren(...strokes));
  }
})()"""
COLOURS = ["color-contrast", "link-in-text-block"]  # all that a theme changes
# axe-core's measure of contrast takes as long as all its other rules:
# `test_text_stands_out` measures it on every page, axe-core on one of a kind
ASKED = {"index", "scoreboard", "dropout/straight_line", "reference/paths"}


def asked(look, chapter):
    """What axe-core is to look at: in the dark theme at colours alone."""
    measured = COLOURS if chapter in ASKED else COLOURS[1:]
    if look == "dark":
        return {"runOnly": measured}
    off = {name: {"enabled": False} for name in {*COLOURS} - {*measured}}
    return {"rules": off}


@pytest.mark.browser
@pytest.mark.skipif(not AXE.exists(), reason=NO_AXE)
@pytest.mark.parametrize("look", ["light", "dark", "narrow"])
def test_axe_finds_no_serious_fault(tab, chapter, look):
    dress(tab, "dark" if look == "dark" else "light")
    tab.resize(400 if look == "narrow" else 1280)
    tab.until(f"{DEAF}.length == 0")  # the theme waits before it looks
    tab.evaluate(AXE.read_text(encoding="utf-8") + ";0")
    assert tab.evaluate(FAULTS % json.dumps(asked(look, chapter))) == []


# --- what a reader does --------------------------------------------------


@pytest.fixture
def first(browser, html):
    """The first page, in a tab of its own."""
    with browser.page() as tab:
        yield tab.open(html / "index.html")


@pytest.mark.browser
def test_the_first_page_opens(first):
    assert first.evaluate("location.pathname").endswith("/book/index.html")
    assert first.evaluate("document.querySelector('h1').innerText")


@pytest.mark.browser
def test_the_reader_chooses_the_theme(first):
    button = "document.querySelector('.theme-switch-button')"
    theme = "document.documentElement.dataset.theme"
    seen = set()
    for _ in range(3):
        first.evaluate(f"{button}.click()")
        seen.add(first.evaluate(theme))
        shown = first.evaluate(
            "[...document.querySelectorAll('.theme-switch')]"
            ".filter(i => i.checkVisibility()).length"
        )
        assert shown == 1
    assert seen == {"light", "dark"}


@pytest.mark.browser
def test_search_finds_a_word(first):
    first.evaluate("document.querySelector('.search-button__button').click()")
    first.evaluate("""(() => {
      const field = document.querySelector("dialog[open] input[name=q]");
      field.value = "connectivity";
      field.form.submit();
    })()""")
    first.until("location.pathname.endsWith('/search.html')")
    first.until(
        "[...document.querySelectorAll('#search-results li a')]"
        ".some(a => a.getAttribute('href').includes('book/index.html'))"
    )


@pytest.mark.browser
def test_search_says_when_there_is_nothing(first, html):
    first.open((html / "search.html").as_uri() + "?q=zyzzyva")
    first.until("/not match/.test(document.body.innerText)")
    assert not first.evaluate(
        "document.querySelectorAll('#search-results li').length"
    )


@pytest.mark.browser
def test_a_verdict_needs_no_colour(first):
    signs = first.evaluate("""(() => {
      const box = document.createElement("p");
      box.innerHTML = ["reproduced", "differs", "repaired", "other-setting",
        "not-attempted"].map(v => `<span class="verdict ${v}"></span>`).join();
      document.querySelector("article").append(box);
      return [...box.querySelectorAll("span")].map(
        e => getComputedStyle(e, "::before").content);
    })()""")
    assert len(set(signs)) == 5
    assert all(s not in ("none", '""') for s in signs)


@pytest.mark.browser
def test_the_scoreboard_is_filtered_without_a_script(browser, html):
    """Boxes and style sheet alone: rows of a verdict, tables of a paper."""

    def seen(what):
        return tab.evaluate(
            f"[...document.querySelectorAll({what!r})]"
            ".filter(e => e.checkVisibility()).length"
        )

    with browser.page() as tab:
        tab.open(html / "book" / "scoreboard.html")
        rows = "table.board tr.reproduced"
        total = seen("table.board tr")
        assert 0 < seen(rows) < total
        tab.evaluate("document.querySelector('#show-reproduced').click()")
        assert seen(rows) == 0
        assert 0 < seen("table.board tr") < total
        tab.evaluate("document.querySelector('#show-reproduced').click()")
        assert seen("table.board tr") == total
        mine = "table[data-paper=k19] tr"
        others = total - seen(mine)
        tab.evaluate("document.querySelector('#show-k19').click()")
        assert seen(mine) == 0
        assert seen("table.board tr") == others


@pytest.mark.browser
def test_paper_is_white_in_either_theme(first):
    first.prefer("dark", media="print")
    colours = first.evaluate("""["color", "backgroundColor"].map(
      c => getComputedStyle(document.body)[c].match(/\\d+/g).map(Number))""")
    assert max(colours[0]) < 80
    assert min(colours[1]) == 255
    assert first.evaluate(
        "!document.querySelector('.bd-sidebar-primary').checkVisibility()"
    )
