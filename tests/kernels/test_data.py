"""kernels.data: what is read is what was written, and damage is named."""

import dataclasses
import functools
import gzip
import hashlib
import http.server
import io
import itertools
import os
import pickle
import shutil
import struct
import sys
import tarfile
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernels import data
from kernels.data import features, files, normalize, roots, vgg16
from kernels.data.dataset import fingerprint, sha256

REAL = os.environ.get("CONNECTED_LANDSCAPE_DATA")
TRAIN, TEST = 7, 4  # examples in the small datasets written here


@pytest.fixture(autouse=True)
def nowhere(monkeypatch, tmp_path):
    """No data root but those that a test makes, and no network."""
    monkeypatch.delenv(roots.VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("MNIST", "CIFAR", "VGG16"):
        monkeypatch.setattr(
            roots, f"{name}_MIRRORS", ("http://127.0.0.1:9/absent/",)
        )


def idx(array, magic=None):
    magic = magic or 0x0800 + array.ndim
    head = struct.pack(f">{1 + array.ndim}I", magic, *array.shape)
    return head + array.astype(np.uint8).tobytes()


def mnist_arrays(seed=0):
    rng = np.random.default_rng(seed)
    for count in (TRAIN, TEST):
        yield rng.integers(256, size=(count, 28, 28))
        yield rng.integers(10, size=count)


@pytest.fixture
def mnist(tmp_path):
    """A small root in torchvision's layout; returns (root, arrays)."""
    folder = tmp_path / "root" / "MNIST" / "raw"
    folder.mkdir(parents=True)
    arrays = list(mnist_arrays())
    for i, (name, array) in enumerate(zip(files.MNIST_FILES, arrays)):
        content = idx(array)
        if i % 2:
            (folder / name).write_bytes(content)
        else:
            (folder / f"{name}.gz").write_bytes(gzip.compress(content))
    return tmp_path / "root", arrays


@pytest.fixture
def cifar10(tmp_path):
    folder = tmp_path / "root" / "cifar-10-batches-bin"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(1)
    records = rng.integers(256, size=(6, 3, 3073), dtype=np.uint8)
    records[:, :, 0] %= 10
    for name, content in zip(files.CIFAR_FILES, records):
        content.tofile(folder / name)
    return tmp_path / "root", records


small = pytest.mark.filterwarnings("ignore:.* here has:UserWarning")


def standardised(train, test):
    train, test = train.astype(np.float64), test.astype(np.float64)
    return [(part - train.mean()) / train.std() for part in (train, test)]


@small
def test_mnist_is_read_and_normalised(mnist):
    root, (train_x, train_y, test_x, test_y) = mnist
    found = data.load("mnist", root)
    for split, x, y in zip(
        (found.train, found.test),
        standardised(train_x, test_x),
        (train_y, test_y),
    ):
        assert split.x.dtype == torch.float32
        assert split.y.dtype == torch.int64
        np.testing.assert_allclose(
            split.x.numpy(), x.reshape(len(x), 784), rtol=1e-6, atol=1e-6
        )
        assert split.y.tolist() == y.tolist()
    assert found.image_shape == (1, 28, 28)
    assert found.name == "mnist"
    assert found.source == "not the official MNIST files"


@small
def test_cifar10_is_read_and_normalised(cifar10):
    root, records = cifar10
    found = data.load("cifar10", root)
    pixels = [records[:5, :, 1:].reshape(15, 3072), records[5, :, 1:]]
    train, test = standardised(*pixels)
    np.testing.assert_allclose(found.train.x, train, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(found.test.x, test, rtol=1e-6, atol=1e-6)
    assert found.train.y.tolist() == records[:5, :, 0].ravel().tolist()
    assert found.image_shape == (3, 32, 32)


@small
def test_modes_of_normalisation(cifar10):
    root, records = cifar10
    pixels = records[:5, :, 1:].reshape(15, 3, 1024).astype(np.float64)
    axes = (0, 2)
    mean = np.array([0.485, 0.456, 0.406])[:, None]
    std = np.array([0.229, 0.224, 0.225])[:, None]
    expected = {
        False: pixels / 255,
        "signed": pixels / 127.5 - 1,
        "imagenet": (pixels / 255 - mean) / std,
        "channel": (pixels - pixels.mean(axes, keepdims=True))
        / pixels.std(axes, keepdims=True),
    }
    marks = set()
    for mode, wanted in expected.items():
        found = data.load("cifar10", root, normalize=mode, flat=False)
        assert found.train.x.shape == (15, 3, 32, 32)
        np.testing.assert_allclose(
            found.train.x.reshape(15, 3, 1024), wanted, rtol=1e-5, atol=1e-5
        )
        marks.add(found.fingerprint)
    assert len(marks) == 1  # of the content, whatever is made of it


@small
def test_flat_rows_are_the_images_in_channel_major_order(cifar10):
    root, _ = cifar10
    flat = data.load("cifar10", root)
    images = data.load("cifar10", root, flat=False).train.x
    assert torch.equal(flat.train.x.view(-1, *flat.image_shape), images)


@small
def test_the_constant_feature_comes_last(mnist):
    root, _ = mnist
    with_one = data.load("mnist", root, constant=True)
    without = data.load("mnist", root)
    for one, none in (
        (with_one.train, without.train),
        (with_one.test, without.test),
    ):
        assert one.x.shape[1] == 785
        assert torch.equal(one.x[:, :784], none.x)
        assert torch.equal(one.x[:, 784], torch.ones(len(one)))
    for name, options in (
        ("mnist", {"constant": True, "flat": False}),
        ("gaussians", {"flat": False}),
    ):
        with pytest.raises(ValueError, match="flat=False"):
            data.load(name, root, **options)


@small
def test_a_fingerprint_is_a_hash_of_hashes_of_the_content(mnist):
    root, arrays = mnist
    parts = b"".join(hashlib.sha256(idx(a)).digest() for a in arrays)
    expected = hashlib.sha256(parts).hexdigest()[:16]
    assert data.load("mnist", root).fingerprint == expected
    path = root / "MNIST/raw/t10k-labels-idx1-ubyte"
    changed = bytearray(path.read_bytes())
    changed[-1] = (changed[-1] + 1) % 10
    path.write_bytes(changed)
    assert data.load("mnist", root).fingerprint != expected


def gz(change):
    """Applies `change` to the content inside a gzip file."""
    return lambda old: gzip.compress(change(gzip.decompress(old)))


def retyped(magic):
    return lambda old: struct.pack(">I", magic) + old[4:]


IMAGES, LABELS = "t10k-images-idx3-ubyte.gz", "train-labels-idx1-ubyte"
DAMAGES = [
    (IMAGES, lambda old: old[:-9], "broken gzip data"),
    (IMAGES, lambda old: b"no gzip" + old, "broken gzip data"),
    (IMAGES, lambda old: old[:40] + b"??" + old[42:], "broken gzip data"),
    (IMAGES, gz(lambda old: old[:-1]), f"{TEST * 784 - 1} bytes of data"),
    (IMAGES, gz(lambda old: old + b"x"), f"{TEST * 784 + 1} bytes of data"),
    (IMAGES, gz(lambda old: old[:10]), "10 bytes"),
    (IMAGES, gz(lambda old: b""), "0 bytes"),
    (IMAGES, gz(retyped(2049)), r"magic number 2049 \(labels\), expec"),
    (IMAGES, gz(retyped(0xD00D)), r"expected 2051 \(images\)"),
    (
        IMAGES,
        lambda old: gzip.compress(idx(np.zeros((TEST, 28, 27)))),
        "images of 28 x 27, expected 28 x 28",
    ),
    (
        IMAGES,
        lambda old: gzip.compress(idx(np.zeros((0, 28, 28)))),
        "0 bytes of",
    ),
    (LABELS, lambda old: b"", "0 bytes"),
    (LABELS, lambda old: old[:-1], f"{TRAIN - 1} bytes of data"),
    (LABELS, retyped(2051), r"expected 2049 \(labels\)"),
    (LABELS, lambda old: idx(np.ones(3)), f"3 labels, expected {TRAIN}, one"),
    (
        LABELS,
        lambda old: old[:-2] + b"\x0a\x00",
        f"label 10 at example {TRAIN - 2}, expected labels 0 to 9",
    ),
]


@pytest.mark.parametrize(("name", "change", "message"), DAMAGES)
def test_damaged_mnist_files_are_named(mnist, name, change, message):
    root, _ = mnist
    path = root / "MNIST" / "raw" / name
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(data.DamagedFile, match=message) as caught:
        data.load("mnist", root)
    error = caught.value
    assert error.path == path
    assert str(error) == f"{path}: found {error.found}, expected " + (
        error.expected
    )
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    status = data.status(root)["mnist"]
    assert not status["present"]
    assert status["problem"] == str(error)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_cut_or_foreign_bytes_pass_for_images(tmp_path_factory, drawn):
    """Any proper prefix of an IDX file, and any file of other bytes."""
    path = tmp_path_factory.mktemp("idx") / "images"
    array = np.arange(2 * 3 * 4).reshape(2, 3, 4)
    whole = idx(array)
    path.write_bytes(whole)
    back, digest = files.read_idx(path, axes=3)
    assert np.array_equal(back, array)
    assert digest == hashlib.sha256(whole).hexdigest()
    cut = whole[: drawn.draw(st.integers(0, len(whole) - 1))]
    path.write_bytes(drawn.draw(st.sampled_from([cut, b"x" * len(whole)])))
    with pytest.raises(data.DamagedFile):
        files.read_idx(path, axes=3)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("data_batch_3.bin", lambda old: old[:-1], r"expected 10000 records"),
        ("data_batch_3.bin", lambda old: b"", "0 bytes"),
        ("data_batch_3.bin", lambda old: old[:3073], "1 records, expected 3"),
        ("test_batch.bin", lambda old: old + old, "6 records, expected 3"),
        (
            "test_batch.bin",
            lambda old: old[:3073] + b"\xff" + old[3074:],
            "label 255 at example 1",
        ),
    ],
)
def test_damaged_cifar10_files_are_named(cifar10, name, change, message):
    root, _ = cifar10
    path = root / "cifar-10-batches-bin" / name
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(data.DamagedFile, match=message) as caught:
        data.load("cifar10", root)
    assert caught.value.path == path


