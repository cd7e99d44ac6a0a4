"""Torch modules become networks of the same function, or named errors."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from kernels import certificates, networks, paths
from kernels.networks import Layer, Network, Pool

QUICK = settings(max_examples=40, deadline=None)
S = nn.Sequential


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def spread(module, seed, dtype=torch.float64):
    """Random parameters and statistics, in eval mode, of a dtype."""
    module, g = module.to(dtype), seeded(seed)
    for name, value in module.state_dict().items():
        if value.is_floating_point():
            draw = torch.rand(value.shape, generator=g, dtype=torch.float64)
            centre = -0.4 if "running_var" in name else 0.5
            value.copy_((draw - centre) / max(1, value[0].numel()) ** 0.5)
    return module.eval()


def assert_same(module, shape, seed=0, tolerance=1e-12):
    """The network, and the module made of it, compute what ``module`` does."""
    dtype = next(module.parameters()).dtype
    net, theta = networks.from_module(module, shape)
    net.check(theta)
    assert theta[0][0].dtype == dtype
    x = torch.randn(6, *shape, generator=seeded(seed), dtype=torch.float64)
    x = x.to(dtype)
    with torch.no_grad():
        z = module(x)
        size = tolerance * max(1, float(z.abs().max()))
        assert float((net.forward(theta, x) - z).abs().max()) <= size
        back = networks.to_module(net, theta)
        assert float((back(x) - z).abs().max()) <= size
    again, parameters = networks.from_module(back, shape)
    assert again == net
    for pair, other in zip(parameters, theta):
        for p, q in zip(pair, other):
            assert (p is None) == (q is None)
            assert p is None or torch.equal(p, q)
    return net, theta


@st.composite
def chains(draw):
    """(module, input shape): any chain that the constructions reach."""
    flag = st.booleans()
    modules, maps = [], draw(flag)
    if maps:
        side = draw(st.integers(5, 9))
        shape = (draw(st.integers(1, 3)), side, draw(st.integers(5, 9)))
    else:
        shape = draw(st.sampled_from([(3,), (1,), (1, 2, 3), (2, 2)]))
    x = torch.zeros(2, *shape)

    def add(module):
        nonlocal x
        modules.append(module.eval())
        x = modules[-1](x)

    def between(relu):
        if draw(flag):
            add(nn.Identity() if draw(flag) else nn.Dropout(0.9))
        if relu:
            add(nn.ReLU(inplace=draw(flag)))

    for _ in range(draw(st.integers(0, 3)) if maps else 0):
        sides = x.shape[2:]
        kernel = draw(st.integers(1, min(3, *sides)))
        padding = draw(st.integers(0, 2))
        stride = draw(st.integers(1, 3))
        width = draw(st.integers(1, 4))
        add(
            nn.Conv2d(
                x.shape[1], width, kernel, stride, padding, bias=draw(flag)
            )
        )
        if draw(flag):
            add(nn.BatchNorm2d(width, affine=draw(flag)))
        late = draw(flag)
        between(relu=not late)
        for _ in range(draw(st.integers(0, 2))):
            kind = (
                "max" if late else draw(st.sampled_from(["max", "avg", "ad"]))
            )
            if kind == "adaptive":
                add(nn.AdaptiveAvgPool2d(draw(st.integers(1, 3))))
                continue
            size = draw(st.integers(1, min(3, *x.shape[2:])))
            stride = draw(st.integers(1, 3))
            pool = nn.MaxPool2d if kind == "max" else nn.AvgPool2d
            add(pool(size, stride, draw(st.integers(0, size // 2))))
        if late:
            between(relu=True)
        if not late and draw(flag):  # behind the ReLU: into the layer above
            add(nn.BatchNorm2d(width))
            break
    if x.dim() > 2:
        add(nn.Flatten())
    for _ in range(draw(st.integers(0, 3))):
        add(nn.Linear(x.shape[1], draw(st.integers(1, 5)), bias=draw(flag)))
        if draw(flag):
            add(nn.BatchNorm1d(x.shape[1], affine=draw(flag)))
        between(relu=True)
        if draw(flag):
            add(nn.BatchNorm1d(x.shape[1]))
    add(nn.Linear(x.shape[1], draw(st.integers(1, 3)), bias=draw(flag)))
    if draw(flag):
        cut = draw(st.integers(0, len(modules)))
        modules = [S(*modules[:cut]), S(S(), *modules[cut:])]
    return S(*modules), shape


@QUICK
@given(drawn=chains(), seed=st.integers(0, 10**6))
def test_any_chain_in_float64(drawn, seed):
    module, shape = drawn
    assert_same(spread(module, seed), shape, seed)


@QUICK
@given(drawn=chains(), seed=st.integers(0, 10**6))
def test_any_chain_in_float32(drawn, seed):
    module, shape = drawn
    module = spread(module, seed, torch.float32)
    assert_same(module, shape, seed, 1e-6)


class Vision(nn.Module):
    """The structure of torchvision's AlexNet and VGG: three submodules."""

    def __init__(self, features, channels, pooled, hidden=12, classes=5):
        super().__init__()
        self.features = features
        self.avgpool = nn.AdaptiveAvgPool2d((pooled, pooled))
        self.classifier = S(
            nn.Linear(channels * pooled**2, hidden),
            nn.ReLU(True),
            nn.Dropout(),
            nn.Linear(hidden, hidden),
            nn.ReLU(True),
            nn.Dropout(),
            nn.Linear(hidden, classes),
        )

    def forward(self, x):
        x = self.features(x)
        x = self.avgpool(x)
        x = torch.flatten(x, 1)
        return self.classifier(x)


