"""Calibration rows: a split of their own, and nobody else's rows move with it."""

from __future__ import annotations

import hashlib
from dataclasses import fields

import numpy as np
import pytest
import torch

from fairrep.data import describe, split_rows
from fairrep.errors import DataError
from tests.data.helpers import people, prepare, write_csv

STRATA = np.random.default_rng(0).permutation(np.repeat([0, 1, 2], [600, 300, 100]))

# SHA-256 of the row numbers, as they were before there were calibration rows
WITHOUT = {
    ("adult", 0): ("8d6b69f3f0f20fca", "45cdb325fc217781", "3ea7e9805b93eaa9"),
    ("adult", 1): ("56bbc2d46156c248", "2e3a4a63937775fb", "3ea7e9805b93eaa9"),
    ("german", 0): ("42957fc669e7d755", "21e9fe4cd1b22ead", "a6f5f7155a7b8c4a"),
    ("german", 1): ("81d6e5b572d88c09", "8a5fd72d33781619", "d857390a5835789e"),
}


def split(strata=STRATA, *, calibration, test_rows=None, split_seed=0):
    return split_rows(
        strata,
        test_rows=test_rows,
        test_fraction=0.2,
        calibration=calibration,
        val_fraction=0.25,
        split_seed=split_seed,
    )


def own_table(folder, rows=400, **options):
    choices = {"sensitive": ["sex"], "seen": ["hired"], "novel": []} | options
    return prepare("csv", path=write_csv(folder, people(rows)), **choices)


def digest(index):
    return hashlib.sha256(index.astype("<i8").tobytes()).hexdigest()[:16]


@pytest.mark.parametrize(("name", "seed"), WITHOUT)
def test_without_calibration_rows_every_split_is_what_it_was(name, seed):
    data = prepare(name, split_seed=seed)
    found = tuple(digest(rows.index) for rows in (data.train, data.val, data.test))
    assert found == WITHOUT[name, seed]
    assert list(data.splits) == ["train", "val", "test"]
    assert data.calibration.x.shape == (0, data.train.x.shape[1])
    described = describe(data)
    for key in ("rows", "unknown_group", "surprises"):
        assert list(described[key]) == ["train", "val", "test"]


def test_the_publishers_test_rows_stay_theirs():
    official = np.arange(1000) >= 700
    parts = split(calibration=0.3, test_rows=official)
    assert parts.test.tolist() == list(range(700, 1000))
    assert len(parts.calibration) == 210
    assert sorted([*parts.train, *parts.val, *parts.calibration]) == list(range(700))


def test_split_seed_alone_decides():
    first, same, other = (split(calibration=0.2, split_seed=seed) for seed in (0, 0, 1))
    assert first.calibration.tolist() == same.calibration.tolist()
    assert first.calibration.tolist() != other.calibration.tolist()


def test_a_share_that_leaves_nothing_to_train_on_is_refused():
    with pytest.raises(DataError, match=r"data\.calibration=0\.999 leaves too few of 800 rows"):
        split(calibration=0.999)


def test_a_share_that_leaves_small_groups_says_what_to_lower(tmp_path):
    with pytest.raises(DataError, match=r"lower data\.min_rows or data\.calibration\.$"):
        own_table(tmp_path, calibration=0.98)


def test_calibration_rows_keep_x_y_s_and_their_row_numbers_together(tmp_path):
    table = people()
    data = own_table(tmp_path, calibration=0.25)
    source = table.iloc[data.calibration.index]
    assert len(source) == 80
    assert data.calibration.y[:, 0].tolist() == source["hired"].tolist()
    assert [data.groups[g] for g in data.calibration.s] == source["sex"].tolist()
    x = data.schema.encode(source[list(data.schema.names)])
    assert np.array_equal(data.calibration.x.numpy(), x)


def test_calibration_rows_move_neither_preprocessing_nor_training_rows(tmp_path):
    """Wild values in every calibration row are seen in calibration rows alone."""
    table = people()
    choices = {"sensitive": ["sex"], "seen": ["hired"], "novel": [], "calibration": 0.25}
    first = prepare("csv", path=write_csv(tmp_path, table), **choices)
    table.loc[first.calibration.index, "pay"] = 1e6
    table.loc[first.calibration.index, "city"] = "Atlantis"
    second = prepare("csv", path=write_csv(tmp_path, table), **choices)
    assert second.schema == first.schema
    for part in ("train", "val", "test"):
        assert torch.equal(getattr(second, part).x, getattr(first, part).x)
    assert second.surprises["calibration"]["unseen"] == {"city": 80}


def test_calibration_rows_are_described_beside_the_others(tmp_path):
    described = describe(own_table(tmp_path, calibration=0.25))
    assert described["rows"] == {"train": 192, "val": 48, "test": 80, "calibration": 80}
    assert sum(g["rows"]["calibration"] for g in described["groups"].values()) == 80


def test_a_prepared_copy_holds_them_and_another_share_is_another_copy(tmp_path, monkeypatch):
    monkeypatch.setenv("FAIRREP_CACHE", str(tmp_path))
    shares = (0.0, 0.0, 0.2, 0.2, 0.3)
    copies = [prepare("german", cache=True, calibration=share) for share in shares]
    assert len(list((tmp_path / "prepared").iterdir())) == 3
    assert [len(data.calibration) for data in copies] == [0, 0, 160, 160, 240]
    for first, again in (copies[:2], copies[2:4]):
        for field in fields(first.calibration):
            one, other = (getattr(d.calibration, field.name) for d in (first, again))
            assert type(one) is type(other)
            assert one.dtype == other.dtype
            assert torch.equal(torch.as_tensor(one), torch.as_tensor(other))
            assert one.shape == other.shape
        assert describe(again) == describe(first)