def test_a_part_of_a_dataset_is_warned_of(mnist, cifar10):
    match = "MNIST here has 7 training and 4 test images, the official one 60"
    with pytest.warns(UserWarning, match=match):
        data.load("mnist", mnist[0])
    with pytest.warns(UserWarning, match="has 15 training and 3 test images"):
        data.load("cifar10", cifar10[0])


@small
def test_the_source_note_is_believed(cifar10):
    root, _ = cifar10
    note = root / "cifar-10-batches-bin" / "SOURCE.txt"
    jpeg = "decoded from JPEG copies, not the official pixels"
    note.write_text("CIFAR-10 decoded from a JPEG quality-75 copy.\n")
    assert data.load("cifar10", root).source == jpeg
    assert data.status(root)["cifar10"]["source"] == jpeg
    note.write_text("Drawn by\nhand.\n")
    assert data.load("cifar10", root).source == "Drawn by hand."


def test_where_data_is_looked_for(monkeypatch, tmp_path):
    cache = tmp_path / "cache" / "connected-landscape"
    assert data.where() == (cache,)
    monkeypatch.setenv("CONNECTED_LANDSCAPE_DATA", str(tmp_path / "env"))
    assert data.where() == (tmp_path / "env", cache)
    assert data.where(tmp_path) == (tmp_path,)
    assert data.where("~")[0] == Path.home()


