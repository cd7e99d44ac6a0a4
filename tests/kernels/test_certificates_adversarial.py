"""Certificates against real arithmetic, on networks made to break them.

The oracle takes parameters and inputs as the numbers that they are and
computes losses along a path in 400 bits (mpmath).  Each check can fail: the
mutation tests at the end break one rule of the proof at a time and see it.
"""

import inspect
import itertools
import math
import textwrap

import mpmath
import path_cases as cases
import pytest
import torch
from mpmath import mp, mpf

from kernels import certificates, memorization, networks, paths
from kernels.certificates import bounds, errors, rounding, samples, twofold
from kernels.networks import Layer, Network, Pool
from kernels.paths import classes, exact, structure

DTYPES = [torch.float64, torch.float32, torch.bfloat16, torch.float16]
PLACES = [mpf(k) / 7 for k in range(8)]


@pytest.fixture(autouse=True)
def precise():
    before, mp.prec = mp.prec, 400
    yield
    mp.prec = before


# the oracle ------------------------------------------------------------------


def numbers(tensor):
    """Nested lists of mpf, the very numbers of a tensor."""
    values = tensor.double().tolist()

    def widen(v):
        return [widen(w) for w in v] if isinstance(v, list) else mpf(v)

    return widen(values)


def between(p, q, s):
    if isinstance(p, list):
        return [between(a, b, s) for a, b in zip(p, q)]
    return p + s * (q - p)


def outputs(theta, h):
    for i, (weight, bias) in enumerate(theta):
        z = [mpmath.fdot(row, h) for row in weight]
        if bias is not None:
            z = [a + b for a, b in zip(z, bias)]
        h = z if i == len(theta) - 1 else [max(a, mpf(0)) for a in z]
    return h


def sample_loss(z, y, loss):
    if loss == "square":
        return sum((a - b) ** 2 for a, b in zip(z, y))
    top = max(z)
    total = sum(mpmath.exp(a - top) for a in z)
    return top + mpmath.log(total) - z[y]


def point(path, segment, s):
    """Parameters at one point of a fully connected path."""
    ends = [
        [(numbers(w), None if b is None else numbers(b)) for w, b in end]
        for end in path.ends(segment)
    ]
    return [
        (between(w, v, s), None if b is None else between(b, c, s))
        for (w, b), (v, c) in zip(*ends)
    ]


def truth(path, segment, s, x, y, loss):
    """Mean loss and error there."""
    theta = point(path, segment, s)
    zs = [outputs(theta, row) for row in numbers(x)]
    targets = numbers(y) if y.is_floating_point() else y.tolist()
    loss = sum(sample_loss(z, t, loss) for z, t in zip(zs, targets)) / len(zs)
    if y.is_floating_point():
        return loss, None
    wrong = sum(z.index(max(z)) != t for z, t in zip(zs, targets))
    return loss, wrong / len(zs)


def assert_sound(net, path, x, y, loss, places=PLACES, **options):
    """No point of the path is above its segment's bound."""
    options = {"budget": 12, "initial": 3, **options}
    found = certificates.certify(net, path, x, y, loss, **options)
    for k, segment in enumerate(found.segments):
        seen = [truth(path, k, s, x, y, loss) for s in places]
        assert max(v for v, _ in seen) <= mpf(segment.upper), (k, segment)
        there, _ = truth(path, k, mpf(segment.where), x, y, loss)
        assert mpf(segment.attained) <= there, (k, segment)
        assert mpf(segment.upper) <= mpf(found.upper)
        if segment.kind != "general":  # attained at a knot
            top = max(truth(path, k, s, x, y, loss)[0] for s in (0, 1))
            assert abs(top - mpf(segment.attained)) <= mpf(segment.rounding)
        assert_contained(segment)
        for _, wrong in seen:
            if wrong is not None:
                assert wrong <= segment.error_upper, (k, segment)
    assert_contained(found)
    return found


