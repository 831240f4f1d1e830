"""``fairrep train`` and scripts/train.py as a user runs them."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from sklearn.linear_model import LogisticRegression
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import fairrep
from tests.app.conftest import QUICK

GERMAN = ("data=german", "penalty=mmd", "batch_size=128", *QUICK)


def wait_for(path: Path, process, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not path.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, f"{path} did not appear"
        time.sleep(0.01)


def test_main_job_on_adult_leaves_a_readable_folder(finish, tmp_path):
    code, out, err = finish(
        "train.py", "penalty=sinkhorn", "epochs=2", "trainer=cpu", "hydra.run.dir=run"
    )
    assert code == 0, err
    run = tmp_path / "run"
    metrics = json.loads((run / "metrics.json").read_text())
    assert (metrics["schema"], metrics["dataset"], metrics["penalty"]) == (1, "adult", "sinkhorn")
    assert metrics["head"] == "mlp"
    assert set(metrics["test"]) == {"income", "long_hours", "married", "investor"}
    assert set(metrics["test"]["income"]) == {"joint", "logistic", "mlp"}
    assert set(metrics["test"]["married"]) == {"logistic", "mlp"}
    assert set(metrics["twin"]["test"]) == set(metrics["test"])
    for heads in (metrics["test"]["income"], metrics["twin"]["test"]["income"]):
        row = heads["mlp"]
        assert 0.76 < row["accuracy"] < 0.83
        low, high = row["demographic_parity_difference_ci"]
        assert 0 <= low <= row["demographic_parity_difference"] <= high
        assert {name: group["n"] for name, group in row["groups"].items()} == {
            "Female": 5421,
            "Male": 10860,
        }
    assert set(metrics["leakage"]["trained"]) == {"logistic", "mlp", "boosting"}
    for part in (run, run / "twin"):
        for name in ("config.yaml", "env.json", "metrics.json", "predictions.parquet"):
            assert (part / name).is_file()
        assert (part / "checkpoints" / "best.ckpt").is_file()
        assert (part / "checkpoints" / "last.ckpt").is_file()
        assert fairrep.load_encoder(part).dim == 4
    assert "DP difference" in out
    assert "CC BY 4.0" in out
    assert "Run folder: " in out
    check_predictions(run, metrics)
    check_events(run)


def check_predictions(run: Path, metrics: dict) -> None:
    """The saved predictions give the saved figures."""
    table = pd.read_parquet(run / "predictions.parquet")
    assert len(table) == 16281
    decided = table["income/mlp"] > 0.5
    rates = decided.groupby(table["group"]).mean()
    row = metrics["test"]["income"]["mlp"]
    assert np.isclose(row["demographic_parity_difference"], abs(rates.diff().iloc[-1]))
    assert np.isclose(row["accuracy"], (decided == table["income/label"]).mean())


def check_events(run: Path) -> None:
    events = EventAccumulator(str(run / "tensorboard"))
    events.Reload()
    tags = events.Tags()
    assert {"train/penalty", "val/income/utility", "test/income/accuracy"} <= set(tags["scalars"])
    assert "representation/principal_plane" in tags["images"]
    plugins = events.summary_metadata
    assert any("hparams" in m.plugin_data.plugin_name for m in plugins.values())


def test_encoder_serves_a_scikit_learn_classifier(command, tmp_path):
    code, _, err = command("train", *GERMAN, "epochs=2", "twin=false", "hydra.run.dir=run")
    assert code == 0, err
    encoder = fairrep.load_encoder(tmp_path / "run")
    raw = fairrep.data.load_dataset("german", None).frame
    z = encoder.transform(raw.sample(frac=1, axis=1, random_state=0))
    assert z.shape == (1000, 4)
    assert LogisticRegression(max_iter=1000).fit(z, raw["credit"]).score(z, raw["credit"]) > 0.7
    assert not (tmp_path / "run" / "twin").exists()


@pytest.mark.slow
def test_killed_run_resumes_to_the_very_weights_of_an_uninterrupted_one(
    start, finish, command, tmp_path
):
    settings = (*GERMAN, "epochs=30", "encoder.dropout=0.2", "twin=false")
    code, _, err = command("train", *settings, "hydra.run.dir=whole")
    assert code == 0, err
    killed = start("train.py", *settings, "hydra.run.dir=killed")
    wait_for(tmp_path / "killed" / "checkpoints" / "last.ckpt", killed)
    killed.kill()
    killed.communicate()
    assert not (tmp_path / "killed" / "metrics.json").exists()
    code, _, err = finish("train.py", "resume=killed")
    assert code == 0, err
    for name in ("encoder/encoder.safetensors", "predictions.parquet"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    code, _, err = command("train", "resume=killed")
    assert code == 2
    assert "already holds a finished run" in err


def test_ctrl_c_keeps_what_was_trained_and_says_so(start, tmp_path):
    process = start("train.py", *GERMAN, "epochs=100000", "hydra.run.dir=run")
    wait_for(tmp_path / "run" / "checkpoints" / "last.ckpt", process)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Interrupted: the best of" in err
    assert f"resume={tmp_path}/run" in err
    assert "Traceback" not in err
    assert fairrep.load_encoder(tmp_path / "run").dim == 4


def test_multirun_sweeps_penalties_and_weights(command, tmp_path):
    code, _, err = command(
        "train",
        "-m",
        "data=german",
        "penalty=mmd,mean",
        "penalty.weight=0,1",
        "epochs=1",
        "twin=false",
        "hydra.sweep.dir=sweep",
        *QUICK,
    )
    assert code == 0, err
    found = {
        (m["penalty"], m["weight"])
        for m in (json.loads(p.read_text()) for p in tmp_path.glob("sweep/*/metrics.json"))
    }
    assert found == {("mmd", 0.0), ("mmd", 1.0), ("mean", 0.0), ("mean", 1.0)}
    front = json.loads((tmp_path / "sweep" / "front.json").read_text())
    points = [(point["settings"], point["twin"]) for point in front["points"]]
    assert points == [
        ({"penalty.weight": 0.0}, True),
        ({"penalty.weight": 1.0, "penalty": "mean"}, False),
        ({"penalty.weight": 1.0, "penalty": "mmd"}, False),
    ]
    for model in front["models"]:
        own = json.loads((tmp_path / "sweep" / model["folder"] / "metrics.json").read_text())
        point, figures = front["points"][model["point"]], own["val"]["credit"]["logistic"]
        assert point["val"]["credit"]["accuracy"]["values"] == [figures["accuracy"]]
        assert point["weight"] == own["weight"]
    assert {file.name for file in (tmp_path / "sweep").iterdir() if file.is_file()} >= {
        "front.csv", "front.png", "front.svg", "report.html",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("data=csv", "data.path=nowhere.csv"), "'nowhere.csv' does not exist"),
        (
            ("data=german", "penalty.weight=-1"),
            "penalty.weight (λ) must be >= 0 and finite, or auto, got -1",
        ),
        (
            ("data=german", "encoder=cells", "encoder.recall={weight: 1, columns: [shoe]}"),
            "encoder.recall.columns must be columns of x, got 'shoe'; they are ",
        ),
    ],
)
def test_user_mistakes_are_one_line_and_exit_code_2(command, tmp_path, arguments, message):
    code, out, err = command("train", *arguments)
    assert code == 2
    lines = [line for line in err.splitlines() if line]
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    assert message in lines[0]
    assert out == ""
    assert list(tmp_path.iterdir()) == [], "nothing half-written"


def test_unknown_keys_are_hydras_business(command):
    code, _, err = command("train", "penalty.wieght=3")
    assert code == 1
    assert "wieght" in err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("processes", "penalty", "program"),
    [(2, "sliced_wasserstein", ("fairrep", "train")), (3, "sinkhorn", ("train.py",))],
)
def test_several_processes_train_the_encoder_of_one(
    finish, command, tmp_path, processes, penalty, program
):
    """Batches of 101 rows, in which the processes' shares are uneven.

    In double precision: Adam turns the rounding of gradients that are 0 in truth into steps.
    """
    precision = "trainer.precision=64-true"
    settings = (
        "data=german",
        f"penalty={penalty}",
        "batch_size=101",
        "encoder.dropout=0",  # every process draws its own
        "epochs=2",
        *QUICK,
        precision,
    )
    several = ("trainer=ddp", "trainer.accelerator=cpu", f"trainer.devices={processes}")
    for code, _, err in (
        command("train", *settings, "hydra.run.dir=one"),
        finish(*program, *settings, *several, "hydra.run.dir=several"),
    ):
        assert code == 0, err
    for folder in ("one", "several"):
        assert json.loads((tmp_path / folder / "metrics.json").read_text())["twin"] is not None
    one, other = (
        load_file(tmp_path / folder / "encoder" / "encoder.safetensors")
        for folder in ("one", "several")
    )
    for name, weights in one.items():
        torch.testing.assert_close(other[name], weights, rtol=1e-5, atol=1e-7)
