"""The transfer command on small runs: what it leaves, and what it refuses."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from fairrep.app.train import train
from fairrep.app.transfer import transfer
from fairrep.errors import ConfigError, RunError, SchemaError
from tests.app.conftest import QUICK


def people(n, seed, *, cities="ABC"):
    rng = np.random.default_rng(seed)
    age = rng.integers(18, 70, n)
    woman = rng.random(n) < 0.5
    return pd.DataFrame(
        {
            "age": age.astype(float),
            "city": rng.choice(list(cities), n),
            "sex": np.where(woman, "f", "m"),
            "hired": np.where(rng.random(n) < 0.1 + 0.01 * age, "yes", "no"),
            "promoted": np.where(rng.random(n) < 0.2 + 0.3 * ~woman, "yes", "no"),
            "pay": 1000 + 30 * age + 200 * ~woman + rng.normal(0, 100, n),
        }
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run on a user's table, with a twin."""
    folder = tmp_path_factory.mktemp("trained")
    people(500, 0).to_csv(folder / "people.csv", index=False)
    train(
        "data=csv",
        f"data.path={folder / 'people.csv'}",
        "data.sensitive=[sex]",
        "data.tasks.seen=[hired]",
        "data.tasks.novel=[promoted,pay]",
        "penalty=mmd",
        "batch_size=128",
        "epochs=2",
        *QUICK,
        folder=folder / "run",
    )
    return folder / "run"


LOGISTIC = "evaluation.heads=[logistic]"


def test_a_run_is_measured_on_novel_tasks(run, tmp_path):
    found = transfer(f"run={run}", LOGISTIC, f"out={tmp_path / 'out'}")
    saved = json.loads((tmp_path / "out" / "transfer.json").read_text())
    assert saved["schema"] == 1
    assert saved["tasks"] == {
        "hired": {"kind": "binary", "seen": True},
        "promoted": {"kind": "binary", "seen": False},
        "pay": {"kind": "regression", "seen": False},
    }
    for task in saved["tasks"]:
        assert set(saved["figures"][task]) == {"trained", "twin", "raw", "linear", "majority"}
    row = saved["figures"]["promoted"]["trained"]["logistic"]
    for name in ("accuracy", "auc", "equalized_odds_difference"):
        assert len(row[f"{name}_ci"]) == 2
        assert len(row["versus_twin"][f"{name}_ci"]) == 2
    assert set(saved["leakage"]["sex"]["raw"]["heads"]) == {"logistic", "mlp", "boosting"}
    assert found["transfer"]["promoted"]["trained"]["head"] == "logistic"
    table = pd.read_csv(tmp_path / "out" / "transfer.csv")
    chosen = table.query("task == 'promoted' and representation == 'raw' and figure == 'auc'")
    assert chosen["value"].iloc[0] == pytest.approx(
        saved["figures"]["promoted"]["raw"]["logistic"]["auc"]
    )
    for picture in ("transfer.png", "scores.png"):
        assert (tmp_path / "out" / picture).read_bytes().startswith(b"\x89PNG")
    with pytest.raises(RunError, match=r"already holds a transfer\.json"):
        transfer(f"run={run}", LOGISTIC, f"out={tmp_path / 'out'}")


def test_ferm_is_a_head_of_its_own_and_no_probe(run, tmp_path):
    """It predicts every task of every kind; s is probed by the usual three alone."""
    parity = ("ferm.notion=demographic_parity", "representations=[trained,twin]")
    found = transfer(f"run={run}", "head=ferm", *parity, f"out={tmp_path / 'out'}")
    assert found["heads"] == ["ferm"]
    assert found["selected"]["promoted"] == {"trained": "ferm", "twin": "ferm"}
    assert set(found["figures"]["pay"]["trained"]) == {"ferm"}
    assert set(found["leakage"]["sex"]["trained"]["heads"]) == {"logistic", "mlp", "boosting"}


def test_a_novel_domain_goes_through_the_saved_preprocessing(run, tmp_path):
    """Another file with an unknown city: it is counted, and its numbers are the run's."""
    elsewhere = people(300, 1, cities="AZ")
    elsewhere.to_csv(tmp_path / "there.csv", index=False)
    found = transfer(
        f"run={run}", f"data.path={tmp_path / 'there.csv'}", LOGISTIC, f"out={tmp_path / 'out'}"
    )
    unseen = [counts["unseen"]["city"] for counts in found["domain"]["surprises"].values()]
    assert sum(unseen) == (elsewhere["city"] == "Z").sum()
    assert found["domain"]["own"] is False
    assert sum(found["domain"]["rows"].values()) == 300