@small
def test_roots_are_tried_in_order(mnist, monkeypatch, tmp_path):
    root, _ = mnist
    monkeypatch.setenv("CONNECTED_LANDSCAPE_DATA", str(tmp_path / "empty"))
    cache = tmp_path / "cache" / "connected-landscape"
    cache.parent.mkdir()
    shutil.copytree(root, cache)
    here = data.status()["mnist"]
    assert (here["present"], here["path"]) == (True, str(cache))
    monkeypatch.setenv("CONNECTED_LANDSCAPE_DATA", str(root))
    assert data.status()["mnist"]["path"] == str(root)
    assert data.status(tmp_path / "empty")["mnist"]["present"] is False


@pytest.mark.parametrize("name", ["mnist", "cifar10", "vgg16_features"])
@pytest.mark.parametrize("download", [True, False])
def test_missing_data_names_three_ways_to_provide_it(tmp_path, name, download):
    with pytest.raises(data.MissingData) as caught:
        data.load(name, tmp_path, download=download)
    text = str(caught.value)
    reason = "ConnectionError" if download else "download=False"
    assert reason in text
    for way in (
        f"{tmp_path} lacks ",
        "1. pass root=",
        "2. set CONNECTED_LANDSCAPE_DATA=",
        "3. with a network and pooch installed, run kernels.data.fetch(",
    ):
        assert way in text


def test_missing_pooch_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(data.MissingData, match="pooch is not installed"):
        data.load("mnist", tmp_path)


@pytest.mark.parametrize("name", ["mnist2", "", None])
def test_unknown_names_list_the_known(name):
    with pytest.raises(ValueError, match=r"gaussians, digits, mnist, cifar10"):
        data.load(name)
    with pytest.raises(ValueError, match=r"mnist, cifar10, vgg16_features"):
        data.fetch(name)


@pytest.mark.parametrize("mode", ["pixel", 1, 0, True, 2.0])
def test_unknown_modes_list_the_known(mode):
    with pytest.raises(ValueError, match=r"expected None or one of 'global'"):
        data.load("digits", normalize=mode)
    for image_mode in ("signed", "channel", "imagenet"):
        with pytest.raises(ValueError, match="is for images; gaussians takes"):
            data.load("gaussians", normalize=image_mode)


# ---- downloads, from a server of our own


