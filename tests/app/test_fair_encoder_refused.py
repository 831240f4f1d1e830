"""FairEncoder: what it cannot use is refused on one line, as a ``ValueError`` too."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import fairrep
from fairrep.errors import FairrepError
from tests.data.helpers import people


def small(**settings):
    usual = {"encoder": "linear", "dim": 3, "max_epochs": 1, "accelerator": "cpu"}
    return fairrep.FairEncoder(**usual | settings)


@pytest.fixture(scope="module")
def table():
    frame = people()
    return frame.assign(hired=frame["hired"].where(frame.index % 5 > 0))


def call(table, **others):
    """What fit is called with."""
    usual = {"X": table[["age", "pay", "city"]], "y": table["grade"]}
    return usual | {"sensitive_features": table["sex"]} | others


def spoilt(column, value):
    """X of one column whose fourth row is another."""
    return {"X": pd.DataFrame(column.astype(object).mask(column.index == 3, value))}


SPOILT_ROWS = {
    "a task without labels": (
        lambda table: {"y": table[["grade"]].assign(hired=np.nan)},
        "task 'hired' has no label in any row",
    ),
    "rows without labels": (
        lambda table: {"y": table["hired"]},
        "needs a label for at least one of hired, but 80 rows have none",
    ),
    "no groups": (
        lambda table: {"sensitive_features": None},
        "sensitive_features is required",
    ),
    "labels of other rows": (
        lambda table: {"y": table["grade"].iloc[1:]},
        "y must have a row for each of X's 400, got 399",
    ),
    "groups of other rows": (
        lambda table: {"sensitive_features": table["sex"].iloc[:9]},
        "a value for each of the 400 rows of X, got 9",
    ),
    "one group": (
        lambda table: {"sensitive_features": ["f"] * len(table)},
        "must name at least two groups, got only 'f'",
    ),
    "missing groups": (
        lambda table: {"sensitive_features": table["sex"].where(table.index > 2)},
        "must not be missing, got 3 rows without a value",
    ),
    "a rare group": (
        lambda table: {"sensitive_features": table["sex"].where(table.index > 2, "rare")},
        r"every group needs at least 10 training rows .*'rare'",
    ),
    "one name for two": (
        lambda table: {"y": table["sex"]},
        "need names of their own, got sex twice",
    ),
    "repeated columns": (
        lambda table: {"X": table[["age", "pay", "age"]]},
        "must be unique, got age twice",
    ),
    "labels in three dimensions": (
        lambda table: {"y": np.zeros((len(table), 1, 1))},
        r"y must be one or several columns .*shape \(400, 1, 1\)",
    ),
    "numbers and words": (
        lambda table: spoilt(table["pay"], "n/a"),
        "'pay' mixes numbers and text: row 4 holds 'n/a'",
    ),
    "infinite numbers": (
        lambda table: {"X": table[["pay"]] / 0},
        "'pay' must be finite",
    ),
    "validation rows out of range": (
        lambda table: {"validation_rows": [len(table)]},
        "validation_rows must be a mask of 400 booleans or positions below 400",
    ),
    "validation rows alone": (
        lambda table: {"validation_rows": np.ones(len(table), bool)},
        "rows to train on and rows to select on are needed, got 0 and 400",
    ),
}


@pytest.mark.parametrize("what", SPOILT_ROWS)
def test_rows_that_cannot_be_used(what, table):
    spoil, message = SPOILT_ROWS[what]
    with pytest.raises(ValueError, match=message) as refused:
        small().fit(**call(table, **spoil(table)))
    assert isinstance(refused.value, FairrepError)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"penalty": "sinkhron"}, r"penalty must be one of .*sinkhorn.*, got 'sinkhron'"),
        ({"encoder": "cells"}, r"Could not override 'encoder\.dim'"),
        ({"weight": -1}, r"penalty\.weight \(λ\) must be >= 0"),
        ({"max_epochs": 2.5}, "epochs must be a whole number, got '2.5'"),
        ({"overrides": "seed=1"}, "overrides must be a sequence of settings"),
        ({"overrides": ("data=adult",)}, "data must be csv, the user's own rows, got adult"),
        ({"overrides": ("data.path=a.csv",)}, r"given to fit, got data\.path in overrides"),
        ({"overrides": ("data.include_sensitive=true",)}, "X must hold them, but lacks sex"),
        ({"overrides": ("trainer=ddp",)}, "trains in one process"),
        ({"task_kinds": {"colour": "binary"}}, r"must name tasks \(grade\), got 'colour'"),
        ({"task_kinds": {"grade": "ordinal"}}, "got 'ordinal' for 'grade'"),
        ({"sensitive_names": ["a", "b"]}, "sensitive_features has 1 columns, but 2 names"),
    ],
)
def test_settings_that_cannot_be_used(settings, message, table):
    with pytest.raises(ValueError, match=message) as refused:
        small(**settings).fit(**call(table))
    assert isinstance(refused.value, FairrepError)
    assert "\n" not in str(refused.value)


def test_columns_that_fit_has_not_seen(table):
    encoder = small().fit(**call(table))
    with pytest.raises(ValueError, match=r"seen in fit \(age, pay, city\), got colour besides"):
        encoder.transform(call(table)["X"].assign(colour="red"))
    with pytest.raises(ValueError, match="the table lacks city"):
        encoder.transform(table[["age", "pay"]])


def test_an_interrupted_fit_stays_interrupted(table, monkeypatch):
    """Training itself ends quietly, so that a run can keep its best epoch."""

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("fairrep.training.module.FairEncoderModule.training_step", interrupt)
    encoder = small()
    with pytest.raises(KeyboardInterrupt):
        encoder.fit(**call(table))
    assert not hasattr(encoder, "encoder_")
