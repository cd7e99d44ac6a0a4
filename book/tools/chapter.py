"""What a chapter does at its start and at its end.

run = chapter.start("meanfield/sgd", profile, trials=trials)
scale = run.scale(laptop=dict(trials=trials), paper=dict(trials=10))
...
run.measure("s20-some-claim", values)
run.finish(results)       # a recorded run writes book/results/...json
run.remeasure("s20-other-claim", values)      # from the recorded results
run.verdict()
run.footer()
"""

import contextlib
import os
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from book.tools import cases as case
from book.tools import (
    claims,
    digest,
    figures,
    kernel,
    keys,
    parameters,
    records,
    site,
    verdicts,
)
from book.tools.digest import show
from kernels import device, sweep, training


class Run:
    """One run of a chapter: profile, device, seed, data, measurements.

    `values` are its parameters, `changed` those that are not the chapter's
    own; `told` names parameters given with the chapter's own value, which
    then beat the paper profile's. With `record` a paper run writes the
    chapter's record, unless its parameters changed; `cases` picks cells of
    its grids, see `book.tools.cases`, and is no change of a paper run.
    """

    def __init__(
        self,
        name,
        profile,
        *,
        seed=0,
        cases="",
        values=None,
        told=(),
        record=False,
        out=None,
    ):
        values = dict(values or {}) | ({"cases": cases} if cases else {})
        parameters.Parameter("profile", "laptop").check(profile)
        known = parameters.checked(name, values)
        self.name = name
        self.profile = profile
        self.changed = parameters.changed(known, values, told)
        if profile == "paper":
            self.changed.pop("cases", None)
        self.record = bool(record and profile == "paper" and not self.changed)
        self.seed = seed
        self.cases = cases
        self._out = out
        self._named = []  # of all cases that the chapter has
        self.device = device.pick()
        self.measures = {}
        self.data = {}
        self.settings = {}
        self._began = time.perf_counter()
        self._record = records.load(name)
        self._hears = contextlib.ExitStack()  # until it is finished
        self._recipes = []
        if self.record:
            self._recipes = self._hears.enter_context(training.noted())

    def scale(self, *, laptop, paper):
        """The settings of this run's profile, as a dict.

        Changed parameters take the place of equal names, at any depth.
        """
        settings = paper if self.profile == "paper" else laptop
        own = {k: v for k, v in self.changed.items() if k != "cases"}
        self.settings = parameters.put(settings, own)
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

        A paper run resumes from its cells; a laptop run, or one with other
        parameters, starts empty, so that a rendering always computes what
        it shows; its folder goes when the run does.
        """
        if self.profile == "laptop" or self.changed:
            self._temporary = TemporaryDirectory(prefix="landscape-")
            return self._temporary.name
        folder = Path(records.ROOT, ".cache", "sweeps", self.name)
        folder.mkdir(parents=True, exist_ok=True)
        return str(folder)

    @property
    def folder(self):
        """Where files go: by the notebook, of a run with other parameters.

        The files of the chapter's own run go when the run does.
        """
        own = Path(records.ROOT, "_build/runs/script")
        return Path(self._out or own if self.changed else self.store)

    def cells(self, kind, cell, grid, name):
        """Results of the cells of a grid that `cases` picks, resumable.

        `kind` names them in the record, `name(point)` tells a case's name
        from its point, as from its result.  A recorded run keeps each cell as
        it finishes, and returns all that the record holds of this kind.
        """
        grid = list(grid)
        named = [f"{kind} {name(p)}" for p in grid]
        self._named += named
        picked = [p for n, p in zip(named, grid) if case.fits(n, self.cases)]
        if not self.record:
            return sweep.run(cell, picked, store=self.store)
        for point in picked:
            began = case.clock()
            with training.noted() as recipes:
                [result] = sweep.run(
                    cell, [point], store=self.store, desc=name(point)
                )
            one = case.stamped(name(point), result, point, began, recipes)
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
        """Note measurements of a claim, by its id, or of ID-repaired."""
        self.measures[claims.known(claim, self.name)] = claims.measure(values)

    def remeasure(self, claim, values):
        """Note measurements that are taken from the recorded results.

        For a claim that was written, or changed, after the recorded run.
        """
        if self._record is not None:
            measured = claims.measure(values)
            self._record["measures"][claims.known(claim, self.name)] = measured

    def finish(self, results):
        """Keep the results: a recorded run writes the chapter's record.

        Raises ValueError, after that, where `cases` names none there is.
        """
        if self.profile == "paper" and not self.record:
            print(
                "not recorded: records are written by python -m book render "
                f"{self.name} --profile paper, or by python book/{self.name}"
                ".py --profile paper, with the chapter's own parameters"
            )
        if self.record:
            old = records.load(self.name) or self._blank()
            self._record = self._blank() | {
                "measures": self.measures,
                "results": old["results"] | results,
            }
            self._hears.close()
            recipes = [*old.get("recipes", []), *self._recipes]
            if recipes:
                self._record["recipes"] = [*dict.fromkeys(recipes)]
            known = self._record["provenance"]
            known["data"] = old["provenance"]["data"] | known["data"]
            file = records.save(self.name, self._record)
            print(f"recorded in {file.relative_to(records.ROOT)}")
        if self._named:
            case.check(self.cases, self._named)

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
        """Show the verdict table of this chapter's claims.

        Not of a run with other parameters: it tests other statements.
        """
        if self.changed:
            print(f"no verdict: other parameters ({self.words()})")
            return
        if self.profile == "paper" and not self.record:
            print("no verdict: this paper run is not recorded")
            return
        recorded = self._record["measures"] if self._record else {}
        laptop = self.measures if self.profile == "laptop" else {}
        known = claims.of(self.name)
        show(verdicts.Verdict(known, laptop, recorded))

    def words(self):
        """The changed parameters, each with the chapter's own value."""
        known = parameters.read(self.name)
        return "; ".join(
            f"{name} = {value!r}, not {known[name].default!r}"
            for name, value in self.changed.items()
        )

    def footer(self):
        """Show where this run's numbers, and the recorded ones, come from."""
        print(f"{self.profile} run: {records.words(self.provenance())}")
        if self.changed:
            print(f"  changed: {self.words()}")
        if self._record and self.profile == "laptop":
            known = self._record["provenance"]
            print(
                f"recorded paper-scale run: {records.words(known)}; "
                f"commit {known['commit']}; {known['date']}; "
                f"{known['seconds'] / 60:.0f} min"
            )
            if cells := case.summary(self._record["results"]):
                print(f"  {cells}")
        seconds = time.perf_counter() - self._began
        print(f"this run took {seconds:.0f} s", file=sys.stderr)


