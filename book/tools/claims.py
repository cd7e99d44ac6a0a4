"""What the papers publish, and the verdict on what we measured.

``book/claims/PAPER.yml`` is a list, written before the runs it judges:

    - id: s20-error-3200            unique; starts with the paper's name
      chapter: meanfield/dropout_stability
      where: Section 5, on Figure 1
      quote: the classification error of the trained network is < 2%
      says: Test error of the trained two-layer net on MNIST, $N = 3200$
      published: below 2 %          as printed
      unit: "%"                     of `accept` and of what is measured
      accept: {below: 2}            or {above: a}, {value: v, within: w},
                                    {between: [a, b]}, {equals: n}
      why: as printed               how `accept` follows from the quotation
      was: below 3 %; ...           the tolerance it replaces, and why
      scale: paper                  the run that judges: paper or laptop
      judged: mean over trials of the test error after training
      setting: what stands in       if ours is a stand-in: shown, not judged
      repair:                       if the statement fails as printed: the
        says: ...                   statement that holds, measured under
        accept: {below: 1e-6}       ID-repaired
"""

import functools
import math
import re
from dataclasses import dataclass, field
from pathlib import Path

from book.tools import records, site

ROOT = records.ROOT
FIELDS = (
    "id",
    "chapter",
    "where",
    "quote",
    "says",
    "published",
    "accept",
    "why",
    "scale",
)
OPTIONAL = ("unit", "judged", "was", "setting", "repair")
RULES = ("below", "above", "value", "between", "equals")
MEANINGS = {
    "reproduced": "measured as the paper did, and within the tolerance",
    "differs": "measured as the paper did, and outside the tolerance",
    "repaired": (
        "the statement, or its proof, fails as printed: our counterexample "
        "runs, and the repaired statement holds in a run of ours"
    ),
    "other setting": (
        "measured on a stand-in for what the paper measured: shown, not judged"
    ),
    "not attempted": "no run of ours has measured it",
}
VERDICTS = tuple(MEANINGS)


def words(accept, unit=""):
    """The accepted range `accept` in words."""
    if "value" in accept:
        text = f"{accept['value']:g} ± {accept['within']:g}"
    else:
        (rule, given), *_ = accept.items()
        first, *rest = given if rule == "between" else [given]
        text = " to ".join(f"{v:g}" for v in (first, *rest))
        text = {"between": "", "equals": "exactly "}.get(
            rule, f"{rule} "
        ) + re.sub(r"(?<![\w.])-", "−", text)
    return f"{text} {unit}" if unit else text


def ends(accept):
    """(lowest, highest) of the accepted range, None where it is open."""
    if "below" in accept:
        return None, accept["below"]
    if "above" in accept:
        return accept["above"], None
    if "between" in accept:
        return tuple(accept["between"])
    if "equals" in accept:
        return accept["equals"], accept["equals"]
    middle, width = accept["value"], accept["within"]
    return middle - width, middle + width


def accepts(accept, mean):
    """Whether `mean` lies in the accepted range; `below` is strict."""
    if mean is None or not math.isfinite(mean):
        return False
    low, high = ends(accept)
    if low is None:
        return mean < high
    if high is None:
        return mean > low
    return low <= mean <= high


@dataclass(frozen=True)
class Claim:
    """One published statement and the tolerance fixed before the run."""

    id: str
    chapter: str
    where: str
    quote: str
    says: str
    published: str
    accept: dict
    why: str
    scale: str
    unit: str = ""
    judged: str = ""
    was: str = ""
    setting: str = ""
    repair: dict = field(default_factory=dict)

    @property
    def paper(self):
        """The paper's short name: how the id begins."""
        return self.id.split("-")[0]

    @property
    def tolerance(self):
        """The accepted range in words."""
        return words(self.accept, self.unit)

    def verdict(self, got):
        """One of VERDICTS, from what `gather` gives."""
        measured = got.get(self.scale)
        if measured is None:
            return "not attempted"
        if self.setting:
            return "other setting"
        if accepts(self.accept, measured["mean"]):
            return "reproduced"
        mended = got.get("repaired")
        if mended and accepts(self.repair["accept"], mended["mean"]):
            return "repaired"
        return "differs"


