"""When two outputs of a cell say the same: nbval's eyes.

Words and integers must agree exactly. Other numbers may differ by a
relative 1e-6 or by two units of their last printed digit, so a chapter
prints only digits that mean something. A cell whose numbers are rounding
residuals carries a tag ``atol=1e-9`` (or ``rtol=...``).
"""

import re
from decimal import Decimal

RTOL, ATOL, UNITS = 1e-6, 0.0, 2
NUMBER = re.compile(
    r"(?<![\w.])[-+−]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?![\w])"
)
# what differs from machine to machine without meaning; an explorer, like a
# picture, is compared by the statistics that stand beside it
VOLATILE = [
    (re.compile(r'<div class="explorer".*?</script></div>', re.S), "EXPLORER"),
    (re.compile(r"0x[0-9a-fA-F]{6,}"), "ADDRESS"),
    (re.compile(r"(?<=run: )[^;\n]+(?=; Python)"), "DEVICE"),
    (re.compile(r"\b\d+\.\d+\.\d+(?:[.+]\w+)*"), "VERSION"),
    (re.compile(r"\bkey [0-9a-f]{12}\b"), "KEY"),
    (re.compile(r"/\S*/(?=(?:book|kernels|_build)/)"), "ROOT/"),
]


def plain(text):
    """`text` without addresses, versions, keys, devices and folders."""
    for pattern, word in VOLATILE:
        text = pattern.sub(word, text)
    return text


def close(a, b, *, rtol=RTOL, atol=ATOL):
    """Whether two printed numbers agree; integers only if equal."""
    if a == b:
        return True
    a, b = a.replace("−", "-"), b.replace("−", "-")
    if not set(a + b) & set(".eE"):
        return int(a) == int(b)
    x, y = Decimal(a), Decimal(b)
    last = max(x.as_tuple().exponent, y.as_tuple().exponent)
    allowed = max(
        Decimal(rtol) * max(abs(x), abs(y)),
        Decimal(atol),
        UNITS * Decimal(1).scaleb(last),
    )
    return abs(x - y) <= allowed


def same(a, b, *, rtol=RTOL, atol=ATOL):
    """Whether two texts agree: words exactly, numbers as `close` says."""
    a, b = plain(a), plain(b)
    words = [" ".join(w.split()) for w in NUMBER.split(a)]
    if words != [" ".join(w.split()) for w in NUMBER.split(b)]:
        return False
    pairs = zip(NUMBER.findall(a), NUMBER.findall(b))
    return all(close(p, q, rtol=rtol, atol=atol) for p, q in pairs)


class Output(str):
    """A cell's output that equals another when `same` says so."""

    tolerances: dict = {}  # noqa: RUF012  (set per cell by the conftest)
    __hash__ = str.__hash__

    def __eq__(self, other):
        return same(str(self), str(other), **self.tolerances)

    def __ne__(self, other):
        return not self == other