@pytest.fixture
def server(tmp_path, monkeypatch):
    """Serves tmp_path/served on loopback; returns the folder and its URL."""
    served = tmp_path / "served"
    served.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = functools.partial(Handler, directory=str(served))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as web:
        threading.Thread(target=web.serve_forever, daemon=True).start()
        yield served, f"http://127.0.0.1:{web.server_port}/"
        web.shutdown()


def checksum(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@small
def test_mnist_is_downloaded_from_the_mirror_that_has_it(
    server, tmp_path, monkeypatch
):
    pytest.importorskip("pooch")
    served, url = server
    arrays = list(mnist_arrays())
    for name, array in zip(files.MNIST_FILES, arrays):
        (served / f"{name}.gz").write_bytes(gzip.compress(idx(array)))
    sums = [checksum(served / f"{name}.gz") for name in files.MNIST_FILES]
    monkeypatch.setattr(roots, "MNIST_GZIP_SHA256", tuple(sums))
    mirrors = ("http://127.0.0.1:9/gone/", url + "gone/", url)
    monkeypatch.setattr(roots, "MNIST_MIRRORS", mirrors)
    root = tmp_path / "new"
    found = data.load("mnist", root)
    assert found.test.y.tolist() == arrays[3].tolist()
    names = sorted(p.name for p in (root / "MNIST" / "raw").iterdir())
    assert names == sorted(f"{name}.gz" for name in files.MNIST_FILES)
    for path in served.iterdir():
        path.unlink()
    assert data.load("mnist", root).fingerprint == found.fingerprint


@small
def test_a_download_of_other_bytes_is_refused(server, tmp_path, monkeypatch):
    pytest.importorskip("pooch")
    served, url = server
    for name in files.MNIST_FILES:
        (served / f"{name}.gz").write_bytes(b"something else")
    monkeypatch.setattr(roots, "MNIST_MIRRORS", (url,))
    with pytest.raises(data.MissingData, match="hash"):
        data.load("mnist", tmp_path / "new")
    assert not [p for p in (tmp_path / "new").rglob("*") if p.is_file()]


@small
def test_cifar10_is_taken_out_of_its_archive(
    server, cifar10, tmp_path, monkeypatch
):
    pytest.importorskip("pooch")
    served, url = server
    root, records = cifar10
    archive = served / roots.CIFAR_ARCHIVE
    with tarfile.open(archive, "w:gz") as packed:
        packed.add(root / "cifar-10-batches-bin", "cifar-10-batches-bin")
        evil = tarfile.TarInfo("../evil")
        evil.size = 4
        packed.addfile(evil, io.BytesIO(b"evil"))
    monkeypatch.setattr(roots, "CIFAR_MIRRORS", (url,))
    monkeypatch.setattr(roots, "CIFAR_ARCHIVE_SHA256", checksum(archive))
    new = tmp_path / "deep" / "new"
    found = data.load("cifar10", new)
    assert found.test.y.tolist() == records[5, :, 0].tolist()
    inside = sorted(p.relative_to(new).as_posix() for p in new.rglob("*"))
    folder = "cifar-10-batches-bin"
    assert inside == sorted(
        [folder, *(f"{folder}/{name}" for name in files.CIFAR_FILES)]
    )
    assert not (tmp_path / "deep" / "evil").exists()


# ---- generated and bundled data


def test_gaussians_are_those_of_the_paper():
    found = data.load("gaussians")
    x, y = found.train.x.double().numpy(), found.train.y.numpy()
    assert x.shape == (10_000, 32)
    assert found.test.x.shape == (10_000, 32)
    assert set(y.tolist()) == {-1, 1} == set(found.classes)
    assert abs(y.mean()) < 5 / 100
    for sign, scale in ((1, 1.5), (-1, 0.5)):
        part = x[y == sign]
        error = 5 * scale / len(part) ** 0.5
        assert np.abs(part.mean(0)).max() < error
        covariance = np.cov(part.T) / scale**2
        assert np.abs(covariance - np.eye(32)).max() < 8 / len(part) ** 0.5
    again = data.load("gaussians")
    assert torch.equal(again.train.x, found.train.x)
    assert again.fingerprint == found.fingerprint == "3998b80fb8fc7b8e"
    other = data.gaussians(seed=1, train=5, test=3, dimension=2, delta=0.0)
    assert other.test.x.shape == (3, 2)
    assert other.fingerprint != found.fingerprint


@given(
    st.integers(1, 9),
    st.integers(1, 5),
    st.floats(0, 0.9),
    st.integers(1, 4),
    st.booleans(),
)
@settings(max_examples=30, deadline=None)
def test_the_stream_is_the_sample_cut_into_batches(
    batch, dimension, delta, block, constant
):
    options = {
        "dimension": dimension,
        "delta": delta,
        "constant": constant,
        "dtype": torch.float64,
    }
    stream = data.gaussian_stream(
        batch,
        generator=torch.Generator().manual_seed(5),
        block=block,
        **options,
    )
    taken = list(itertools.islice(stream, 2 * block))
    generator = torch.Generator().manual_seed(5)
    whole = [
        data.gaussian_sample(block * batch, generator=generator, **options)
        for _ in range(2)
    ]
    x, y = (torch.cat(parts) for parts in zip(*taken))
    assert torch.equal(x, torch.cat([w[0] for w in whole]))
    assert torch.equal(y, torch.cat([w[1] for w in whole]))
    assert all(len(part[1]) == batch for part in taken)
    assert x.shape[1] == dimension + constant
    # undo the scale by hand: the same normals for both classes
    generator = torch.Generator().manual_seed(5)
    sign = 2 * torch.randint(2, (block * batch,), generator=generator) - 1
    normal = torch.randn(
        (block * batch, dimension), generator=generator, dtype=torch.float64
    )
    scale = 1 + delta * sign.double()
    assert torch.allclose(
        x[: block * batch, :dimension], normal * scale[:, None], rtol=1e-15
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"train": 0}, "train is 0"),
        ({"dimension": 2.0}, "dimension is 2.0"),
        ({"delta": 1}, "delta is 1; expected 0 <= delta < 1"),
        ({"delta": -0.1}, "delta is -0.1"),
    ],
)
def test_bad_gaussians_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        data.gaussians(**options)


