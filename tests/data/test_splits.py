"""Splits: a partition, stratified, a function of split_seed alone."""

from __future__ import annotations

import numpy as np
import pytest

from fairrep.data import split_rows
from fairrep.errors import ConfigError, DataError

STRATA = np.repeat([0, 1, 2], [600, 300, 100])


def split(strata=STRATA, *, test_rows=None, test_fraction=0.2, val_fraction=0.25, split_seed=0):
    return split_rows(
        strata,
        test_rows=test_rows,
        test_fraction=test_fraction,
        val_fraction=val_fraction,
        split_seed=split_seed,
    )


def test_the_three_parts_are_a_partition_in_ascending_order():
    parts = split()
    rows = [parts.train, parts.val, parts.test]
    assert [len(part) for part in rows] == [600, 200, 200]
    assert sorted(np.concatenate(rows)) == list(range(1000))
    assert all((np.diff(part) > 0).all() for part in rows)


def test_every_part_keeps_the_shares_of_the_strata():
    parts = split()
    for rows in (parts.train, parts.val, parts.test):
        assert np.bincount(STRATA[rows]) / len(rows) == pytest.approx([0.6, 0.3, 0.1])


def test_the_same_seed_gives_the_same_rows_and_another_seed_others():
    assert (split().train == split().train).all()
    assert not np.array_equal(split().test, split(split_seed=1).test)


def test_the_publishers_test_rows_stay_theirs_for_every_seed():
    official = np.arange(1000) >= 700
    for seed in (0, 1):
        assert split(test_rows=official, split_seed=seed).test.tolist() == list(range(700, 1000))


def test_a_rare_stratum_is_pooled_and_the_others_keep_their_shares():
    strata = np.repeat([0, 1, 2], [500, 499, 1])
    parts = split(strata)
    assert len(parts.train) + len(parts.val) + len(parts.test) == 1000
    assert abs((strata[parts.test] == 1).sum() - 100) <= 1


@pytest.mark.parametrize("name", ["test_fraction", "val_fraction"])
@pytest.mark.parametrize("value", [0.0, 1.0, -0.1, 2.0])
def test_a_fraction_outside_the_open_unit_interval_is_refused(name, value):
    with pytest.raises(ConfigError, match=rf"data\.{name}.*got {value}"):
        split(**{name: value})


def test_too_few_rows_are_refused_with_their_number():
    with pytest.raises(DataError, match="1 rows are too few"):
        split(np.array([0]))