def vgg11(norm):
    modules, channels = [], 3
    for width in (2, "M", 3, "M", 4, 4, "M", 5, 5, "M", 5, 5, "M"):
        if width == "M":
            modules.append(nn.MaxPool2d(kernel_size=2, stride=2))
            continue
        modules.append(nn.Conv2d(channels, width, kernel_size=3, padding=1))
        modules += [nn.BatchNorm2d(width)] if norm else []
        modules.append(nn.ReLU(inplace=True))
        channels = width
    return Vision(S(*modules), channels, 7)


def alexnet():
    features = S(
        nn.Conv2d(3, 4, kernel_size=11, stride=4, padding=2),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(kernel_size=3, stride=2),
        nn.Conv2d(4, 5, kernel_size=5, padding=2),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(kernel_size=3, stride=2),
    )
    return Vision(features, 5, 2)


class LeNet(nn.Module):
    """Functions in the forward, pooling before the ReLU, a view."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 3, 5)
        self.conv2 = nn.Conv2d(3, 4, 3)
        self.drop = nn.Dropout2d()
        self.fc1, self.fc2 = nn.Linear(36, 7), nn.Linear(7, 4)

    def forward(self, x):
        x = functional.relu(functional.max_pool2d(self.conv1(x), 2))
        x = torch.relu(self.drop(self.conv2(x)))
        x = functional.avg_pool2d(x, 2, stride=1, padding=1)
        x = functional.adaptive_avg_pool2d(x, (3, 3)).view(x.size(0), -1)
        x = self.fc1(x).relu_()
        x = functional.dropout(x, training=self.training)
        return self.fc2(x.reshape(x.shape[0], -1))


class Mine(nn.Linear):
    """A subclass that keeps its parent's forward."""


@pytest.mark.parametrize(
    ("make", "shape", "depth"),
    [
        (lambda: vgg11(False), (3, 32, 32), 11),
        (lambda: vgg11(True), (3, 32, 32), 11),
        (alexnet, (3, 63, 63), 5),
        (LeNet, (1, 15, 15), 4),
        (lambda: nn.Linear(4, 2), (4,), 1),
        (lambda: S(Mine(4, 3), nn.ReLU(), Mine(3, 2)), (4,), 2),
        (
            lambda: S(
                nn.BatchNorm2d(2), nn.Conv2d(2, 3, 2), nn.ReLU(), nn.Flatten(),
                nn.ReLU(), nn.Linear(12, 3),
            ),
            (2, 3, 3),
            2,
        ),
        (
            lambda: S(
                nn.Conv2d(1, 2, 3, padding="same"), nn.ReLU(),
                nn.MaxPool2d(2, ceil_mode=True), nn.Flatten(),
                nn.Linear(8, 3),
            ),
            (1, 4, 4),
            2,
        ),
        (
            lambda: S(
                torch.nn.utils.parametrizations.weight_norm(nn.Linear(3, 4)),
                nn.ReLU(),
                nn.Linear(4, 2),
            ),
            (3,),
            2,
        ),
    ],
    ids=[
        "vgg11", "vgg11_bn", "alexnet", "lenet", "linear", "subclass", "norm",
        "same", "weight_norm",
    ],
)  # fmt: skip
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_known_architectures(make, shape, depth, dtype):
    module = spread(make(), 3, dtype)
    tolerance = 1e-12 if dtype == torch.float64 else 1e-6
    net, _ = assert_same(module, shape, 1, tolerance)
    assert net.depth == depth


