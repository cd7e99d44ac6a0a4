"""Quotations in the claims are the papers' own words.

The papers' texts lie beside the repository where it was written, and are not
part of it: without them the test has nothing to compare with.
"""

import re

import pytest

from book.tools import claims, records

PAPERS = records.ROOT.parent / "shared" / "design" / "papers"
LONGEST = 45  # words: a quotation, not a copy


def plain(text):
    """Letters and digits alone: no spaces, hyphens, signs or TeX commands.

    Line breaks, hyphenation and the layout of formulas differ between the
    texts, which were taken from PDFs, and a quotation.
    """
    text = re.sub(r"\\[A-Za-z]+|</?\w+>", " ", text)
    return re.sub(r"[\W_]", "", text)


def found(quote, text):
    """Whether the parts between ellipses stand in `text` in their order."""
    at = 0
    for part in quote.split("…"):
        at = text.find(plain(part), at)
        if at < 0:
            return False
        at += len(plain(part))
    return True


@pytest.mark.parametrize("paper", ["k19", "s20", "n21"])
def test_quotations_are_literal(paper):
    file = PAPERS / f"{paper}.txt"
    if not file.exists():
        pytest.skip(f"no text of the paper at {file}")
    text = plain(file.read_text(encoding="utf-8"))
    mine = [c for c in claims.load() if c.paper == paper]
    assert [c.id for c in mine if not found(c.quote, text)] == []


def test_quotations_are_short():
    for c in claims.load():
        assert len(c.quote.split()) <= LONGEST, c.id
        assert all(plain(part) for part in c.quote.split("…")), c.id


def test_other_words_are_not_found():
    text = plain("the loss scales at most as\n√log M / M and no faster")
    assert found("scales at most as", text)
    assert found("the loss … no faster", text)
    assert not found("no faster … the loss", text)
    assert not found("scales at least as", text)
