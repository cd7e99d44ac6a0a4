"""Accessibility of built pages, by axe-core; not among the default tests.

    npm install --prefix /tmp/axe axe-core
    python tests/book/axe.py /tmp/axe/node_modules/axe-core/axe.min.js

Every page of ``_build/html`` (or of the folder that BOOK_HTML names), light,
dark and narrow. Prints what axe finds and exits with 1 if any of it is
serious or critical.
"""

import os
import sys
from pathlib import Path

import browser as chromium

ROOT = Path(__file__).resolve().parents[2]
LOOKS = {
    "light": {},
    "dark": {"dark": True},
    "narrow": {"width": 400},
}
RUN = """axe.run(document, {resultTypes: ["violations"]}).then(
  found => found.violations.map(v => ({
    id: v.id, impact: v.impact, help: v.help,
    where: v.nodes.map(n => n.html.slice(0, 120))})))"""


def main(script):
    """Run axe over the site; how many serious faults there are."""
    html = Path(os.environ.get("BOOK_HTML", ROOT / "_build" / "html"))
    pages = sorted(p for p in html.rglob("*.html") if p.parent != html)
    axe = Path(script).read_text(encoding="utf-8")
    serious = 0
    with chromium.Browser(chromium.find()) as browser:
        for file in [*pages, html / "search.html"]:
            for look, options in LOOKS.items():
                with browser.page(**options) as page:
                    page.open(file)
                    page.evaluate(f"{axe};0")
                    found = page.evaluate(RUN)
                print(f"{file.relative_to(html)}, {look}: {len(found)}")
                for fault in found:
                    serious += fault["impact"] in ("serious", "critical")
                    print(f"  {fault['impact']}: {fault['help']}")
                    for where in fault["where"][:5]:
                        print(f"    {where}")
    return serious


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(1 if main(sys.argv[1]) else 0)
