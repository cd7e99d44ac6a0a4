"""Networks against a plain NumPy forward pass."""

import itertools
import math

import numpy as np
import plain_networks as plain
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels import networks
from kernels.networks import Layer, Network, Pool, losses


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def drawn(net, seed=0, **options):
    options = {"dtype": torch.float64, "bias": "uniform", **options}
    return net.init(generator=seeded(seed), **options)


def inputs(net, n=5, seed=1):
    return torch.randn(
        n, *net.inputs, generator=seeded(seed), dtype=torch.float64
    )


CONVOLUTIONAL = [
    networks.conv3(channels=(3, 2, 4), inputs=(2, 5, 6), classes=3),
    networks.conv3(
        channels=3,
        inputs=(1, 9, 8),
        bias=True,
        pools=(Pool("max", 2), None, Pool("average", 2)),
    ),
    networks.vgg11(scale=1 / 32, inputs=(3, 32, 32), hidden=64),
    networks.vgg11(scale=1 / 32, inputs=(1, 40, 40), adaptive=2, classes=4),
    Network(
        (2, 9, 9),
        (
            Layer(3, True, 4, 2, 2, (Pool("max", 2), Pool("adaptive", 2))),
            Layer(4, False, 2, 0),
            Layer(2, True),
        ),
    ),
    Network(
        (2, 9, 8),
        (
            Layer(3, True, 3, 1, pools=(Pool("max", 3, 2), Pool("max", 2, 1))),
            Layer(3, True, 2, 2, pools=(Pool("average", 3, 2, 1),)),
            Layer(4, False, 1, 0, pools=(Pool("max", 2, 3, 1),)),
            Layer(2, True),
        ),
    ),
]


@pytest.mark.parametrize("net", CONVOLUTIONAL, ids=range(6))
def test_convolutional_forward_is_numpys(net):
    theta, x = drawn(net), inputs(net, 2)
    z = net.forward(theta, x)
    expected = plain.features(net, theta, x)
    np.testing.assert_allclose(z, expected[-1], rtol=1e-10, atol=1e-12)
    assert torch.equal(net.forward(theta, x.flatten(1)), z)
    for layer in range(net.depth):
        h = net.features(theta, x, layer)
        np.testing.assert_allclose(
            h.flatten(1),
            expected[layer].reshape(len(x), -1),
            rtol=1e-10,
            atol=1e-12,
        )
        assert torch.equal(net.forward_from(theta, h, layer), z)


@settings(max_examples=30, deadline=None)
@given(
    widths=st.lists(st.integers(1, 7), min_size=2, max_size=7),
    bias=st.booleans(),
)
def test_mlp_forward_is_numpys(widths, bias):
    net = networks.mlp(widths, bias=bias)
    assert net.widths == tuple(widths)
    assert net.depth == len(widths) - 1
    assert net.hidden == tuple(widths[1:-1])
    theta, x = drawn(net), inputs(net)
    assert [tuple(w.shape) for w, _ in theta] == [
        (out, into) for into, out in itertools.pairwise(widths)
    ]
    assert all((b is not None) == bias for _, b in theta)
    z = net.forward(theta, x)
    np.testing.assert_allclose(
        z, plain.forward(net, theta, x), rtol=1e-11, atol=1e-12
    )


def test_linear_and_activate_make_a_layer():
    net = CONVOLUTIONAL[1]
    theta, x = drawn(net), inputs(net)
    for i, (weight, bias) in enumerate(theta, 1):
        if i == net.depth:
            break
        h = net.features(theta, x, i - 1)
        z = net.linear(i, weight, h, bias)
        plus = net.linear(i, weight.clamp(min=0), h)
        minus = net.linear(i, weight.clamp(max=0), h)
        offset = bias.reshape(-1, *[1] * (z.dim() - 2))
        torch.testing.assert_close(plus + minus + offset, z)
        assert torch.equal(net.activate(i, z), net.features(theta, x, i))
        # monotone, which interval bounds build on
        assert bool((net.activate(i, z + 0.1) >= net.activate(i, z)).all())
    z = torch.linspace(-1, 1, 10)[None]
    assert torch.equal(net.activate(net.depth, z), z)


