"""The check of a user's table names what training would refuse and what would be worthless."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from fairrep.data.check import check_table, column_types
from fairrep.data.datasets.user_table import table_spec
from fairrep.data.leaks import leaking_features
from fairrep.data.profile import correlation_ratio, profile
from fairrep.data.registry import RawData
from tests.data.helpers import people


def raw(table):
    return RawData(table_spec(table, "t.csv", types={}, positive={}, drop=[]), table)


def check(table, sensitive=("sex",), tasks=("hired",)):
    return check_table(raw(table), sensitive, tasks, min_rows=10, bins=2)


def texts(table, *, stops, **options):
    return " ".join(f.text for f in check(table, **options) if f.stops is stops)


def test_a_sound_table_gives_no_finding():
    assert check(people()) == []


def test_types_gaps_and_distinct_values_are_told():
    table = people().assign(pay=np.nan)
    told = {column["name"]: column for column in column_types(table)}
    assert told["city"] == {"name": "city", "type": "categorical", "missing": 0, "distinct": 3}
    assert told["pay"]["missing"] == 400


def object_with(table, column, row, value):
    table = table.astype({column: object})
    table.loc[row, column] = value
    return table


STOPPING = {
    "missing s": (lambda t: object_with(t, "sex", 3, None), "'sex'.*1 rows"),
    "tiny group": (lambda t: object_with(t, "sex", slice(0, 4), "d"), "'d' has 5 rows"),
    "one group": (lambda t: t.assign(sex="f"), "one group only, 'f'"),
    "one class": (lambda t: t.assign(hired=1), "'hired' has one class only"),
    "mixed": (lambda t: object_with(t, "age", 7, "old"), "row 8 holds 'old'"),
    "infinite": (lambda t: t.assign(pay=t["pay"].replace(t["pay"][4], np.inf)), "'pay'.*finite"),
}


@pytest.mark.parametrize("case", STOPPING)
def test_what_training_would_refuse_is_a_problem(case):
    spoil, words = STOPPING[case]
    found = texts(spoil(people()), stops=True)
    assert pd.Series([found]).str.contains(words)[0], found


def test_leaking_columns_are_named_for_labels_and_for_s():
    table = people()
    table["contract"] = np.where(table["hired"] == 1, "signed", "none")
    table["title"] = table["sex"].map({"f": "Ms", "m": "Mr"})
    table["score"] = table["hired"] * 2.0 + np.random.default_rng(0).uniform(0, 1, len(table))
    found = check(table)
    assert {f.drop for f in found} == {"contract", "title", "score"}
    said = " ".join(f.text for f in found)
    assert "'title' alone gives the sensitive attribute (sex) away" in said
    assert "'contract' alone gives task 'hired' away" in said


def test_a_leak_hidden_in_the_gaps_is_found():
    table = people()
    table["exit_pay"] = np.where(table["hired"] == 1, np.nan, 7.0)
    assert [f.drop for f in check(table)] == ["exit_pay"]


def test_a_leak_into_a_regression_label_is_found():
    table = people().assign(cents=lambda t: t["pay"] * 100)
    (found,) = [f for f in check(table, tasks=("pay",)) if f.drop]
    assert found.drop == "cents"
    assert "R²" in found.text


def test_noise_with_many_values_is_no_leak():
    """A category seen once must not be credited with its own label."""
    draws = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "noise": draws.normal(size=400),
            "code": draws.integers(0, 300, 400).astype(str),
            "hired": draws.integers(0, 2, 400),
        }
    )
    target = table["hired"].to_numpy(float)
    assert leaking_features(table, ["noise", "code"], target, regression=False) == {}


def test_identifiers_and_constant_and_empty_columns_are_to_be_dropped():
    table = people()
    table["id"] = np.arange(len(table)) + 100
    table["name"] = [f"person {k}" for k in range(len(table))]
    table["same"] = "x"
    table["nothing"] = np.nan
    assert {f.drop for f in check(table)} == {"id", "name", "same", "nothing"}


def test_missing_labels_are_counted():
    table = object_with(people(), "hired", slice(0, 6), None)
    assert "'hired' has no label in 7 rows" in texts(table, stops=False)


def test_the_correlation_ratio_of_two_groups_is_the_correlation_coefficient():
    draws = np.random.default_rng(0)
    groups, values = draws.integers(0, 2, 300), draws.normal(size=300)
    expected = abs(np.corrcoef(groups, values)[0, 1])
    assert correlation_ratio(values, groups) == pytest.approx(expected)
    assert correlation_ratio(np.ones(300), groups) == 0.0


def test_the_profile_counts_groups_base_rates_and_gaps():
    table = people()
    table.loc[:9, "pay"] = np.nan
    found = profile(raw(table), ["sex"], ["hired", "grade", "age"], bins=2)
    assert found["groups"] == table["sex"].value_counts().to_dict()
    assert found["missing"] == {"pay": 10}
    expected = table.groupby("sex")["hired"].mean().to_dict()
    assert found["tasks"]["hired"]["by_group"] == pytest.approx(expected)
    commonest = table["grade"].value_counts().index[0]
    shares = (table["grade"] == commonest).groupby(table["sex"]).mean().to_dict()
    assert found["tasks"]["grade"]["by_group"] == pytest.approx(shares)
    assert found["tasks"]["age"]["by_group"] == pytest.approx(
        table.groupby("sex")["age"].mean().to_dict()
    )


def test_numbers_beyond_float32_are_a_problem_and_no_crash():
    table = people().assign(big=lambda t: 10.0 ** (300 + t.index % 5))
    assert "'big' must be finite" in texts(table, stops=True)


def test_a_column_that_gives_one_of_several_attributes_away_is_named():
    table = people().assign(title=lambda t: t["sex"].map({"f": "Ms", "m": "Mr"}))
    found = check(table, sensitive=("sex", "city"))
    assert [f.drop for f in found if f.drop] == ["title"]


@pytest.mark.parametrize("form", ["{},5", "{}%", "$ {},000", "{} €"])
def test_quantities_written_as_text_are_told(form):
    table = people().assign(amount=lambda t: t["age"].map(form.format))
    (found,) = check(table)
    assert "'amount' looks like numbers but is text" in found.text
    assert found.drop is None


def test_dates_are_told_and_ranges_are_categories():
    table = people().assign(
        band=lambda t: np.where(t["age"] > 40, "18-40", "41-80"),
        since=pd.date_range("2020", periods=400).repeat(2)[:400],
    )
    (found,) = check(table)
    assert "'since' holds dates" in found.text


def test_a_task_that_is_the_sensitive_attribute_is_told():
    assert "both a task and the sensitive attribute" in texts(
        people(), stops=False, tasks=("hired", "sex")
    )
