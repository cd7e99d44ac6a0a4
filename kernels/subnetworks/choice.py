"""Subsets of units that are chosen, not drawn."""

import torch
from torch import Tensor

from kernels import states
from kernels.networks import Network, Parameters, columns, losses
from kernels.networks.checks import whole
from kernels.networks.samples import samples

_TILE = 1 << 21  # features of copies that run through the layers at once


def influence(
    net: Network,
    theta: Parameters,
    x: Tensor,
    y: Tensor,
    *,
    layer: int,
    loss: str = "cross_entropy",
) -> Tensor:
    """First-order change of a sample's loss where a unit goes, in the mean.

    E |<d loss / d h_j, h_j>| over the samples, h_j what unit j of ``layer``
    puts out.  The absolute value stands within the mean: without it the mean
    is the derivative in the size of the unit's outgoing weights, which is
    zero for every unit of a stationary point, whatever the unit does.

    Parameters
    ----------
    net : the network
    theta : its parameters
    x, y : samples, as :func:`train` takes them
    layer : the hidden layer, from 1 to L - 1
    loss : ``"cross_entropy"`` or ``"square"``

    Returns
    -------
    Tensor
        (n_l,), float64.

    Raises
    ------
    ValueError, TypeError
        For arguments that do not fit.

    Cost: a forward and a backward pass.
    """
    theta, h, y = _features(net, theta, x, y, layer, loss)
    total = h.new_zeros(net.widths[layer], dtype=torch.float64)
    for part, targets in zip(h.split(1000), y.split(1000)):
        part = part.detach().requires_grad_()
        with torch.enable_grad():
            z = net.forward_from(theta, part, layer)
            value = losses.sample_losses(z, targets, loss).sum()
        [slope] = torch.autograd.grad(value, part)
        change = columns(slope * part.detach(), net.widths[layer]).sum(2)
        total += change.abs().double().sum(0)
    return total / len(h)


@states("N21", "(16)")
def eliminate(
    net: Network,
    theta: Parameters,
    x: Tensor,
    y: Tensor,
    *,
    layer: int,
    keep: int,
    loss: str = "cross_entropy",
) -> Tensor:
    """Units that are left when the least harmful goes, again and again.

    Greedy backward elimination: a layer's units are removed one at a time,
    each time the one without which the loss of the rest of the network, left
    as it is, is smallest (the first of equals).

    Parameters
    ----------
    net : the network
    theta : its parameters
    x, y : samples, as :func:`train` takes them
    layer : the hidden layer, from 1 to L - 1
    keep : how many units stay, from 1 to n_l
    loss : ``"cross_entropy"`` or ``"square"``

    Returns
    -------
    Tensor
        The units kept, ascending, int64 on the CPU.

    Raises
    ------
    ValueError, TypeError
        For arguments that do not fit.

    Cost: (n_l - keep) (n_l + keep) / 2 passes through the layers above.
    """
    theta, h, y = _features(net, theta, x, y, layer, loss)
    width = net.widths[layer]
    if whole("keep", keep) > width:
        raise ValueError(
            f"keep is {keep}; layer {layer} has {width} units, and at most "
            "as many will do"
        )
    alive = list(range(width))
    with torch.no_grad():
        while len(alive) > keep:
            rest = [[j for j in alive if j != gone] for gone in alive]
            values = _losses(net, theta, h, y, layer, loss, rest)
            del alive[int(values.argmin())]
    return torch.tensor(alive)


def _losses(net, theta, h, y, layer, loss, sets):
    """Mean losses of the network with these units of ``layer`` alone."""
    mask = h.new_zeros(len(sets), net.widths[layer])
    for row, units in zip(mask, sets):
        row[units] = 1
    blocks = columns(h, net.widths[layer])  # (n, units, block)
    together = max(1, _TILE // max(1, h.numel()))
    found = []
    for some in mask.split(together):
        copies = (blocks * some[:, None, :, None]).view(-1, *h.shape[1:])
        z = net.forward_from(theta, copies, layer)
        z = z.view(len(some), len(h), -1)
        each = losses.sample_losses(z, y, loss)
        found.append(each.mean(1, dtype=torch.float64))
    return torch.cat(found)


def _features(net, theta, x, y, layer, loss):
    if not 1 <= layer < net.depth:
        raise ValueError(
            f"layer is {layer}; the network's hidden layers are 1 to "
            f"{net.depth - 1}"
        )
    theta = net.check(theta)
    x, y = samples(net, theta, x, y, loss=loss)
    with torch.no_grad():
        return theta, net.features(theta, x, layer), y
