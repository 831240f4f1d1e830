"""The field's data sets as published: rows, base rates, groups, tasks, splits."""

from __future__ import annotations

import math
import zipfile

import numpy as np
import pytest
import torch

from fairrep.data import describe, load_dataset
from fairrep.data.registry import dataset_spec
from fairrep.errors import ConfigError, DataError
from tests.data.helpers import prepare


@pytest.fixture(autouse=True)
def files_at_hand(publishers_files, monkeypatch, tmp_path):
    """Read the publishers' files by FAIRREP_DATA, never a cache or the network."""
    monkeypatch.setenv("FAIRREP_DATA", str(publishers_files))
    monkeypatch.setenv("FAIRREP_CACHE", str(tmp_path))


def load(name, file, publishers_file, **options):
    publishers_file(file)
    return load_dataset(name, offline=True, **options)


def rate(raw, task):
    return float(raw.spec.tasks[task].derive(raw.frame).mean())


def group_sizes(raw, attribute):
    return raw.spec.sensitive[attribute].derive(raw.frame).value_counts().to_dict()


def test_compas_has_the_6172_rows_that_propublica_analysed(publishers_file):
    raw = load("compas", "compas-scores-two-years.csv.xz", publishers_file)
    assert len(raw.frame) == 6_172
    assert rate(raw, "recidivism") == pytest.approx(2_809 / 6_172)
    assert group_sizes(raw, "race") == {
        "African-American": 3_175,
        "Caucasian": 2_103,
        "Hispanic": 509,
        "other": 385,
    }


def test_compas_labels_are_those_of_the_file(publishers_file):
    raw = load("compas", "compas-scores-two-years.csv.xz", publishers_file)
    assert rate(raw, "high_score") == pytest.approx((raw.frame["decile_score"] >= 5).mean())
    assert rate(raw, "violent_recidivism") == raw.frame["is_violent_recid"].mean()


def test_compas_keeps_all_7214_rows_where_asked(publishers_file):
    raw = load("compas", "compas-scores-two-years.csv.xz", publishers_file, all_rows=True)
    assert len(raw.frame) == 7_214


def test_compas_x_holds_neither_names_nor_anything_after_the_screening():
    spec = dataset_spec("compas")
    assert set(spec.features) == {
        *("age", "sex", "race", "juv_fel_count", "juv_misd_count", "juv_other_count"),
        *("priors_count", "c_charge_degree"),
    }


def test_communities_drops_places_and_the_police_survey(publishers_file):
    publishers_file("communities.data")
    data = prepare("communities")
    assert sum(map(len, data.splits.values())) == 1_994
    assert len(data.spec.features) == 128 - 5 - 22 - 1
    assert not {"state", "fold", "PolicPerPop", "racepctblack"} & set(data.schema.names)


def test_communities_groups_are_those_of_the_fair_regression_papers(publishers_file):
    """Crime.mat is the same table as its authors prepared it: group and label row by row."""
    from scipy.io import loadmat

    prepared = loadmat(publishers_file("Crime.mat"))
    raw = load("communities", "communities.data", publishers_file)
    group = raw.spec.sensitive["black_share"].derive(raw.frame) == "up to 0.06"
    np.testing.assert_array_equal(group, prepared["Scat"].ravel() == 1)
    label = raw.spec.tasks["violent_crime"].derive(raw.frame)
    np.testing.assert_allclose(label, prepared["Y"].ravel())


def test_school_is_139_tasks_with_disjoint_rows(publishers_file):
    publishers_file("school.mat")
    data = prepare("school")
    assert len(data.tasks) == 139
    for rows in data.splits.values():
        assert (torch.isfinite(rows.y).sum(dim=1) == 1).all()
    assert sum(map(len, data.splits.values())) == 15_362


def test_school_holds_out_schools_as_novel_tasks_and_shares_out_every_school(publishers_file):
    publishers_file("school.mat")
    data = prepare("school")
    assert [len(data.seen), len(data.tasks)] == [100, 139]
    sizes = {part: torch.isfinite(rows.y).sum(dim=0) for part, rows in data.splits.items()}
    total = sum(sizes.values())
    assert ((sizes["test"] - 0.2 * total).abs() <= 3).all()
    assert (sizes["val"] >= 1).all()


def test_school_without_the_held_out_tasks_leaves_their_pupils_out(publishers_file):
    publishers_file("school.mat")
    data = prepare("school", seen=["school_1", "school_2"], novel=[])
    assert sum(map(len, data.splits.values())) == 291
    assert data.left_out == 15_362 - 291