def assert_contained(found):
    """The allowance is a part of the bound, above what is attained."""
    over = math.nextafter(found.upper - found.attained, math.inf)
    assert 0 <= found.rounding <= min(over, found.upper)
    assert found.exact == (found.upper - found.attained <= found.rounding)


@pytest.mark.parametrize(("seed", "exact"), [(0, True), (3, False)])
def test_the_allowance_is_contained_in_the_bound(seed, exact):
    """Pairs that cancel: what the quartic may lose is far above the loss.

    Where boxes do better, the quartic's allowance is none of the bound's.
    """
    net = networks.mlp([3, 4, 2])
    ends = [cancelling(net, seed), cancelling(net, seed + 50)]
    x, y = samples_of(net, seed, "square", 3)
    found = certificates.certify(
        net, paths.straight(*ends), x, y, "square", budget=12
    )
    assert_contained(found)
    assert_contained(found.segments[0])
    assert found.exact == exact


# networks made to break them -------------------------------------------------


def small(seed):
    """Width-1 layers and odd widths, with and without biases."""
    shapes = [[2, 1, 2], [1, 3, 1, 2], [2, 3, 2], [2, 2, 3, 2], [1, 1, 1, 1]]
    return networks.mlp(shapes[seed % len(shapes)], bias=seed % 3 != 0)


def wild(net, seed, dtype=torch.float64):
    """Weights over 24 orders of magnitude, zeros, subnormals, twins."""
    g = cases.seeded(seed)
    most = {torch.float16: 4, torch.bfloat16: 12}.get(dtype, 12)
    theta = []
    for weight, bias in cases.drawn(net, seed):
        parts = []
        for part in (weight, bias):
            if part is None:
                parts.append(None)
                continue
            power = (2 * torch.rand(part.shape, generator=g) - 1) * most
            part = part.sign() * 10.0 ** power.double()
            chance = torch.rand(part.shape, generator=g)
            tiny = 3 * torch.finfo(dtype).smallest_normal / 16
            part = torch.where(chance < 0.1, 0.0, part)
            part = torch.where((chance > 0.1) & (chance < 0.15), tiny, part)
            parts.append(part.to(dtype))
        theta.append(tuple(parts))
    return tuple(theta)


def integers(net, seed):
    """Small integers: exact zeros at kinks, ties, dead units."""
    g = cases.seeded(seed)

    def draw(part):
        if part is None:
            return None
        return torch.randint(-2, 3, part.shape, generator=g).double()

    return tuple((draw(w), draw(b)) for w, b in cases.drawn(net, seed))


def cancelling(net, seed):
    """Pairs of units that cancel but for the last digits of a large sum."""
    g = cases.seeded(seed)
    theta = cases.drawn(net, seed)
    for below, (weight, _) in itertools.pairwise(theta):
        if weight.shape[1] > 1:
            for part in below:
                if part is not None:
                    part[1] = part[0]
            large = 10.0 ** float(torch.randint(6, 13, (1,), generator=g))
            weight[:, 0] += large
            weight[:, 1] -= large
    return theta


def samples_of(net, seed, loss, n=2):
    g = cases.seeded(seed + 77)
    x = torch.randint(-2, 3, (n, *net.inputs), generator=g).double()
    if seed % 2:
        x = x + torch.randn(x.shape, generator=g).double()
    if loss == "square" and seed % 4 < 2:
        return x, torch.randn(n, net.widths[-1], generator=g).double()
    return x, torch.randint(net.widths[-1], (n,), generator=g)


