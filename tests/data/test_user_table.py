"""A user's own table: types inferred and overridable, a second file for the test rows."""

from __future__ import annotations

import numpy as np
import pytest

from fairrep.data import CategoricalColumn, load_dataset
from fairrep.errors import ConfigError, DataError
from tests.data.helpers import people, prepare, write_csv

CHOICES = {"sensitive": ["sex"], "seen": ["hired"], "novel": []}


@pytest.fixture
def path(tmp_path):
    return write_csv(tmp_path, people())


def test_task_kinds_are_inferred(path):
    tasks = load_dataset("csv", path).spec.tasks
    kinds = {name: task.kind for name, task in tasks.items()}
    assert kinds["hired"] == "binary"
    assert kinds["pay"] == "regression"
    assert kinds["grade"] == "multiclass"


def test_stated_types_override_the_inferred_ones(path):
    data = prepare("csv", path=path, types={"age": "categorical"}, **CHOICES)
    assert isinstance(data.schema.columns[0], CategoricalColumn)
    assert load_dataset("csv", path, types={"age": "multiclass"}).spec.tasks["age"].kind == (
        "multiclass"
    )


def test_the_positive_value_is_class_one(path):
    data = prepare("csv", path=path, positive={"grade": "low"}, **CHOICES | {"seen": ["grade"]})
    low = (people()["grade"] == "low").iloc[data.train.index]
    assert data.tasks[0].kind == "binary"
    assert data.train.y[:, 0].tolist() == low.astype(float).tolist()


def test_dropped_columns_never_enter_x(path):
    assert "city" not in prepare("csv", path=path, drop=["city"], **CHOICES).schema.names


def test_a_second_file_holds_the_test_rows_in_any_column_order(path, tmp_path):
    test = people(60, seed=1)
    test_path = write_csv(tmp_path, test[test.columns[::-1]], "test.csv")
    data = prepare("csv", path=path, test_path=test_path, **CHOICES)
    assert len(data.test) == 60
    assert data.test.y[:, 0].tolist() == test["hired"].tolist()


def test_a_second_file_without_a_column_is_refused_by_name(path, tmp_path):
    test_path = write_csv(tmp_path, people(60).drop(columns="city"), "test.csv")
    with pytest.raises(DataError, match=r"test\.csv.*lacks.*city"):
        prepare("csv", path=path, test_path=test_path, **CHOICES)


def test_no_path_is_refused():
    with pytest.raises(ConfigError, match=r"data\.path"):
        prepare("csv", **CHOICES)


@pytest.mark.parametrize("setting", [{"types": {"agee": "numeric"}}, {"drop": ["agee"]}])
def test_a_setting_for_a_column_that_is_not_there_is_refused_by_name(path, setting):
    with pytest.raises(DataError, match="lacks: agee"):
        prepare("csv", path=path, **setting, **CHOICES)


def test_an_unknown_type_is_refused(path):
    with pytest.raises(ConfigError, match=r"data\.types\.age.*'number'"):
        prepare("csv", path=path, types={"age": "number"}, **CHOICES)


def test_a_positive_value_that_no_row_has_is_refused(path):
    with pytest.raises(DataError, match=r"grade=best.*\['high', 'low', 'mid'\]"):
        prepare("csv", path=path, positive={"grade": "best"}, **CHOICES | {"seen": ["grade"]})


def test_a_column_of_numbers_with_gaps_as_sensitive_attribute_counts_the_gaps(tmp_path):
    table = people().assign(region=1.0)
    table.loc[:3, "region"] = np.nan
    with pytest.raises(DataError, match=r"'region'.*4 rows"):
        prepare("csv", path=write_csv(tmp_path, table), **CHOICES | {"sensitive": ["region"]})


def test_numbers_with_some_words_are_refused_with_the_row(tmp_path):
    table = people().astype({"age": object})
    table.loc[[16, 99], "age"] = "unknown"
    path = write_csv(tmp_path, table)
    with pytest.raises(DataError, match=r"'age' mixes.*row 17 holds 'unknown' \(2 such rows\)"):
        prepare("csv", path=path, **CHOICES)
    stated = prepare("csv", path=path, types={"age": "categorical"}, **CHOICES)
    assert isinstance(stated.schema.columns[0], CategoricalColumn)


def test_a_column_of_categories_may_hold_numbers_and_words(tmp_path):
    """Its type, which parquet keeps, says what it is."""
    codes = people()["age"].astype(str).where(people().index != 3, "unknown").astype("category")
    people().assign(code=codes).to_parquet(tmp_path / "people.parquet")
    data = prepare("csv", path=str(tmp_path / "people.parquet"), **CHOICES)
    assert type(data.schema.columns[data.schema.names.index("code")]) is CategoricalColumn
