"""Networks from files: what is read is what was written, or a named error."""

import json
import struct

import pytest
import torch
from torch import nn

from kernels import networks

KINDS = {torch.float64: "F64", torch.float32: "F32", torch.bfloat16: "BF16"}
KINDS |= {torch.int64: "I64", torch.float16: "F16"}


def safetensors(path, tensors, header=None):
    """The format as its specification has it, written independently."""
    entries, body = {"__metadata__": {"format": "pt"}}, b""
    for name in sorted(tensors):
        value = tensors[name].detach().contiguous()
        part = bytes(value.reshape(-1).view(torch.uint8).tolist())
        entries[name] = {
            "dtype": KINDS[value.dtype],
            "shape": list(value.shape),
            "data_offsets": [len(body), len(body) + len(part)],
        }
        body += part
    head = json.dumps(header or entries).encode()
    path.write_bytes(struct.pack("<Q", len(head)) + head + body)
    return path


def convolutions(seed=0):
    """Convolutions with batch norm that has seen data, then two layers."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        made = nn.Sequential(
            nn.Conv2d(2, 5, 3, padding=1), nn.BatchNorm2d(5), nn.ReLU(),
            nn.MaxPool2d(2), nn.Conv2d(5, 4, 3, stride=2, bias=False),
            nn.ReLU(), nn.AvgPool2d(1), nn.Flatten(),
            nn.Linear(4, 7), nn.ReLU(), nn.Linear(7, 3),
        )  # fmt: skip
        made(torch.randn(9, 2, 7, 7))
    return made.eval()


WORDS = (
    "conv 5 3 pad 1; norm; pool 2; conv 4 3 stride 2 nobias; average 1; "
    "linear 7; linear 3"
)


def renamed(model, names):
    """Its state dict under other names of the layers."""
    own = iter(names)
    state, new = model.state_dict(), {}
    for name in state:
        layer = name.rpartition(".")[0]
        new[layer] = new.get(layer) or next(own)
    return {
        f"{new[k.rpartition('.')[0]]}.{k.rpartition('.')[2]}": v
        for k, v in state.items()
    }


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", ["own names", "others", "wrapped", "safe"])
def test_a_network_comes_back_from_its_file(tmp_path, dtype, kind):
    model = convolutions().to(dtype)
    file = tmp_path / "model.pt"
    others = renamed(model, ["z", "norm", "y", "b", "a"])
    if kind == "safe":
        names = ["features.0", "features.1", "features.10", "fc", "last"]
        file = tmp_path / "model.safetensors"
        safetensors(file, renamed(model, names))
    else:
        one = {"own names": model.state_dict(), "others": others}
        one["wrapped"] = {
            "epoch": 3,
            "state_dict": {f"module.{k}": v for k, v in others.items()},
        }
        torch.save(one[kind], file)
    net, theta = networks.load(file, WORDS, (2, 7, 7))
    assert theta[0][0].dtype == dtype
    x = torch.randn(6, 2, 7, 7, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        wanted = model.double()(x.double())
    z = net.forward(theta, x.to(dtype)).double()
    assert (z - wanted).abs().max() < (
        1e-5 if dtype == torch.float32 else 1e-12
    )
    assert z.abs().max() > 0.01


@pytest.mark.parametrize("dtype", list(KINDS))
def test_every_dtype_is_read_to_the_bit(tmp_path, dtype):
    g = torch.Generator().manual_seed(0)
    value = (1e3 * torch.randn(3, 5, generator=g)).to(dtype)
    tensors = {"a": value, "none": value[:0], "one": value[0, 0]}
    found = networks.read_tensors(
        safetensors(tmp_path / "m.safetensors", tensors)
    )
    assert found.keys() == tensors.keys()
    for name, one in tensors.items():
        assert found[name].dtype == dtype
        assert torch.equal(found[name], one)


def linear(tmp_path, names, widths=(3, 4, 4, 4, 2), suffix="safetensors"):
    """A file of linear layers with these names, weights i in layer i."""
    tensors = {}
    for i, name in enumerate(names):
        shape = widths[i + 1], widths[i]
        tensors[f"{name}.weight"] = torch.full(shape, float(i))
        tensors[f"{name}.bias"] = torch.full(shape[:1], float(i))
    file = tmp_path / f"m.{suffix}"
    if suffix == "safetensors":
        return safetensors(file, tensors)
    torch.save(tensors, file)
    return file


@pytest.mark.parametrize(
    "names",
    [
        ["fc1", "fc2", "fc3", "fc10"],
        ["net.2.1", "net.2.3", "net.10.0", "net.10.2"],
        ["z_in", "h.0", "h.1", "a_out"],
    ],
)
def test_the_order_of_a_safetensors_file(tmp_path, names):
    file = linear(tmp_path, names)
    _, theta = networks.load(file, "3-4-4-4-2", (3,))
    assert [float(b[0]) for _, b in theta] == [0, 1, 2, 3]


def test_an_order_that_is_a_guess_is_refused(tmp_path):
    names = ["first", "second", "third", "last"]
    with pytest.raises(ValueError, match=r"more than one order.*by names"):
        networks.load(linear(tmp_path, names), "3-4-4-4-2", (3,))
    file = linear(tmp_path, names, suffix="pt")  # has the model's order
    _, theta = networks.load(file, "3-4-4-4-2", (3,))
    assert [float(b[0]) for _, b in theta] == [0, 1, 2, 3]
    many = [chr(97 + i) * (i + 1) for i in range(20)]  # at once, too
    file = linear(tmp_path, many, widths=[4] * 21)
    with pytest.raises(ValueError, match="more than one order"):
        networks.load(file, "-".join(["4"] * 21), (4,))
    with pytest.raises(ValueError, match="no order"):
        networks.load(file, "-".join(["4"] * 20 + ["5"]), (4,))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("3-4-4-5-2", r"0?.*shape|no order"),
        ("3-4-4-2", "no order"),
        ("2-4-4-4-2", "2 inputs; a sample of shape .3,. has 3"),
        ("linear 4; tanh; linear 2", "'tanh'; 784-256"),
        ("linear 4; linear", "'linear'; 784-256"),
        ("linear 4; linear 0", "'linear 0'; 784-256"),
        ("linear 4 pad 1; linear 2", "'linear 4 pad 1'; 784-256"),
        ("linear 4 nobias 3; linear 2", "784-256"),
        ("", "''; 784-256"),
        ("conv 4 3; linear 2", "'conv 4 3' cannot read .*shape .3,."),
        ("linear 4; pool 2", "'pool 2' cannot read .*shape .4,."),
    ],
)
def test_wrong_words_are_named(tmp_path, text, said):
    file = linear(tmp_path, ["a1", "a2", "a3", "a4"])
    with pytest.raises(ValueError, match=said):
        networks.load(file, text, (3,))


def test_maps_that_are_too_small_are_named():
    with pytest.raises(ValueError, match=r"'pool 9' cannot read .*2, 5, 5"):
        networks.architecture("conv 2 3; pool 9; linear 2", (1, 7, 7))


def test_words_make_a_module_of_zeros_and_touch_no_generator():
    before = torch.get_rng_state()
    module = networks.architecture(WORDS, (2, 7, 7))
    assert torch.equal(before, torch.get_rng_state())
    like = convolutions()
    assert list(map(str, module)) == list(map(str, like))
    assert all(not p.any() for p in (module[0].weight, module[10].bias))
    assert not module(torch.ones(2, 2, 7, 7)).any()


CODE = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, tanh=False):
        super().__init__()
        self.last = nn.Linear(4, 2)
        self.early = nn.Linear(3, 4)
        self.tanh = tanh

    def forward(self, x):
        h = self.early(x)
        return self.last(torch.tanh(h) if self.tanh else torch.relu(h))

def other():
    return Net(tanh=True)

def asks(width):
    return Net()

number = 3
"""


