"""Records are written whole, keep their digits, and say where they're from."""

import json
import os

import numpy as np
import pytest
import torch

from book.tools import chapter, records
from kernels import data


def test_a_record_comes_back(tmp_path):
    given = {
        "results": {"loss": np.array([1 / 3, 2e-9]), "n": torch.tensor(5)},
        "measures": {"x": {"mean": float("nan"), "sd": None, "n": 1}},
    }
    file = records.save("part/name", given, tmp_path)
    assert file == tmp_path / "book/results/part/name.json"
    back = records.load("part/name", tmp_path)
    assert back["results"] == {"loss": [0.333333, 2e-9], "n": 5}
    assert back["measures"]["x"]["mean"] is None
    assert records.load("part/other", tmp_path) is None


def test_a_failed_write_leaves_the_old_record(tmp_path, monkeypatch):
    file = records.save("part/name", {"a": 1}, tmp_path)

    def fails(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fails)
    with pytest.raises(OSError, match="disk full"):
        records.save("part/name", {"a": 2}, tmp_path)
    assert json.loads(file.read_text()) == {"a": 1}
    assert [f.name for f in file.parent.iterdir()] == ["name.json"]


def test_a_damaged_record_says_how_to_make_it_again(tmp_path):
    file = records.save("part/name", {"a": 1}, tmp_path)
    file.write_text('{"a": ')
    with pytest.raises(ValueError, match="render part/name --profile paper"):
        records.load("part/name", tmp_path)


def test_an_unknown_profile_or_claim_lists_the_valid_ones():
    with pytest.raises(ValueError, match="laptop, paper"):
        chapter.Run("meanfield/dropout_stability", "phone")
    run = chapter.Run("meanfield/dropout_stability", "laptop")
    with pytest.raises(ValueError, match="s20-error-3200"):
        run.measure("s20-error-32", 1.0)


def test_generators_are_independent_and_repeatable():
    run = chapter.Run("meanfield/dropout_stability", "laptop")
    a, b = run.generator("a"), run.generator("b")
    again = run.generator("a")
    draw = torch.rand(3, generator=a)
    assert torch.equal(draw, torch.rand(3, generator=again))
    assert not torch.equal(draw, torch.rand(3, generator=b))


def test_every_record_in_the_book_has_its_provenance():
    for file in (records.ROOT / "book/results").rglob("*.json"):
        known = json.loads(file.read_text())
        needed = {"device_name", "torch", "seed", "data", "commit", "key"}
        assert needed <= set(known["provenance"]), file
        assert "+edits" not in known["provenance"]["commit"], file
        if not known["measures"]:  # the thin VGG-11 judges no claim
            assert known["chapter"] == "dropout/vgg11", file


def test_the_provenance_names_stored_and_drawn_data():
    run = chapter.Run("meanfield/sgd", "laptop")
    assert "data: none" in records.words(run.provenance())
    digits = run.uses(data.load("digits"))
    run.draws("Gaussians", "gaussian_sample")
    words = records.words(run.provenance())
    assert f"digits {digits.fingerprint}" in words
    assert "Gaussians drawn afresh (gaussian_sample)" in words


def test_networks_of_a_multilayer_case_followed_one_protocol():
    """Else a slope against the width would be one of the protocol too."""
    results = records.load("meanfield/multilayer")["results"]
    fixed = ("dataset", "depth", "std", "step_size", "steps", "dtype")
    for name, cells in results.items():
        ways = {str([c["settings"].get(k) for k in fixed]) for c in cells}
        assert len(ways) == 1, (name, ways)