def test_digits_are_split_as_documented():
    pytest.importorskip("sklearn")
    from sklearn.datasets import load_digits

    found = data.load("digits")
    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(1797)
    x, y = x[order], y[order]
    wanted, _ = standardised(x[:1297], x[1297:])
    assert (len(found.train), len(found.test)) == (1297, 500)
    np.testing.assert_allclose(found.train.x, wanted, rtol=1e-6, atol=1e-6)
    assert found.test.y.tolist() == y[1297:].tolist()
    assert found.image_shape == (1, 8, 8)
    assert abs(float(found.train.x.mean())) < 1e-6
    unit = data.load("digits", normalize=False).train.x
    assert torch.equal(unit, torch.from_numpy(x[:1297] / 16).float())
    with pytest.raises(ValueError, match="needs 3 channels; digits has 1"):
        data.load("digits", normalize="imagenet")


def test_a_dataset_moves_and_is_frozen():
    found = data.gaussians(train=3, test=2)
    double = found.to(dtype=torch.float64)
    assert double.train.x.dtype == torch.float64
    assert double.test.y.dtype == torch.int64
    assert double.fingerprint == found.fingerprint
    assert found.train.x.dtype == torch.float32
    with pytest.raises(AttributeError):
        found.name = "other"
    assert "3 training and 2 test examples of shape (32,)" in repr(found)


@given(st.integers(1, 3), st.integers(1, 60), st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_moments_of_pixels_and_of_features(channels, count, seed):
    rng = np.random.default_rng(seed)
    for array in (
        rng.integers(256, size=(count, channels, 5, 7), dtype=np.uint8),
        rng.normal(3, 2, size=(count, 11)).astype(np.float32),
    ):
        mean, std = normalize.moments(array)
        assert mean == pytest.approx(array.mean(dtype=np.float64), rel=1e-12)
        assert std == pytest.approx(array.std(dtype=np.float64), rel=1e-9)


# ---- VGG-16


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """A narrow VGG-16 in torchvision's layout, accepted as the real one."""
    generator = torch.Generator().manual_seed(0)
    state, channels = {}, 3
    for block, width in zip(vgg16.BLOCKS, (2, 3, 4, 5, 2)):
        for i in block:
            state[f"features.{i}.weight"] = (
                torch.randn((width, channels, 3, 3), generator=generator)
                * (2 / (9 * channels)) ** 0.5
            )
            state[f"features.{i}.bias"] = 0.1 * torch.randn(
                width, generator=generator
            )
            channels = width
    state["classifier.0.weight"] = torch.zeros(1)  # passed over
    path = tmp_path / "root" / "vgg16-397923af.pth"
    path.parent.mkdir(exist_ok=True)
    torch.save(state, path)
    monkeypatch.setattr(roots, "VGG16_SHA256", checksum(path))
    return path, state


def oracle_features(state, pixels):
    """The same network from torch's modules, as torchvision stacks them."""
    import torch.nn as nn

    layers = []
    for block in ((0, 2), (5, 7), (10, 12, 14), (17, 19, 21), (24, 26, 28)):
        for i in block:
            weight = state[f"features.{i}.weight"]
            conv = nn.Conv2d(*weight.shape[1::-1], 3, padding=1)
            layers += [conv, nn.ReLU()]
        layers.append(nn.MaxPool2d(2, 2))
    net = nn.Sequential(*layers)
    own = {k.removeprefix("features."): v for k, v in state.items()}
    del own["classifier.0.weight"]
    net.load_state_dict(own)
    grow = nn.Upsample(size=(128, 128), mode="bilinear", align_corners=False)
    images = torch.from_numpy(pixels).double() / 255
    mean = torch.tensor([0.485, 0.456, 0.406]).double().view(3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225]).double().view(3, 1, 1)
    with torch.no_grad():  # torchvision's own preparation
        return net.double()((grow(images) - mean) / std)  # (n, c, 4, 4)