def loss_of(seed):
    return ("cross_entropy", "square")[seed // 2 % 2]


def line(net, make, seed):
    """A straight line; every third moves its last layer alone."""
    theta, other = make(net, seed), make(net, seed + 1000)
    if seed % 3 == 1:
        other = (*theta[:-1], other[-1])
    return paths.straight(theta, other)


def check_line(make, seed, **options):
    net, loss = small(seed), loss_of(seed)
    x, y = samples_of(net, seed, loss)
    if loss == "square" and y.dtype == torch.int64:
        y = torch.nn.functional.one_hot(y, net.widths[-1]).double()
    return assert_sound(net, line(net, make, seed), x, y, loss, **options)


def check_wild(seed, dtype=torch.float64):
    return check_line(lambda net, s: wild(net, s, dtype), seed)


def check_theorem1(seed, make=wild):
    net = networks.mlp([2, 3, 2, 2], bias=seed % 2 == 0)
    kept = cases.halves(net, seed), cases.halves(net, seed + 1)
    path = paths.theorem1(
        net,
        make(net, seed),
        make(net, seed + 1000),
        kept_a=kept[0],
        kept_b=kept[1],
        scale_a=1.7,
        scale_b=0.3,
        style="short",
    )
    x, y = samples_of(net, 2 * seed, "cross_entropy")
    return assert_sound(net, path, x, y, "cross_entropy", [0, mpf(1) / 3, 1])


@pytest.mark.parametrize("norms", [False, True])
def test_outputs_and_losses_are_as_near_as_is_said(norms):
    check_rounding(norms)


def test_the_errors_bounds_hold_within_the_rounding():
    check_errors()


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("start", range(0, 24, 6))
def test_24_orders_of_magnitude(dtype, start):
    for seed in range(start, start + 6):
        check_wild(seed, dtype)


@pytest.mark.parametrize("make", [wild, cancelling, cases.drawn])
@pytest.mark.parametrize("seed", range(3))
def test_pieces_too_attain_what_they_say_where_they_say(make, seed):
    check_line(make, seed, engine="pieces")


def test_twice_the_precision():
    check_twofold()


def test_twice_the_precision_is_worth_it_in_deep_networks():
    net = networks.mlp([20, *[20] * 10, 3])
    theta, x = cases.drawn(net, 1), cases.inputs(net, 4)
    _, plain = rounding.forward(net, theta, x)
    _, rho = twofold.forward(net, theta, theta, 0.0, x)
    assert float(rho.max()) < 1e-4 * float(plain.max())


def test_twice_the_precision_with_convolutions_and_pools():
    net = cases.convolutional()
    ends, x = (cases.drawn(net, 1), cases.drawn(net, 2)), cases.inputs(net, 4)
    for s, theta in enumerate(ends):
        z, rho = rounding.forward(net, theta, x)
        sharp, off = twofold.forward(net, *ends, float(s), x)
        assert bool(((z - sharp).abs() <= rho + off).all())
        assert float(off.max()) < float(rho.max())


@pytest.mark.parametrize("make", [integers, cancelling, cases.drawn])
@pytest.mark.parametrize("start", range(0, 40, 8))
def test_ties_zeros_and_cancelling_pairs(make, start):
    for seed in range(start, start + 8):
        check_line(make, seed)


@pytest.mark.parametrize("make", [wild, integers, cancelling])
@pytest.mark.parametrize("seed", range(4))
def test_theorem1_is_constant_and_affine_at_any_scale(make, seed):
    found = check_theorem1(seed, make)
    assert all(s.kind != "general" for s in found.segments)
    assert all(s.mismatch == 0 for s in found.segments)
    assert found.exact


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_theorem1_keeps_its_kinds_in_every_precision(dtype):
    net = networks.mlp([3, 5, 4, 2])
    kept = cases.halves(net, 1), cases.halves(net, 2)
    path = paths.theorem1(
        net,
        cases.drawn(net, 1, dtype),
        cases.drawn(net, 2, dtype),
        kept_a=kept[0],
        kept_b=kept[1],
        scale_a=1.7,
    )
    x, y = cases.inputs(net, 3), torch.tensor([0, 1, 1])
    found = assert_sound(net, path, x, y, "cross_entropy", [0, mpf(1) / 3])
    assert found.exact
    assert found.evaluations == 2 * net.depth


# structure -------------------------------------------------------------------


def uneven(end):
    """FINDINGS C1: rows of size 1e6 and 0 to 5e-8, read by 0 and 2e7."""
    first = torch.tensor([[1e6], [end]]).double()
    return ((first, None), (torch.tensor([[0.0, 2e7]]).double(), None))


def check_uneven():
    net = networks.mlp([1, 2, 1], bias=False)
    path = paths.straight(uneven(0.0), uneven(5e-8))
    one, zero = torch.ones(1, 1).double(), torch.zeros(1, 1).double()
    found = assert_sound(net, path, one, zero, "square")
    assert path.kinds == ("general",)
    return found


def test_a_small_row_beside_a_large_one_moves():
    assert check_uneven().upper == pytest.approx(1, rel=1e-6)


def memory(n=12):
    g = cases.seeded(3)
    x = torch.randn(n, 3, generator=g).double()
    y = torch.randn(n, 1, generator=g).double()
    return memorization.memorize(x, y, generator=g, group=3), x, y


def test_one_weight_of_a_memorizing_network():
    built, x, y = memory()
    theta = built.parameters
    net = networks.mlp([3, len(theta[0][0]), 1])
    net = Network((3,), (Layer(len(theta[0][0])), Layer(1, False)))
    moved = theta[-1][0].clone()
    moved[0, 0] -= 0.1
    path = paths.straight(theta, (*theta[:-1], (moved, theta[-1][1])))
    assert path.kinds == ("affine",)
    found = assert_sound(net, path, x[:4], y[:4], "square", [0, 1])
    assert found.exact


def near_twins(dtype, share=0.3, last=False):
    """Twins whose columns r w and (1 - r) w are w but for rounding.

    ``last``: the last layer moves too.
    """
    net = networks.mlp([3, 4, 5, 2])
    theta = [list(pair) for pair in cases.drawn(net, 7, dtype)]
    for part in theta[0]:
        part[2:] = part[:2]
    other = [list(pair) for pair in theta]
    column = theta[1][0][:, :2].clone()
    theta[1][0] = torch.cat([column, 0 * column], 1)
    other[1][0] = torch.cat([share * column, (1 - share) * column], 1)
    if last:
        other[2] = list(cases.drawn(net, 8, dtype)[2])
    return net, [tuple(map(tuple, end)) for end in (theta, other)]


def check_near_twins(dtype, share=0.3, last=False):
    net, ends = near_twins(dtype, share, last)
    x, y = cases.inputs(net, 3), torch.tensor([0, 1, 1])
    path = paths.Path(ends)
    found = assert_sound(net, path, x, y, "cross_entropy")
    drift = [outputs_at(path, s, x) for s in (*PLACES, mpf(0), mpf(1))]
    *inside, start, end = drift
    for s, z in zip(PLACES, inside):
        off = max(
            abs(a - (1 - s) * b - s * c)
            for a, b, c in zip(flat(z), flat(start), flat(end))
        )
        assert off <= mpf(found.segments[0].mismatch)
    return path, found


def flat(rows):
    return [v for row in rows for v in row]


def outputs_at(path, s, x):
    theta = point(path, 0, s)
    return [outputs(theta, row) for row in numbers(x)]


@pytest.mark.parametrize("dtype", DTYPES[:2], ids=str)
def test_rounded_columns_are_constant_up_to_a_number(dtype):
    path, found = check_near_twins(dtype)
    (segment,) = found.segments
    size = torch.finfo(dtype).eps
    assert path.kinds == ("constant",)
    assert path.functions == (0, 1)  # not the same function, bit for bit
    assert segment.kind == "constant"
    assert 0 < segment.mismatch < 100 * size
    assert found.exact
    assert found.upper - found.attained < 1000 * size


def test_rounded_columns_below_a_layer_that_moves_are_affine_nearly():
    path, found = check_near_twins(torch.float32, last=True)
    assert path.kinds == ("affine",)
    assert 0 < found.segments[0].mismatch < 1e-5


def test_rounded_columns_of_half_precision_are_bounded_as_they_are():
    """Their rounding is no trifle: boxes, and no claim to be constant."""
    _, found = check_near_twins(torch.bfloat16)
    assert found.segments[0].kind == "general"


def test_exact_shares_are_exact():
    path, found = check_near_twins(torch.float64, 0.5)
    assert path.functions == (0, 0)
    assert found.segments[0].mismatch == 0


def test_the_callers_word_is_no_proof():
    net = networks.mlp([2, 3, 2])
    ends = cases.drawn(net, 1), cases.drawn(net, 2)
    path = paths.Path(ends, ["constant"])
    x, y = samples_of(net, 1, "cross_entropy")
    found = assert_sound(net, path, x, y, "cross_entropy")
    assert found.segments[0].kind == "general"


@pytest.mark.parametrize("members", [1, 2, 3, 5])
def test_sums_are_compared_as_real_numbers(members):
    g = cases.seeded(members)
    power = torch.randint(-12, 13, (6, members, 2), generator=g).double()
    left = torch.randn(6, members, 2, generator=g).double() * 10**power
    right = left[:, torch.randperm(members, generator=g)].clone()
    first, more = torch.tensor([0]), torch.arange(1, members)
    label = torch.zeros(members - 1).long()

    def gap(other):
        return exact.gap(left, other, first, more, label)[0][:, 0]

    assert bool((gap(right) == 0).all())  # the same numbers, reordered
    right[0, 0, 0] += right[0, 0, 0].abs() * 1e-15
    for row in range(6):
        for block in range(2):
            terms = numbers(left[row, :, block])
            terms += [-v for v in numbers(right[row, :, block])]
            off, found = abs(sum(terms)), mpf(float(gap(right)[row, block]))
            assert off <= found <= off * (1 + mpf(2) ** -30) + mpf(1e-30)


# every rule is needed --------------------------------------------------------


def pooled_net(kind):
    return Network(
        (1, 3, 3),
        (
            Layer(2, True, 2, 0),
            Layer(1, True, 1, 0, pools=(Pool(kind, 2),)),
            Layer(1, False),
        ),
    )


def check_boxes(net=None, sign=1.0, seeds=range(6)):
    """Outputs along random lines stay in their boxes; float64, 41 points."""
    net = networks.mlp([2, 4, 3, 2]) if net is None else net
    for seed in seeds:
        theta, other = cases.drawn(net, seed), cases.drawn(net, seed + 9)
        if len(net.inputs) == 3:
            last = (torch.full_like(theta[-1][0], sign), None)
            theta, other = (*theta[:-1], last), (*other[:-1], last)
        x = cases.inputs(net, 30)
        ((z0, z1, lo, hi, rho),) = bounds.boxes(net, [theta, other], x)
        for s in torch.linspace(0, 1, 41).tolist():
            z = net.forward(cases.between(theta, other, s), x)
            rest = z - (1 - s) * z0 - s * z1
            assert bool((rest <= hi + rho + 1e-12).all())
            assert bool((rest >= lo - rho - 1e-12).all())


def check_pools():
    for sign in (1.0, -1.0):
        for kind in ("max", "average"):
            check_boxes(pooled_net(kind), sign)


def check_norms():
    check_rounding(norms=True)


def check_rounding(norms=False):
    """Outputs and losses are as near the real ones as is said."""
    for seed in range(1, 24):
        net, loss = small(seed), loss_of(seed)
        x, y = samples_of(net, 2 * seed, "cross_entropy")
        if loss == "square":
            y = torch.nn.functional.one_hot(y, net.widths[-1]).double()
        for make in (cancelling, wild, cases.drawn):
            theta = make(net, seed)
            z, rho = rounding.forward(net, theta, x, norms=norms)
            found = rounding.sample_losses(z, rho, y, loss)
            exactly = [
                (numbers(w), None if b is None else numbers(b))
                for w, b in theta
            ]
            targets = numbers(y) if loss == "square" else y.tolist()
            for row, *seen in zip(numbers(x), z, rho, targets, *found):
                z_row, rho_row, target, value, allowance = seen
                want = outputs(exactly, row)
                for a, b, r in zip(want, numbers(z_row), numbers(rho_row)):
                    assert abs(a - b) <= r
                off = sample_loss(want, target, loss) - mpf(float(value))
                assert abs(off) <= mpf(float(allowance))


def check_twofold():
    """Outputs at a float between two parameters, within rho of the real."""
    for seed in range(1, 24):
        net = small(seed)
        x, _ = samples_of(net, 2 * seed, "cross_entropy")
        for make in (cancelling, wild, cases.drawn):
            ends = make(net, seed), make(net, seed + 1000)
            path = paths.straight(*ends)
            for s in (0.0, 1 / 3, 1.0):
                z, rho = twofold.forward(net, *ends, s, x)
                want = outputs_at(path, mpf(s), x)
                for a, b, r in zip(*map(flat, (want, numbers(z), rho))):
                    assert abs(a - b) <= mpf(float(r))


def check_halves():
    check_near_twins(torch.float32, last=True)


def check_corner():
    for seed in (0, 6, 12, 18):  # cross entropy on general lines
        check_line(cases.drawn, seed)


def check_errors():
    """The error's bounds hold for all outputs within the rounding."""
    g = cases.seeded(5)
    for _ in range(30):
        ends = torch.randint(0, 3, (2, 6, 3), generator=g).double()
        rho = torch.rand((2, 6, 3), generator=g).double() / 8
        y = torch.randint(3, (6,), generator=g)
        upper, attained = errors.error_bounds(*ends, *rho, y)
        for _ in range(5):
            signs = torch.randint(-1, 2, ends.shape, generator=g)
            error, _ = errors.error_supremum(*(ends + signs * rho), y)
            assert attained <= error <= upper


MUTANTS = [
    # what is proved, where, the code, what it becomes, the check
    (bounds, "_linear", ") / 4", ") * 0", check_boxes),
    (bounds, "_linear", "his[0], his[-1]", "his[0], his[0]", check_boxes),
    (bounds, "_linear", "middle - spread", "middle", check_boxes),
    (bounds, "_relu", "torch.relu(z1 + hi) - h1", "0 * h1", check_boxes),
    (bounds, "_relu", "(low0 < 0) != (low1 < 0)", "low0 != low0", check_boxes),
    (bounds, "_pool", "pool(h1 + hi) - top1", "0 * top1", check_pools),
    (bounds, "_pool", "torch.minimum(*below)", "below[0]", check_pools),
    (bounds, "corner", "own, lo, hi", "own, hi, lo", check_corner),
    (rounding, "gamma", "k * UNIT /", "1e-9 * k * UNIT /", check_rounding),
    (
        rounding,
        "sample_losses",
        "moved + computed",
        "0 * moved",
        check_rounding,
    ),
    (rounding, "by_norms", "grown *= 1", "grown *= 1e-9", check_norms),
    (rounding, "widened", "grown *= g", "grown *= 0 * g", check_rounding),
    (errors, "_margins", "sign * doubt", "0 * doubt", check_errors),
    (
        twofold,
        "_linear",
        "rho = (rho + off)",
        "rho = (0 * off)",
        check_twofold,
    ),
    (twofold, "_between", "rest + s * lost", "0 * rest", check_twofold),
    (
        twofold,
        "_slices",
        "high - parts[-1], low",
        "high, 0 * low",
        check_twofold,
    ),
    (
        classes,
        "Below.gap",
        "return gap(",  # as if what is below 1e-7 were equal
        "return _threshold(",
        check_halves,
    ),
    (
        structure,
        "_Rows.agree",  # what differs in its bits alone is compared
        "close, same = ~same, ~same",
        "close, same = same | True, same | True",
        check_uneven,
    ),
    (
        samples,
        "Samples.mismatch",
        "torch.cat(found)",
        "0 * torch.cat(found)",
        check_halves,
    ),
]


def _threshold(*arguments):
    bound, size = exact.gap(*arguments)
    return bound * (bound > 1e-7), size


def mutate(monkeypatch, module, name, old, new):
    *owners, name = name.split(".")
    owner = module
    for part in owners:
        owner = getattr(owner, part)
    source = textwrap.dedent(inspect.getsource(getattr(owner, name)))
    assert old in source, f"{name} reads otherwise now"
    made = {}
    exec(
        source.replace(old, new),
        {**vars(module), "_threshold": _threshold},
        made,
    )
    monkeypatch.setattr(owner, name, made[name])


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: f"{m[1]}: {m[3]}")
def test_a_broken_rule_is_seen(monkeypatch, mutant):
    *change, check = mutant
    check()
    mutate(monkeypatch, *change)
    with pytest.raises(AssertionError):
        check()


