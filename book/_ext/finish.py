"""The last touches to the site: no network, no dead weight, no traps.

Sphinx points its pages at a MathJax on the web. The wheel
sphinx-mathjax-offline holds MathJax; its parts that read TeX and draw SVG
(no fonts, no menu: 1.7 MB a page) are copied into ``_static`` and the pages
are pointed there. What the theme and the extensions write is put right
where the book needs it otherwise; each change below says why.
"""

import importlib.util
import re
import shutil
from pathlib import Path

from stacked import stack

LOADED = ["core", "input/tex", "output/svg", "a11y/assistive-mml"]
BESIDE = ["startup", "output/svg/fonts/tex"]  # loaded by those
ON_DEMAND = "input/tex/extensions"  # \boldsymbol, \cancel
ICONS = r"\.fa-[\w-]+(?:,\.fa-[\w-]+)*:(?:before|after)\{content:[^}]*\}"
# a long signature's arguments, a line each, inside the term that it defines
LINES = (
    r'<dl>\s*((?:<dd><em class="sig-param">(?:(?!</?d[dl]>).)*</dd>\s*)+)</dl>'
)
UNUSED = ["_static/scripts/fontawesome.js*", "_static/*-macros.html"]


def lines(found):
    """Arguments as lines of the signature: they define nothing."""
    inner = found[1].replace("<dd>", "<div>").replace("</dd>", "</div>")
    return f'<div class="sig-lines">{inner}</div>'


CHANGES = [
    ("(?s)" + LINES, lines),
    # a third of a page of code: names, commas and spaces look like the rest
    (r'<span class="[npw]">([^<]*)</span>', r"\1"),
    # 0.2 MB of index on every page, which the page of the search loads too
    (
        r'<script src="[./]*\.\./(?:searchindex|_static/searchtools'
        r'|_static/language_data)\.js"></script>',
        "",
    ),
    # 1.5 MB of script for a dozen icons, which _static/book.css draws
    (r"<script[^>]*fontawesome\.js[^>]*></script>", ""),
    # 60 kB for cards and tabs, of which the book has none
    (r"<link[^>]*sphinx-design[^>]*>", ""),
    (r"<script[^>]*design-tabs\.js[^>]*></script>", ""),
    # sphinx-proof gives all proofs of a page one id
    (
        r'(<div class="proof admonition"|<section class="[a-z]+-content")'
        r' id="proof(?:-content)?"',
        r"\1",
    ),
    # labels that hide from screen readers what the button says
    (r'<summary aria-label="Toggle hidden content">', "<summary>"),
    (
        r'(<button class="btn search-button-field[^>]*?) aria-label="\w+"',
        r"\1",
    ),
    # the entries of a list of works are its items
    (r'role="doc-biblioentry"', 'role="listitem"'),
    # every part of the page belongs to a landmark
    (
        r'<div id="pst-primary-sidebar"',
        '<div role="complementary" aria-label="Book" id="pst-primary-sidebar"',
    ),
]


def mathjax() -> Path:
    """The folder of MathJax among the installed packages."""
    spec = importlib.util.find_spec("sphinx-mathjax-offline")
    if spec is None:
        raise ModuleNotFoundError(
            "MathJax is missing: pip install -r requirements.txt"
        )
    return Path(spec.origin).parent / "static" / "mathjax"


def point(app, config):
    """Make our copy the script that pages with maths load."""
    config.mathjax_path = "mathjax/startup.js"
    options = config.mathjax3_config
    options["loader"] = {"load": [*LOADED, "[tex]/mathtools"]}
    options.setdefault("tex", {})["packages"] = {"[+]": ["mathtools"]}


def links(app, config):
    """A configured repository is linked to, with each page's source."""
    options = config.html_theme_options
    known = bool(options.get("repository_url"))
    options["use_repository_button"] = options["use_source_button"] = known


def copy(source: Path, to: Path):
    """Copy the parts of MathJax that pages use."""
    for part in (f"{name}.js" for name in LOADED + BESIDE):
        (to / part).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source / part, to / part)
    shutil.copytree(source / ON_DEMAND, to / ON_DEMAND, dirs_exist_ok=True)


def change(file: Path, changes):
    """Replace in a file every match of each pattern."""
    text = file.read_text(encoding="utf-8")
    for pattern, replacement in changes:
        text = re.sub(pattern, replacement, text)
    file.write_text(text, encoding="utf-8")


def finish(app, exception):
    """Complete a site that was built without an exception."""
    if exception is not None or app.builder.name != "html":
        return
    out = Path(app.outdir)
    copy(mathjax(), out / "_static" / "mathjax")
    for page in out.rglob("*.html"):
        change(page, CHANGES)
        stack(page)
    for sheet in out.glob("_static/styles/pydata-*.css"):
        change(sheet, [(ICONS, "")])
    for unused in UNUSED:
        for file in out.glob(unused):
            file.unlink()


def setup(app):
    app.setup_extension("sphinx.ext.mathjax")
    app.connect("config-inited", point, priority=900)
    app.connect("config-inited", links, priority=900)
    app.connect("build-finished", finish)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
