"""The FERM command as a user runs it, on the embedded data."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from fairrep.app.ferm import ferm
from fairrep.app.report import report
from fairrep.errors import FairrepError
from tests.data.helpers import people, write_csv

ROOT = Path(__file__).resolve().parents[2]
TPR = "equal_opportunity_difference"


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """1,500 people; whom one hires depends on the group and on age."""
    frame = people(1500)
    rng = np.random.default_rng(0)
    chance = 1 / (1 + np.exp(-(2 * (frame["sex"] == "m") - 1 + (frame["age"] - 49) / 15)))
    frame["hired"] = (rng.random(1500) < chance).astype(int)
    return write_csv(tmp_path_factory.mktemp("table"), frame, "people.csv")


def run(table, folder, *overrides):
    fixed = ("data=csv", f"data.path={table}", "data.sensitive=[sex]", "task=hired")
    return ferm(*fixed, *overrides, folder=folder)


def test_the_command_on_german_leaves_a_folder_and_a_report(tmp_path):
    folder = tmp_path / "run"
    done = subprocess.run(
        [sys.executable, "scripts/ferm.py", "data=german", f"hydra.run.dir={folder}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "FERM on linear logistic, german" in done.stdout
    content = json.loads((folder / "method.json").read_text())
    assert content["models"]["before"]["value"] == 1
    assert content["models"]["after"]["value"] == 0
    assert {file.name for file in folder.iterdir()} == {
        "config.yaml",
        "data.json",
        "env.json",
        "method.json",
        "method.png",
        "predictions.parquet",
    }
    (page,) = report(f"run={folder}")
    assert "FERM" in page.read_text()


@pytest.mark.parametrize("notion", ["equal_opportunity", "demographic_parity", "equalized_odds"])
def test_the_constraint_takes_the_difference_away(table, tmp_path, notion):
    """Validation rows choose among the strengths; test rows show it, for every notion."""
    content = run(table, tmp_path, f"notion={notion}", "C=[1]")
    key = f"{notion}_difference"
    before, after = (content["models"][k]["test"] for k in ("before", "after"))
    assert before[key] > 0.15
    assert after[key] < before[key] / 2
    assert after["versus_twin"][key] < 0


def test_the_front_trades_accuracy_for_the_difference(table, tmp_path):
    content = run(table, tmp_path, "shares=[0,0.5,1]", "C=[1]")
    gaps = [point["val"][TPR] for point in content["front"]]
    assert gaps[0] < gaps[1] < gaps[2]
    epsilons = [point["settings"]["epsilon"] for point in content["front"]]
    assert epsilons[0] == 0
    assert 0 < epsilons[1] < np.inf == epsilons[2]


def test_saved_predictions_are_probabilities_of_the_label(table, tmp_path):
    content = run(table, tmp_path)
    saved = pd.read_parquet(tmp_path / "predictions.parquet")
    for key in ("before", "after"):
        own = saved[f"hired/{key}"]
        assert own.between(0, 1).all()
        auc = roc_auc_score(saved["hired/label"], own)
        assert auc == pytest.approx(content["models"][key]["test"]["auc"])


@pytest.mark.parametrize(
    "settings", [["kernel=rbf", "max_rows=300"], ["loss=svm"], ["kernel=rbf", "max_exact_rows=200"]]
)
def test_every_loss_and_kernel_keeps_the_constraint(table, tmp_path, settings):
    content = run(table, tmp_path, "C=[1]", "shares=[]", *settings)
    before, after = (content["models"][k]["test"][TPR] for k in ("before", "after"))
    assert after < before
    assert content["front"] == []


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["share=-1"], r"share must be in \[0, 1\], got -1"),
        (["shares=[2]"], r"shares must be in \[0, 1\], got 2"),
        (["C=[0]"], "C must be a list of positive numbers"),
        (["loss=ramp"], "loss must be svm or logistic, got 'ramp'"),
        (["kernel=cosine"], "kernel"),
        (["nvp=0"], r"nvp must be in \(0, 1\], got 0"),
        (["max_rows=1"], "max_rows must be at least 2"),
        (["task=grade"], "task must be a binary task, got 'grade'"),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(table, tmp_path, overrides, message):
    with pytest.raises(FairrepError, match=message) as mistake:
        run(table, tmp_path / "run", *overrides)
    assert "\n" not in str(mistake.value)
    assert not (tmp_path / "run").exists()
