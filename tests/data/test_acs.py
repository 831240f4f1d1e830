"""ACS: tasks, filters, columns that a file lacks, every layout of the files."""

from __future__ import annotations

import zipfile

import numpy as np
import pandas as pd
import pytest
import torch

from fairrep.data import describe, load_dataset
from fairrep.data.datasets.acs_files import find_files, published
from fairrep.errors import ConfigError, DataError
from tests.data.helpers import prepare


@pytest.fixture(autouse=True)
def no_other_files(monkeypatch, tmp_path):
    monkeypatch.delenv("FAIRREP_DATA", raising=False)
    monkeypatch.setenv("FAIRREP_CACHE", str(tmp_path / "cache"))


def people(rows: int = 600, seed: int = 0) -> pd.DataFrame:
    """A made-up person file with the Census Bureau's names and gaps."""
    draws = np.random.default_rng(seed)
    age = draws.integers(0, 95, rows)
    adult = age >= 16
    works = adult & (draws.random(rows) < 0.6)
    table = pd.DataFrame(
        {
            "AGEP": age,
            "SEX": draws.integers(1, 3, rows),
            "RAC1P": draws.choice([1, 2, 6, 9], rows),
            "SCHL": draws.integers(1, 25, rows),
            "PUBCOV": draws.integers(1, 3, rows),
            "PRIVCOV": draws.integers(1, 3, rows),
            "POVPIP": draws.integers(0, 502, rows),
            "PWGTP": draws.integers(1, 200, rows),
            "PINCP": np.where(age >= 15, draws.integers(-100, 120_000, rows), np.nan),
            "ESR": np.where(adult, np.where(works, 1, 6), np.nan),
            "WKHP": np.where(works, draws.integers(1, 99, rows), np.nan),
            "JWMNP": np.where(works, draws.integers(1, 120, rows), np.nan),
            "MIGSP": np.where(draws.random(rows) < 0.2, 6, np.nan),
        }
    )
    return table.assign(FER=np.where(table["SEX"] == 2, 2, np.nan), SERIALNO="2018HU1")


@pytest.fixture
def folder(tmp_path):
    people().to_parquet(tmp_path / "p_44.parquet")
    return str(tmp_path)


def labels(folder, task, **options):
    raw = load_dataset("acs", folder, offline=True, **options)
    return raw.frame, raw.spec.tasks[task].derive(raw.frame)


def write_layouts(root):
    """The same people as the Census Bureau's zip, folktables' cache and a bare CSV."""
    text = people().to_csv(index=False)
    for name in ("zip", "folktables", "bare", "old"):
        (root / name).mkdir()
    with zipfile.ZipFile(root / "zip" / "csv_pri.zip", "w") as archive:
        archive.writestr("psam_p44.csv", text)
        archive.writestr("ACS2018_PUMS_README.pdf", "a PDF")
    (root / "folktables" / "2018" / "1-Year").mkdir(parents=True)
    (root / "folktables" / "2018" / "1-Year" / "psam_p44.csv").write_text(text)
    (root / "bare" / "psam_p44.csv").write_text(text)
    (root / "old" / "ss15pri.csv").write_text(text)


@pytest.mark.parametrize("layout", ["zip", "folktables", "bare", "old", "bare/psam_p44.csv"])
def test_every_layout_gives_the_table_of_the_parquet_subset(folder, tmp_path, layout):
    write_layouts(tmp_path)
    expected = load_dataset("acs", f"{folder}/p_44.parquet", offline=True).frame
    given = load_dataset("acs", str(tmp_path / layout), offline=True).frame
    pd.testing.assert_frame_equal(given, expected)


def test_the_cache_is_searched_for_the_census_bureaus_zip(tmp_path, monkeypatch):
    place = tmp_path / "cache" / "acs" / "2018" / "1-Year"
    place.mkdir(parents=True)
    with zipfile.ZipFile(place / "csv_pri.zip", "w") as archive:
        archive.writestr("psam_p44.csv", people().to_csv(index=False))
    found = find_files(None, ["ri"], 2018, offline=True)
    assert [(f.state, f.year, f.path.name) for f in found] == [("RI", 2018, "csv_pri.zip")]


