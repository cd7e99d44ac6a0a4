"""Captions and alternative texts against the data of their figures.

A committed rendering carries each figure's data in numbers (``digest``).
``faults`` reads a text and names what the data do not bear out:

- a number that no curve, bar or image has as its smallest, largest, mean,
  first or last value, on either axis, and no label or title mentions;
- "below 3" where no curve stays there, "above 3" where none comes there;
- "falls" and "rises" where no curve ends lower, or higher, than it began;
- "monotone" where a curve is not;
- "the path stays below the line" where both are drawn, by these names, and
  in no panel the highest and lowest values of the one are below the other's.

It reads numbers in figures only, and no words such as "a half". Settings, as
in "N = 800" or "5 pairs", are left to the code that has them.
"""

import re
from dataclasses import dataclass, replace

NUMBER = r"[-−]?\d+(?:\.\d+)?(?:e-?\d+)?"
SOME = r"(?:about|nearly|around|near|some|roughly|almost|to about|mostly)"
COUNTED = [
    "pairs?",
    "segments?",
    "networks?",
    "nets?",
    "trials?",
    "models?",
    "neurons?",
    "units?",
    "hidden",
    "filters?",
    "layers?",
    "draws?",
    "images?",
    "samples?",
    "points?",
    "epochs?",
    "steps?",
    "panels?",
    "rows?",
    "columns?",
    "classes",
    "dimensions?",
    "epochs",
    "times",
    "particles",
    "intervals?",
    "training",
    "test",
    "inputs",
    "kept",
    "halves",
    "dropout",
    "candidates",
    "patterns?",
    "of",
    "kinds",
    "columns",
    "states",
    "functions",
    "features",
]
NAMES = [
    "Figures?",
    "Fig.",
    "Theorems?",
    "Lemmas?",
    "Claim",
    "Definitions?",
    "Corollary",
    "Table",
    "Section",
    "Appendix",
    "Equation",
    "layers?",
    "widths?",
    "N",
    "n",
    "h",
    "d",
    "p",
    "f",
    "t",
    "L",
    "i",
    "k",
    "l",
    "m",
    "state",
    "states",
    "D",
    "T",
    "rows?",
    "columns?",
    "dimension",
    "dimensions",
    "β",
    "α",
    "Δ",
    "xi",
    "W",
    "A",
    "factors?",
    "γ",
    "dropout",
    "of_width",
    "time",
    "deviation",
    "segments?",
    "labels?",
]
LOWER = r"(?:below|under|less than|at most|no more than|not above)"
UPPER = r"(?:above|over|more than|at least|beyond)"


@dataclass(frozen=True)
class Series:
    """One row of numbers in a figure: a curve's x or y, bars, an image."""

    name: str
    axis: str
    n: int
    low: float
    high: float
    mean: float
    total: float
    first: float | None = None
    last: float | None = None
    panel: int = 0

    @property
    def monotone(self):
        """Whether it never turns, up to 2 % of its range."""
        return self.total <= 1.02 * (self.high - self.low)

    def way(self, sign):
        """Whether it goes up (1) or down (-1) anywhere."""
        gone = (self.total + sign * (self.last - self.first)) / 2
        return gone > 0.01 * (self.high - self.low)

    @property
    def marks(self):
        """The values by which a text may describe it."""
        known = (self.low, self.high, self.mean, self.first, self.last)
        return [v for v in known if v is not None]


def series(digest):
    """Every row of numbers in a figure's digest."""
    found, label, panel = [], "", 0
    for line in digest.splitlines():
        panel += line.startswith(" axes")
        if match := re.match(r"  line '(.*)'", line):
            label = match[1]
        row = re.match(r"\s+(.+?) n=(\d+) scale=(\S+) (.+)", line)
        if row:
            kind, n, scale = row[1], int(row[2]), float(row[3])
            low, high, mean, _, total, *ends = (
                scale * float(v) for v in row[4].split()
            )
            if kind.endswith(" path") or "Collection" in kind:
                continue  # outlines, x and y mixed
            name = label if kind in "xy" else kind
            one = Series(name, kind, n, low, high, mean, total, *ends)
            found.append(replace(one, panel=panel))
    return _without_caps(found)


def _without_caps(rows):
    """The ends of error bars, two curves behind each, say nothing."""
    kept, last, caps = [], None, 0
    for s in rows:
        if s.axis == "x":
            bare = s.name in ("_nolegend_", "")
            if bare and last == (s.n, s.low, s.high, s.mean) and caps < 2:
                caps += 1
                continue
            last, caps = (s.n, s.low, s.high, s.mean), 0
        elif s.axis == "y" and caps:
            continue
        else:
            last = None if s.axis != "y" else last
        kept.append(s)
    return kept


def words(digest):
    """What is written in the figure: titles, axes, labels, texts."""
    heads = " axes", "  line", "  text"
    rows = digest.splitlines()
    return "\n".join(line for line in rows if line.startswith(heads))


def numbers(text):
    """[(number as written, before it, after it)] that state a result."""
    found = []
    for match in re.finditer(rf"(?<![\w.]){NUMBER}(?![\w.]*\w)", text):
        before, after = text[: match.start()], text[match.end() :]
        if float(match[0].replace("−", "-")) == 0:
            continue
        if _setting(match[0], before, after):
            continue
        found.append((match[0], before, after))
    return found


