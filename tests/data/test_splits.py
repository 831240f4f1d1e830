"""Splits: a partition, stratified, a function of split_seed alone."""

from __future__ import annotations

import numpy as np
import pytest

from fairrep.data import split_rows
from fairrep.errors import ConfigError, DataError

STRATA = np.repeat([0, 1, 2], [600, 300, 100])


def split(strata=STRATA, *, split_seed=0, **options):
    usual = {"test_rows": None, "test_fraction": 0.2, "calibration": 0.0, "val_fraction": 0.25}
    return split_rows(strata, **usual | options, split_seed=split_seed)


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


def test_without_calibration_rows_nothing_is_left_out():
    assert len(split().calibration) == 0


@pytest.mark.parametrize("official", [None, np.arange(1000) >= 700])
def test_calibration_rows_come_before_validation_rows_and_leave_the_test_rows_alone(official):
    usual, parts = split(test_rows=official), split(test_rows=official, calibration=0.3)
    assert (parts.test == usual.test).all()
    rest = 1000 - len(parts.test)
    held_out = round(0.3 * rest)
    assert len(parts.calibration) == held_out
    assert abs(len(parts.val) - 0.25 * (rest - held_out)) < 1
    rows = np.concatenate([parts.train, parts.val, parts.test, parts.calibration])
    assert sorted(rows) == list(range(1000))
    assert (split(test_rows=official, calibration=0.3).calibration == parts.calibration).all()


def test_calibration_rows_are_drawn_without_strata():
    """The share of a stratum varies as in independent draws: a hypergeometric count."""
    strata = np.repeat([0, 1], [500, 500])
    counts = [
        (strata[split(strata, calibration=0.5, split_seed=seed).calibration] == 0).sum()
        for seed in range(200)
    ]
    sd = (400 * 0.25 * 400 / 799) ** 0.5  # 400 of 800 rows, half of them of the stratum
    assert abs(np.mean(counts) - 200) < 4.5 * sd / 200**0.5
    assert 0.75 < np.std(counts) / sd < 1.25


@pytest.mark.parametrize("value", [-0.1, 1.0, 2.0])
def test_a_calibration_share_out_of_range_is_refused(value):
    with pytest.raises(ConfigError, match=rf"data\.calibration must lie in \[0, 1\), got {value}"):
        split(calibration=value)


@pytest.mark.parametrize("name", ["test_fraction", "val_fraction"])
@pytest.mark.parametrize("value", [0.0, 1.0, -0.1, 2.0])
def test_a_fraction_outside_the_open_unit_interval_is_refused(name, value):
    with pytest.raises(ConfigError, match=rf"data\.{name}.*got {value}"):
        split(**{name: value})


def test_too_few_rows_are_refused_with_their_number():
    with pytest.raises(DataError, match="1 rows are too few"):
        split(np.array([0]))


@pytest.mark.parametrize("calibration", [0.0, 0.3])
def test_chosen_validation_rows_stay_chosen_and_never_calibrate(calibration):
    official, chosen = np.arange(1000) >= 700, np.arange(1000) % 3 == 0
    parts = split(test_rows=official, val_rows=chosen, calibration=calibration)
    assert parts.val.tolist() == [row for row in range(700) if row % 3 == 0]
    rest = [row for row in range(700) if row % 3]
    assert sorted([*parts.train, *parts.calibration]) == rest
    assert len(parts.calibration) == round(calibration * len(rest))


@pytest.mark.parametrize("chosen", [np.zeros(1000, bool), np.ones(1000, bool)])
def test_chosen_validation_rows_leave_some_on_both_sides(chosen):
    with pytest.raises(DataError, match="rows to train on and rows to select on are needed"):
        split(val_rows=chosen)