def test_drug_has_19_tasks_and_the_published_groups(publishers_file):
    raw = load("drug", "drug_consumption.data", publishers_file)
    assert len(raw.spec.tasks) == 19
    assert group_sizes(raw, "gender") == {"male": 943, "female": 942}
    assert group_sizes(raw, "ethnicity") == {"white": 1_720, "other": 165}
    assert group_sizes(raw, "age") == {"25 or more": 1_242, "18-24": 643}
    assert rate(raw, "cannabis") == pytest.approx(1 - 620 / 1_885)


def test_drug_reads_the_file_with_and_without_its_header_line(publishers_file, tmp_path):
    with_header = publishers_file("drug_consumption.data")
    lines = with_header.read_text().splitlines(keepends=True)
    (tmp_path / "drug_consumption.data").write_text("".join(lines[1:]))
    raw = load_dataset("drug", str(tmp_path), offline=True)
    assert raw.frame.equals(load_dataset("drug", str(with_header), offline=True).frame)


def test_law_school_rates_and_groups(publishers_file):
    raw = load("law_school", "law_data.csv.xz", publishers_file)
    assert len(raw.frame) == 21_791
    assert group_sizes(raw, "race") == {"White": 18_285, "other": 2_224, "Black": 1_282}
    assert group_sizes(raw, "sex") == {"male": 12_254, "female": 9_537}
    assert rate(raw, "passed_bar") == pytest.approx(19_360 / 21_791)


def test_student_rows_grades_and_groups(publishers_file):
    raw = load("student", "student-por.csv", publishers_file)
    assert len(raw.frame) == 649
    assert group_sizes(raw, "sex") == {"female": 383, "male": 266}
    assert rate(raw, "passed") == pytest.approx(549 / 649)
    other = load("student", "student-mat.csv", publishers_file, subject="mathematics")
    assert len(other.frame) == 395
    assert rate(other, "passed") == pytest.approx(265 / 395)


def test_student_is_read_from_the_archive_too(publishers_file, tmp_path):
    csv = publishers_file("student-mat.csv")
    with zipfile.ZipFile(tmp_path / "student.zip", "w") as archive:
        archive.write(csv, "student-mat.csv")
    packed = load_dataset("student", str(tmp_path), offline=True, subject="mathematics")
    assert packed.frame.equals(
        load_dataset("student", str(csv), offline=True, subject="mathematics").frame
    )
    with pytest.raises(DataError, match=r"it lacks student-por\.csv"):
        load_dataset("student", str(tmp_path), offline=True)
    with pytest.raises(ConfigError, match="portuguese or mathematics, got 'art'"):
        load_dataset("student", str(tmp_path), offline=True, subject="art")


@pytest.mark.slow
def test_kdd_census_rows_rates_and_partial_labels(publishers_file):
    raw = load("kdd_census", "kdd_census_train.csv.xz", publishers_file)
    assert int((~raw.test_rows).sum()) == 199_523
    assert int(raw.test_rows.sum()) == 99_762
    income = raw.spec.tasks["income"].derive(raw.frame)
    assert int(income[~raw.test_rows].sum()) == 12_382
    married = raw.spec.tasks["married"].derive(raw.frame)
    assert int(married[~raw.test_rows].sum()) == 84_222 + 1_518 + 665
    assert (raw.spec.tasks["employed"].derive(raw.frame) == (raw.frame["weeks_worked"] > 0)).all()
    moved = raw.spec.tasks["moved"].derive(raw.frame)
    assert int(moved[~raw.test_rows].notna().sum()) == 82_538 + 15_773
    assert int(moved[~raw.test_rows].sum()) == 15_773
    assert set(group_sizes(raw, "citizenship")) == {"citizen", "not a citizen"}


@pytest.mark.parametrize(
    "name", ["compas", "communities", "drug", "law_school", "school", "student"]
)
def test_every_attribute_and_task_of_a_set_can_be_used(name, at_hand):
    at_hand(name)
    spec = dataset_spec(name)
    for attribute in spec.sensitive:
        data = prepare(name, sensitive=[attribute])
        assert len(data.groups) >= 2
        assert not set(spec.sensitive[attribute].uses) & set(data.schema.names)
    tasks = list(spec.tasks)
    data = prepare(name, seen=tasks, novel=[])
    for task in tasks:
        assert not set(spec.tasks[task].uses) & set(data.schema.names)
    rates = [v for g in describe(data)["groups"].values() for v in g["base_rates"].values()]
    assert name == "school" or all(map(math.isfinite, rates))


def test_a_file_of_another_kind_is_refused(tmp_path):
    (tmp_path / "school.mat").write_text("not MATLAB")
    with pytest.raises(DataError, match=r"school\.mat"):
        load_dataset("school", str(tmp_path), offline=True)
