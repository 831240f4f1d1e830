"""From names to tensors: which columns stay, what is fitted on which rows, what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fairrep.data import fit_schema
from fairrep.errors import ConfigError, DataError
from tests.data.helpers import people, prepare, write_csv


@pytest.fixture
def table():
    return people()


def prepared(folder, table, **options):
    choices = {"sensitive": ["sex"], "seen": ["hired"], "novel": []} | options
    return prepare("csv", path=write_csv(folder, table), **choices)


def test_preprocessing_is_fitted_on_training_rows_only(tmp_path, table):
    """Wild values and new categories in every other row move neither schema nor training x."""
    first = prepared(tmp_path, table)
    held_out = np.concatenate([first.val.index, first.test.index])
    table.loc[held_out, "pay"] = 1e6
    table.loc[held_out, "city"] = "Atlantis"
    second = prepared(tmp_path, table)
    assert second.schema == first.schema
    assert second.schema == fit_schema(table.loc[first.train.index, list(first.schema.names)])
    assert torch.equal(second.train.x, first.train.x)
    assert second.surprises["test"]["unseen"] == {"city": len(first.test)}


def test_regression_labels_are_scaled_by_training_rows_only(tmp_path, table):
    first = prepared(tmp_path, table, seen=["pay"])
    train = table["pay"].iloc[first.train.index]
    assert first.tasks[0].mean == pytest.approx(train.mean())
    assert first.tasks[0].scale == pytest.approx(train.std(ddof=0))


def test_splits_partition_the_rows_and_keep_x_y_s_together(tmp_path, table):
    data = prepared(tmp_path, table)
    index = np.concatenate([rows.index for rows in data.splits.values()])
    assert sorted(index) == list(range(len(table)))
    for rows in data.splits.values():
        source = table.iloc[rows.index]
        assert rows.y[:, 0].tolist() == source["hired"].tolist()
        assert [data.groups[g] for g in rows.s] == source["sex"].tolist()


def test_moving_split_seed_moves_the_rows(tmp_path, table):
    first, second = (prepared(tmp_path, table, split_seed=seed) for seed in (0, 1))
    assert not np.array_equal(first.test.index, second.test.index)


def test_tasks_and_sensitive_columns_leave_x_and_say_why(tmp_path, table):
    data = prepared(tmp_path, table, novel=["grade"])
    assert data.schema.names == ("age", "pay", "city")
    assert set(data.dropped) == {"sex", "hired", "grade"}
    assert data.dropped["sex"] == "sensitive attribute sex"


def test_s_is_in_x_where_it_is_asked_for_and_a_task_never_is(tmp_path, table):
    assert "sex" in prepared(tmp_path, table, include_sensitive=True).schema.names
    both = prepared(tmp_path, table, sensitive=["hired"], include_sensitive=True)
    assert "hired" not in both.schema.names


def test_seen_tasks_come_first(tmp_path, table):
    data = prepared(tmp_path, table, seen=["hired"], novel=["grade"])
    assert [(task.name, task.seen) for task in data.tasks] == [("hired", True), ("grade", False)]
    assert [task.name for task in data.seen] == ["hired"]


def test_missing_feature_values_are_counted_per_split(tmp_path, table):
    table.loc[::2, "pay"] = np.nan
    data = prepared(tmp_path, table)
    assert sum(data.surprises[part]["missing"]["pay"] for part in data.splits) == 200
    assert all(torch.isfinite(rows.x).all() for rows in data.splits.values())


def test_labels_may_be_missing_for_some_tasks(tmp_path, table):
    table["hired"] = table["hired"].astype("Float64").where(table.index % 3 > 0)
    data = prepared(tmp_path, table, seen=["hired", "grade"])
    missing = sum(int(torch.isnan(rows.y[:, 0]).sum()) for rows in data.splits.values())
    assert missing == (table.index % 3 == 0).sum()


def spoil(column, value, rows=slice(None)):
    def spoiled(table):
        table[column] = table[column].astype(object)
        table.loc[rows, column] = value
        return table

    return spoiled


BAD_TABLES = {
    "one class": (spoil("hired", 1), DataError, r"'hired'.*two classes.*got 1"),
    "small group": (spoil("sex", "d", slice(0, 5)), DataError, r"at least 10.*'d' \(n=\d\)"),
    "one group": (spoil("sex", "f"), DataError, r"only 'f'"),
    "missing s": (spoil("sex", None, slice(0, 6)), DataError, r"'sex'.*7 rows"),
    "no label": (spoil("hired", None, slice(0, 9)), DataError, r"hired, but 10 rows have none"),
    "infinity": (spoil("pay", np.inf, slice(3, 4)), DataError, r"'pay' must be finite"),
}


@pytest.mark.parametrize("case", BAD_TABLES)
def test_a_bad_table_is_refused_with_the_name_and_number(tmp_path, table, case):
    change, error, words = BAD_TABLES[case]
    with pytest.raises(error, match=words):
        prepared(tmp_path, change(table))


BAD_SETTINGS = {
    "unknown task": ({"seen": ["hird"]}, r"'hird'.*Did you mean 'hired'"),
    "unknown feature": ({"features": ["agee"]}, r"'agee'.*Did you mean 'age'"),
    "unknown attribute": ({"sensitive": ["sx"]}, r"'sx' is not known"),
    "no sensitive": ({"sensitive": []}, "at least one sensitive"),
    "no task": ({"seen": []}, "at least one task"),
    "task twice": ({"novel": ["hired"]}, r"more than once.*hired"),
    "no feature": ({"features": ["sex"]}, "no feature column"),
    "fraction": ({"val_fraction": 1.5}, r"data\.val_fraction.*1\.5"),
}


@pytest.mark.parametrize("case", BAD_SETTINGS)
def test_a_bad_setting_is_refused_by_name(tmp_path, table, case):
    options, words = BAD_SETTINGS[case]
    with pytest.raises(ConfigError, match=words):
        prepared(tmp_path, table, **options)


def test_an_unknown_data_set_is_refused_with_the_nearest_name():
    with pytest.raises(ConfigError, match=r"'adlt'.*Did you mean 'adult'"):
        prepare("adlt")


def test_infinities_in_held_out_rows_are_refused_too(tmp_path, table):
    first = prepared(tmp_path, table)
    table.loc[first.test.index[0], "pay"] = -np.inf
    with pytest.raises(DataError, match="'pay' must be finite"):
        prepared(tmp_path, table)


def test_the_row_of_a_bad_value_is_its_row_in_the_file(tmp_path, table):
    """Splitting permutes the rows; the message speaks of the user's file."""
    table["pay"] = table["pay"].astype(object)
    table.loc[250, "pay"] = "much"
    with pytest.raises(DataError, match="row 251 holds 'much'"):
        prepared(tmp_path, table, types={"pay": "numeric"})


def test_a_group_only_in_test_rows_is_coded_minus_one(tmp_path, table):
    test = people(50, seed=1)
    test.loc[:4, "sex"] = "d"
    data = prepared(tmp_path, table, test_path=write_csv(tmp_path, test, "test.csv"))
    assert data.groups == ("f", "m")
    assert int((data.test.s == -1).sum()) == 5