@small
@pytest.mark.parametrize(
    ("precision", "close"), [("float32", 1e-3), ("bfloat16", 0.03)]
)
def test_vgg16_features(cifar10, weights, precision, close):
    root, records = cifar10
    features.read_features(root, precision=precision)
    found = data.load("vgg16_features", root)
    pixels = records[:, :, 1:].reshape(18, 3, 32, 32)
    wanted = oracle_features(weights[1], pixels)
    assert wanted.shape == (18, 2, 4, 4)
    assert wanted.abs().max() > 0.01
    got = torch.cat([found.train.x, found.test.x]).double()
    off = (got - wanted.flatten(1)).norm() / wanted.norm()
    assert off < close
    assert f"torchvision's VGG-16 in {precision}" in found.source
    assert found.train.y.tolist() == records[:5, :, 0].ravel().tolist()
    assert found.image_shape is None
    kept = {p.name for p in (root / "vgg16-features").iterdir()}
    mark = found.fingerprint
    assert kept == {f"{mark}-train.npy", f"{mark}-test.npy"}
    # the second time they are read, without the weights
    weights[0].unlink()
    again = data.load("vgg16_features", root, constant=True)
    assert torch.equal(again.train.x[:, :-1], found.train.x)
    scaled = data.load("vgg16_features", root, normalize="global").train.x
    assert float(scaled.mean()) == pytest.approx(0, abs=1e-5)
    assert float(scaled.std(correction=0)) == pytest.approx(1, abs=1e-5)
    scaled = data.load("vgg16_features", root, normalize="deviation").train.x
    whole = found.train.x.double()
    assert torch.allclose(
        scaled.double(), whole / whole.std(correction=0), rtol=1e-5
    )
    status = data.status(root)["vgg16_features"]
    assert (status["present"], status["fingerprint"]) == (True, mark)


@small
@pytest.mark.parametrize("native", [False, True])
def test_features_warn_of_emulated_products(
    cifar10, weights, monkeypatch, native
):
    able = {"avx512_bf16": native}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)
    for precision, told in (("float32", 0), (None, 0), ("bfloat16", 1)):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("default")
            features.read_features(cifar10[0], precision=precision)
        slow = [w for w in caught if w.category is RuntimeWarning]
        assert len(slow) == (told and not native)
        assert all('precision="float32"' in str(w.message) for w in slow)


class Killed(Exception):
    pass


@small
@given(kill=st.integers(0, 17), torn=st.integers(0, 63))
@settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_a_killed_extraction_goes_on_where_it_was(
    cifar10, weights, monkeypatch, kill, torn
):
    root, _ = cifar10
    folder = root / "vgg16-features"
    run = functools.partial(features.read_features, root, batch=2)
    whole = run()
    files = {p.name: p.read_bytes() for p in folder.iterdir()}
    for path in folder.iterdir():
        path.unlink()
    seen, real = [], vgg16.features

    def dies(layers, x):
        if sum(seen) >= kill:
            raise Killed
        seen.append(len(x))
        return real(layers, x)

    with monkeypatch.context() as patch:
        patch.setattr(vgg16, "features", dies)
        with pytest.raises(Killed):
            run()
    for path in folder.glob("*.partial"):
        with open(path, "ab") as file:
            file.write(b"x" * torn)  # a row that was half written
    with monkeypatch.context() as patch:
        more = []
        patch.setattr(
            vgg16, "features", lambda w, x: more.append(len(x)) or real(w, x)
        )
        again = run()
    assert sum(seen) + sum(more) == 18  # nothing twice
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == files
    assert again.digests == whole.digests


