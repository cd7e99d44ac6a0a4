"""The tests' own forward pass: plain NumPy, float64, loops where simplest."""

import numpy as np


def arrays(theta):
    """Parameters as float64 arrays, a missing bias as zeros."""
    out = []
    for weight, bias in theta:
        weight = weight.detach().double().numpy().copy()
        offset = np.zeros(len(weight))
        if bias is not None:
            offset = bias.detach().double().numpy().copy()
        out.append((weight, offset))
    return out


def convolve(h, weight, padding, stride):
    h = np.pad(h, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    k = weight.shape[2]
    rows = range(0, h.shape[2] - k + 1, stride)
    cols = range(0, h.shape[3] - k + 1, stride)
    out = np.empty((len(h), len(weight), len(rows), len(cols)))
    for a, i in enumerate(rows):
        for b, j in enumerate(cols):
            patch = h[:, :, i : i + k, j : j + k]
            out[:, :, a, b] = np.einsum("nckl,ockl->no", patch, weight)
    return out


def pool(h, pool):
    n, c, height, width = h.shape
    if pool.kind == "adaptive":
        size = pool.size
        out = np.empty((n, c, size, size))
        for i in range(size):
            for j in range(size):
                top, bottom = i * height // size, -(-(i + 1) * height // size)
                left, right = j * width // size, -(-(j + 1) * width // size)
                out[:, :, i, j] = h[:, :, top:bottom, left:right].mean((2, 3))
        return out
    around = ((0, 0), (0, 0), *[(pool.padding, pool.padding)] * 2)
    empty = -np.inf if pool.kind == "max" else 0
    h = np.pad(h, around, constant_values=empty)
    rows, cols = (
        range(0, side - pool.size + 1, pool.stride) for side in h.shape[2:]
    )
    out = np.empty((n, c, len(rows), len(cols)))
    for a, i in enumerate(rows):
        for b, j in enumerate(cols):
            window = h[:, :, i : i + pool.size, j : j + pool.size]
            best = pool.kind == "max"
            out[:, :, a, b] = (window.max if best else window.mean)((2, 3))
    return out


def features(net, theta, x):
    """All features, layer 0 to the outputs, unflattened between layers."""
    theta = arrays(theta)
    h = x.double().numpy().reshape(-1, *net.inputs)
    seen = [h]
    for i, (layer, (weight, bias)) in enumerate(zip(net.layers, theta), 1):
        if layer.kernel is None:
            h = h.reshape(len(h), -1) @ weight.T + bias
        else:
            h = convolve(h, weight, layer.padding, layer.stride)
            h = h + bias[:, None, None]
        if i < len(theta):
            h = np.maximum(h, 0)
            for after in layer.pools:
                h = pool(h, after)
        seen.append(h)
    return seen


def forward(net, theta, x):
    return features(net, theta, x)[-1]


def dropout_network(net, theta, kept, first, scale):
    """K19's theta_i by the letter: zero rows, zero and scaled columns."""
    theta = arrays(theta)
    for i in range(first, len(theta)):
        weight, bias = theta[i - 1]
        dropped = np.setdiff1d(np.arange(len(weight)), kept[i - 1])
        weight[dropped] = 0
        bias[dropped] = 0
        after = theta[i][0]
        block = int(np.prod(after.shape[1:])) // len(weight)
        after = after.reshape(len(after), len(weight), block)  # a view
        after[:, dropped] = 0
        after[:, np.asarray(kept[i - 1])] *= scale[i - 1]
    return theta
