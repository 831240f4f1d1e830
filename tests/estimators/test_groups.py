"""Groups of sensitive_features: by value, in order, with one clear line for what cannot be used."""

import numpy as np
import pandas as pd
import pytest

from fairrep.errors import EstimatorError
from fairrep.estimators.groups import fit_groups


@pytest.mark.parametrize(
    "given",
    [
        ["b", "a", "b", "c"],
        np.array(["b", "a", "b", "c"]),
        pd.Series(["b", "a", "b", "c"], index=[9, 8, 7, 6]),
        pd.Series(["b", "a", "b", "c"], dtype="category"),
        pd.DataFrame({"s": ["b", "a", "b", "c"]}),
        np.array([["b"], ["a"], ["b"], ["c"]], dtype=object),
    ],
)
def test_groups_are_named_by_value_whatever_holds_them(given):
    """The order of rows, an index or a container's type decide nothing."""
    groups, codes = fit_groups(given, rows=4)
    assert groups.names == ["a", "b", "c"]
    assert codes.tolist() == [1, 0, 1, 2]
    assert groups.counts.tolist() == [1, 2, 1]
    assert groups.codes(["c", "a"], rows=2).tolist() == [2, 0]


def test_several_columns_are_intersections():
    """Only combinations that occur are groups."""
    frame = pd.DataFrame({"sex": ["f", "m", "f", "m"], "old": [True, True, False, True]})
    groups, codes = fit_groups(frame, rows=4)
    assert groups.names == ["f · False", "f · True", "m · True"]
    assert codes.tolist() == [1, 2, 0, 2]
    assert groups.codes(frame[:1], rows=1).tolist() == [1]


def test_values_of_several_types_have_an_order():
    """Sorted as text, where they cannot be compared."""
    groups, codes = fit_groups(np.array([2, "a", 2, "b"], dtype=object), rows=4)
    assert groups.names == ["2", "a", "b"]
    assert codes.tolist() == [0, 1, 0, 2]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (None, "sensitive_features is required"),
        (["a", "b"], "each of the 3 rows of X, got 2"),
        (["a", None, "b"], "must not be missing, got 1 rows"),
        ([1.0, np.nan, 2.0], "must not be missing, got 1 rows"),
        (["a", "a", "a"], "at least two groups, got only 'a'"),
    ],
)
def test_what_cannot_be_groups_is_said_in_one_line(given, message):
    with pytest.raises(EstimatorError, match=message) as error:
        fit_groups(given, rows=3)
    assert "\n" not in str(error.value)
    assert isinstance(error.value, ValueError)  # what scikit-learn's tools expect


def test_no_rows_are_no_groups():
    with pytest.raises(EstimatorError, match=r"got only none \(n_samples=0\)"):
        fit_groups([], rows=0)


def test_small_groups_are_named():
    with pytest.raises(EstimatorError, match="at least 2 rows, got 'b' with 1; merge"):
        fit_groups(["a", "a", "b"], rows=3, at_least=2)


def test_unseen_groups_are_counted_and_named():
    groups, _ = fit_groups(["a", "b"], rows=2)
    with pytest.raises(EstimatorError, match=r"seen in fit \(a, b\), got c, d in 3 of 4 rows"):
        groups.codes(["a", "c", "d", "c"], rows=4)
    with pytest.raises(EstimatorError, match="1 columns as in fit, got 2"):
        groups.codes([["a", "x"]], rows=1)