def _setting(number, before, after):
    """Whether a number names or counts something, or sets a parameter."""
    whole = r"\d+(?![.\d])"  # lists of settings are lists of whole numbers
    listed = rf"(?:{whole}(?:,? and| to| or|,|–|×)? ?)*"
    named = "|".join(w.replace("_", " ") for w in NAMES)
    if re.search(rf"(?:=|≤|≥|<|>|×|/|\^|\(|\d-) ?{listed}$", before):
        return True
    if re.search(r"\w-$|\bup to $", before):
        return True
    if "." not in number and re.search(
        rf"\b(?:{named})'?s? (?:from )?{listed}$", before
    ):
        return True
    if re.search(r"\b(?:layers|networks|three|two|stand-in|net) of $", before):
        return True
    if re.search(r"\bslopes? (?:[^.;:]|\.\d)*$", before):
        return True  # a fit's, which the digest has not
    kept = "|".join(COUNTED)
    unit = r"(?:[ -](?:hidden|other|different|such|trained|fresh|own|live))?"
    tail = rf"(?:(?:,| and| to| or)? ?{NUMBER})*{unit}[ -](?:{kept})\b"
    return bool(re.match(rf"{tail}| ?(?:×|/|=|\^|\]|-\w|T\b)", after))


def faults(text, digest):
    """Sentences on what `text` says and the figure's data do not bear out."""
    rows = series(digest)
    written = re.findall(NUMBER, words(digest))
    said = []
    for number, before, after in numbers(text):
        value = float(number.replace("−", "-"))
        if number in written:
            continue
        if not _borne(value, number, before, after, rows):
            said.append(f"{number} is not in the figure's data")
    y = [s for s in rows if s.axis == "y" and s.n > 2]
    if re.search(r"(?<!not )\bmonoton", text):
        said += [f"{s.name!r} is not monotone" for s in y if not s.monotone]
    ends = [s for s in y if s.first is not None]
    moves = {  # by more than 1 % of the range, somewhere on its way
        "falls": (r"\bfall(?:s|ing)?\b", [s.way(-1) for s in ends]),
        "rises": (r"\brises?\b", [s.way(1) for s in ends]),
    }
    for word, (pattern, seen) in moves.items():
        if re.search(pattern, text) and seen and not any(seen):
            said.append(f"no curve {word}")
    return said + misplaced(text, rows)


def misplaced(text, rows):
    """Sentences on curves said to lie below, or above, each other that do not.

    One panel that draws both, and has the highest and the lowest value of
    the one below the other's, bears the words out.
    """
    said = []
    for one, side, other in compared(text):
        seen = []
        for panel in {s.panel for s in rows}:
            curves = [s for s in rows if s.panel == panel and s.axis == "y"]
            a, b = _named(one, curves), _named(other, curves)
            if a and b and a != b:
                low, up = (a, b) if side in ("below", "under") else (b, a)
                room = 1e-3 * max(abs(up.low), abs(up.high))
                seen.append(low.high < up.high and low.low <= up.low + room)
                names = f"{a.name!r} is not {side} {b.name!r}"
        if seen and not any(seen):
            said.append(names)
    return said


def compared(text):
    """[(words before, "below" or the like, words after)] of every clause."""
    found = []
    for clause in re.split(r"[.;:,](?!\w)|\b(?:and|while|but)\b", text):
        words = re.findall(r"[\w']+", clause)
        for k, word in enumerate(words):
            if word in ("below", "under", "above", "over"):
                found.append((words[max(k - 7, 0) : k], word, words[k:][1:7]))
    return found


def _named(words, curves):
    """The curve that words name by such as it has for itself, or None."""
    words = {w.lower().removesuffix("'s").strip("'") for w in words}
    if words & {"it", "its", "both", "which"}:
        return None
    names = {s.name: {*re.findall(r"\w+", s.name.lower())} for s in curves}
    hits = {}
    for name, mine in names.items():
        others = set().union(*(v for k, v in names.items() if k != name))
        if words & (mine - others - {"the", "of", "a", "same", "loss", "to"}):
            hits[name] = next(s for s in curves if s.name == name)
    return next(iter(hits.values())) if len(hits) == 1 else None


def _borne(value, number, before, after, rows):
    percent = re.match(r"(?: ?%| per cent| points)", after) is not None
    scales = (1, 100, 0.01) if percent else (1,)
    digits = len(number.partition(".")[2].partition("e")[0])
    slack = max(0.55 * 10.0**-digits if "." in number else 0.5, 0)
    near = 0.2 if re.search(rf"\b{SOME} $", before) else 0.06
    tolerance = max(near * abs(value), min(slack, 0.25 * abs(value)))
    below = re.search(rf"\b{LOWER} (?:{SOME} )?$", before)
    above = re.search(rf"\b{UPPER} (?:{SOME} )?$", before)
    for s in rows:
        for scale in scales:
            marks = [scale * v for v in s.marks]
            if any(abs(v - value) <= tolerance for v in marks):
                return True
            high = scale * s.high
            if s.axis == "x":
                continue
            if below and value / 10 < high <= value * 1.001:
                return True
            if above and value <= high < 10 * value:
                return True
    return False