@pytest.mark.parametrize("loss", ["cross_entropy", "square"])
@pytest.mark.parametrize("engine", ["boxes", "pieces", None])
@pytest.mark.parametrize("steps", [1, 3, 101])
def test_points_between_subnormal_weights_are_rounded(steps, engine, loss):
    """To whole steps, which features of 1e299 make visible."""
    net = networks.mlp([1, 1, 1, 2], bias=False)
    size = steps * 5e-324

    def theta(*weights):
        last = torch.tensor([[3e24], [-3e24]], dtype=torch.float64)
        each = [torch.full((1, 1), w, dtype=torch.float64) for w in weights]
        return [(w, None) for w in (*each, last)]

    path = paths.Path([theta(1.0, 0.0), theta(1.0, size)])
    x = torch.full((1, 1), 1e299 / steps, dtype=torch.float64)
    y = torch.tensor([1] if loss == "cross_entropy" else [[1.0, 0.0]])
    places = [mpf(k) / 16 for k in range(17)]
    found = assert_sound(net, path, x, y, loss, places, engine=engine)
    assert found.upper > 0.1


@pytest.mark.parametrize("ends", [(-1.2e308, 6.5e307), (-1e308, 1.5e308)])
def test_a_difference_of_pre_activations_may_overflow(ends):
    """Below the chord of ReLU there is room, up to where z is 0."""
    z = [torch.tensor([[v]], dtype=torch.float64) for v in ends]
    none = torch.zeros(1, 1, dtype=torch.float64)
    lower, _, _ = bounds._relu(z, [v.relu() for v in z], (none, none, none))
    start, end = map(mpf, ends)
    assert mpf(lower.item()) <= -start / (start - end) * end * (1 - mpf(1e-15))