@small
def test_a_foreign_partial_file_is_named(cifar10, weights):
    root, _ = cifar10
    mark = data.load("vgg16_features", root).fingerprint
    path = root / "vgg16-features" / f"{mark}-test.npy"
    path.unlink()
    partial = path.with_name(f"{path.name}.partial")
    with open(partial, "wb") as file:
        np.save(file, np.zeros((3, 4)))
    with pytest.raises(data.DamagedFile, match="float64 of shape"):
        data.load("vgg16_features", root)
    partial.write_bytes(b"no such thing")
    with pytest.raises(data.DamagedFile, match="delete it"):
        data.load("vgg16_features", root)


@small
def test_other_pixels_never_meet_these_features(cifar10, weights):
    root, _ = cifar10
    first = data.load("vgg16_features", root)
    path = root / "cifar-10-batches-bin" / "test_batch.bin"
    content = bytearray(path.read_bytes())
    content[5] ^= 1
    path.write_bytes(content)
    second = data.load("vgg16_features", root)
    assert second.fingerprint != first.fingerprint
    weights[0].unlink()
    content[5] ^= 2
    path.write_bytes(content)
    with pytest.raises(data.MissingData, match="no features of these pixels"):
        data.load("vgg16_features", root)


@small
def test_broken_weights_are_named(cifar10, weights, monkeypatch):
    root, _ = cifar10
    path, state = weights
    del state["features.10.bias"]
    torch.save(state, path)
    with pytest.raises(data.DamagedFile, match="found SHA-256"):
        data.load("vgg16_features", root)
    monkeypatch.setattr(roots, "VGG16_SHA256", checksum(path))
    match = r"features.10 of shapes \(4, 3, 3, 3\) and \(0,\), expected"
    with pytest.raises(data.DamagedFile, match=match):
        data.load("vgg16_features", root)


@small
def test_broken_features_are_named_and_no_pickle_is_loaded(cifar10, weights):
    root, _ = cifar10
    mark = data.load("vgg16_features", root).fingerprint
    path = root / "vgg16-features" / f"{mark}-train.npy"
    whole = path.read_bytes()
    path.write_bytes(whole[:-3])
    with pytest.raises(data.DamagedFile, match=r"expected a whole \.npy"):
        data.load("vgg16_features", root)
    np.save(path, np.array([print], dtype=object), allow_pickle=True)
    with pytest.raises(data.DamagedFile, match="allow_pickle=False"):
        data.load("vgg16_features", root)
    np.save(path, np.zeros((3, 4)))
    with pytest.raises(data.DamagedFile, match=r"float64 of shape \(3, 4\)"):
        data.load("vgg16_features", root)


@small
def test_an_empty_folder_of_weights_is_missing_data(cifar10):
    root, _ = cifar10
    (root / "vgg16").mkdir()
    with pytest.raises(data.MissingData, match="vgg16-397923af"):
        data.load("vgg16_features", root, download=False)
    status = data.status(root)["vgg16_features"]
    assert not status["present"]
    assert "lacks" in status["problem"]
    (root / "vgg16" / "some.npz").write_bytes(b"PK no archive")
    with pytest.raises(data.DamagedFile, match="SHA-256"):
        data.load("vgg16_features", root)
    assert "SHA-256" in data.status(root)["vgg16_features"]["problem"]


@pytest.fixture
def oxford(tmp_path, monkeypatch):
    """The same narrow net as Oxford's: its layers, known by fingerprint."""
    g = torch.Generator().manual_seed(1)
    layers, channels = [], 3
    for block, width in zip(vgg16.BLOCKS, (2, 3, 4, 5, 2)):
        for _ in block:
            shape = (width, channels, 3, 3)
            kernel = torch.randn(shape, generator=g)
            layers.append((kernel, torch.randn(width, generator=g)))
            channels = width
    parts = [sha256(t.numpy()) for pair in layers for t in pair]
    copy = dataclasses.replace(vgg16.OXFORD, identity=fingerprint(parts))
    monkeypatch.setattr(vgg16, "OXFORD", copy)
    return layers


def write_weights(path, layers, names):
    arrays = {
        name: tensor.numpy()
        for pair, both in zip(layers, names)
        for tensor, name in zip(pair, both)
    }
    if path.suffix == ".npz":
        np.savez(path, **arrays)
    elif path.suffix == ".pth":
        torch.save({k: torch.from_numpy(v) for k, v in arrays.items()}, path)
    else:
        h5py = pytest.importorskip("h5py")
        with h5py.File(path, "w") as file:
            for name, array in arrays.items():
                layer, kind = name.rsplit("_", 1)
                if array.ndim == 4:  # Keras: (3, 3, in, out)
                    array = array.transpose(2, 3, 1, 0)
                file[f"{layer}/{layer}_{kind.upper()}_1:0"] = array


