"""Cases: picked by words, recorded one at a time, never lost or repeated."""

import itertools
import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from book.tools import cases, chapter, records
from kernels import networks, training

NAMES = ["cells mnist f=1/2 layer=0", "cells mnist f=1/4 layer=0", "table1 a"]


@pytest.mark.parametrize(
    ("pattern", "picked"),
    [
        ("", [0, 1, 2]),
        ("layer=0 mnist", [0, 1]),
        ("f=1/4", [1]),
        ("f=1/2 layer=0, table1", [0, 2]),
        ("f=1", []),  # words, not parts of them
        (" , ", [0, 1, 2]),
    ],
)
def test_a_pattern_fits_a_name_that_has_all_of_its_words(pattern, picked):
    got = [k for k, name in enumerate(NAMES) if cases.fits(name, pattern)]
    assert got == picked


def test_a_pattern_that_fits_nothing_is_named():
    cases.check("table1, f=1/2", NAMES)
    cases.check("", NAMES)
    with pytest.raises(ValueError, match="'f=1/3', which fits none of the 3"):
        cases.check("table1, f=1/3", NAMES)


def cell(case, **values):
    return {"case": case, **values, "provenance": {"commit": "a"}}


LISTS = st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 2)))


@given(LISTS, LISTS)
def test_a_union_has_each_case_once_with_its_newest_value(first, second):
    found = []
    for name, value in first + second:
        found = cases.union(found, cell(name, v=value), lambda c: c["case"])
    newest = dict(first + second)
    assert {c["case"]: c["v"] for c in found} == newest
    assert len(found) == len(newest)


def test_a_repeated_result_keeps_the_seconds_it_took():
    old = cell("a", v=(1 / 3, 2))
    [kept] = cases.union([], old, None)
    again = cell("a", v=(1 / 3, 2)) | {"provenance": {"commit": "b"}}
    [kept] = cases.union([kept], again, None)
    assert kept["provenance"] == {"commit": "a"}
    [new] = cases.union([kept], again | {"v": [0.3, 2]}, None)
    assert new["provenance"] == {"commit": "b"}


def test_a_cell_recorded_without_a_name_is_named_by_its_results():
    old = [{"width": 3, "v": 1}, {"width": 4, "v": 2}]
    found = cases.union(
        old, cell("4", width=4, v=5), lambda c: str(c["width"])
    )
    assert [c["v"] for c in found] == [1, 5]


def test_a_stamp_says_what_was_run_where_and_how_long():
    began = cases.clock()
    sum(range(10**5))
    one = cases.stamped("a", {"loss": 1.0}, {"epochs": 3}, began)
    assert one["loss"] == 1.0
    assert one["settings"] == {"epochs": 3}
    assert one["provenance"]["cpu_seconds"] >= 0
    assert {"commit", "date", "seconds", "threads", "device_name"} <= set(
        one["provenance"]
    )
    json.dumps(one)
    words = cases.summary({"cells": [one, one], "walk": {"t": [0]}})
    assert words.startswith("2 cells on record, of commits ")
    assert cases.summary({"cells": [{"v": 1}]}) == ""
    untimed = {"case": "b", "provenance": {"commit": "c"}}
    assert cases.summary({"cells": [untimed]}) == (
        "1 cells on record, of commits c"
    )


def test_a_cell_carries_the_recipes_of_its_trainings():
    one = cases.stamped("a", {}, {"epochs": 3}, cases.clock(), ["Recipe(…)"])
    assert one["settings"] == {"epochs": 3, "recipes": ["Recipe(…)"]}
    # out of a store: no training, the same results
    again = cases.stamped("a", {}, {"epochs": 3}, cases.clock())
    assert cases.union([one], again, None) == [one]
    # recorded before recipes were: valid until a run has them
    old = again | {"provenance": {"commit": "old"}}
    assert cases.union([old], again, None) == [old]
    assert cases.union([old], one, None) == [records.rounded(one)]
    other = cases.stamped("a", {}, {"epochs": 4}, cases.clock(), ["R"])
    assert cases.union([one], other, None) == [records.rounded(other)]


def test_a_recorded_run_has_its_recipes(tmp_path, monkeypatch):
    """In each cell, and together; of a store's cell those it had."""
    monkeypatch.setattr(records, "ROOT", tmp_path)
    monkeypatch.setattr(records.load, "__defaults__", (tmp_path,))
    monkeypatch.setattr(records.save, "__defaults__", (tmp_path,))
    for _ in range(2):
        run = chapter.Run("subnetworks/width", "paper", record=True)
        found = run.cells("cells", trained, [{"steps": 1}, {"steps": 2}], str)
        run.draws("nothing", "drawn")
        run.finish({})
        recipes = [
            f"Recipe(step_size=0.1, batch=4, steps={k})" for k in (1, 2)
        ]
        assert [c["settings"]["recipes"] for c in found] == [
            [one] for one in recipes
        ]
        assert [c["settings"]["steps"] for c in found] == [1, 2]
        assert records.load("subnetworks/width")["recipes"] == recipes


def trained(*, steps):
    """A cell that trains."""
    net, g = networks.mlp([2, 3, 2]), torch.Generator().manual_seed(0)
    theta = net.init(generator=g)
    x, y = torch.ones(4, 2), torch.tensor([0, 1, 0, 1])
    how = dict(step_size=0.1, batch=4, steps=steps, generator=g)
    return {"steps": training.train(net, theta, (x, y), **how).steps}


def test_every_recorded_cell_says_which_commit_made_it():
    for file in (records.ROOT / "book/results").rglob("*.json"):
        results = json.loads(file.read_text(encoding="utf-8"))["results"]
        lists = [group for group in results.values() if type(group) is list]
        for one in itertools.chain(*lists):
            if type(one) is dict and "provenance" in one:
                known = one["provenance"]
                assert {"commit", "date"} <= set(known), (file, one["case"])
                assert "+edits" not in known["commit"], (file, one["case"])
