"""Fitted preprocessing: what it learns, what it refuses, and that JSON keeps all of it."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from fairrep.data import CategoricalColumn, NumericColumn, TableSchema, fit_schema
from fairrep.data.schema import as_categories, as_numbers
from fairrep.encoders.saved import cardinalities
from fairrep.errors import SchemaError

TRAIN = pd.DataFrame(
    {
        "size": [1.0, 2.0, 3.0, 6.0],
        "colour": ["red", "blue", "red", "green"],
        "code": [1.0, 2.0, 10.0, 2.0],
        "maybe": ["a", None, "b", "a"],
    }
)
SCHEMA = fit_schema(TRAIN, {"code": "categorical"})


def encoded(**changes) -> np.ndarray:
    row = {"size": 3.0, "colour": "red", "code": 2, "maybe": "a"} | changes
    return SCHEMA.encode(pd.DataFrame([row]))[0]


def test_a_number_is_standardised_with_the_population_moments_of_the_fitted_rows():
    size = SCHEMA.columns[0]
    assert size == NumericColumn("size", mean=3.0, scale=float(np.std([1, 2, 3, 6])), median=2.5)
    assert SCHEMA.encode(TRAIN)[:, 0] == pytest.approx((TRAIN["size"] - 3) / size.scale)


def test_categories_are_coded_in_sorted_order():
    assert SCHEMA.columns[1] == CategoricalColumn("colour", ("blue", "green", "red"))
    assert SCHEMA.encode(TRAIN)[:, 1].tolist() == [2, 0, 2, 1]


def test_columns_are_found_by_name_whatever_their_order_and_company():
    other = TRAIN[TRAIN.columns[::-1]].assign(extra=7)
    np.testing.assert_array_equal(SCHEMA.encode(other), SCHEMA.encode(TRAIN))


def test_an_array_in_schema_order_is_encoded_as_the_table():
    np.testing.assert_array_equal(SCHEMA.encode(TRAIN.to_numpy(object)), SCHEMA.encode(TRAIN))


def test_an_unseen_category_is_minus_one():
    assert encoded(colour="violet")[1] == -1


def test_a_missing_number_becomes_the_training_median():
    assert encoded(size=np.nan)[0] == pytest.approx(encoded(size=2.5)[0])


def test_a_missing_category_has_its_own_code_only_where_training_rows_missed_it():
    assert SCHEMA.columns[3].categories == ("(missing)", "a", "b")
    assert encoded(maybe=None)[3] == 0
    assert encoded(colour=None)[1] == -1


@pytest.mark.parametrize("value", [2, 2.0, "2", " 2 ", np.float32(2), np.int8(2)])
def test_category_2_is_the_same_as_integer_float_and_text(value):
    assert encoded(code=value)[2] == encoded(code=2)[2] >= 0


def test_integers_that_a_gap_turned_into_floats_keep_their_names():
    with_gap = pd.Series([1, 2, None], name="code")
    assert as_categories(with_gap).tolist() == ["1", "2", "(missing)"]


def test_booleans_are_categories_even_with_gaps():
    schema = fit_schema(pd.DataFrame({"b": [True, False, None]}))
    assert schema.columns[0].categories == ("(missing)", "False", "True")


def test_pandas_categoricals_and_nullable_types_are_read_as_their_values():
    plain = pd.DataFrame({"n": [1.0, np.nan, 3.0], "c": ["x", None, "y"]})
    typed = pd.DataFrame(
        {"n": pd.array([1, None, 3], "Int64"), "c": pd.Categorical(["x", None, "y"])}
    )
    assert fit_schema(typed) == fit_schema(plain)
    np.testing.assert_array_equal(fit_schema(plain).encode(typed), fit_schema(plain).encode(plain))


def test_a_constant_column_becomes_zero_and_an_empty_one_too():
    table = pd.DataFrame({"constant": [5.0, 5.0], "empty": [np.nan, np.nan]})
    assert (fit_schema(table).encode(table) == 0).all()


def test_json_gives_back_the_very_schema():
    copy = TableSchema.from_json(json.loads(json.dumps(SCHEMA.to_json())))
    assert copy == SCHEMA


def test_surprises_count_missing_values_and_unseen_categories():
    table = TRAIN.assign(colour=["violet", None, "red", "pink"], size=[1, None, None, 2])
    assert SCHEMA.surprises(SCHEMA.encode(table), table.isna().to_numpy()) == {
        "missing": {"size": 2, "colour": 1, "maybe": 1},
        "unseen": {"colour": 2},
    }


def test_a_missing_column_is_named():
    with pytest.raises(SchemaError, match=r"lacks colour"):
        SCHEMA.encode(TRAIN.drop(columns="colour"))


def test_a_repeated_column_is_refused():
    with pytest.raises(SchemaError, match="unique"):
        SCHEMA.encode(pd.concat([TRAIN, TRAIN[["size"]]], axis=1))


def test_an_array_of_the_wrong_width_is_refused_with_both_shapes():
    with pytest.raises(SchemaError, match=r"\(n, 4\).*got \(3, 2\)"):
        SCHEMA.encode(np.zeros((3, 2)))


def test_a_word_among_numbers_is_named_with_its_row():
    column = pd.Series(["1", "2", "three", "x"], name="size")
    with pytest.raises(SchemaError, match=r"'size'.*row 3 holds 'three' \(2 such rows\)"):
        as_numbers(column)


def test_infinities_are_counted_and_the_first_is_named():
    column = pd.Series([1.0, np.inf, -np.inf], name="size")
    with pytest.raises(SchemaError, match=r"'size' must be finite.*2 rows.*row 2"):
        as_numbers(column)


def test_numbers_beyond_float32_stay_finite():
    """A value that is finite in the table may not become infinite in x."""
    with pytest.raises(SchemaError, match=r"'size'.*float32"):
        encoded(size=1e60)


def test_a_number_that_is_missing_in_training_rows_is_marked_in_a_column_of_its_own():
    table = pd.DataFrame({"a": [1.0, None, 3.0], "b": ["x", "y", None], "c": [1.0, 2.0, 3.0]})
    schema = fit_schema(table)
    assert (schema.names, schema.indicators) == (("a", "b", "c"), ("a",))
    encoded = schema.encode(table)
    assert encoded.shape == (3, 4)
    assert encoded[:, 3].tolist() == [0.0, 1.0, 0.0]
    later = pd.DataFrame({"a": [None, 2.0], "b": ["x", "x"], "c": [None, 1.0]})
    assert schema.encode(later)[:, 3].tolist() == [1.0, 0.0]
    assert TableSchema.from_json(schema.to_json()) == schema
    assert cardinalities(schema) == [0, 3, 0, 2]