@pytest.fixture
def python(tmp_path):
    """A file of the reader's own, and a state dict in it."""
    (tmp_path / "mine.py").write_text(CODE)
    names = {"early.weight": (4, 3), "early.bias": (4,)}
    names |= {"last.weight": (2, 4), "last.bias": (2,)}
    g = torch.Generator().manual_seed(0)
    tensors = {k: torch.randn(s, generator=g) for k, s in names.items()}
    torch.save(tensors, tmp_path / "m.pt")
    return tmp_path, tensors


def test_a_module_of_the_readers_own_goes_by_names(python):
    folder, tensors = python
    before = torch.get_rng_state()
    net, theta = networks.load(folder / "m.pt", f"{folder}/mine.py:Net", (3,))
    assert torch.equal(before, torch.get_rng_state())
    assert net.widths == (3, 4, 2)
    assert torch.equal(theta[0][0], tensors["early.weight"])
    torch.save({**tensors, "more": torch.ones(1)}, folder / "m.pt")
    with pytest.raises(ValueError, match="nothing else; the file has more"):
        networks.load(folder / "m.pt", f"{folder}/mine.py:Net", (3,))
    tensors.pop("last.bias")
    torch.save(tensors, folder / "m.pt")
    with pytest.raises(ValueError, match=r"needs last.bias; .*nothing else"):
        networks.load(folder / "m.pt", f"{folder}/mine.py:Net", (3,))


