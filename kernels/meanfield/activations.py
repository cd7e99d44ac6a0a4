"""Activations inside a training step: both passes in buffers made once."""

from functools import partial
from typing import Any

import torch
from torch.nn import functional

_aten = torch.ops.aten


def _relu_backward(h, grad):
    _aten.threshold_backward.grad_input(grad, h, 0, grad_input=grad)


def _sigmoid_backward(h, grad):
    _aten.sigmoid_backward.grad_input(grad, h, grad_input=grad)


def _tanh_backward(h, grad):
    _aten.tanh_backward.grad_input(grad, h, grad_input=grad)


# the derivative is a function of the output, so z itself becomes the output
_IN_PLACE = {
    torch.relu: (torch.relu_, _relu_backward),
    functional.relu: (torch.relu_, _relu_backward),
    torch.sigmoid: (torch.sigmoid_, _sigmoid_backward),
    functional.sigmoid: (torch.sigmoid_, _sigmoid_backward),
    torch.tanh: (torch.tanh_, _tanh_backward),
    functional.tanh: (torch.tanh_, _tanh_backward),
}


def bind(activation, z):
    """Ties an elementwise activation to the buffer `z` it will be applied to.

    Returns (h, forward, backward): `forward()` writes act(z) into the buffer
    `h`, which may be `z` itself; `backward(grad)` multiplies `grad`, of the
    same shape, by act'(z) in place and must follow that `forward`.

    ReLU, sigmoid, tanh and softplus have explicit backward passes that
    allocate nothing.  Any other callable is differentiated by autograd,
    which allocates its intermediate results at each call.
    """
    if activation in _IN_PLACE:
        forward, backward = _IN_PLACE[activation]
        return z, partial(forward, z), partial(backward, z)
    h = torch.empty_like(z)
    if activation is functional.softplus:
        return (
            h,
            partial(_aten.softplus.out, z, out=h),
            partial(_softplus_backward, z),
        )
    general = _General(activation, z, h)
    return h, general.forward, general.backward


def _softplus_backward(z, grad):
    # 1 and 20: softplus's own defaults, beta and the linear regime's start
    _aten.softplus_backward.grad_input(grad, z, 1, 20, grad_input=grad)


class _General:
    """Any elementwise callable, through autograd of that function alone."""

    def __init__(self, activation, z, h):
        self._activation, self._h = activation, h
        self._z = z.detach().requires_grad_()  # the same memory
        self._graph: Any = None

    def forward(self):
        with torch.enable_grad():
            self._graph = self._activation(self._z)
        if self._graph.shape != self._z.shape:
            raise ValueError(
                "activation must act on each number alone: it turned shape "
                f"{tuple(self._z.shape)} into {tuple(self._graph.shape)}"
            )
        self._h.copy_(self._graph.detach())

    def backward(self, grad):
        (result,) = torch.autograd.grad(self._graph, self._z, grad)
        grad.copy_(result)
        self._graph = None
