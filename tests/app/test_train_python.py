"""The training run from Python, and what it refuses before anything is written."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

import fairrep
from fairrep.app.train import train
from fairrep.errors import ConfigError, DataError, FairrepError, RunError
from tests.app.conftest import QUICK

GERMAN = ("data=german", "penalty=mmd", "batch_size=128", "epochs=2", "twin=false", *QUICK)


def people(n=400, seed=0):
    """A table with a binary, a multiclass and a regression task and three groups."""
    rng = np.random.default_rng(seed)
    age = rng.integers(18, 70, n)
    sex = rng.choice(["f", "m", "x"], n, p=[0.45, 0.45, 0.1])
    return pd.DataFrame(
        {
            "age": age.astype(float),
            "city": rng.choice(["A", "B", "C"], n),
            "sex": sex,
            "hired": np.where(rng.random(n) < 0.2 + 0.01 * age, "yes", "no"),
            "grade": rng.choice(["low", "mid", "high"], n),
            "pay": 1000 + 30 * age + rng.normal(0, 100, n),
        }
    )


def csv_overrides(path, *more):
    return (
        "data=csv",
        f"data.path={path}",
        "data.sensitive=[sex]",
        "data.tasks.seen=[hired,grade,pay]",
        "data.min_rows=2",
        "penalty=mmd",
        "batch_size=128",
        "epochs=2",
        "twin=false",
        *QUICK,
        *more,
    )


@pytest.fixture
def csv(tmp_path):
    def write(frame, name="people.csv"):
        frame.to_csv(tmp_path / name, index=False)
        return tmp_path / name

    return write


def test_a_users_csv_trains_all_kinds_of_tasks_for_three_groups(csv, tmp_path):
    metrics = train(*csv_overrides(csv(people())), folder=tmp_path / "run")
    assert {name: task["kind"] for name, task in metrics["tasks"].items()} == {
        "hired": "binary",
        "grade": "multiclass",
        "pay": "regression",
    }
    assert metrics["test"]["pay"]["logistic"]["r2"] > 0.5
    assert 0 <= metrics["test"]["grade"]["logistic"]["demographic_parity_difference"] <= 1
    table = pd.read_parquet(tmp_path / "run" / "predictions.parquet")
    assert {"hired/logistic", "grade/joint/2", "pay/joint"} <= set(table.columns)
    z = fairrep.load_encoder(tmp_path / "run").transform(people(seed=1)[["city", "age"]])
    assert z.shape == (400, 4)


@pytest.mark.parametrize("penalty", ["none", "mean", "mmd", "sinkhorn"])
def test_every_penalty_trains(penalty, tmp_path):
    overrides = [f"penalty={penalty}" if o.startswith("penalty") else o for o in GERMAN]
    metrics = train(*overrides, folder=tmp_path / "run")
    assert metrics["penalty"] == penalty
    assert np.isfinite(metrics["test"]["credit"]["logistic"]["accuracy"])


@pytest.mark.parametrize(
    "override",
    [
        "encoder=linear",
        "heads=mlp",
        "notion=equal_opportunity",
        "notion=equalized_odds",
        "data.include_sensitive=true",
        "data.sensitive=[sex,age_over_25]",
        "allocation=equal",
        "selection.by=utility",
        "penalty.group.pairs=pooled",
        "optimizer.clip_norm=1",
        "trainer.precision=64-true",
        "trainer.precision=bf16-mixed",
        "task_weights={credit: 2}",
    ],
)
def test_every_option_trains(override, tmp_path):
    metrics = train(*GERMAN, override, folder=tmp_path / "run")
    written = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert written["test"]["credit"]["joint"]["n"] == 200
    assert metrics["seed"] == 0


def test_the_experiment_preset_uses_the_classical_columns(tmp_path):
    train(
        "experiment=adult_income",
        "penalty=mean",
        "epochs=1",
        "twin=false",
        *QUICK,
        folder=tmp_path / "run",
    )
    names = fairrep.load_encoder(tmp_path / "run").schema.names
    assert len(names) == 11
    assert not {"fnlwgt", "education", "sex", "income"} & set(names)


@pytest.mark.parametrize(
    ("override", "error", "message"),
    [
        ("penalty.weight=-1", ConfigError, "must be >= 0 and finite, or auto, got -1"),
        ("penalty.group.divergence.bandwidth=-2", ConfigError, "bandwidth"),
        ("penalty.weight=often", ConfigError, "must be >= 0 and finite, or auto, got often"),
        ("penalty.group.pairs=some", ConfigError, "pairs must be all or pooled"),
        ("penalty.group.combine=product", ConfigError, "combine must be intersections or sum"),
        ("selection.task=colour", ConfigError, "selection.task must be a seen task"),
        ("encoder.numeric=step", ConfigError, "encoder.numeric must be one of"),
        ("encoder.dim=0", ConfigError, "encoder.dim must be at least 1"),
        ("optimizer.lr=0", ConfigError, "optimizer.lr must be > 0"),
        ("epochs=0", ConfigError, "epochs must be at least 1"),
        ("notion.task=colour", ConfigError, "notion.task must be a seen task"),
        ("task_weights={colour: 1}", ConfigError, "not a seen task"),
        ("evaluation.heads=[tree]", ConfigError, "heads must be among"),
        ("evaluation.headline=mlp", ConfigError, "evaluation.headline must be one of"),
        ("data.sensitive=[colour]", ConfigError, "sensitive attribute 'colour' is not known"),
        ("data.tasks.seen=[colour]", ConfigError, "task 'colour' is not known"),
        ("data.path=/nowhere", DataError, "does not exist"),
        ("data.min_rows=300", DataError, "'female'"),
        ("data.val_fraction=1", ConfigError, "data.val_fraction must lie strictly between"),
    ],
)
def test_mistakes_are_named_before_anything_is_written(override, error, message, tmp_path):
    with pytest.raises(error, match=message):
        train(*GERMAN, override, folder=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def spoil_empty(frame):
    return frame.iloc[:0]


def spoil_missing_s(frame):
    return frame.assign(sex=frame["sex"].where(frame.index > 6))


def spoil_missing_labels(frame):
    return frame.assign(**{c: frame[c].where(frame.index > 4) for c in ("hired", "grade", "pay")})


def spoil_infinite(frame):
    return frame.assign(age=frame["age"].where(frame.index != 3, np.inf))


def spoil_one_class(frame):
    return frame.assign(hired="yes")


def spoil_column(frame):
    return frame.drop(columns="pay")


def spoil_group(frame):
    return frame.assign(sex=frame["sex"].where(frame.index != 0, "rare"))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (spoil_empty, "has a header but no rows"),
        (spoil_missing_s, "'sex' must be known for every row, but 7 rows"),
        (spoil_missing_labels, "5 rows have none"),
        (spoil_infinite, "'age' must be finite"),
        (spoil_one_class, "task 'hired' needs at least two classes"),
        (spoil_column, "task 'pay' is not known"),
        (spoil_group, r"'rare' \(n=1\)"),
    ],
)
def test_tables_that_cannot_be_used_are_refused_with_the_reason(spoil, message, csv, tmp_path):
    overrides = csv_overrides(csv(spoil(people())), "data.val_fraction=0.01")
    if spoil is spoil_group:  # keep the lone row among the training rows
        overrides = (*overrides, f"data.test_path={csv(people(seed=2), 'test.csv')}")
    with pytest.raises(FairrepError, match=message):
        train(*overrides, folder=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_repeated_columns_and_empty_files_are_refused(tmp_path):
    table = tmp_path / "twice.csv"
    table.write_text("a,b,a\n1,2,3\n")
    with pytest.raises(DataError, match="repeats a"):
        train(*csv_overrides(table), folder=tmp_path / "run")
    table.write_text("")
    with pytest.raises(DataError, match="is empty"):
        train(*csv_overrides(table), folder=tmp_path / "run")


def test_a_folder_with_a_run_is_never_overwritten(tmp_path):
    train(*GERMAN, folder=tmp_path / "run")
    before = (tmp_path / "run" / "metrics.json").read_bytes()
    with pytest.raises(RunError, match="already holds a finished run"):
        train(*GERMAN, folder=tmp_path / "run")
    (tmp_path / "run" / "metrics.json").rename(tmp_path / "kept.json")
    with pytest.raises(RunError, match="already holds an unfinished run"):
        train(*GERMAN, folder=tmp_path / "run")
    assert (tmp_path / "kept.json").read_bytes() == before


def test_resume_needs_a_run(tmp_path):
    with pytest.raises(RunError, match="resume needs a run's folder"):
        train("resume=nowhere", folder=tmp_path)


def test_split_seed_moves_the_rows_and_seed_does_not(tmp_path):
    def rows(name, *overrides):
        train(*GERMAN, *overrides, folder=tmp_path / name)
        return pd.read_parquet(tmp_path / name / "predictions.parquet")

    base, seed, split = rows("a"), rows("b", "seed=1"), rows("c", "split_seed=1")
    assert base["row"].equals(seed["row"])
    assert not base["credit/joint"].equals(seed["credit/joint"])
    assert not base["row"].equals(split["row"])
