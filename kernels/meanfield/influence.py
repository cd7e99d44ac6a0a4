"""What each hidden neuron does to the loss, to first order, at any depth.

Weight neuron i of hidden layer l by a gate g in front of its outgoing
weights, (1/N) sum_i g_i h_i; all gates are 1.  Its influence is c_i = N
dL/dg_i.  Keeping the neurons A_l of every layer sets g_i = N / |A_l| on A_l
and 0 elsewhere, so that to first order in the gates

    L_A(theta_S) - L(theta) = sum over l of (mean over A_l of c - mean of c)

and over random A_l the right side has mean zero and the variance sum over l
of (1/|A_l| - 1/N_l) Var_i(c_i).  With one hidden layer c_i is the influence
of `fluctuations`.
"""

import torch

from kernels.meanfield import losses, model
from kernels.meanfield.evaluation import block_size, check_set
from kernels.networks.losses import sample_losses


def influences(
    theta, x, y, *, loss="cross_entropy", activation=torch.relu, block=None
):
    """The influence of every hidden neuron, c_i = N dL/dg_i.

    Arguments: as for `evaluate`; `activation` must be differentiable where
    it is evaluated.

    Returns a tuple with one float64 (R, N) tensor per hidden layer, detached.
    Raises ValueError where `evaluate` does.

    Cost: a forward and a backward pass, without the gradients in the weights.
    """
    trials, sizes = model.shape(theta)
    inputs = model.batched_inputs(theta, x).detach()  # (trials, n, d)
    samples = inputs.shape[1]
    y = losses.targets(y, samples, sizes[-1], loss=loss, dtype=theta[0].dtype)
    check_set(inputs, y)
    weights = [w.detach() for w in theta]
    found = [
        torch.zeros((trials, n), dtype=torch.float64) for n in sizes[1:-1]
    ]
    size = block or block_size(inputs, *sizes[1:])
    for trial in range(trials):
        mine = [w[trial] for w in weights]
        for xs, ys in zip(inputs[trial].split(size), y.split(size)):
            gates = [xs.new_ones(n, requires_grad=True) for n in sizes[1:-1]]
            with torch.enable_grad():
                z = _gated(mine, gates, xs, activation)
                risk = sample_losses(z, ys, loss).sum()
            for c, slope in zip(found, torch.autograd.grad(risk, gates)):
                c[trial] += slope.double().cpu()
    return tuple(c * c.shape[1] / samples for c in found)


def _gated(weights, gates, x, activation):
    z = x @ weights[0].mT  # (n, N)
    for w, gate in zip(weights[1:], gates):
        z = (activation(z) * gate) @ w.mT / w.shape[1]
    return z
