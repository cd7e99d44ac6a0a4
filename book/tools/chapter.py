"""What a chapter does at its start and at its end.

run = chapter.start("meanfield/sgd", profile)
scale = run.scale(laptop={...}, paper={...})
...
run.measure("s20-some-claim", values)
run.finish(results)       # a paper run writes book/results/...json
run.remeasure("s20-other-claim", values)      # from the recorded results
run.verdict()
run.footer()
"""

import os
import sys
import time
from pathlib import Path
from tempfile import mkdtemp

from book.tools import cases as case
from book.tools import claims, digest, figures, keys, records, verdicts
from kernels import device, sweep

PROFILES = ("laptop", "paper")


class Run:
    """One run of a chapter: profile, device, seed, data, measurements."""

    def __init__(self, name, profile, *, seed=0, cases=""):
        if profile not in PROFILES:
            raise ValueError(
                f"profile is {profile!r}; give one of {', '.join(PROFILES)}"
            )
        self.name = name
        self.profile = profile
        self.seed = seed
        self.cases = cases
        self.device = device.pick()
        self.measures = {}
        self.data = {}
        self.settings = {}
        self._began = time.perf_counter()
        self._record = records.load(name)

    def scale(self, *, laptop, paper):
        """The settings of this run's profile, as a dict."""
        self.settings = dict(paper if self.profile == "paper" else laptop)
        return dict(self.settings)

    def generator(self, *names):
        """An independent torch.Generator for every tuple of names."""
        return device.generator(self.seed, self.name, *names)

    def uses(self, dataset):
        """Note a dataset in the provenance, and return it."""
        self.data[dataset.name] = {
            "fingerprint": dataset.fingerprint,
            "source": dataset.source,
        }
        return dataset

    def draws(self, name, source):
        """Note in the provenance data that are drawn afresh, never stored."""
        self.data[name] = {"fingerprint": "drawn afresh", "source": source}

    @property
    def store(self):
        """Where `kernels.sweep` keeps this run's cells.

        A paper run resumes from its cells; a laptop run starts empty, so
        that a rendering always computes what it shows.
        """
        if self.profile == "laptop":
            return mkdtemp(prefix="landscape-")
        folder = Path(records.ROOT, ".cache", "sweeps", self.name)
        folder.mkdir(parents=True, exist_ok=True)
        return str(folder)

    def cells(self, kind, cell, grid, name):
        """Results of the cells of a grid that `cases` picks, resumable.

        `kind` names them in the record, `name(point)` tells a case's name
        from its point, as from its result.  A paper run records each cell as
        it finishes, and returns all that the record holds of this kind.
        """
        picked = [
            p for p in grid if case.fits(f"{kind} {name(p)}", self.cases)
        ]
        if self.profile == "laptop":
            return sweep.run(cell, picked, store=self.store)
        for point in picked:
            began = case.clock()
            [result] = sweep.run(
                cell, [point], store=self.store, desc=name(point)
            )
            one = case.stamped(name(point), result, point, began)
            record = records.load(self.name) or self._blank()
            old = record["results"].get(kind, [])
            record["results"][kind] = case.union(old, one, name)
            records.save(self.name, record)
            print(f"recorded: {kind} {name(point)}", flush=True)
        record = records.load(self.name) or self._blank()
        return record["results"].get(kind, [])

    def _blank(self):
        return {
            "chapter": self.name,
            "settings": self.settings,
            "measures": {},
            "results": {},
            "provenance": self.provenance(),
        }

    def measure(self, claim, values):
        """Note measurements of a claim, in the claim's unit.

        `claim` is its id, or ID-repaired for the statement that repairs it.
        """
        self.measures[self._known(claim)] = claims.measure(values)

    def remeasure(self, claim, values):
        """Note measurements that are taken from the recorded results.

        For a claim that was written, or whose measure was changed, after the
        recorded run; in a paper run the record is the run's own.
        """
        if self._record is not None:
            measured = claims.measure(values)
            self._record["measures"][self._known(claim)] = measured

    def _known(self, claim):
        known = []
        for c in claims.of(self.name):
            known += [c.id, f"{c.id}-repaired"] if c.repair else [c.id]
        if claim not in known:
            raise ValueError(
                f"claim is {claim!r}; {self.name} judges {', '.join(known)}"
            )
        return claim

    def finish(self, results):
        """Keep the results: a paper run writes the chapter's record."""
        if self.profile == "paper":
            old = records.load(self.name) or self._blank()
            self._record = self._blank() | {
                "measures": self.measures,
                "results": old["results"] | results,
            }
            known = self._record["provenance"]
            known["data"] = old["provenance"]["data"] | known["data"]
            file = records.save(self.name, self._record)
            print(f"recorded in {file.relative_to(records.ROOT)}")

    @property
    def recorded(self):
        """Results of the recorded paper-scale run."""
        if self._record is None:
            raise RuntimeError(
                f"{self.name} has no recorded run yet; make one with: "
                f"python -m book render {self.name} --profile paper"
            )
        return self._record["results"]

    def provenance(self):
        """Device, versions, seed, data, commit, key, date and seconds."""
        return {
            **device.describe(),
            "profile": self.profile,
            "seed": self.seed,
            "data": self.data,
            "commit": records.commit(),
            "key": keys.key(self.name, self.profile),
            "date": time.strftime("%Y-%m-%d", time.gmtime()),
            "seconds": round(time.perf_counter() - self._began, 1),
        }

    def verdict(self):
        """Show the verdict table of this chapter's claims."""
        recorded = self._record["measures"] if self._record else {}
        laptop = self.measures if self.profile == "laptop" else {}
        known = claims.of(self.name)
        show(verdicts.Verdict(known, laptop, recorded))

    def footer(self):
        """Show where this run's numbers, and the recorded ones, come from."""
        print(f"{self.profile} run: {lines(self.provenance())}")
        if self._record and self.profile == "laptop":
            known = self._record["provenance"]
            print(
                f"recorded paper-scale run: {lines(known)}; "
                f"commit {known['commit']}; {known['date']}; "
                f"{known['seconds'] / 60:.0f} min"
            )
        seconds = time.perf_counter() - self._began
        print(f"this run took {seconds:.0f} s", file=sys.stderr)


def lines(known):
    """Provenance in words: machine and versions, seed and data, key."""
    data = "; ".join(
        f"{name} {d['fingerprint']} ({d['source']})"
        for name, d in known["data"].items()
    )
    return (
        f"{known['device_name']} ({known['device']}); "
        f"Python {known['python']}, torch {known['torch']}, "
        f"NumPy {known['numpy']}\n"
        f"  seed {known['seed']}; data: {data or 'none'}\n"
        f"  key {known['key']}"
    )


def start(name, profile, *, seed=0, cases=""):
    """Begin a chapter: figures' style and digest, the run's bookkeeping.

    `name` is "part/chapter"; `profile` is "laptop" or "paper". The
    environment variable BOOK_PROFILE overrides `profile`, for scripts.
    `cases` picks cells of the chapter's grids, see `book.tools.cases`.
    """
    profile = os.environ.get("BOOK_PROFILE", profile)
    run = Run(name, profile, seed=seed, cases=cases)
    digest.install()
    figures.style()
    return run


def show(thing):
    """Display `thing` in a notebook, print it in a script."""
    try:
        from IPython import get_ipython
        from IPython.display import display
    except ImportError:
        print(thing)
        return
    display(thing) if get_ipython() else print(thing)
