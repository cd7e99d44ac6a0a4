"""A reader's own data: what is read is what was saved, or a named error."""

import numpy as np
import pytest
import torch

from kernels import data


@pytest.fixture
def parts():
    """Images and classes, and a test set."""
    rng = np.random.default_rng(0)
    return {
        "x": rng.standard_normal((7, 2, 3, 3)),
        "y": rng.integers(0, 4, 7),
        "x_test": rng.integers(0, 255, (2, 2, 3, 3)).astype(np.uint8),
        "y_test": np.array([3, 0], np.uint8),
    }


def saved(folder, **arrays):
    np.savez(folder / "mine.npz", **arrays)
    return str(folder / "mine.npz")


def test_a_file_comes_back(tmp_path, parts):
    found = data.find(saved(tmp_path, **parts))
    for end, split in (("", found.train), ("_test", found.test)):
        assert split.x.dtype == torch.float32
        assert split.y.dtype == torch.int64
        assert np.array_equal(split.x, parts[f"x{end}"].astype(np.float32))
        assert np.array_equal(split.y, parts[f"y{end}"])
    assert (found.name, found.image_shape) == ("mine.npz", (2, 3, 3))
    assert found.classes == tuple(sorted(set(parts["y"].tolist())))
    other = data.find(saved(tmp_path, **parts | {"y": 3 - parts["y"]}))
    assert found.fingerprint != other.fingerprint


def test_a_test_set_may_be_absent(tmp_path):
    found = data.find(saved(tmp_path, x=np.eye(4), y=np.arange(4)))
    assert len(found.test) == 0
    assert found.test.x.shape == (0, 4)
    assert found.image_shape is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"x": np.ones((7, 3, 3))}, r"x of .*\(7, 3, 3\), expected real"),
        ({"x": np.ones((7, 0))}, r"x of .*\(7, 0\)"),
        ({"x": np.array(["a"] * 7)}, r"x of dtype <U1"),
        ({"x": np.full((7, 2, 3, 3), np.nan)}, "x with values .*not finite"),
        ({"x": np.full((7, 2, 3, 3), 1e300)}, "x with values .*not finite"),
        ({"y": np.ones(7)}, r"y of dtype float64"),
        ({"y": np.ones(6, int)}, r"y of .*\(6,\), expected .*\(7,\)"),
        ({"y": np.full(7, -1)}, "y down to -1"),
        ({"x_test": np.ones((2, 18))}, r"x_test of shape \(2, 18\)"),
        ({"y_test": np.ones(3, int)}, "y_test of"),
        ({"z": np.ones(3)}, "found arrays x, y, x_test, y_test, z"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, parts, change, said):
    with pytest.raises(data.DamagedFile, match=said) as error:
        data.find(saved(tmp_path, **parts | change))
    assert str(error.value.path).endswith("mine.npz")


def test_nothing_in_a_file_is_run(tmp_path):
    file = saved(tmp_path, x=np.array([print], object), y=np.ones(1, int))
    with pytest.raises(data.DamagedFile, match="allow_pickle"):
        data.find(file)
    (tmp_path / "mine.npz").write_bytes(b"no archive")
    with pytest.raises(data.DamagedFile, match=r"mine.npz: found"):
        data.find(file)
    with pytest.raises(data.MissingData, match=r"no file .*yours.npz"):
        data.find(str(tmp_path / "yours.npz"))


def test_datasets_by_name_and_mode():
    plain, signed = data.find("digits"), data.find("digits:signed")
    flat = data.load("digits")
    assert plain.train.x.shape == (1297, 1, 8, 8)
    assert torch.equal(plain.train.x.flatten(1), flat.train.x)
    assert signed.train.x.aminmax() == (-1, 1)
    assert data.find("digits:False").train.x.aminmax() == (0, 1)
    assert data.find("gaussians").train.x.shape[1:] == (32,)
    with pytest.raises(ValueError, match="dataset is 'digits:bright'"):
        data.find("digits:bright")
    with pytest.raises(ValueError, match="name is 'letters'"):
        data.find("letters")