def test_the_papers_vgg11_is_the_modules():
    net, _ = networks.from_module(vgg11(True), (3, 32, 32))
    ours = networks.vgg11(scale=1, adaptive=7, hidden=12, classes=5)
    widths = (2, 3, 4, 4, 5, 5, 5, 5, 12, 12, 5)
    expected = [
        Layer(w, True, one.kernel, one.padding, one.stride, one.pools)
        for one, w in zip(ours.layers, widths)
    ]
    assert net == Network((3, 32, 32), tuple(expected))


@pytest.mark.parametrize("training", [True, False])
def test_the_module_is_left_as_it_was(training):
    module = vgg11(True).train(training)
    module.features[1].train(not training)
    before = copy.deepcopy(module.state_dict())
    flags = [one.training for one in module.modules()]
    pieces = [id(p) for p in module.parameters()]
    state = torch.get_rng_state()
    _, theta = networks.from_module(module, (3, 32, 32))
    assert [one.training for one in module.modules()] == flags
    assert [id(p) for p in module.parameters()] == pieces
    assert all(one.inplace for one in module.modules() if type(one) is nn.ReLU)
    assert torch.equal(torch.get_rng_state(), state)
    with torch.no_grad():  # and the parameters are not the module's memory
        for weight, bias in theta:
            assert not weight.requires_grad
            weight.zero_(), bias.zero_()
    for name, value in module.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_parameters_are_copied_both_ways_in_float64():
    module = S(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1)).double()
    net, theta = networks.from_module(module, (2,))
    assert torch.equal(theta[0][0], module[0].weight)
    theta[0][0].zero_()
    assert module[0].weight.any()
    back = networks.to_module(net, theta)
    assert all(p.requires_grad for p in back.parameters())
    with torch.no_grad():
        back[-1].weight.zero_()
    assert theta[1][0].any()


def test_to_module_of_every_layer():
    net = Network(
        (2, 9, 8),
        (
            Layer(3, True, 3, 1, pools=(Pool("max", 3, 2), Pool("max", 2, 1))),
            Layer(3, False, 2, 2, pools=(Pool("average", 3, 2, 1),)),
            Layer(4, False, 1, 0, 2, pools=(Pool("adaptive", 2),)),
            Layer(3, True),
            Layer(2, False),
        ),
    )
    for dtype in (torch.float64, torch.float32, torch.bfloat16):
        theta = net.init(generator=seeded(), dtype=dtype, bias="uniform")
        x = torch.randn(3, 2, 9, 8, generator=seeded()).to(dtype)
        assert torch.equal(
            networks.to_module(net, theta)(x), net.forward(theta, x)
        )
    with pytest.raises(ValueError, match="theta has 4 layers"):
        networks.to_module(net, theta[:-1])
    with pytest.raises(TypeError, match="network is a Sequential"):
        networks.to_module(S(), theta)


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(3, 3)

    def forward(self, x):
        return self.inner(torch.relu(x)) + x


class Branching(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(3, 3)

    def forward(self, x):
        return self.inner(x) if x.sum() > 0 else x


class Two(nn.Module):
    def forward(self, x):
        return x, x


class Always(nn.Module):
    def forward(self, x):
        return functional.dropout(x, 0.5)


class Scaled(nn.Module):
    def __init__(self):
        super().__init__()
        self.factor = nn.Parameter(torch.ones(3))

    def forward(self, x):
        return torch.mul(x, self.factor)


SHARED = nn.Linear(3, 3)
TIED = S(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 3))
TIED[2].weight = TIED[0].weight
INFINITE = nn.Linear(3, 3)
nn.init.constant_(INFINITE.bias, torch.inf)
HOOKED = S(nn.Linear(3, 3))
HOOKED[0].register_forward_hook(lambda module, x, z: 2 * z)