@pytest.mark.parametrize("suffix", [".npz", ".pth", ".h5"])
@pytest.mark.parametrize("names", ["OXFORD_NAMES", "TORCHVISION_NAMES"])
def test_a_copy_is_known_whatever_file_it_came_in(
    oxford, tmp_path, suffix, names
):
    if suffix == ".h5" and names != "OXFORD_NAMES":
        pytest.skip("Keras has names of its own")
    path = tmp_path / f"weights{suffix}"
    write_weights(path, oxford, getattr(vgg16, names))
    copy, layers = vgg16.read_weights(path)
    assert copy.name == "Oxford's"
    for pair, wanted in zip(layers, oxford, strict=True):
        assert all(map(torch.equal, pair, wanted))


def test_a_changed_weight_makes_another_copy(oxford, tmp_path):
    path = tmp_path / "weights.npz"
    oxford[7][1][0] += 2**-20
    write_weights(path, oxford, vgg16.OXFORD_NAMES)
    with pytest.raises(data.DamagedFile, match="expected a known copy"):
        vgg16.read_weights(path)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(data.DamagedFile, match="SHA-256"):
        vgg16.read_weights(path)
    other = tmp_path / "weights.bin"
    other.write_bytes(b"")
    with pytest.raises(data.DamagedFile, match=r"expected \.pth"):
        vgg16.read_weights(other)


@pytest.mark.parametrize("which", [0, 1])
def test_each_copy_has_its_own_preparation(which):
    copy = vgg16.copies()[which]
    rgb = torch.tensor([10.0, 20, 30]).view(1, 3, 1, 1).expand(1, 3, 2, 2)
    wanted = [
        [30 - 103.939, 20 - 116.779, 10 - 123.68],
        [
            (10 / 255 - 0.485) / 0.229,
            (20 / 255 - 0.456) / 0.224,
            (30 / 255 - 0.406) / 0.225,
        ],
    ][which]
    x = vgg16.prepare(copy, rgb.to(torch.uint8))
    assert x.shape == (1, 3, 128, 128)
    assert torch.allclose(x[0, :, 60, 7], torch.tensor(wanted), rtol=1e-5)


def test_the_real_oxford_weights():
    path = roots.vgg16_weights(REAL) if REAL else None
    if path is None:
        pytest.skip("no VGG-16 weights here")
    copy, layers = vgg16.read_weights(path)
    assert sum(t.numel() for pair in layers for t in pair) == 14_714_688
    g = torch.Generator().manual_seed(0)
    pixels = torch.randint(256, (2, 3, 32, 32), generator=g).to(torch.uint8)
    x = vgg16.prepare(copy, pixels)
    exact = vgg16.features(
        [(w.double(), b.double()) for w, b in layers], x.double()
    )
    assert exact.shape == (2, 8192)
    half = [(w.bfloat16(), b.bfloat16()) for w, b in layers]
    for weights, dtype, close in (
        (layers, torch.float32, 1e-4),
        (half, torch.bfloat16, 0.05),
    ):
        got = vgg16.features(weights, x.to(dtype)).double()
        assert (got - exact).norm() / exact.norm() < close


class Exploit:
    def __reduce__(self):
        return os.system, ("echo exploited > exploited",)


@small
def test_weights_that_carry_code_do_not_run_it(
    cifar10, weights, monkeypatch, tmp_path
):
    monkeypatch.chdir(tmp_path)
    torch.save({"features.0.weight": Exploit()}, weights[0])
    monkeypatch.setattr(roots, "VGG16_SHA256", checksum(weights[0]))
    with pytest.raises(pickle.UnpicklingError):
        data.load("vgg16_features", cifar10[0])
    assert not (tmp_path / "exploited").exists()


# ---- the real data


@pytest.mark.skipif(
    not (REAL and roots.missing("mnist", REAL) == []),
    reason="MNIST is not in CONNECTED_LANDSCAPE_DATA",
)
def test_the_real_mnist():
    found = data.load("mnist", REAL)
    assert found.source == "the official MNIST files"
    assert found.fingerprint == "e9914cff2ade526d"
    assert found.train.x.shape == (60_000, 784)
    assert found.test.y.bincount().tolist() == [
        *(980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009)
    ]
    assert abs(float(found.train.x.double().mean())) < 1e-6


@pytest.mark.skipif(
    not (REAL and roots.missing("cifar10", REAL) == []),
    reason="CIFAR-10 is not in CONNECTED_LANDSCAPE_DATA",
)
def test_the_real_cifar10():
    found = files.read_cifar10(REAL)
    assert found.source in (
        "the official CIFAR-10 files",
        "decoded from JPEG copies, not the official pixels",
    )
    assert found.train_x.shape == (50_000, 3, 32, 32)
    assert np.bincount(found.train_y).tolist() == [5000] * 10
    assert np.bincount(found.test_y).tolist() == [1000] * 10