def test_a_unit_is_a_row_and_its_block_of_columns():
    """Silencing the columns of a unit is silencing its row and bias."""
    net = CONVOLUTIONAL[1]
    theta, x = drawn(net), inputs(net)
    for layer, width in enumerate(net.hidden, 1):
        for unit in range(width):
            by_row = [list(pair) for pair in theta]
            by_column = [list(pair) for pair in theta]
            by_row[layer - 1] = [part.clone() for part in theta[layer - 1]]
            by_row[layer - 1][0][unit] = 0
            by_row[layer - 1][1][unit] = 0
            weight = theta[layer][0].clone()
            net.columns(layer, weight)[:, unit] = 0
            by_column[layer][0] = weight
            torch.testing.assert_close(
                net.forward(by_column, x), net.forward(by_row, x)
            )


def test_narrow_reads_the_features_taken():
    net = CONVOLUTIONAL[1]
    theta, x = drawn(net), inputs(net)
    for first in range(net.depth):
        units = torch.arange(net.widths[first])[:: 2 if first else 1]
        whole = plain.features(net, theta, x)[first]
        part = net.narrow([len(units), *net.hidden[first:]], first=first)
        xi = drawn(part, 3)
        h = net.take(first, net.features(theta, x, first), units)
        expected = plain.forward(
            part, xi, torch.as_tensor(whole[:, units.numpy()])
        )
        np.testing.assert_allclose(
            part.forward(xi, h), expected, rtol=1e-11, atol=1e-12
        )


def test_architectures_of_the_papers():
    mnist = networks.conv3()
    assert [mnist.weight_shape(i) for i in (1, 2, 3, 4)] == [
        (32, 1, 3, 3),
        (32, 32, 3, 3),
        (32, 32, 3, 3),
        (10, 32 * 28 * 28),
    ]
    assert not any(layer.bias for layer in mnist.layers)
    # torchvision's vgg11 has 132 863 336 parameters
    imagenet = networks.vgg11(inputs=(3, 224, 224), classes=1000, adaptive=7)
    assert imagenet.depth == 11
    count = sum(
        math.prod(imagenet.weight_shape(i)) + imagenet.widths[i]
        for i in range(1, 12)
    )
    assert count == 132_863_336
    assert networks.vgg11().weight_shape(9) == (4096, 512)
    assert networks.vgg11(scale=0.25).hidden == (
        *(16, 32, 64, 64, 128, 128, 128, 128),
        *(1024, 1024),
    )


@pytest.mark.parametrize(
    ("distribution", "spread", "bound"),
    [
        ("normal", math.sqrt(2 / 500), math.inf),
        ("uniform", math.sqrt(2 / 500), math.sqrt(6 / 500)),
        ("torch", math.sqrt(1 / 1500), math.sqrt(1 / 500)),
    ],
)
def test_init_has_its_spread(distribution, spread, bound):
    net = networks.mlp([500, 400, 3])
    (weight, bias), _ = net.init(
        generator=seeded(), distribution=distribution, dtype=torch.float64
    )
    assert weight.mean().abs() < 5 * spread / math.sqrt(weight.numel())
    assert weight.std() == pytest.approx(spread, rel=0.01)
    assert weight.abs().max() <= bound
    assert not bias.any()
    (_, bias), _ = net.init(generator=seeded(), bias="uniform")
    assert 0.5 / math.sqrt(500) < bias.abs().max() <= 1 / math.sqrt(500)


def test_init_is_its_generators_in_every_dtype():
    net = networks.mlp([4, 5, 2])
    double = net.init(generator=seeded(3), dtype=torch.float64)
    single = net.init(generator=seeded(3))
    assert single[0][0].dtype == torch.float32
    assert torch.equal(double[0][0].float(), single[0][0])
    generator = seeded(3)
    net.init(generator=generator)
    assert not torch.equal(net.init(generator=generator)[0][0], single[0][0])


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("bias", [True, False])
def test_fold_batch_norm_is_eval_mode(affine, bias):
    torch_net = torch.nn.Sequential(
        torch.nn.Conv2d(2, 3, 3, padding=1, bias=bias),
        torch.nn.BatchNorm2d(3, affine=affine),
        torch.nn.ReLU(),
        torch.nn.Flatten(),
        torch.nn.Linear(48, 5, bias=bias),
        torch.nn.BatchNorm1d(5, affine=affine),
        torch.nn.ReLU(),
        torch.nn.Linear(5, 2),
    ).double()
    generator = seeded(4)
    for name, value in torch_net.state_dict().items():
        if value.is_floating_point():
            value.copy_(torch.rand(value.shape, generator=generator) + 0.1)
            if "weight" in name:
                value -= 0.6
    torch_net.eval()
    conv, norm, _, _, linear, norm1, _, last = torch_net
    layers = ((conv, norm), (linear, norm1), (last,))
    theta = networks.fold_batch_norm(
        [(m.weight, m.bias, *norms) for m, *norms in layers]
    )
    net = Network(
        (2, 4, 4), (Layer(3, True, 3, 1), Layer(5, True), Layer(2, True))
    )
    net.check(theta)
    x = inputs(net)
    torch.testing.assert_close(net.forward(theta, x), torch_net(x))


