"""What a run of SGD does, step by step, and what a checkpoint holds of it."""

import torch
from torch.nn import functional

from kernels.networks import losses, tree
from kernels.networks.samples import samples
from kernels.training import dropout as drop
from kernels.training.dropout import forward
from kernels.training.evaluation import evaluate
from kernels.training.minibatches import Shuffled, checksum
from kernels.training.precision import Precision


class Job:
    """SGD on one network, as ``recipe`` has it.

    ``theta`` are the parameters as they are now.
    """

    def __init__(self, net, theta, data, recipe, generator, measure):
        rates = drop.rates(net, recipe.dropout)
        net.check(theta)
        x, y = _check_data(net, theta, data, recipe)
        self._live = tree.copy(theta)
        leaves = [part.requires_grad_() for part in tree.parts(self._live)]
        self.theta = tree.at_rest(self._live)
        self._optimizer = recipe.optimizer(leaves)
        afresh = recipe.sampling == "independent"
        self._minibatches = Shuffled(
            x, y, recipe.batch, [generator], afresh=afresh
        )
        self.per_epoch = self._minibatches.per_epoch
        self._noise = None
        if any(rates) or recipe.augment is not None:
            seed = torch.randint(2**63 - 1, (), generator=generator)
            self._noise = torch.Generator(x.device).manual_seed(int(seed))
        self._net, self._data, self._rates = net, data, rates
        self._recipe, self._measure = recipe, measure
        self._precision = Precision(recipe.mixed_precision, x)
        self._done, self.over = 0, False
        self._wrong = torch.zeros((), dtype=torch.int64, device=x.device)

    @property
    def label(self):
        """What tells this run, before its first step, from others."""
        return {
            "net": repr(self._net),
            "start": [checksum(part) for part in tree.parts(self.theta)],
            "dtype": str(self.theta[0][0].dtype),
            "data": self._minibatches.label,
            **self._recipe.label,
            "dropout": list(self._rates),
        }

    def step(self):
        """One step; returns the minibatch's loss before it."""
        x, y = self._minibatches.next()
        if self._recipe.augment is not None:
            x = self._recipe.augment(x, self._noise)
        x = self._precision.inputs(x)
        with self._precision():
            z = forward(self._net, self._live, x, self._rates, self._noise)
        z = self._precision.outputs(z)
        loss = _mean_loss(z, y, self._recipe.loss)
        self._optimizer.zero_grad()
        loss.backward()
        rate = self._recipe.rate(self._done, self.per_epoch)
        self._optimizer.param_groups[0]["lr"] = rate
        self._optimizer.step()
        self._done += 1
        if self._recipe.stop:
            self._look(z.detach(), y)
        return loss.detach()

    def _look(self, z, y):
        """Counts errors; at an epoch's end, whether the set is separated."""
        self._wrong += losses.sample_errors(z, y).sum()
        if self._done % self.per_epoch == 0:
            sound = bool(torch.isfinite(z).all())  # check() tells of others
            if sound and (any(self._rates) or int(self._wrong) == 0):
                _, error = evaluate(
                    self._net, self.theta, *self._data, loss=self._recipe.loss
                )
                self.over = error == 0
            self._wrong.zero_()

    def measure(self):
        return self._measure(self.theta)

    def check(self, start, losses, weights):
        bad = (~torch.isfinite(losses)).nonzero()
        if len(bad):
            raise self._not_finite("the loss", start + int(bad[0]))
        if weights:
            for part in tree.parts(self.theta):
                if not bool(torch.isfinite(part).all()):
                    raise self._not_finite("a weight", self._done)

    def _not_finite(self, what, k):
        return FloatingPointError(
            f"{what} is not finite at step {k} with step size "
            f"{self._optimizer.param_groups[0]['lr']:g}: try step_size="
            f"{self._recipe.step_size / 3:.2g}, a smaller initialisation, or "
            "inputs normalised by one mean and one standard deviation for "
            "all features"
        )

    @property
    def state(self):
        return {
            "theta": tree.parts(self.theta),
            "optimizer": self._optimizer.state_dict(),
            "minibatches": self._minibatches.state,
            "noise": self._noise and self._noise.get_state(),
            "done": self._done,
            "wrong": self._wrong,
            "over": self.over,
        }

    def restore(self, state):
        for part, saved in zip(tree.parts(self.theta), state["theta"]):
            part.copy_(saved)
        self._optimizer.load_state_dict(state["optimizer"])
        self._minibatches.restore(state["minibatches"])
        if self._noise is not None:
            self._noise.set_state(state["noise"])
        self._wrong.copy_(state["wrong"])
        self._done, self.over = state["done"], state["over"]


def _mean_loss(z, y, loss):
    """The mean of `losses.sample_losses`, in fewer operations."""
    if loss == "cross_entropy":
        return functional.cross_entropy(z, y)
    return losses.sample_losses(z, y, loss).mean()


def _check_data(net, theta, data, recipe):
    """The inputs as layer 1 reads them, and the targets as the loss does."""
    if not isinstance(data, tuple | list) or len(data) != 2:
        raise TypeError(
            f"data is a {type(data).__name__}; a pair (x, y) will do"
        )
    h, y = samples(net, theta, *data, loss=recipe.loss)
    recipe.check_batch(len(h))
    return h, y