@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [
        ("mine.py:other", ValueError, "tanh: the constructions"),
        ("mine.py:asks", ValueError, "asks fails .TypeError.*no arguments"),
        ("mine.py:number", ValueError, "number is a int"),
        ("mine.py:nothing", ValueError, "nothing is a NoneType"),
        ("yours.py:Net", FileNotFoundError, "no file .*yours.py"),
    ],
)
def test_a_module_that_will_not_do_is_named(python, name, kind, said):
    folder, _ = python
    with pytest.raises(kind, match=said):
        networks.load(folder / "m.pt", f"{folder}/{name}", (3,))


def test_nothing_in_a_file_is_run(tmp_path):
    file = tmp_path / "m.pt"
    torch.save(convolutions(), file)
    with pytest.raises(ValueError, match=r"tensors alone .*state_dict\(\)"):
        networks.read_tensors(file)
    torch.save({"epoch": 3, "note": "good"}, file)
    with pytest.raises(ValueError, match="epoch, note, which are no tensors"):
        networks.read_tensors(file)
    torch.save([torch.ones(1)], file)
    with pytest.raises(ValueError, match="holds a list"):
        networks.read_tensors(file)
    torch.save({}, file)
    with pytest.raises(ValueError, match="holds no tensors"):
        networks.read_tensors(file)
    file.write_bytes(b"not a model")
    with pytest.raises(ValueError, match="cannot be read as tensors"):
        networks.read_tensors(file)
    with pytest.raises(FileNotFoundError, match="no file"):
        networks.read_tensors(tmp_path)


def test_a_broken_safetensors_file_is_named(tmp_path):
    file = linear(tmp_path, ["a", "b", "c", "d"])
    whole = file.read_bytes()
    for cut in (0, 4, 8, 100, len(whole) - 1):
        file.write_bytes(whole[:cut])
        with pytest.raises(ValueError, match=r"m\.safetensors"):
            networks.read_tensors(file)
    entry = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
    good = {"a": torch.ones(2)}
    assert safetensors(file, good, {"a": entry})
    assert torch.equal(networks.read_tensors(file)["a"], torch.ones(2))
    wrong = [{"dtype": "F8"}, {"shape": [3]}, {"shape": [-2]}, {"shape": 2}]
    wrong += [{"data_offsets": [4, 12]}, {"data_offsets": [-8, 0]}]
    wrong += [{"data_offsets": [8]}, {"shape": ["2"]}, {"more": 1}]
    for change in wrong:
        safetensors(file, good, {"a": entry | change})
        with pytest.raises(ValueError, match="is no safetensors file"):
            networks.read_tensors(file)
    for header in ([1], {"a": 3}):
        safetensors(file, good, header)
        with pytest.raises(ValueError, match="is no safetensors file"):
            networks.read_tensors(file)


def test_numbers_that_are_no_floats_are_named(tmp_path):
    tensors = {"0.weight": torch.ones(2, 3).long(), "0.bias": torch.ones(2)}
    torch.save(tensors, tmp_path / "m.pt")
    with pytest.raises(ValueError, match=r"0.weight has dtype torch.int64"):
        networks.load(tmp_path / "m.pt", "3-2", (3,))
