"""The fair-regression command as a user runs it, on the embedded data."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fairrep.app.fair_regression import fair_regression
from fairrep.app.report import report
from fairrep.app.train import train
from fairrep.errors import FairrepError
from tests.data.helpers import people, write_csv

ROOT = Path(__file__).resolve().parents[2]
SMALL = ("task=hours", "data=csv", "data.sensitive=[sex]")


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """1,200 people whose hours differ between the groups."""
    folder = tmp_path_factory.mktemp("table")
    rng = np.random.default_rng(0)
    frame = people(1200)
    shift = np.where(frame["sex"] == frame["sex"].iloc[0], 0.0, 6.0)
    frame["hours"] = 30 + shift + 2 * rng.normal(size=1200) + frame["age"] / 10
    return write_csv(folder, frame, "people.csv")


def run(table, folder, *overrides):
    return fair_regression(*SMALL, f"data.path={table}", *overrides, folder=folder)


@pytest.mark.slow
def test_the_command_on_adult_leaves_a_folder_and_a_report(tmp_path):
    """KS of the fair predictions near 0, the base's far from it, all files there."""
    folder = tmp_path / "run"
    done = subprocess.run(
        [sys.executable, "scripts/fair_regression.py", f"hydra.run.dir={folder}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "Wasserstein barycenter on ridge, adult hours_per_week" in done.stdout
    content = json.loads((folder / "method.json").read_text())
    before, after = (
        content["models"][key]["test"]["demographic_parity_difference"]
        for key in ("before", "after")
    )
    assert after < 0.05 < 0.5 < before
    assert {file.name for file in folder.iterdir()} == {
        "config.yaml",
        "data.json",
        "env.json",
        "method.json",
        "method.png",
        "predictions.parquet",
    }
    (page,) = report(f"run={folder}")
    assert "Wasserstein barycenter" in page.read_text()


def test_the_front_goes_from_the_base_to_equal_distributions(table, tmp_path):
    content = run(table, tmp_path, "taus=[0,0.5,1]")
    ks = [point["val"]["demographic_parity_difference"] for point in content["front"]]
    assert ks[0] > ks[1] > ks[2]
    rmse = [point["val"]["rmse"] for point in content["front"]]
    assert rmse[0] < rmse[1] < rmse[2]
    before, after = (content["models"][key]["test"] for key in ("before", "after"))
    assert after["versus_twin"]["demographic_parity_difference"] < 0
    assert before["demographic_parity_difference"] == pytest.approx(
        content["front"][0]["test"]["demographic_parity_difference"]
    )


@pytest.mark.slow
def test_predictions_are_saved_by_group_and_in_the_labels_unit(table, tmp_path):
    run(table, tmp_path, "base=boosting", "+base.model.max_iter=30", "taus=[]")
    saved = pd.read_parquet(tmp_path / "predictions.parquet")
    means = saved.groupby("group")[["hours/label", "hours/before", "hours/after"]].mean()
    assert (means["hours/before"] - means["hours/label"]).abs().max() < 1
    spread = np.ptp(means, axis=0)
    assert spread["hours/after"] < 1 < 5 < spread["hours/before"]


def test_a_bound_chooses_the_least_change(table, tmp_path):
    content = run(table, tmp_path, "max_ks=0.3", "taus=[]")
    assert content["validated_ks"][1] <= 0.3 < content["validated_ks"][0]
    assert 0 < content["models"]["after"]["value"] < 1


def test_without_the_groups_some_distance_stays(table, tmp_path):
    content = run(table, tmp_path, "aware=false", "group_in_x=false", "taus=[]")
    values = [
        content["models"][k]["test"]["demographic_parity_difference"] for k in ("before", "after")
    ]
    assert content["features"] == "one-hot features"
    assert all(np.isfinite(values))


def test_a_runs_representation_serves_as_x(table, tmp_path):
    """On top of a frozen encoder: x is as wide as it, and the rows are the run's own."""
    encoder = tmp_path / "encoder"
    train(
        "data=csv",
        f"data.path={table}",
        "data.sensitive=[sex]",
        "data.tasks.seen=[hours]",
        "penalty=mmd",
        "encoder=mlp",
        "encoder.dim=6",
        "epochs=2",
        "trainer=cpu",
        "logger=none",
        folder=encoder,
    )
    content = fair_regression(f"run={encoder}", "taus=[]", folder=tmp_path / "fair")
    assert content["features"] == f"the representation of {encoder} and the group"
    assert content["task"]["name"] == "hours"
    assert content["models"]["after"]["test"]["demographic_parity_difference"] < 0.4


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["tau=2"], r"tau must be in \[0, 1\], got 2"),
        (["taus=[0,3]"], r"taus must be in \[0, 1\], got 3"),
        (["aware=false"], "set group_in_x=false"),
        (["cv=none"], "cv must be 'split', 'prefit'"),
        (["cv=prefit"], "cv=prefit needs a fitted base"),
        (["cv=1"], "cv must be at least 2 folds, got 1"),
        (["task=sex"], "sex"),
        (["run=nowhere"], "run needs a training run's folder"),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(table, tmp_path, overrides, message):
    with pytest.raises(FairrepError, match=message):
        run(table, tmp_path / "run", *overrides)
    assert not (tmp_path / "run").exists()


def test_a_data_set_without_a_regression_says_so(tmp_path):
    with pytest.raises(FairrepError, match="german has no regression task"):
        fair_regression("data=german", folder=tmp_path / "run")


def test_a_finished_folder_is_kept(table, tmp_path):
    run(table, tmp_path, "taus=[]")
    with pytest.raises(FairrepError, match="already holds a finished run"):
        run(table, tmp_path)