def test_fold_batch_norm_needs_running_statistics():
    norm = torch.nn.BatchNorm1d(3, track_running_stats=False)
    with pytest.raises(ValueError, match=r"layer 1.*running"):
        networks.fold_batch_norm([(torch.ones(3, 2), None, norm)])


def spoilt(theta, layer, part, value):
    out = [list(pair) for pair in theta]
    out[layer - 1][part] = value
    return tuple(map(tuple, out))


@pytest.mark.parametrize(
    ("layer", "part", "value", "error", "says"),
    [
        (2, 0, torch.ones(4, 3).double(), ValueError, r"\(4, 3\).*\(4, 5\)"),
        (1, 1, torch.ones(4).double(), ValueError, r"\(4,\).*\(5,\)"),
        (3, 1, None, ValueError, "bias is None; needed: given"),
        (2, 0, torch.full((4, 5), math.nan).double(), ValueError, "20 non-fi"),
        (3, 1, torch.tensor([1, math.inf]).double(), ValueError, "1 non-fin"),
        (2, 0, torch.ones(4, 5), TypeError, "float32.*float64"),
        (1, 0, torch.ones(5, 3, dtype=int), TypeError, "int64"),
        (1, 0, np.ones((5, 3)), TypeError, "ndarray"),
    ],
)
def test_check_names_the_layer_and_both_values(
    layer, part, value, error, says
):
    net = networks.mlp([3, 5, 4, 2])
    theta = drawn(net)
    net.check(theta)
    with pytest.raises(error, match=f"theta_a, layer {layer}: .*{says}"):
        net.check(spoilt(theta, layer, part, value), "theta_a")


def test_check_other_faults():
    net = networks.mlp([3, 5, 2], bias=False)
    theta = drawn(net)
    with pytest.raises(ValueError, match="1 layers; the network has 2"):
        net.check(theta[:1])
    with pytest.raises(ValueError, match="layer 1: bias is given"):
        net.check(spoilt(theta, 1, 1, torch.ones(5).double()))
    norm = torch.nn.BatchNorm1d(5)
    with pytest.raises(ValueError, match=r"layer 1.*fold_batch_norm"):
        net.check([(*theta[0], norm), theta[1]])
    with pytest.raises(ValueError, match=r"x has shape \(4, 2\).*\(n, 3\)"):
        net.forward(theta, torch.ones(4, 2).double())
    with pytest.raises(TypeError, match=r"float32.*float64"):
        net.forward(theta, torch.ones(4, 3))
    with pytest.raises(ValueError, match="layer is 2; 0 to 1"):
        net.features(theta, torch.ones(4, 3).double(), 2)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: networks.mlp([3]), "widths"),
        (lambda: networks.mlp([3, 0, 2]), r"\(3, 0, 2\)"),
        (lambda: networks.conv3(channels=(1, 2)), "channels has 2"),
        (lambda: Network((3, 4), (Layer(2),)), r"inputs is \(3, 4\)"),
        (lambda: Network((3,), ()), "layers is empty"),
        (lambda: Network((3,), (Layer(2, kernel=3), Layer(2))), "layer 1"),
        (lambda: Network((3, 5, 5), (Layer(2, kernel=3),)), "last"),
        (lambda: networks.vgg11(inputs=(3, 16, 16)), "layer 8.*nothing"),
        (lambda: Pool("min", 2), "'min'"),
        (lambda: Pool("max", 0), "size is 0"),
        (lambda: Pool("max", 2, 0), "stride is 0"),
        (lambda: Pool("average", 3, 1, 2), "padding is 2; 0 to 1"),
        (lambda: Pool("adaptive", 3, 1), "stride is 1 and padding 0"),
        (lambda: networks.mlp([3, 2]).narrow([3, 2]), "2 entries"),
        (
            lambda: networks.mlp([3, 2]).init(
                generator=seeded(), distribution="he"
            ),
            "'he'",
        ),
    ],
)
def test_impossible_networks(make, says):
    with pytest.raises(ValueError, match=says):
        make()


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda net: net.weight_shape(0), ValueError, "i is 0; 1 to 3"),
        (lambda net: net.weight_shape(-1), ValueError, "i is -1; 1 to 3"),
        (lambda net: net.weight_shape(4), ValueError, "i is 4; 1 to 3"),
        (
            lambda net: net.features(drawn(net), inputs(net), 0.5),
            ValueError,
            r"layer is 0\.5; 0 to 2",
        ),
        *(
            (
                lambda net, g=g: net.init(generator=g),
                TypeError,
                r"generator is .*; a torch\.Generator",
            )
            for g in (None, 0, torch.default_generator.get_state())
        ),
        *(
            (
                lambda net, dtype=dtype: drawn(net, dtype=dtype),
                TypeError,
                f"dtype is '?{dtype}",
            )
            for dtype in (torch.int64, torch.bool, torch.complex64, "float32")
        ),
        *(
            (
                lambda net, scale=scale: drawn(net, scale=scale),
                ValueError,
                f"scale is {scale}",
            )
            for scale in (math.nan, math.inf)
        ),
    ],
)
def test_faulty_layers_and_draws(make, error, says):
    with pytest.raises(error, match=says):
        make(networks.mlp([4, 5, 6, 2]))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: networks.mlp([3, 4, 2], bias="no"), "bias is 'no'"),
        (lambda: networks.vgg11(hidden=(8,)), "hidden has 1 entries.*or 2"),
        (lambda: networks.vgg11(hidden=(8, 8, 8)), "hidden has 3 entries"),
        (lambda: networks.vgg11(hidden=2.5), r"hidden is 2\.5"),
        (lambda: networks.vgg11(hidden=(8, -8)), "hidden is -8"),
        (lambda: networks.vgg11(scale=-1), "scale is -1"),
        (lambda: networks.vgg11(scale=math.nan), "scale is nan"),
        (lambda: networks.vgg11(scale=math.inf), "scale is inf"),
        (lambda: networks.conv3(channels=(3, 4)), "channels has 2 entr.*or 3"),
        (lambda: networks.conv3(channels=2.5), r"channels is 2\.5"),
        (lambda: networks.conv3(pools=(None,)), "pools has 1 entries"),
    ],
)
def test_faulty_architectures(make, says):
    with pytest.raises(ValueError, match=says):
        make()


