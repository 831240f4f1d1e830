"""Sensitive attributes: groups by name, intersections, and real numbers, binned and not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from fairrep.data.attributes import (
    encode_attributes,
    encode_groups,
    intersections,
    name_groups,
    read_attributes,
)
from fairrep.data.registry import DatasetSpec, SensitiveColumn
from fairrep.errors import ConfigError, DataError
from tests.data.helpers import people, prepare, write_csv

TABLE = pd.DataFrame(
    {
        "sex": ["f", "m", "f", "m", "m", "f"],
        "race": ["x", "x", "y", "y", "x", "y"],
        "gap": ["f", None, "m", None, "m", "f"],
        "age": [20.0, 30.0, 40.0, 50.0, 60.0, 70.0],
        "same": [1, 1, 1, 1, 1, 1],
    }
)
ALL = np.arange(6)


def spec(columns=TABLE.columns):
    return DatasetSpec(
        name="small",
        title="",
        source="",
        licence="",
        citation="",
        harms=(),
        features=(),
        tasks={},
        sensitive={
            c: SensitiveColumn(lambda t, c=c: t[c], (c,), real=c in ("age", "same"))
            for c in columns
        },
        default_sensitive=(),
        default_seen=(),
    )


def read(*names, table=TABLE):
    return read_attributes(spec(table.columns), table, names)


def groups_of(*names, bins=2, **options):
    return intersections(name_groups(read(*names), bins=bins, **options)).tolist()


def test_several_attributes_give_their_intersections():
    assert groups_of("sex", "race") == ["f & x", "m & x", "f & y", "m & y", "m & x", "f & y"]


def test_groups_are_coded_by_value_and_unknown_ones_are_minus_one():
    assert encode_groups(pd.Series(["m", "f", "d"]), ["f", "m"]).tolist() == [1, 0, -1]


def test_a_real_number_is_cut_at_quantiles_of_the_rows_it_is_fitted_on():
    assert groups_of("age") == ["age <= 40"] * 3 + ["age > 40"] * 3
    assert groups_of("age", fitted_on=np.array([0, 1])) == ["age <= 20"] + ["age > 20"] * 5
    thirds = ["age <= 30"] * 2 + ["30 < age <= 50"] * 2 + ["age > 50"] * 2
    assert groups_of("age", bins=3) == thirds


def test_a_real_number_and_groups_intersect():
    assert groups_of("sex", "age")[:2] == ["f & age <= 40", "m & age <= 40"]


def test_as_numbers_real_attributes_are_standardised_and_others_are_indicators():
    attributes = read("sex", "age")
    named = name_groups(attributes, bins=2)
    groups = sorted(set(intersections(named)))
    fitted = np.array([0, 1, 4, 5])
    specs, numbers = encode_attributes(attributes, named, groups, ALL)
    assert [one.name for one in specs] == ["sex", "age"]
    assert [one.width for one in specs] == [2, 1]
    assert numbers[:, 0].tolist() == [1, 0, 1, 0, 0, 1]
    assert numbers[:, 1].tolist() == [0, 1, 0, 1, 1, 0]
    _, numbers = encode_attributes(attributes, named, groups, fitted)
    age = TABLE["age"].to_numpy()
    expected = (age - age[fitted].mean()) / age[fitted].std()
    np.testing.assert_allclose(numbers[:, 2], expected, rtol=1e-6)


def test_every_intersection_knows_its_group_in_each_attribute():
    attributes = read("sex", "race")
    named = name_groups(attributes, bins=2)
    groups = sorted(set(intersections(named)))
    specs, _ = encode_attributes(attributes, named, groups, ALL)
    for code, group in enumerate(groups):
        parts = [one.groups[one.of_group[code]] for one in specs]
        assert " & ".join(parts) == group


def test_no_attribute_and_an_unknown_one_are_refused():
    with pytest.raises(ConfigError, match="at least one sensitive"):
        read()
    with pytest.raises(ConfigError, match=r"'sexx' is not known.*Did you mean 'sex'"):
        read("sexx")


def test_missing_values_of_s_are_counted():
    with pytest.raises(DataError, match=r"'gap'.*2 rows"):
        read("gap")


def test_one_bin_and_a_constant_number_are_refused():
    with pytest.raises(ConfigError, match=r"data.bins must be at least 2, got 1"):
        groups_of("age", bins=1)
    with pytest.raises(DataError, match=r"'same'.*100% of the training rows hold 1"):
        groups_of("same")


def test_a_number_is_not_a_group():
    table = pd.DataFrame({"many": np.arange(100)})
    with pytest.raises(DataError, match="100 groups, more than 64"):
        name_groups(read("many", table=table), bins=2)


def test_age_of_adult_is_standardised_on_training_rows_and_binned_at_their_median():
    data = prepare("adult", sensitive=["sex", "age"])
    assert data.sensitive == ("sex", "age")
    assert data.groups == tuple(
        f"{sex} & {age}" for sex in ("Female", "Male") for age in ("age <= 37", "age > 37")
    )
    age = data.train.a[:, 2].double()
    assert abs(age.mean()) < 1e-6
    assert abs(age.std(correction=0) - 1) < 1e-6
    assert "age" not in data.schema.names
    assert (data.train.a[:, :2].argmax(1) == (data.train.s >= 2)).all()


def test_a_users_column_stated_to_be_numeric_is_a_real_number(tmp_path):
    path = write_csv(tmp_path, people())
    data = prepare("csv", path=path, sensitive=["age"], seen=["hired"], types={"age": "numeric"})
    assert data.attributes[0].real
    assert data.train.a.shape[1] == 1
    assert len(data.groups) == 2