def test_the_newest_year_is_taken_unless_one_is_named(tmp_path):
    for year in (2017, 2018):
        place = tmp_path / str(year) / "1-Year"
        place.mkdir(parents=True)
        people().to_csv(place / "psam_p44.csv", index=False)
    assert find_files(str(tmp_path), None, None, offline=True)[0].year == 2018
    assert find_files(str(tmp_path), None, 2017, offline=True)[0].year == 2017


def test_the_url_is_the_census_bureaus():
    assert published("CA", 2018).url == (
        "https://www2.census.gov/programs-surveys/acs/data/pums/2018/1-Year/csv_pca.zip"
    )


def test_a_label_is_missing_where_the_question_was_not_asked(folder):
    frame, income = labels(folder, "income")
    assert (income.isna() == frame["PINCP"].isna()).all()
    frame, commute = labels(folder, "travel_time")
    assert (commute.isna() == frame["JWMNP"].isna()).all()
    frame, moved = labels(folder, "mobility")
    assert (moved.isna() == (frame["AGEP"] < 1)).all()


DEFINITIONS = {
    "income": "PINCP > 50000",
    "employment": "ESR == 1",
    "public_coverage": "PUBCOV == 1",
    "private_coverage": "PRIVCOV == 1",
    "travel_time": "JWMNP > 20",
    "poverty": "POVPIP < 200",
    "mobility": "MIGSP == MIGSP",  # known
}


@pytest.mark.parametrize("task", DEFINITIONS)
def test_a_label_is_what_its_definition_says(folder, task):
    frame, label = labels(folder, task)
    known = label.notna()
    assert (label[known].astype(bool) == frame.eval(DEFINITIONS[task])[known]).all()
    assert 0 < label[known].mean() < 1


def test_older_files_tell_a_move_by_mig(tmp_path):
    table = people().assign(MIG=[1.0, 2.0, 3.0, None] * 150).drop(columns="MIGSP")
    table.to_parquet(tmp_path / "p_44.parquet")
    _, moved = labels(str(tmp_path), "mobility")
    assert moved.head(3).tolist() == [False, True, True]
    assert moved.isna().sum() == 150


FILTERED = {
    "income": "AGEP > 16 and PINCP > 100 and WKHP > 0 and PWGTP >= 1",
    "public_coverage": "AGEP < 65 and PINCP <= 30000",
    "mobility": "AGEP > 18 and AGEP < 35",
    "travel_time": "AGEP > 16 and PWGTP >= 1 and ESR == 1",
}


@pytest.mark.parametrize("task", FILTERED)
def test_a_folktables_filter_keeps_folktables_people_of_that_task_alone(folder, task):
    frame, label = labels(folder, task, folktables=[task])
    _, before = labels(folder, task)
    inside = frame.eval(FILTERED[task])
    assert (label.notna() == inside).all()
    assert (label[inside] == before.fillna(False)[inside]).all()
    _, other = labels(folder, "poverty", folktables=[task])
    assert other.notna().all()


def test_filtered_people_without_any_label_are_left_out(folder):
    data = prepare("acs", path=folder, seen=["income"], novel=[], folktables=["income"])
    assert sum(map(len, data.splits.values())) == people().eval(FILTERED["income"]).sum()


def test_people_of_one_problem_are_the_rows_of_every_task(folder):
    """The labels are those of everybody's file, on these rows alone."""
    frame, label = labels(folder, "poverty", people="income")
    everybody, all_labels = labels(folder, "poverty")
    inside = everybody.eval(FILTERED["income"])
    assert len(frame) == inside.sum() < len(everybody)
    assert label.tolist() == all_labels[inside].tolist()


def test_columns_that_the_files_lack_are_named(folder):
    (note,) = load_dataset("acs", folder, offline=True).notes
    assert "OCCP" in note
    assert "AGEP" not in note
    with pytest.raises(DataError, match="lack the column DIS"):
        prepare("acs", path=folder, sensitive=["disability"])


def test_x_holds_no_column_that_only_women_or_only_workers_were_asked(folder):
    data = prepare("acs", path=folder)
    assert not {"FER", "WKHP", "PINCP", "ESR", "SEX"} & set(data.schema.names)