def behind(*modules):
    return S(nn.Linear(3, 3), S(*modules), nn.Linear(3, 2))


CONV = (nn.Conv2d(2, 2, 3, padding=1), nn.ReLU())


@pytest.mark.parametrize(
    ("module", "shape", "says"),
    [
        (behind(nn.Tanh()), 3, r"module\.1\.0 \(Tanh\).*ReLU"),
        (behind(nn.GELU()), 3, r"1\.0 \(GELU\).*ReLU"),
        (behind(nn.LeakyReLU()), 3, r"1\.0 \(LeakyReLU\).*ReLU"),
        (behind(nn.ReLU6()), 3, r"1\.0 \(ReLU6\).*ReLU"),
        (behind(nn.LayerNorm(3)), 3, r"1\.0 \(LayerNorm\).*statistics"),
        (behind(nn.Embedding(3, 3)), 3, r"1\.0 \(Embedding\)"),
        (behind(nn.LSTM(3, 3)), 3, r"1\.0 \(LSTM\).*tuple"),
        (behind(Residual()), 3, r"1\.0 \(Residual\), add.*residual"),
        (behind(Branching()), 3, r"1\.0 \(Branching\).*follow"),
        (behind(Scaled()), 3, r"1\.0 \(Scaled\)"),
        (behind(nn.ReLU(), Always()), 3, r"1\.1 \(Always\), dropout.*eval"),
        (behind(), 3, r"module\.2 \(Linear\): no ReLU.*module\.0 \(Linear\)"),
        (Two(), 3, r"module \(Two\): it returns"),
        (S(nn.Linear(3, 3), nn.ReLU()), 3, r"0 \(Linear\).*followed by ReLU"),
        (S(nn.Linear(3, 3), nn.Softmax(1)), 3, r"1 \(Softmax\).*outputs"),
        (S(SHARED, nn.ReLU(), SHARED), 3, r"0 \(Linear\).*shares"),
        (TIED, 3, r"2 \(Linear\).*shares its weights with module\.0"),
        (S(nn.ReLU(), nn.Linear(3, 2)), 3, r"0 \(ReLU\).*weight layer"),
        (S(nn.LazyLinear(3)), 3, r"0 \(LazyLinear\).*initialised"),
        (S(nn.Linear(4, 2)), 3, r"0 \(Linear\).*3"),
        (S(INFINITE), 3, r"0 \(Linear\): its bias has 3 non-finite"),
        (HOOKED, 3, r"module \(Sequential\).*differs by"),
        (nn.Identity(), 3, "no Linear layer"),
        (
            behind(nn.BatchNorm1d(3, track_running_stats=False)),
            3,
            r"1\.0 \(BatchNorm1d\).*track_running_stats",
        ),
        (
            behind(nn.ReLU(), nn.BatchNorm1d(3), nn.ReLU()),
            3,
            r"1\.2 \(ReLU\).*weight layer",
        ),
        (S(nn.Linear(3, 2)), (2, 3), r"0 \(Linear\).*Flatten"),
    ],
)  # fmt: skip
def test_what_the_constructions_do_not_reach(module, shape, says):
    shape = (shape,) if isinstance(shape, int) else shape
    with pytest.raises(ValueError, match=says):
        networks.from_module(module, shape)


