"""SGD on a group of subnetworks at once: the job that a run steps through."""

from typing import Any

import torch
from torch.nn import functional

from kernels.networks import losses, tree
from kernels.subnetworks import stack
from kernels.subnetworks.schedules import Plateau
from kernels.training import Precision
from kernels.training.minibatches import Shuffled


class Group:
    """Subnetworks of one shape, trained on the same minibatches.

    ``net`` is the whole network, ``narrow`` the subnetworks' shape; ``h``,
    ``y`` the features of ``layer`` and the targets; ``kept`` (draws, k), of
    all draws, None for xi_0; ``alive`` the draws to be trained, ``start``
    their stacked parameters; ``finish(t, theta, epochs, separated)`` is
    called once for each.  With ``recipe.stop`` a draw ends, and leaves the
    stack, after the first epoch that separates the set.
    """

    def __init__(
        self,
        net,
        narrow,
        h,
        y,
        *,
        layer,
        kept,
        alive,
        start,
        generator,
        recipe,
        finish,
    ):
        self.net, self.narrow, self.layer = net, narrow, layer
        self._h, self._y, self._recipe = h, y, recipe
        self._precision = Precision(recipe.mixed_precision, h)
        self._minibatches = Shuffled(h, y, recipe.batch, [generator])
        self.per_epoch = self._minibatches.per_epoch
        self._finish = finish
        self._all_kept = kept
        self._done, self.over = 0, False
        self._epochs = []  # mean losses, for a schedule that looks at them
        self._sum = torch.zeros((), dtype=torch.float64, device=h.device)
        self._hold(list(alive), start)

    def _hold(self, alive, layers, momenta=None):
        """Trains the draws ``alive`` from these stacked parameters on."""
        self._alive = alive
        self._kept = None
        if self._all_kept is not None:
            self._kept = self._all_kept[alive].to(self._h.device)
        self._layers = tree.copy(layers)
        leaves = [p.requires_grad_() for p in tree.parts(self._layers)]
        self._optimizer = self._recipe.optimizer(leaves)
        if momenta is not None:
            for leaf, value in zip(leaves, momenta):
                self._optimizer.state[leaf]["momentum_buffer"] = value
        self._wrong = torch.zeros(
            len(alive), dtype=torch.int64, device=self._h.device
        )

    def _take(self, h):
        if self._kept is None:
            return h
        return stack.take(self.net, self.layer, h, self._kept)

    def outputs(self, h):
        """Outputs of the draws still in training: (draws, n, outputs)."""
        return stack.forward(self.narrow, self._layers, self._take(h))

    def step(self):
        """One step; the mean loss of the minibatch over the draws."""
        h, y = self._minibatches.next()
        h = self._precision.inputs(h)
        with self._precision():
            z = self.outputs(h)  # (draws, batch, outputs)
        z = self._precision.outputs(z)
        count = len(self._alive)
        if self._recipe.loss == "cross_entropy":
            total = functional.cross_entropy(
                z.flatten(0, 1), y.repeat(count), reduction="sum"
            )
        else:
            total = losses.sample_losses(z, y, self._recipe.loss).sum()
        total = total / len(h)  # a sum over draws: each has its own gradient
        self._optimizer.zero_grad()
        total.backward()
        self._optimizer.param_groups[0]["lr"] = self._rate
        self._optimizer.step()
        self._done += 1
        mean = total.detach() / count
        self._sum += mean
        if self._recipe.stop:
            self._wrong += losses.sample_errors(z.detach(), y).sum(-1)
        if self._done % self.per_epoch == 0:
            self._end_of_epoch()
        return mean

    @property
    def _rate(self):
        schedule = self._recipe.schedule
        if isinstance(schedule, Plateau):
            return self._recipe.step_size * schedule.after(self._epochs)
        return self._recipe.rate(self._done, self.per_epoch)

    def _end_of_epoch(self):
        self._epochs.append(float(self._sum) / self.per_epoch)
        self._sum.zero_()
        if not self._recipe.stop:
            return
        clean = [
            t for t, wrong in enumerate(self._wrong.tolist()) if not wrong
        ]
        self._wrong.zero_()
        if clean:
            wrong = self.evaluate(self._h, self._y)[1].tolist()
            self._retire([t for t in clean if wrong[t] == 0])

    def _retire(self, places):
        """Draws at these places are done; the others go on without them."""
        for t in places:
            self._report(t, True)
        rest = [t for t in range(len(self._alive)) if t not in places]
        self.over = not rest
        if places and rest:
            momenta = None
            if self._recipe.momentum:
                momenta = [
                    self._optimizer.state[p]["momentum_buffer"][rest]
                    for p in tree.parts(self._layers)
                ]
            layers = tree.take(self._layers, rest)
            self._hold([self._alive[t] for t in rest], layers, momenta)

    def _report(self, t, separated):
        theta = tree.copy(tree.take(self._layers, t))
        epochs = self._done / self.per_epoch
        self._finish(self._alive[t], theta, epochs, separated)

    def close(self):
        """At the run's end: reports the draws that are still in training."""
        if not self.over:
            error = self.evaluate(self._h, self._y)[1].tolist()
            for t, wrong in enumerate(error):
                self._report(t, wrong == 0)

    @torch.no_grad()
    def evaluate(self, h, y):
        """Mean loss and error of each draw in training, (draws,) float64."""
        tally: Any = 0
        for hs, ys in zip(h.split(1000), y.split(1000)):
            z = self.outputs(hs)
            each = (
                losses.sample_losses(z, ys, self._recipe.loss).double().sum(-1)
            )
            wrong = losses.sample_errors(z, ys).sum(-1)
            tally = tally + torch.stack([each, wrong.double()])
        return tally / len(h)

    # ---------------------------------------------- what a run asks of a job

    def measure(self):
        return None

    def check(self, start, values, weights):
        bad = (~torch.isfinite(values)).nonzero()
        if len(bad):
            raise FloatingPointError(
                f"layer {self.layer}: a subnetwork's loss is not finite at "
                f"step {start + int(bad[0])}: try step_size="
                f"{self._recipe.step_size / 3:.2g}"
            )

    @property
    def state(self):
        leaves = tree.parts(self._layers)
        kept = [self._optimizer.state[p] for p in leaves]
        return {
            "alive": self._alive,
            "leaves": [p.detach() for p in leaves],
            "momenta": [s.get("momentum_buffer") for s in kept],
            "minibatches": self._minibatches.state,
            "done": self._done,
            "over": self.over,
            "epochs": self._epochs,
            "sum": self._sum,
            "wrong": self._wrong,
        }

    def restore(self, state):
        device = self._h.device
        values = [p.to(device) for p in state["leaves"]]
        layers = tree.rebuild(self._layers, values)
        momenta = state["momenta"]
        if any(m is None for m in momenta):
            momenta = None
        else:
            momenta = [m.to(device) for m in momenta]
        self._hold(list(state["alive"]), layers, momenta)
        self._minibatches.restore(state["minibatches"])
        self._done, self.over = state["done"], state["over"]
        self._epochs = list(state["epochs"])
        self._sum.copy_(state["sum"])
        self._wrong.copy_(state["wrong"])
