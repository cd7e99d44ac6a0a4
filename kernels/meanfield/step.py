"""One step of stochastic gradient descent, S20 (3.3) and (4.3), in place.

Write B_l = N_l dl/dz_l for the derivative by layer l's pre-activations, scaled
so that it does not shrink as the width grows, and D = dl/dy.  Then

    B_L = (D W_(L+1)) * act'(z_L)
    B_l = (B_(l+1) W_(l+1)) * act'(z_l) / N_(l+1)
    W_(L+1) -= s D^T h_L,  W_(l+1) -= s B_(l+1)^T h_l,  W_1 -= s B_1^T x

are the steps with the gradient multiplied by N in the first and last layers
and by N^2 (N_l N_(l+1) where widths differ) in the middle ones: no power of N
is left, and nothing overflows or vanishes at any width.
"""

import math
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor

from kernels import device, states
from kernels.cuda import launch
from kernels.cuda import meanfield as fused
from kernels.meanfield import activations, losses, model
from kernels.meanfield.graphs import Captured
from kernels.meanfield.model import Activation, Weights
from kernels.meanfield.products import Mixed, Stored
from kernels.training import Precision


@states("S20", "(4.3)")
class Step:
    """A step that can be taken many times without allocating memory.

    On CUDA the step is captured in a graph at the first call and replayed
    afterwards.  With CuPy the loss's derivative and the way back through the
    last ReLU are one kernel each (``kernels.cuda.meanfield``).

    Parameters
    ----------
    theta : weights, (R, N, d) ..., (R, C, N)
        Each call updates them in place.  Entries have memory of their own.
    batch : the number of samples per step
    step_size : S20's s_k
    loss : ``"cross_entropy"`` or ``"square"``
    activation : an elementwise function, for which see
        ``activations.bind``
    train_ends : whether the first and the last layer are trained
        False as in S20 (4.3).
    graph : False turns the graph off
    tf32 : lets the matrix products round float32 to TF32 on CUDA
        Several times faster, to a relative 5e-4.
    mixed_precision : products take bfloat16 inputs, in all but the last layer
        Weights, which must be float32, stay so; what a product returns is
        rounded to 8 bits.

    Raises
    ------
    ValueError
        For a bad step size, loss, mixed precision of other weights,
        weights whose entries share memory, as after ``expand``, or a
        two-layer network with fixed ends, in which nothing would be
        trained.

    Cost of a call: 4 batch (d N + N^2 a middle layer) + 6 batch N C
    multiplications and additions a trial.  Memory: twice batch x N numbers
    per trial and hidden layer; with ``mixed_precision`` also half the
    weights'.
    """

    def __init__(
        self,
        theta: Weights,
        *,
        batch: int,
        step_size: float,
        loss: str = "cross_entropy",
        activation: Activation = torch.relu,
        train_ends: bool = True,
        graph: bool = True,
        tf32: bool = False,
        mixed_precision: bool = False,
    ) -> None:
        losses.check(loss)
        trials, sizes = model.shape(theta)
        if not (math.isfinite(step_size) and step_size > 0):
            raise ValueError(
                f"step_size must be a positive number, got {step_size}"
            )
        for layer, w in enumerate(theta, 1):
            if any(n > 1 and not s for n, s in zip(w.shape, w.stride())):
                raise ValueError(
                    f"theta's layer {layer} must have memory of its own for "
                    "every entry, to be updated in place, got an expanded "
                    f"tensor of strides {w.stride()}; a clone will do"
                )
        if not train_ends and len(theta) == 2:
            raise ValueError(
                "train_ends=False would train nothing: a two-layer network "
                "is its first and its last layer"
            )
        if batch < 1:
            raise ValueError(f"batch must be at least 1, got {batch}")
        self.theta, self.batch, self.step_size = theta, batch, step_size
        self.loss, self._train_ends = loss, train_ends
        self._trials, self._widths = trials, sizes[1:-1]
        new = theta[0].new_empty
        self._z = [new((trials, batch, width)) for width in self._widths]
        self._back = [torch.empty_like(z) for z in self._z]
        self._act = [activations.bind(activation, z) for z in self._z]
        self._outputs = new((trials, sizes[-1], batch))
        one = (batch, sizes[-1]) if loss == "square" else (batch,)
        self._targets = [one, (trials, *one)]
        self._value = new((trials,))
        on_cuda = launch.usable(theta[0], sizes[-1])
        if on_cuda:
            self._evaluate = fused.Loss(loss, self._outputs, self._value)
            self._gradient = self._evaluate.gradient
        else:
            self._gradient, self._evaluate = losses.bind(
                loss, self._outputs, self._value
            )
        relu = activation in (torch.relu, torch.nn.functional.relu)
        self._project = on_cuda and relu and theta[-1].is_contiguous()
        self._rounding = device.tf32 if tf32 else nullcontext
        mixed = Precision(mixed_precision, theta[0]).mixed
        self._products = Mixed(theta) if mixed else Stored(theta)
        captured = graph and theta[0].is_cuda
        self._take = Captured(self._run, theta) if captured else self._run

    @torch.no_grad()
    def __call__(self, x: Tensor, y: Tensor) -> Tensor:
        """Update the weights by one minibatch.

        Parameters
        ----------
        x : (batch, d), shared, or (R, batch, d)
        y : int64 (batch,) or (R, batch), or for the square loss (batch, C) or
            (R, batch, C)

        Returns
        -------
        Tensor
            The loss before the update, (R,): a buffer that the next call
            overwrites.

        Raises
        ------
        ValueError
            For another shape.
        """
        if x.shape[-2] != self.batch:
            raise ValueError(
                f"x must have {self.batch} samples, this step's batch, got "
                f"shape {tuple(x.shape)}"
            )
        if y.shape not in self._targets:
            raise ValueError(
                "y must have shape "
                f"{' or '.join(map(str, self._targets))}, got "
                f"{tuple(y.shape)}"
            )
        self._products.refresh()
        with self._rounding():
            return self._take(x, y)

    def _run(self, x, y):
        x = x.expand(self._trials, *x.shape[-2:])  # (trials, batch, d)
        self._forward(x)
        self._evaluate(y)
        self._backward(x)
        return self._value

    def _forward(self, x):
        h, scale = x, 1.0
        for layer, (out, apply, _) in enumerate(self._act):
            z = self._z[layer]  # (trials, batch, N)
            self._products.forward(layer, h, z, scale)
            apply()
            h, scale = out, 1 / z.shape[2]
        # the outputs as (trials, C, batch): a thin product that is faster
        # this way round
        self._outputs.baddbmm_(self.theta[-1], h.mT, beta=0, alpha=scale)

    def _backward(self, x):
        last = len(self._z)
        above, scale = self._gradient.mT, 1.0  # (trials, batch, C)
        for layer in reversed(range(last)):
            grad = self._back[layer]
            h, _, backward = self._act[layer]
            needed = layer > 0 or self._train_ends  # is layer's own W trained
            project = self._project and layer + 1 == last
            if needed and project:
                w = self.theta[layer + 1]
                fused.back_project(self._gradient, w, h, grad)
            elif needed:
                self._products.backward(layer + 1, above, grad, scale)
            if layer + 1 < last or self._train_ends:
                self._products.descend(layer + 1, above, h, self.step_size)
            if needed and not project:
                backward(grad)
            above, scale = grad, 1 / self._widths[layer]
        if self._train_ends:
            self._products.descend(0, above, x, self.step_size)


