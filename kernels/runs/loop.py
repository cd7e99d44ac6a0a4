"""Long runs: steps, snapshots on the way, a progress bar, resumable."""

import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from kernels.runs import checkpoint
from kernels.runs.progress import progress

_LOOK = 50  # steps between looks at the losses and at the progress bar,
_LOOK_SECONDS = 0.5  # or this long where steps are slow


def count_steps(
    epochs: float | None, steps: float | None, per_epoch: int | None
) -> int:
    """The length of a run in steps, of which one argument says it.

    Parameters
    ----------
    epochs, steps : one of them; the other None
    per_epoch : steps in an epoch, None for a stream

    Raises
    ------
    ValueError
        Unless exactly one of ``epochs`` and ``steps`` is given, for less
        than one step, and for epochs of a stream.
    """
    if (epochs is None) == (steps is None):
        raise ValueError(
            f"give epochs or steps, not both: epochs={epochs}, steps={steps}"
        )
    total = steps
    if epochs is not None:
        if per_epoch is None:
            raise ValueError("a stream has no epochs: give steps instead")
        total = round(epochs * per_epoch)
    if total is None or total < 1 or total != int(total):
        raise ValueError(f"the run must have at least one step, got {total}")
    return int(total)


def snapshot_steps(snapshots: Iterable[float], total: int) -> list[int]:
    """Snapshot moments as sorted step numbers.

    Parameters
    ----------
    snapshots : fractions of the run or, above 1, numbers of steps
    total : the run's length in steps

    Raises
    ------
    ValueError
        For a moment outside the run.
    """
    moments = []
    for moment in snapshots:
        k = round(moment * total) if moment <= 1 else moment
        if not 0 <= k <= total or k != int(k):
            raise ValueError(
                f"snapshots must be fractions in [0, 1] or whole numbers of "
                f"steps up to {total}, got {moment}"
            )
        moments.append(int(k))
    return sorted(set(moments))


class Run:
    """The state of a run, and its loop.

    After :meth:`go`: ``done`` steps, ``values`` of the snapshots that were
    reached.

    Parameters
    ----------
    job : does the work
        ``job.step()`` one step, returning its loss (or the trials' losses);
        ``job.measure()`` a snapshot's value; ``job.check(k, losses,
        weights)`` raises where a loss of the steps from k on, or, with
        ``weights``, a weight, is not finite; ``job.over`` says that the run
        ends early; ``job.state`` and ``job.restore(state)`` are what a
        checkpoint holds of it.
    moments : step numbers of snapshots
    losses : (steps, ...)
        To be filled; its length is the run's.
    """

    def __init__(
        self, job: Any, *, moments: Sequence[int], losses: Tensor
    ) -> None:
        self._job, self._moments = job, moments
        self.losses, self._total = losses, len(losses)
        self.values: list[Any] = []
        self.done = self._checked = self._saved = 0

    def go(
        self,
        settings: dict[str, Any],
        path: str | Path | None,
        every: int,
        desc: str,
        *,
        allowed: Iterable[type] = (),
    ) -> None:
        """Run to the end, or from the checkpoint at ``path`` on.

        Parameters
        ----------
        settings : what tells this run from others
        path : None or a file, written at snapshots and at the end
        every : it is also written every so many steps
        desc : the text before the progress bar
        allowed : classes that the file may hold
        """
        job = self._job
        if path:
            self._restore(checkpoint.load(path, settings, allowed=allowed))
        with progress(total=self._total, desc=desc, unit="step") as bar:
            bar.update(self.done)
            while True:
                here = self._measured()
                finished = job.over or self.done == self._total
                late = self.done - self._saved >= every
                if path and (here or finished or late):
                    self._save(path, settings)
                if finished:
                    break
                self._advance(bar)

    def _measured(self):
        """Takes the snapshot that is due here, if any; says whether."""
        here = self.done == self._due()
        if here:
            self.values.append(self._job.measure())
        return here

    def _due(self):
        """The step number of the next snapshot, None after the last."""
        taken = len(self.values)
        return self._moments[taken] if taken < len(self._moments) else None

    def _advance(self, bar):
        """Steps until the next snapshot, or until it is time to look."""
        job, start = self._job, self.done
        goal = self._due() or self._total
        end = min(goal, start + _LOOK)
        late = time.monotonic() + _LOOK_SECONDS
        while self.done < end and not job.over and time.monotonic() < late:
            self.losses[self.done] = job.step()
            self.done += 1
        bar.update(self.done - start)
        new = self.losses[self._checked : self.done]
        job.check(self._checked, new, self.done == goal or job.over)
        self._checked = self.done

    def _save(self, path, settings):
        state = {
            "settings": settings,
            "job": self._job.state,
            "done": self.done,
            "values": self.values,
            "losses": self.losses[: self.done].clone(),
        }
        checkpoint.save(path, state)
        self._saved = self.done

    def _restore(self, state):
        if state is None:
            return
        self._job.restore(state["job"])
        self.done = self._checked = self._saved = state["done"]
        self.values = state["values"]
        self.losses[: self.done] = state["losses"]
