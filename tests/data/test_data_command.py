"""The data command, from the user's words to its exit code."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fairrep.app.configs import compose_config
from fairrep.app.data_command import main
from fairrep.data import DATASETS, load_dataset
from tests.data.helpers import people, write_csv

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def no_other_files(monkeypatch, tmp_path):
    monkeypatch.delenv("FAIRREP_DATA", raising=False)
    monkeypatch.setenv("FAIRREP_CACHE", str(tmp_path / "cache"))


def run(*words: object) -> int:
    return main([str(word) for word in words])


def refused(capsys, *words: object) -> str:
    """Standard error of a command that a user error ends."""
    with pytest.raises(SystemExit) as end:
        run(*words)
    assert end.value.code == 2
    return capsys.readouterr().err


def test_list_names_every_data_set_and_where_it_is(capsys):
    assert run("list") == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in DATASETS if name != "csv")
    assert printed.count("embedded") == 2


def test_list_says_what_is_cached(capsys, tmp_path):
    (tmp_path / "cache" / "compas").mkdir(parents=True)
    (tmp_path / "cache" / "compas" / "compas-scores-two-years.csv").write_text("x")
    run("list")
    assert "cached" in capsys.readouterr().out


def test_describe_prints_rows_base_rates_correlations_terms_and_harms(capsys):
    assert run("describe", "adult") == 0
    printed = capsys.readouterr().out
    for words in ("48,842 rows", "16,281 of them", "CC BY 4.0", "harm:", "Kohavi", "occupation 2,"):
        assert words in printed
    row = next(line for line in printed.splitlines() if line.startswith("income"))
    assert row.split() == ["income", "binary", "48,842", "0.109", "0.304", "0.21"]


def test_describe_takes_other_attributes(capsys):
    run("describe", "adult", "--sensitive", "race")
    assert "Amer-Indian-Eskimo" in capsys.readouterr().out


def test_fetch_prints_the_files(capsys):
    assert run("fetch", "german", "--offline") == 0
    assert capsys.readouterr().out.strip().endswith("german.data.xz")


def test_unknown_names_and_absent_files_are_one_line(capsys, tmp_path):
    assert "Did you mean 'adult'" in refused(capsys, "describe", "adlt")
    said = refused(capsys, "fetch", "compas", "--offline")
    assert said.startswith("error: 'compas-scores-two-years.csv' is not in the cache")
    assert said.count("\n") == 1
    assert "does not exist" in refused(capsys, "check", tmp_path / "gone.csv")
    assert "user's own table" in refused(capsys, "describe", "csv")


def test_check_names_an_unknown_column(capsys, tmp_path):
    path = write_csv(tmp_path, people())
    assert "no column sx" in refused(capsys, "check", path, "--sensitive", "sx")


def test_check_of_a_bad_table_ends_with_1_and_no_next_command(capsys, tmp_path):
    table = people().astype({"sex": object})
    table.loc[4, "sex"] = None
    path = write_csv(tmp_path, table)
    assert run("check", path, "--sensitive", "sex", "--tasks", "hired") == 1
    printed = capsys.readouterr().out
    assert "problem: sensitive attribute 'sex'" in printed
    assert "Next" not in printed


def test_check_has_trainings_own_last_word(capsys, tmp_path):
    """A group that is large enough in the table but not in its training rows."""
    table = people().astype({"sex": object})
    table.loc[:11, "sex"] = "d"
    path = write_csv(tmp_path, table)
    assert run("check", path, "--sensitive", "sex", "--tasks", "hired") == 1
    assert "at least 10 training rows" in capsys.readouterr().out


def test_check_ends_with_the_command_that_trains(capsys, tmp_path):
    table = people().assign(id=np.arange(400), **{"full name": "x"})
    path = write_csv(tmp_path, table, "my people.csv")
    assert run("check", path, "--sensitive", "sex", "--tasks", "hired", "grade") == 0
    next_line = capsys.readouterr().out.strip().splitlines()[-1]
    assert shlex.split(next_line.removeprefix("Next: ")) == [
        *("fairrep", "train", "data=csv", f"data.path='{path}'"),
        *("data.sensitive=[sex]", "data.tasks.seen=[hired,grade]", "data.drop=[id,'full name']"),
    ]


def test_check_takes_stated_types_and_hands_them_on(capsys, tmp_path):
    table = people().astype({"age": object})
    table.loc[3, "age"] = "old"
    path = write_csv(tmp_path, table)
    columns = ("--sensitive", "sex", "--tasks", "hired")
    assert run("check", path, *columns) == 1
    assert "row 4 holds 'old'" in capsys.readouterr().out
    assert run("check", path, *columns, "--types", "age=categorical") == 0
    assert "data.types={age:categorical}" in capsys.readouterr().out
    assert "'number'" in refused(capsys, "check", path, *columns, "--types", "age=number")


def test_check_without_columns_asks_for_them(capsys, tmp_path):
    path = write_csv(tmp_path, people())
    assert run("check", path) == 0
    assert "--sensitive S --tasks Y" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["data.csv", "table.parquet"])
def test_check_reads_csv_and_parquet(capsys, tmp_path, name):
    path = tmp_path / name
    people().to_parquet(path) if name.endswith("parquet") else people().to_csv(path, index=False)
    assert run("check", path, "--sensitive", "sex", "--tasks", "hired") == 0


@pytest.mark.slow
def test_a_users_csv_goes_from_check_to_a_trained_encoder_in_two_commands(tmp_path):
    path = write_csv(tmp_path, people(600).assign(id=np.arange(600)))

    def command(*words):
        return subprocess.run(
            [sys.executable, *words],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )

    checked = command("scripts/data.py", "check", path, "--sensitive", "sex", "--tasks", "hired")
    assert checked.returncode == 0, checked.stderr
    words = shlex.split(checked.stdout.strip().splitlines()[-1].removeprefix("Next: fairrep "))
    trained = command(
        "-m", "fairrep", *words, "epochs=1", "twin=false", f"hydra.run.dir={tmp_path / 'run'}"
    )
    assert trained.returncode == 0, trained.stderr
    assert (tmp_path / "run" / "encoder" / "encoder.safetensors").is_file()


def test_describe_reads_a_folder_of_the_users(capsys, tmp_path):
    frame = load_dataset("german").frame
    frame.to_csv(tmp_path / "german.data", sep=" ", header=False, index=False)
    assert run("describe", "german", "--path", tmp_path) == 0
    assert "1,000 rows" in capsys.readouterr().out


def test_states_and_year_are_a_choice_of_acs(capsys):
    assert "--year is a choice of acs, not of adult" in refused(
        capsys, "fetch", "adult", "--year", "2023"
    )


ODD = ("2020", "null", "a=b", "it's", "C:\\data\\", "back\\'quote", "${oc.env:HOME}", 'q"q', "é, x")


def test_the_printed_command_names_odd_columns_so_that_hydra_reads_them(capsys, tmp_path):
    table = people().assign(**{name: [f"{name} no. {k}" for k in range(400)] for name in ODD})
    path = write_csv(tmp_path, table, "odd 'name'.csv")
    assert run("check", path, "--sensitive", "sex", "--tasks", "hired") == 0
    words = shlex.split(capsys.readouterr().out.strip().splitlines()[-1].removeprefix("Next: "))
    config = compose_config("train", words[2:])
    assert tuple(config.data.drop) == ODD
    assert config.data.path == path
