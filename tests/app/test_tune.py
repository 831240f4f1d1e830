"""The tuning command: two searches side by side, honest about held-out rows."""

import json

import numpy as np
import pandas as pd
import pytest
from markupsafe import escape
from rich.console import Console

from fairrep import load_encoder
from fairrep.app.configs import compose_config
from fairrep.app.report import report
from fairrep.app.train import train
from fairrep.app.tune import tune
from fairrep.app.tune_encoder import EncoderSearch
from fairrep.app.tune_progress import TuneProgress
from fairrep.errors import FairrepError
from fairrep.reporting.tune_tables import verdicts
from fairrep.tuning import Progress
from tests.app.conftest import ROOT
from tests.data.helpers import people, write_csv

GAP = "demographic_parity_difference"
CONSTRAINT = {"metric": GAP, "bound": 0.05, "at_least": False}
LOGISTIC = (
    "tune=logreg_adult",
    "data=csv",
    "data.sensitive=[sex]",
    "task=hired",
    "~space.class_weight",
    "~space.fit_intercept",
    "space.C.low=1e-6",
)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """900 people; whom one hires depends on the group and on age."""
    frame = people(900)
    rng = np.random.default_rng(0)
    chance = 1 / (1 + np.exp(-(2 * (frame["sex"] == "m") - 1 + (frame["age"] - 49) / 15)))
    frame["hired"] = (rng.random(900) < chance).astype(int)
    return write_csv(tmp_path_factory.mktemp("table"), frame, "people.csv")


def run(table, folder, *overrides):
    return tune(*LOGISTIC, f"data.path={table}", *overrides, folder=folder)


@pytest.fixture(scope="module")
def finished(table, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tune") / "run"
    return run(table, folder, "n_trials=14"), folder


def test_the_constrained_model_is_fairer_than_the_plain_one(finished):
    content, _ = finished
    plain, fair = content["searches"]["plain"], content["searches"]["constrained"]
    assert not plain["feasible"]
    assert fair["feasible"]
    assert fair["figures"][GAP] <= 0.05 < plain["figures"][GAP]
    assert plain["accuracy"] > fair["accuracy"]
    assert fair["test"][GAP] < plain["test"][GAP]
    assert fair["test"]["versus_twin"][GAP] < 0


def test_a_run_leaves_its_trials_its_picture_and_its_figures(finished):
    content, folder = finished
    trials = pd.read_parquet(folder / "trials.parquet")
    assert trials.groupby("search").size().to_dict() == {"constrained": 14, "plain": 14}
    both = [
        trials[trials["search"] == name]["param_C"].tolist() for name in ("plain", "constrained")
    ]
    assert both[0][:10] == both[1][:10]  # they begin alike, and differ only by what they learn
    assert both[0] != both[1]
    chosen = content["searches"]["constrained"]
    kept = trials[(trials["search"] == "constrained") & trials["feasible"]]
    assert chosen["accuracy"] == kept["score"].max()
    assert json.loads((folder / "tune.json").read_text())["searches"]["constrained"] == chosen
    assert {file.name for file in folder.iterdir()} == {
        "config.yaml",
        "data.json",
        "env.json",
        "trials.journal",
        "trials.parquet",
        "tune.json",
        "tune.png",
    }


def test_a_finished_run_is_not_overwritten(finished, table):
    with pytest.raises(FairrepError, match="already holds a finished run"):
        run(table, finished[1])


@pytest.mark.slow
def test_the_command_goes_on_with_a_killed_run(finish, table, tmp_path):
    """The killed run had made its plain search; the resumed one reads its trials."""
    folder = tmp_path / "run"
    run(table, folder, "n_trials=3", "sampler=random")
    before = pd.read_parquet(folder / "trials.parquet")
    for name in ("tune.json", "tune.png", "trials.parquet"):
        (folder / name).unlink()
    code, out, err = finish("tune.py", f"resume={folder}")
    assert code == 0, err
    assert "LogisticRegression on csv, DP difference ≤ 0.05" in out
    after = pd.read_parquet(folder / "trials.parquet")
    assert after["seconds"].tolist() == before["seconds"].tolist()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["+constraint.gap=0.1"], "one of the metrics demographic_parity_difference"),
        ([f"constraint.{GAP}=-1"], "ε must be >= 0, got -1"),
        ([f"constraint.{GAP}=few"], "ε must be a number, got 'few'"),
        ([f"~constraint.{GAP}"], "constraint must be given"),
        (["~space.C"], "space must name at least one parameter"),
        (["space.C.low=20"], "space.C"),
        (["+space.depth=[1]"], "got depth"),
        (["n_trials=0"], "n_trials must be at least 1"),
        (["+model.depth=1"], "model: .*LogisticRegression"),
        (["cv=1"], "cv must be at least 2 folds, or null"),
        (["max_rows=1"], "max_rows must be at least 2"),
        (["sampler=grid"], "sampler must be one of gp, tpe, random"),
        (["task=age"], "task must be"),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(table, tmp_path, overrides, message):
    with pytest.raises(FairrepError, match=message) as mistake:
        run(table, tmp_path / "run", *overrides)
    assert "\n" not in str(mistake.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("value", "interval", "sentence"),
    [
        (0.02, [0.0, 0.04], "holds on test rows, with its whole interval"),
        (0.02, [0.0, 0.2], "holds on test rows, which does not show that it holds beyond them"),
        (0.12, [0.0, 0.2], "FAILS on test rows .*, though chance alone may explain it"),
        (0.12, [0.07, 0.2], r"FAILS on test rows \(0.120, 95% interval 0.070 to 0.200; .*\)\.$"),
    ],
)
def test_a_verdict_says_what_test_rows_show(value, interval, sentence):
    groups = {"a": {"n": 7}, "b": {"n": 1930}}
    (found,) = verdicts([CONSTRAINT], {GAP: value, f"{GAP}_ci": interval, "groups": groups})
    assert found.startswith("DP difference ≤ 0.05")
    assert "a 7, b 1,930" in found
    assert pd.Series([found]).str.contains(sentence).all()