def test_an_average_that_underflows_is_allowed_for():
    """It is rounded to 0, which a large weight makes visible."""
    net = Network(
        (1, 2, 2),
        (
            Layer(1, kernel=1, pools=(Pool("average", 2),)),
            Layer(2, bias=False),
        ),
    )
    one = torch.ones(1, 1, 1, 1, dtype=torch.float64)
    last = torch.tensor([[1e300], [-1e300]], dtype=torch.float64)
    theta = (one, torch.zeros(1, dtype=torch.float64)), (last, None)
    x = torch.zeros(1, 1, 2, 2, dtype=torch.float64)
    x[0, 0, 0, 0] = 5e-324
    path = paths.Path([theta, theta])
    y = torch.zeros(1, 2, dtype=torch.float64)
    found = certificates.certify(net, path, x, y, "square")
    average = mpf(5e-324) / 4
    assert mpf(found.attained) <= 2 * (1e300 * average) ** 2
    assert 2 * (1e300 * average) ** 2 <= mpf(found.upper)


def test_layers_without_units_are_refused():
    net = Network((2,), (Layer(0), Layer(2)))
    theta = net.init(generator=torch.Generator(), dtype=torch.float64)
    path = paths.Path([theta, theta])
    x = torch.ones(3, 2, dtype=torch.float64)
    with pytest.raises(ValueError, match="layers of one unit"):
        certificates.certify(net, path, x, torch.tensor([0, 1, 0]))
