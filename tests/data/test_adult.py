"""Adult as published: its rows, base rates, tasks, groups."""

from __future__ import annotations

import pytest
import torch

from fairrep.data import describe, load_dataset
from tests.data.helpers import prepare


@pytest.fixture(scope="module")
def data():
    return prepare("adult")


def test_the_official_files_give_26048_6513_and_16281_rows(data):
    assert {name: len(rows) for name, rows in data.splits.items()} == {
        "train": 26_048,
        "val": 6_513,
        "test": 16_281,
    }


def test_the_base_rates_are_the_publishers():
    """adult.names states 24.78% and 24.57% of known rows; 7,841 and 3,846 rows in all."""
    raw = load_dataset("adult", None)
    rich = raw.frame["income"] == ">50K"
    assert int(rich[~raw.test_rows].sum()) == 7_841
    assert int(rich[raw.test_rows].sum()) == 3_846


def test_the_groups_base_rates_of_income(data):
    rates = {g: v["base_rates"]["income"] for g, v in describe(data)["groups"].items()}
    assert rates == pytest.approx({"Female": 0.1095, "Male": 0.3057}, abs=1e-4)


def test_the_default_features_leave_out_whatever_a_default_task_is_read_from(data):
    assert data.schema.names == (
        *("age", "workclass", "education-num", "occupation", "race", "native-country"),
    )
    assert [task.name for task in data.seen] == ["income", "long_hours"]
    assert [task.name for task in data.tasks if not task.seen] == ["married", "investor"]


def test_a_question_mark_is_a_missing_value(data):
    assert data.surprises["train"]["missing"].keys() == {
        "workclass",
        "occupation",
        "native-country",
    }


@pytest.mark.parametrize("task", ["educated", "white_collar", "married", "investor"])
def test_a_task_takes_its_source_and_proxies_out_of_x(task):
    data = prepare("adult", seen=[task], novel=[])
    assert not set(data.spec.tasks[task].uses) & set(data.schema.names)


def test_white_collar_has_no_label_where_the_occupation_is_unknown():
    data = prepare("adult", seen=["income", "white_collar"], novel=[])
    unlabelled = sum(int(torch.isnan(rows.y[:, 1]).sum()) for rows in data.splits.values())
    assert unlabelled == 2_809  # "?" in occupation, both files


@pytest.mark.parametrize(("attribute", "groups"), [("race", 5), ("age_over_40", 2)])
def test_every_other_attribute_gives_its_groups(attribute, groups):
    data = prepare("adult", sensitive=[attribute])
    assert len(data.groups) == groups
    assert not set(data.spec.sensitive[attribute].uses) & set(data.schema.names)


def test_intersections_of_sex_and_race():
    assert len(prepare("adult", sensitive=["sex", "race"]).groups) == 10


def test_rows_without_a_label_for_any_chosen_task_are_left_out_and_counted():
    data = prepare("adult", seen=["white_collar"], novel=[])
    assert data.left_out == 2_809
    assert sum(map(len, data.splits.values())) == 48_842 - 2_809