def test_income_alone_keeps_the_columns_of_work(folder):
    data = prepare("acs", path=folder, seen=["income"], novel=[])
    assert "WKHP" in data.schema.names


def test_regression_tasks_have_their_units(folder):
    seen = ["income_dollars", "commute_minutes", "poverty_ratio"]
    data = prepare("acs", path=folder, seen=seen, novel=[])
    assert [task.kind for task in data.tasks] == ["regression"] * 3
    known = data.train.y[torch.isfinite(data.train.y[:, 0]), 0]
    assert data.tasks[0].mean == pytest.approx(float(known.mean()), rel=1e-5)


BAD = {
    "year 2020": ({"year": 2020}, "no regular survey in 2020"),
    "state": ({"states": ["XX"]}, "state 'XX' is not known"),
    "problem": ({"folktables": ["incom"]}, "Did you mean 'income'"),
    "people": ({"people": "worker"}, "worker"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_setting_is_refused(folder, case):
    options, words = BAD[case]
    with pytest.raises(ConfigError, match=words):
        load_dataset("acs", folder, offline=True, **options)


def test_a_state_that_the_folder_lacks_is_named(folder):
    with pytest.raises(DataError, match="no ACS file of CA"):
        load_dataset("acs", folder, offline=True, states=["RI", "CA"])


def test_a_folder_without_files_and_nothing_at_all_are_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no ACS person file"):
        load_dataset("acs", str(tmp_path / "empty"), offline=True)
    with pytest.raises(ConfigError, match=r"data\.states=\[CA\]"):
        load_dataset("acs", offline=True)


def test_offline_says_which_file_goes_where(tmp_path):
    with pytest.raises(DataError, match=r"csv_pca\.zip and place it as .*acs/2018/1-Year"):
        load_dataset("acs", offline=True, states=["CA"], year=2018)


@pytest.mark.parametrize("name", ["csv_pri.zip", "psam_p44.csv", "p_44.parquet"])
def test_a_damaged_file_is_refused_by_name(tmp_path, name):
    (tmp_path / name).write_bytes(b"\x00damaged\xff\n" * 9)
    with pytest.raises(DataError, match=name):
        load_dataset("acs", str(tmp_path), offline=True)


def test_the_files_at_hand_have_the_stated_rows_and_rates(publishers_file):
    folder = str(publishers_file("acs2024"))
    rows = {"CT": 37_903, "WA": 82_905}
    for state, expected in rows.items():
        assert len(load_dataset("acs", folder, offline=True, states=[state]).frame) == expected
    data = prepare("acs", path=folder, states=["RI"])
    described = describe(data)
    assert sum(described["rows"].values()) == 10_239
    assert set(described["groups"]) == {"female", "male"}
    assert torch.isnan(data.train.y).any()


def test_folktables_people_who_were_not_asked_count_as_no(folder):
    """As folktables compares a missing value: children do not work, home workers do not commute."""
    frame, employed = labels(folder, "employment", folktables=["employment"])
    assert employed.notna().all()
    assert (employed.astype(bool) == (frame["ESR"] == 1)).all()


def test_a_folktables_filter_without_its_column_is_refused_by_name(tmp_path):
    people().drop(columns="PWGTP").to_parquet(tmp_path / "p_44.parquet")
    with pytest.raises(DataError, match="lack the column PWGTP"):
        labels(str(tmp_path), "income", folktables=["income"])


def test_a_state_named_twice_is_read_once(folder):
    assert len(load_dataset("acs", folder, offline=True, states=["RI", "ri"]).frame) == 600


def test_five_year_files_are_left_alone(tmp_path):
    for horizon, state in (("1-Year", "44"), ("5-Year", "44"), ("5-Year", "50")):
        place = tmp_path / "2018" / horizon
        place.mkdir(parents=True, exist_ok=True)
        people().to_csv(place / f"psam_p{state}.csv", index=False)
    (found,) = find_files(str(tmp_path), None, None, offline=True)
    assert found.path.parts[-2:] == ("1-Year", "psam_p44.csv")
