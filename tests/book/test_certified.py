"""Where a chapter says that something of a path is certified or exact, it
links to the proof of what that means.

The rule.  A *use* is a sentence of prose with a word of *certify*, or with
the word *exact* beside a path, a segment, a line, a supremum or a knot; code,
formulas and names in links do not count.  A chapter's first use must stand in
a section that links to the chapter on certificates, or to one of its theorems,
or behind such a section.  A chapter that calls ``certify`` must link too.
"""

import re
from pathlib import Path

import pytest

BOOK = Path(__file__).resolve().parents[2] / "book"
LINK = re.compile(
    r"\{ref\}`(?:[^`]*<)?dropout-certificates>?`|`(?:thm|prop)-ce-"
)
CERTIFIED = re.compile(r"\bcertif(?:y|ied|ies|ying|icates?)\b", re.I)
EXACT = re.compile(r"\bexact(?:ly)?\b", re.I)
PATH = re.compile(
    r"\b(?:paths?|segments?|lines?|supremum|suprema|knots?)\b", re.I
)
HIDDEN = (
    r"```(?!\{prf).*?```",  # fenced code, not theorems
    r"\$\$.*?\$\$|\$[^$]*\$",
    r"\{[\w:]+\}`[^`]*`",
    r"`[^`]*`",
    r"\]\([^)]*\)",
)


def sections(source):
    """The prose of a py:percent file, from heading to heading."""
    cells = re.split(r"^# %%", source, flags=re.M)[1:]
    for cell in cells:
        head, _, body = cell.partition("\n")
        if "[markdown]" in head:
            text = re.sub("^# ?", "", body, flags=re.M)
            yield from re.split(r"^(?=#+ )", text, flags=re.M)


def uses(section):
    """Its sentences that speak of a certificate."""
    for pattern in HIDDEN:
        section = re.sub(pattern, " _ ", section, flags=re.S)
    for sentence in re.split(r"(?<=[.:;?!])\s+|\n\s*\n", section):
        exact = EXACT.search(sentence) and PATH.search(sentence)
        if exact or CERTIFIED.search(sentence):
            yield " ".join(sentence.split())


def missing(source):
    """The first use that stands before any link, or None."""
    for section in sections(source):
        if LINK.search(section):
            return None
        for sentence in uses(section):
            return sentence
    if "certificates.certify(" in source:
        return "certificates.certify("
    return None


CHAPTERS = sorted(
    path
    for path in BOOK.rglob("*.py")
    if "\n# %% [markdown]" in "\n" + path.read_text(encoding="utf-8")
    and path != BOOK / "dropout" / "certificates.py"
)


@pytest.mark.parametrize(
    "path", CHAPTERS, ids=lambda path: path.relative_to(BOOK).as_posix()
)
def test_the_first_use_links_to_the_proof(path):
    assert missing(path.read_text(encoding="utf-8")) is None


HEAD = "# %% [markdown]\n# # Title\n#\n"
LINKED = "# See {ref}`dropout-certificates`.\n"


@pytest.mark.parametrize(
    "prose",
    [
        "# The path is certified.\n",
        "# We give no certificate here.\n",
        "# On it the highest\n# loss of the path is known exactly.\n",
        "# Exact suprema, see {ref}`dropout-paths`.\n",
        "\n# %%\ncertificates.certify(net, path, x, y)\n",
        "# This line is exact.\n# ## Later\n" + LINKED,
    ],
)
def test_a_use_without_a_link_is_found(prose):
    assert missing(HEAD + prose)
    assert not missing(HEAD + LINKED + prose)


@pytest.mark.parametrize(
    "prose",
    [
        "# The exact law of the mean. A path of it.\n",
        "# `certified` is {eq}`eq-exact-path` and $exact path$.\n",
        "# ```bibtex\n# certified\n# ```\n",
        "# A certain path.\n",
        "\n# %%\nexact_path = certified = 1\n",
    ],
)
def test_other_words_are_left_alone(prose):
    assert not missing(HEAD + prose)