def test_test_rows_without_one_of_the_groups_cannot_test_the_constraint():
    (found,) = verdicts([CONSTRAINT], {GAP: float("nan"), "groups": {"b": {"n": 40}}})
    assert found == (
        "DP difference ≤ 0.05 cannot be tested: the test rows hold one group alone (b 40)."
    )


def test_progress_says_trial_best_count_and_time():
    console = Console(record=True, width=200)
    with TuneProgress("constrained", 20, console=console) as shown:
        shown.show(Progress(number=9, done=10, total=20, best=None, feasible=0, seconds_left=12.4))
        shown.show(Progress(number=19, done=20, total=20, best=0.75, feasible=3, seconds_left=0))
    lines = console.export_text().splitlines()
    assert lines[0].startswith(
        "constrained search: trial 10 of 20, best feasible accuracy none, 0 feasible, 12 s left"
    )
    assert "best feasible accuracy 0.7500, 3 feasible" in lines[1]


def test_every_problem_composes_with_its_own_data_and_folds():
    files = (ROOT / "conf" / "tune").glob("[!_]*.yaml")
    configs = {file.stem: compose_config("tune", [f"tune={file.stem}"]) for file in files}
    assert {name: (config.data.name, config.cv) for name, config in configs.items()} == {
        "adult_encoder": ("adult", None),
        "german_rf": ("german", 5),
        "hgb_acs": ("acs", None),
        "hgb_adult": ("adult", None),
        "logreg_adult": ("adult", None),
        "mlp_compas": ("compas", 3),
    }


ENCODER = (
    "tune=adult_encoder",
    "data=german",
    "data.tasks.seen=[credit]",
    "space.width.choices=[1,4]",
    "epochs=2",
)


def test_a_candidate_is_the_ordinary_run_with_its_settings(tmp_path):
    """Two widths in one batch: each has the validation figures that its own run has."""
    search = EncoderSearch(compose_config("tune", [*ENCODER]))
    settings = [{"weight": 1.0, "blur": 0.5, "width": d, "lr": 0.01} for d in (1, 4)]
    found = search.evaluate(settings)
    run = train(
        *("data=german", "data.tasks.seen=[credit]", "encoder=mlp", "encoder.dim=4"),
        *("penalty.weight=1", "optimizer.lr=0.01", "penalty.group.divergence.blur=0.5"),
        *("penalty.warmup_epochs=3", "evaluation.heads=[mlp]", "logger=none", "twin=false"),
        *("transfer=false", "epochs=2", "trainer.enable_progress_bar=false"),
        folder=tmp_path / "run",
    )
    alone = run["val"]["credit"]["mlp"]
    for name in ("accuracy", "auc", GAP):
        assert found[1][name] == pytest.approx(alone[name], abs=1e-3)
    assert found[0]["auc"] != found[1]["auc"]


@pytest.mark.slow
def test_a_search_for_an_encoder_leaves_both_as_runs(tmp_path):
    content = tune(*ENCODER, "n_trials=6", "n_startup=3", "batch=3", folder=tmp_path / "run")
    for name, search in content["searches"].items():
        metrics = json.loads((tmp_path / "run" / name / "metrics.json").read_text())
        assert search["test"][GAP] == metrics["test"]["credit"]["mlp"][GAP]
        assert metrics["weight"] == pytest.approx(search["params"]["weight"], rel=1e-3)
        encoder = load_encoder(tmp_path / "run" / name)
        assert encoder.dim == search["params"]["width"]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("+space.dropout=[0.0,0.5]", "settings must say which setting space.dropout is"),
        ("settings.width=encoder.depth", "settings.width names 'encoder.depth', which is no"),
        ("settings.width=batch_size", "settings.width can vary penalty"),
        ("settings.width=optimizer.lr", "every setting once, got optimizer.lr twice"),
        ("+constraint.gap=0.1", "must name one of the metrics .*'gap'"),
        ("prune=true", "prune is for learners searched in folds.*got prune=True"),
        ("cv=3", "cv is for learners searched in folds.*got cv=3"),
        ("max_rows=100", "max_rows is for learners"),
        ("group_in_x=true", "group_in_x is for learners"),
        ("task=married", "task must be a seen task with classes"),
    ],
)
def test_mistakes_in_a_search_for_an_encoder_are_one_line(override, message):
    with pytest.raises(FairrepError, match=message) as mistake:
        EncoderSearch(compose_config("tune", [*ENCODER, override]))
    assert "\n" not in str(mistake.value)


def test_the_report_tells_what_was_searched_and_what_holds(finished):
    content, folder = finished
    (file,) = report(f"run={folder}")
    page = file.read_text()
    for name, search in content["searches"].items():
        assert escape(search["verdicts"][0]) in page
        assert f"Trials of the {name} search" in page
    assert "Best feasible accuracy after each trial" in page
    assert "14 a search, measured on" in page
