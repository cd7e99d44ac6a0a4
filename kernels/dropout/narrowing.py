"""A network with units dropped: at full width, and as a narrow network."""

from collections.abc import Sequence

import torch
from torch import Tensor

from kernels import states
from kernels.networks import Network, Parameters, columns
from kernels.networks.aliases import Factors, Places
from kernels.networks.kept import kept_places, scale_levels
from kernels.networks.placing import Draft, cut


@states("K19", "Definition 1")
def dropout_network(
    net: Network,
    theta: Parameters,
    kept: Sequence[Tensor],
    *,
    first: int = 1,
    scale: float | Sequence[float] = 1.0,
) -> Parameters:
    """Layers i = ``first`` … d - 1 dropped: theta_i (K19, Definition 1).

    In full shapes.  Dropped units' rows, biases and outgoing columns are zero;
    layer ``first`` itself is unscaled, for what it reads is not dropped.
    Layers below ``first`` are those of ``theta``, not copies.

    Parameters
    ----------
    net : the network
    theta : its parameters
    kept : one sequence of unit indices a hidden layer
        Those below ``first`` are ignored.
    first : the first layer whose units are dropped
    scale : one number, or one a hidden layer
        Multiplies the outputs of kept units, which is done on the columns
        of the next layer and never on biases.

    Raises
    ------
    ValueError
        Where ``first``, ``kept`` or ``scale`` does not fit.
    """
    theta = net.check(theta)
    places, scales = _places(net, kept, first, scale)
    draft = Draft(net, theta[0][0])
    live = cut(net, theta, places, scales, first=first)
    state = draft.state(live, out=live, base=draft.given(theta), first=first)
    with torch.no_grad():
        return tuple(layer.build() for layer in state)


@states("N21", "Corollary 4.3")
def subnetwork(
    net: Network,
    theta: Parameters,
    kept: Sequence[Tensor],
    *,
    first: int = 1,
    scale: float | Sequence[float] = 1.0,
) -> tuple[Network, Parameters]:
    """The same function from layer ``first`` on, as a narrow network.

    Parameters
    ----------
    net, theta, kept, first, scale : as in :func:`dropout_network`

    Returns
    -------
    tuple[Network, Parameters]
        The network of layers ``first + 1`` … d that has the kept units
        alone, and its parameters; it reads ``net.take(first,
        net.features(theta, x, first), kept[first - 1])`` and its outputs
        are the dropout network's: the xi_l with which dropout stability is
        a special case (N21, Corollary 4.3).
    """
    theta = net.check(theta)
    places, scales = _places(net, kept, first, scale)
    small = net.narrow([len(p) for p in places[first:-1]], first=first)
    layers = []
    for i in range(first + 1, net.depth + 1):
        weight, bias = theta[i - 1]
        device = weight.device
        view = columns(weight, net.widths[i - 1])
        rows = places[i]
        if rows is not None:
            rows = rows.to(device)
            view, bias = view[rows], None if bias is None else bias[rows]
        view = view[:, places[i - 1].to(device)] * scales[i - 1]
        shape = small.weight_shape(i - first)
        layers.append((view.reshape(shape), bias))
    return small, tuple(layers)


def _places(
    net: Network,
    kept: Sequence[Tensor],
    first: int,
    scale: float | Sequence[float],
) -> tuple[Places, Factors]:
    if not 1 <= first < net.depth:
        raise ValueError(
            f"first is {first}; the network's hidden layers are 1 to "
            f"{net.depth - 1}"
        )
    places = kept_places(net, kept, "kept", first)
    return places, scale_levels(net, scale, "scale")[first]