@pytest.mark.parametrize("kind", [np.int64, np.int8, torch.tensor])
def test_widths_of_any_integer_type(kind):
    for found, same in (
        (networks.conv3(channels=kind(3)), networks.conv3(channels=3)),
        (networks.vgg11(hidden=kind(8)), networks.vgg11(hidden=8)),
        (networks.mlp([kind(3), kind(2)]), networks.mlp([3, 2])),
        (networks.mlp([3, 2], bias=np.False_), networks.mlp([3, 2], False)),
    ):
        assert found == same
        assert repr(found) == repr(same)
    net = networks.mlp([3, 4, 2])
    assert net.weight_shape(kind(2)) == (2, 4)


@pytest.mark.parametrize("channels", [1, 4, 6])
def test_fold_batch_norm_of_another_width(channels):
    norm = torch.nn.BatchNorm1d(channels)
    says = rf"layer 1: the batch norm has {channels} channels; needed: 5"
    with pytest.raises(ValueError, match=says):
        networks.fold_batch_norm([(torch.ones(5, 2), None, norm)])
    with pytest.raises(TypeError, match="layer 1: the norm is a NoneType"):
        networks.fold_batch_norm([(torch.ones(5, 2), None, None)])


def test_a_stride_of_none():
    for part in ("conv 4 3 stride 0", "pool 2 stride 0"):
        text = f"conv 4 3; {part}; linear 2"
        with pytest.raises(ValueError, match=f"with '{part}'; 784"):
            networks.architecture(text, (1, 9, 9))


def test_integers_beyond_int64_are_refused():
    net = networks.mlp([3, 2])
    theta = drawn(net)
    x = np.full((1, 3), 2**63, dtype=np.uint64)
    for beyond in (x, x * 2 - 1, torch.from_numpy(x)):
        with pytest.raises(ValueError, match=r"x has integers from 2\^63"):
            net.forward(theta, beyond)
    small = x // 2**62
    twos = np.full((1, 3), 2.0)
    assert torch.equal(net.forward(theta, small), net.forward(theta, twos))
    with pytest.raises(ValueError, match=r"y has integers from 2\^63"):
        losses.targets(x[0], 2, loss="cross_entropy", like=theta[0][0])