def start(name, profile, *, seed=0, cases="", **values):
    """Begin a chapter: figures' style and digest, the run's bookkeeping.

    `name` is "part/chapter"; `profile` is "laptop" or "paper"; `cases` and
    `values` are the chapter's parameters, each checked against its own cell.
    In a script the command line (``--profile paper -p NAME=VALUE``) sets
    them, in the chapter's variables too.
    """
    said = kernel.told()
    told, record = (said or {}).get("given", ()), (said or {}).get("record")
    script = sys.argv and Path(sys.argv[0]).resolve()
    if said is None and script == site.source(name).resolve():
        words = parameters.script(sys.argv[1:], name)
        told, record = words["given"], words["profile"] == "paper"
        own = {"profile": words["profile"] or profile, **words["given"]}
        sys._getframe(1).f_globals.update(own)
        profile, cases = own.pop("profile"), own.pop("cases", cases)
        values = {**values, **own}
        if "BOOK_PROFILE" in os.environ:
            print("BOOK_PROFILE is not read: use --profile", file=sys.stderr)
    run = Run(
        name,
        profile,
        seed=seed,
        cases=cases,
        values=values,
        told=told,
        record=record,
        out=(said or {}).get("out"),
    )
    digest.install()
    figures.style()
    if run.changed:
        print(f"changed: {run.words()}")
    return run