def gather(claim, laptop, paper):
    """What is known of `claim`: {"laptop", "paper", "repaired"} -> measure.

    `laptop` and `paper` are the measures of the two runs by their names; the
    repaired statement is judged by the run that judges the claim.
    """
    judge = {"laptop": laptop, "paper": paper}[claim.scale]
    got = {
        "laptop": laptop.get(claim.id),
        "paper": paper.get(claim.id),
        "repaired": judge.get(f"{claim.id}-repaired"),
    }
    return {k: v for k, v in got.items() if v}


def load(root=ROOT):
    """Every claim of the three papers, in the files' order."""
    files = sorted(Path(root, "book", "claims").glob("*.yml"))
    return list(_load(tuple((f, f.read_text("utf-8")) for f in files)))


@functools.lru_cache(maxsize=8)
def _load(texts):
    claims = []
    for file, text in texts:
        claims += [_claim(row, file) for row in site.parsed(text) or []]
    ids = [c.id for c in claims]
    for name in ids:
        if ids.count(name) > 1:
            raise ValueError(f"claim id {name!r} is given more than once")
    return claims


def _claim(row, file):
    where = f"{file.name}: claim {row.get('id', row)!r}"
    missing = [f for f in FIELDS if f not in row]
    unknown = [f for f in row if f not in FIELDS + OPTIONAL]
    if missing or unknown:
        raise ValueError(
            f"{where}: missing {missing}, unknown {unknown}; a claim has "
            f"{', '.join(FIELDS)}, and may have {', '.join(OPTIONAL)}"
        )
    _rule(row["accept"], f"{where}: accept")
    if row["scale"] not in ("paper", "laptop"):
        raise ValueError(
            f"{where}: scale is {row['scale']!r}; give 'paper' or 'laptop'"
        )
    if "repair" in row:
        if set(row["repair"]) != {"says", "accept"}:
            raise ValueError(
                f"{where}: repair is {row['repair']}; give `says` and `accept`"
            )
        _rule(row["repair"]["accept"], f"{where}: accept of repair")
    kept = ("accept", "repair")
    return Claim(**{k: v if k in kept else str(v) for k, v in row.items()})


def _rule(accept, where):
    rules = [r for r in RULES if r in accept]
    if len(rules) != 1 or (rules == ["value"]) != ("within" in accept):
        raise ValueError(
            f"{where} is {accept}; give one of {RULES}, "
            "and `within` beside `value`"
        )


def of(chapter, root=ROOT):
    """The claims that `chapter` judges."""
    return [c for c in load(root) if c.chapter == chapter]


def known(claim, chapter):
    """`claim`, an id or ID-repaired that `chapter` judges; else ValueError."""
    found = []
    for c in of(chapter):
        found += [c.id, f"{c.id}-repaired"] if c.repair else [c.id]
    if claim not in found:
        raise ValueError(
            f"claim is {claim!r}; {chapter} judges {', '.join(found)}"
        )
    return claim


def measure(values):
    """{"mean", "sd", "n"} of repeated measurements, or of one number."""
    if hasattr(values, "tolist"):
        values = values.tolist()
    values = list(values) if isinstance(values, (list, tuple)) else [values]
    values = [float(v) for v in values]
    n, mean = len(values), math.fsum(values) / len(values)
    sd = None
    if n > 1:
        square = math.fsum((v - mean) ** 2 for v in values)
        sd = math.sqrt(square / (n - 1))
    return {"mean": mean, "sd": sd, "n": n}


def shown(measured, unit=""):
    """A measurement as the tables print it: mean ± sd unit (n = 20)."""
    if measured is None:
        return "not run"
    text = f"{float(format(measured['mean'], '.3g')):g}"
    text = text.replace("-", "−", 1) if text[0] == "-" else text
    if measured["sd"] is not None:
        text += f" ± {float(format(measured['sd'], '.1g')):g}"
    text += f" {unit}" if unit else ""
    return text + (
        f" (n\u00a0=\u00a0{measured['n']})" if measured["n"] > 1 else ""
    )