@pytest.mark.parametrize(
    ("modules", "says"),
    [
        ([nn.Conv2d(2, 4, 3, groups=2)], r"0 \(Conv2d\): groups is 2"),
        ([nn.Conv2d(2, 4, 3, dilation=2)], r"0 \(Conv2d\): dilation"),
        ([nn.Conv2d(2, 4, (3, 2))], r"0 \(Conv2d\): kernel_size"),
        ([nn.Conv2d(2, 4, 3, (1, 2))], r"0 \(Conv2d\): stride"),
        ([nn.Conv2d(2, 4, 3, padding=(1, 0))], r"0 \(Conv2d\): padding"),
        ([nn.Conv2d(2, 4, 2, padding="same")], r"0 \(Conv2d\): padding"),
        (
            [nn.Conv2d(2, 4, 3, padding=1, padding_mode="reflect")],
            r"0 \(Conv2d\): padding.*reflect",
        ),
        ([nn.ConvTranspose2d(2, 2, 3)], r"0 \(ConvTranspose2d\)"),
        ([CONV[0], nn.AvgPool2d(2)], r"1 \(AvgPool2d\).*ReLU"),
        ([CONV[0], nn.MaxPool2d(2), nn.BatchNorm2d(2)], r"2 \(BatchNorm2d\)"),
        ([*CONV, nn.MaxPool2d(4, ceil_mode=True)], r"2 \(MaxPool2d\).*ceil"),
        ([*CONV, nn.MaxPool2d((2, 3))], r"2 \(MaxPool2d\): kernel_size"),
        ([*CONV, nn.MaxPool2d(2, dilation=2)], r"2 \(MaxPool2d\): dilation"),
        ([*CONV, nn.AdaptiveAvgPool2d((2, 3))], r"2 \(Adapt.*output_size"),
        ([*CONV, nn.AdaptiveMaxPool2d(2)], r"2 \(AdaptiveMaxPool2d\)"),
        (
            [*CONV, nn.AvgPool2d(3, padding=1, count_include_pad=False)],
            r"2 \(AvgPool2d\).*count_include_pad",
        ),
        (
            [*CONV, nn.AvgPool2d(2, divisor_override=3)],
            r"2 \(AvgPool2d\).*divisor",
        ),
        (
            [*CONV, nn.BatchNorm2d(2), nn.MaxPool2d(2)],
            r"3 \(MaxPool2d\).*batch norm",
        ),
        ([nn.MaxPool2d(2), *CONV], r"0 \(MaxPool2d\): it pools the input"),
        ([*CONV, nn.InstanceNorm2d(2)], r"2 \(InstanceNorm2d\).*statistics"),
    ],
)  # fmt: skip
def test_what_convolutions_do_not_reach(modules, says):
    body = S(*modules, nn.Flatten()).eval()
    features = body(torch.zeros(1, 2, 7, 7)).shape[1]
    with pytest.raises(ValueError, match=says):
        networks.from_module(S(*body, nn.Linear(features, 2)), (2, 7, 7))


def test_a_batch_norm_behind_relu_is_not_padded():
    norm = spread(nn.BatchNorm2d(2), 0, torch.float32)
    last = nn.Conv2d(2, 2, 3, padding=1), nn.ReLU(), nn.Flatten()
    module = S(*CONV, norm, *last, nn.Linear(98, 2))
    with pytest.raises(ValueError, match=r"3 \(Conv2d\).*padding 1"):
        networks.from_module(module, (2, 7, 7))


def test_the_last_layer_is_linear():
    module = S(*CONV, nn.Conv2d(2, 3, 7), nn.Flatten())
    with pytest.raises(ValueError, match=r"2 \(Conv2d\).*convolution"):
        networks.from_module(module, (2, 7, 7))


@pytest.mark.parametrize(
    ("module", "shape", "error", "says"),
    [
        (3, (3,), TypeError, "module is a int"),
        (nn.Linear, (3,), TypeError, "module is a type"),
        (nn.Linear(3, 2), 3, TypeError, "input_shape is 3"),
        (nn.Linear(3, 2), (3.0,), TypeError, "input_shape"),
        (nn.Linear(3, 2), "3", TypeError, "input_shape"),
        (nn.Linear(3, 2), (), ValueError, r"input_shape is \(\)"),
        (nn.Linear(3, 2), (0,), ValueError, r"input_shape is \(0,\)"),
        (
            S(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 2).half()),
            (3,),
            TypeError,
            "float16, torch.float32",
        ),
    ],
)
def test_arguments(module, shape, error, says):
    with pytest.raises(error, match=says):
        networks.from_module(module, shape)


def test_two_guests_meet_on_a_certified_path():
    ends = []
    for seed in (0, 1):
        module = spread(LeNet(), seed, torch.float32)
        net, theta = networks.from_module(module, (1, 15, 15))
        ends.append(theta)
    kept_a, kept_b = ([[unit]] * len(net.hidden) for unit in (0, 1))
    path = paths.theorem1(net, *ends, kept_a=kept_a, kept_b=kept_b)
    x = torch.randn(5, 1, 15, 15, generator=seeded())
    found = certificates.certify(net, path, x, torch.arange(5) % 4)
    assert found.exact
    assert found.upper >= found.attained
