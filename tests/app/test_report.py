"""The report command on a real run: what it leaves, and what it refuses."""

from __future__ import annotations

import json

import pytest

from fairrep.app.report import report
from fairrep.app.train import train
from fairrep.errors import ConfigError
from tests.app.conftest import QUICK
from tests.reporting.saved_results import write_sweep


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run with a twin."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    train("data=german", "penalty=mmd", "epochs=1", *QUICK, folder=folder)
    return folder


def test_a_run_leaves_what_the_report_reads(run):
    data, plane, environment = (
        json.loads((run / name).read_text()) for name in ("data.json", "plane.json", "env.json")
    )
    assert data["title"] == "Statlog German Credit, 1973–75"
    assert len(data["harms"]) == 3
    assert len(plane["points"]) == len(plane["groups"]) == data["rows"]["test"]
    assert set(plane["groups"]) == {"female", "male"}
    assert 0 < sum(plane["variance"]) <= 1 + 1e-6
    assert (run / "twin" / "plane.json").exists()
    assert environment["command"] is None  # called from Python


def test_a_runs_report_shows_its_figures_data_and_harms(run):
    (file,) = report(f"run={run}")
    text = file.read_text()
    row = json.loads((run / "metrics.json").read_text())["test"]["credit"]["logistic"]
    assert f"{row['accuracy']:.3f}" in text
    for part in ("CC BY 4.0", "Bad credits were over-sampled", "before: λ = 0", "Calibration"):
        assert part in text, part


def test_a_sweeps_report_comes_with_the_picture_of_its_front(tmp_path):
    files = report(f"run={write_sweep(tmp_path)}")
    assert [file.name for file in files] == ["front.png", "front.svg", "report.html"]
    assert all(file.exists() for file in files)


def test_a_folder_is_needed():
    with pytest.raises(ConfigError, match="run=FOLDER"):
        report()


def test_the_command_says_what_it_wrote(finish, tmp_path):
    write_sweep(tmp_path / "sweep")
    code, out, err = finish("report.py", "run=sweep")
    assert (code, err) == (0, "")
    assert "written: sweep/report.html" in out


def test_a_folder_that_is_no_run_is_one_line(command, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    code, out, err = command("report", f"run={empty}")
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert "holds none of front.json, metrics.json, method.json, tune.json" in err
    assert not list(empty.iterdir())


@pytest.mark.slow
def test_a_run_from_the_shell_keeps_its_command(finish, tmp_path):
    settings = "data=german", "epochs=1", "twin=false", *QUICK
    code, _, err = finish("train.py", *settings, "hydra.run.dir=out")
    assert code == 0, err
    command = json.loads((tmp_path / "out" / "env.json").read_text())["command"]
    assert command.startswith("fairrep train data=german epochs=1 twin=false")
    assert "'evaluation.heads=[logistic]'" in command  # quoted for a shell