@pytest.mark.slow
def test_seeds_repeat_the_protocol_with_retrained_encoders(run, tmp_path):
    found = transfer(
        f"run={run}", "seeds=2", LOGISTIC, "representations=[trained,twin]", f"out={tmp_path / 'o'}"
    )
    assert found["seeds"] == [0, 1]
    row = found["over_seeds"]["figures"]["promoted"]["trained"]["logistic"]["auc"]
    mean, sd = row
    first = found["figures"]["promoted"]["trained"]["logistic"]["auc"]
    assert abs(first - mean) == pytest.approx(sd / 2**0.5)  # two values lie sd/√2 from their mean
    assert sd > 0


@pytest.mark.slow
def test_every_task_is_left_out_once(run, tmp_path):
    found = transfer(
        f"run={run}", "split=leave_tasks_out", "folds=3", LOGISTIC,
        "representations=[trained,twin]", f"out={tmp_path / 'o'}",
    )  # fmt: skip
    assert sorted(t for fold in found["over_folds"]["novel"] for t in fold) == [
        "hired",
        "pay",
        "promoted",
    ]
    assert not any(task["seen"] for task in found["tasks"].values())
    spread = found["distribution"]["by_representation"]["trained"]
    assert spread["auc"]["tasks"] == 2
    assert spread["r2"]["tasks"] == 1


@pytest.mark.parametrize(
    ("overrides", "error", "message"),
    [
        ((), ConfigError, "run=RUN_DIR"),
        (("run=nowhere",), RunError, "holds no config.yaml"),
        (("run={run}", "evaluation.heads=[tree]"), ConfigError, "evaluation.heads must be among"),
        (("run={run}", "evaluation.heads=[]"), ConfigError, "evaluation.heads must be among"),
        (("run={run}", "head=tree"), ConfigError, "head must be among"),
        (("run={run}", "head=ferm", "ferm.epsilon=-1"), ConfigError, "ferm.epsilon must not be"),
        (
            ("run={run}", "head=ferm", "ferm.notion=parity"),
            ConfigError,
            "ferm.notion must be among",
        ),
        (("run={run}", "representations=[raw]"), ConfigError, "must hold trained"),
        (("run={run}", "split=halves"), ConfigError, "split must be leave_tasks_out"),
        (("run={run}", "seeds=0"), ConfigError, "seeds must be at least 1"),
        (("run={run}", "split=leave_tasks_out", "folds=9"), ConfigError, "folds must be at most"),
        (("run={run}", "data.tasks.novel=[age]"), ConfigError, "age, which the encoder reads"),
        (("run={run}", "data.tasks.novel=[colour]"), ConfigError, "task 'colour' is not known"),
    ],
)
def test_mistakes_are_named_and_nothing_is_written(overrides, error, message, run, tmp_path):
    with pytest.raises(error, match=message):
        transfer(*(o.format(run=run) for o in overrides), f"out={tmp_path / 'out'}")
    assert not (tmp_path / "out").exists()


def test_a_domain_without_the_encoders_columns_is_refused(run, tmp_path):
    people(300, 1).drop(columns="city").to_csv(tmp_path / "there.csv", index=False)
    with pytest.raises(SchemaError, match="lacks city"):
        transfer(f"run={run}", f"data.path={tmp_path / 'there.csv'}", f"out={tmp_path / 'out'}")
    assert not (tmp_path / "out").exists()


def test_the_command_prints_a_table_and_errors_are_one_line(run, finish, command, tmp_path):
    code, out, err = finish(
        "transfer.py", f"run={run}", LOGISTIC, "representations=[trained,twin]", "out=here"
    )
    assert code == 0, err
    assert "promoted (novel)" in out
    assert "of the twin's gap" in out
    assert sorted(p.name for p in tmp_path.iterdir()) == ["here"]
    code, out, err = command("transfer", "run=nowhere")
    assert code == 2
    assert err.count("\n") == 1
    assert err.startswith("error: ")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["here"]


def test_transfer_false_leaves_the_novel_tasks_out_of_the_main_job(run, tmp_path):
    metrics = train(
        "data=csv", f"data.path={run.parent / 'people.csv'}", "data.sensitive=[sex]",
        "data.tasks.seen=[hired]", "data.tasks.novel=[promoted]", "penalty=mmd", "epochs=1",
        "batch_size=128", "twin=false", "transfer=false", *QUICK, folder=tmp_path / "run",
    )  # fmt: skip
    assert set(metrics["test"]) == {"hired"}
    assert set(metrics["tasks"]) == {"hired"}
