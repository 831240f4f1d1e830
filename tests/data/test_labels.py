"""Task labels, and every refusal with its number or name."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from fairrep.data import DatasetSpec, RawData
from fairrep.data.labels import encode_task, labelled_rows
from fairrep.data.registry import SensitiveColumn, TaskColumn
from fairrep.errors import DataError

TABLE = pd.DataFrame(
    {
        "sex": ["f", "m", "f", "m", "m", "f"],
        "race": ["x", "x", "y", "y", "x", "y"],
        "gap": ["f", None, "m", None, "m", "f"],
        "many": np.arange(6) / 7,
        "flag": [True, False, None, True, False, True],
        "level": ["2", "10", "low", "2", "10", "low"],
        "money": [1.0, 2.0, np.nan, 4.0, 8.0, 16.0],
        "wild": [1.0, np.inf, 2.0, 3.0, 4.0, 5.0],
        "same": [1, 1, 1, 1, 1, 1],
    }
)
KINDS = {"level": "multiclass", "money": "regression", "wild": "regression"}
SPEC = DatasetSpec(
    name="small",
    title="",
    source="",
    licence="",
    citation="",
    harms=(),
    features=(),
    tasks={
        c: TaskColumn(KINDS.get(c, "binary"), lambda t, c=c: t[c], (c,), "") for c in TABLE.columns
    },
    sensitive={c: SensitiveColumn(lambda t, c=c: t[c], (c,)) for c in TABLE.columns},
    default_sensitive=(),
    default_seen=(),
)
ALL = np.arange(6)


def encode(name, train=ALL):
    return encode_task(SPEC, TABLE, name, seen=True, train=train)


def test_booleans_become_no_and_yes_with_nan_where_there_is_no_label():
    task, codes = encode("flag")
    assert task.labels == ("no", "yes")
    np.testing.assert_array_equal(codes, [1, 0, np.nan, 1, 0, 1])


def test_classes_are_ordered_as_numbers_before_words():
    task, codes = encode("level")
    assert task.labels == ("2", "10", "low")
    assert task.outputs == 3
    assert codes.tolist() == [0, 1, 2, 0, 1, 2]


def test_regression_moments_are_those_of_the_labelled_training_rows():
    task, values = encode("money", train=np.array([0, 1, 2, 3]))
    assert (task.mean, task.scale) == pytest.approx((7 / 3, np.std([1, 2, 4])))
    np.testing.assert_array_equal(values, TABLE["money"])


def test_infinite_labels_are_counted():
    with pytest.raises(DataError, match=r"'wild' must be finite.*1 rows.*row 2"):
        encode("wild")


def test_a_task_with_one_class_is_refused_by_name():
    with pytest.raises(DataError, match=r"'same' needs at least two classes.*got 1"):
        encode("same")


def test_a_regression_task_with_one_value_is_refused_by_name():
    with pytest.raises(DataError, match="'money' needs at least two different"):
        encode("money", train=np.array([0]))


def test_a_class_without_training_rows_is_named():
    with pytest.raises(DataError, match=r"'level'.*without a training row: low"):
        encode("level", train=np.array([0, 1, 3, 4]))


def test_a_binary_task_with_three_values_is_refused():
    spec = replace(SPEC, tasks={"level": replace(SPEC.tasks["level"], kind="binary")})
    with pytest.raises(DataError, match=r"'level'.*binary but has 3 values"):
        encode_task(spec, TABLE, "level", seen=True, train=ALL)


def test_rows_without_any_label_are_left_out_keeping_their_numbers():
    table = TABLE[["flag", "money"]].assign(flag=[True, None, None, None, False, None])
    kept = labelled_rows(RawData(SPEC, table, np.arange(6) > 3), ["flag", "money"])
    assert kept.frame.index.tolist() == [0, 1, 3, 4, 5]
    assert kept.test_rows.tolist() == [False, False, False, True, True]


def test_rows_without_any_label_are_counted_where_they_are_refused():
    refusing = RawData(replace(SPEC, leave_out_unlabelled=False), TABLE)
    with pytest.raises(DataError, match="one of flag, but 1 rows"):
        labelled_rows(refusing, ["flag"])