@states("S20", "(3.3)", "(4.3)")
def sgd_step(
    theta: Weights,
    x: Any,
    y: Any,
    *,
    step_size: float,
    loss: str = "cross_entropy",
    activation: Activation = torch.relu,
    train_ends: bool = True,
) -> Tensor:
    """One step of SGD on a minibatch, in place: S20 (3.3), (4.3).

    The gradient of the minibatch's mean loss, multiplied by N in the first
    and the last layer and by N^2 in the middle ones, times ``step_size``, is
    subtracted from the weights.  The square loss is ||y - y_N||^2 summed over
    outputs, with no factor 1/2, so its gradient has the factor 2.  A loop
    should make one ``Step`` and call it: this function allocates its
    workspace each time.

    Parameters
    ----------
    theta : (R, N, d) ..., (R, C, N), updated in place
    x : (n, d), shared, or (R, n, d)
    y : class indices (n,) or (R, n), or real targets (n, C) or (R, n, C)
        The square loss reads class indices as one-hot vectors; real
        targets are for it alone.
    step_size : S20's s_k
    loss : ``"cross_entropy"`` or ``"square"``
    activation : any elementwise function
    train_ends : False trains only the middle layers

    Returns
    -------
    Tensor
        The loss before the step, (R,).

    Raises
    ------
    ValueError, TypeError
        For arguments that do not fit.
    """
    trials, sizes = model.shape(theta)
    inputs = model.batched_inputs(theta, x)
    samples = inputs.shape[1]
    dtype = theta[0].dtype
    y = losses.targets(
        y, samples, sizes[-1], loss=loss, dtype=dtype, trials=trials
    )
    step = Step(
        theta,
        batch=samples,
        step_size=step_size,
        loss=loss,
        activation=activation,
        train_ends=train_ends,
        graph=False,
    )
    return step(inputs, y)
