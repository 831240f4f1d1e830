"""Prepared copies: the very same data, found again only if nothing has changed."""

from __future__ import annotations

import os
from dataclasses import fields

import numpy as np
import pytest
import torch

from fairrep.data import describe, load_dataset, prepared_copy
from fairrep.errors import ConfigError, DataError
from tests.data.helpers import people, prepare, write_csv


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FAIRREP_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "prepared"


def german(tmp_path, **options):
    """German Credit from a folder, so that its file can change."""
    file = tmp_path / "german.data"
    if not file.exists():
        load_dataset("german").frame.to_csv(file, sep=" ", header=False, index=False)
    return prepare("german", path=str(tmp_path), cache=True, **options)


def test_a_copy_is_the_very_same_data(tmp_path, cache):
    first, second = german(tmp_path), german(tmp_path)
    assert len(list(cache.iterdir())) == 1
    for part in ("train", "val", "test"):
        for field in fields(first.train):
            a, b = (getattr(d.splits[part], field.name) for d in (first, second))
            assert type(a) is type(b)
            assert a.dtype == b.dtype
            assert torch.equal(torch.as_tensor(a), torch.as_tensor(b))
    assert second.tasks == first.tasks
    assert second.schema == first.schema
    assert describe(second) == describe(first)


def test_the_copy_is_what_is_read(tmp_path, monkeypatch):
    german(tmp_path)
    monkeypatch.setattr("fairrep.data.prepare.prepare_table", None)
    assert len(german(tmp_path).train) == 640


CHANGES = [
    {"split_seed": 1},
    {"sensitive": ["age_over_25"]},
    {"val_fraction": 0.3},
    {"calibration": 0.2},
]


@pytest.mark.parametrize("change", CHANGES)
def test_other_settings_are_another_copy(tmp_path, cache, change):
    german(tmp_path)
    german(tmp_path, **change)
    assert len(list(cache.iterdir())) == 2


def test_a_changed_file_is_another_copy(tmp_path):
    german(tmp_path)
    file = tmp_path / "german.data"
    file.write_text(file.read_text().replace(" A93 ", " A92 "))
    os.utime(file, (0, 0))
    assert (german(tmp_path).train.s == 0).sum() > 640 * 0.8


def test_changed_code_is_another_copy(tmp_path, cache, monkeypatch):
    german(tmp_path)
    monkeypatch.setattr(prepared_copy, "_code", lambda: "another version")
    german(tmp_path)
    assert len(list(cache.iterdir())) == 2


@pytest.mark.parametrize("damage", [b"", b"junk" * 100])
def test_a_damaged_copy_is_prepared_anew(tmp_path, cache, damage):
    first = german(tmp_path)
    (copy,) = cache.iterdir()
    copy.write_bytes(damage)
    assert torch.equal(german(tmp_path).train.x, first.train.x)
    assert copy.stat().st_size > 1_000


def test_one_wrong_bit_is_found(tmp_path, cache):
    first = german(tmp_path)
    (copy,) = cache.iterdir()
    content = bytearray(copy.read_bytes())
    content[-1_000] ^= 1
    copy.write_bytes(content)
    second = german(tmp_path)
    for part in ("train", "val", "test"):
        for field in fields(first.train):
            a, b = (getattr(d.splits[part], field.name) for d in (first, second))
            assert torch.equal(torch.as_tensor(a), torch.as_tensor(b))


def test_a_cache_that_cannot_be_written_is_one_line(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("FAIRREP_CACHE", str(tmp_path / "file"))
    with pytest.raises(DataError, match=r"set FAIRREP_CACHE.*or data\.cache=false"):
        german(tmp_path)


def test_only_the_newest_copies_are_kept(tmp_path, cache):
    for seed in range(prepared_copy.KEPT + 2):
        german(tmp_path, split_seed=seed)
    assert len(list(cache.iterdir())) == prepared_copy.KEPT


def test_a_users_own_table_has_no_copy(tmp_path):
    path = write_csv(tmp_path, people())
    with pytest.raises(ConfigError, match=r"data\.cache.*csv"):
        prepare("csv", path=path, sensitive=["sex"], seen=["hired"], novel=[], cache=True)


def test_indices_of_a_copy_are_the_tables_rows(tmp_path):
    german(tmp_path)
    data = german(tmp_path)
    index = np.concatenate([rows.index for rows in data.splits.values()])
    assert sorted(index) == list(range(1_000))
