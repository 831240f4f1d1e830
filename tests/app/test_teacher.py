"""teacher=boosting from the commands: where training starts, in a run, a stack and from Python."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import LogisticRegression

import fairrep
from fairrep.app.build import build_data, build_module, build_settings
from fairrep.app.configs import compose_config
from fairrep.app.fitting import fit_without_folder
from fairrep.app.lessons import Lessons
from fairrep.app.sweep import sweep
from fairrep.app.train import train
from fairrep.app.transfer_encoders import retrained
from fairrep.training import fit_stack
from tests.app.conftest import QUICK
from tests.data.helpers import people

TAUGHT = [
    "data=german",
    "teacher=boosting",
    "teacher.max_iter=20",
    "teacher.copies=1",
    "teacher.epochs=1",
    "optimizer.min_steps=5",
    "batch_size=256",
    "trainer=cpu",
    "trainer.enable_progress_bar=false",
]


def test_a_run_says_what_taught_it_and_does_not_learn_it_twice(command, tmp_path):
    arguments = [*TAUGHT, *QUICK, "epochs=1", f"hydra.run.dir={tmp_path / 'run'}"]
    code, out, _ = command("train", *arguments)
    assert code == 0
    assert re.search(r"Teacher: boosting, (\w+ \d+ trees)", out)
    assert (tmp_path / "run/teacher/0/checkpoints/best.ckpt").exists()
    assert not (tmp_path / "run/teacher/1").exists()  # the twin starts from the same weights
    fairrep.load_encoder(tmp_path / "run")


def test_training_starts_where_the_lessons_end_and_a_finished_part_is_loaded(tmp_path):
    config = compose_config("train", [*TAUGHT, "epochs=1"])
    data = build_data(config)
    untaught = build_module(config, data, twin=False).state_dict()
    states, times = [], []
    for _ in range(2):
        module = build_module(config, data, twin=False)
        Lessons(config, data).start(module, config, tmp_path)
        states.append(module.state_dict())
        times.append((tmp_path / "teacher/0/checkpoints/last.ckpt").stat().st_mtime_ns)
    assert times[0] == times[1]
    assert all(torch.equal(states[0][name], value) for name, value in states[1].items())
    assert any(not torch.equal(states[0][name], value) for name, value in untaught.items())


@pytest.mark.slow
def test_a_taught_stack_is_its_single_runs(tmp_path):
    configs = [
        compose_config("train", [*TAUGHT, "epochs=2", "trainer.precision=64-true", *own])
        for own in (["penalty.weight=5"], ["seed=1"])
    ]
    data = build_data(configs[0])
    lessons = Lessons(configs[0], data)
    modules = [build_module(config, data, twin=False) for config in configs]
    for module, config in zip(modules, configs):
        lessons.start(module, config)
    settings = [build_settings(config, data) for config in configs]
    fit_stack(modules, lessons.data, settings, tmp_path, device="cpu", dtype=torch.float64)
    for module, config in zip(modules, configs):
        alone = build_module(config, data, twin=False)
        own = Lessons(config, data)
        own.start(alone, config)
        fit_without_folder(alone, own.data, config, title="alone")
        for one, other in zip(module.state_dict().values(), alone.state_dict().values()):
            torch.testing.assert_close(one, other, atol=1e-5, rtol=0)


def test_an_encoder_that_is_trained_anew_for_a_transfer_is_taught(tmp_path):
    config = compose_config("train", [*TAUGHT, "epochs=1", "seed=3", "twin=false"])
    data = build_data(config)
    (again,) = retrained(config, data, seed=3).values()
    module, lessons = build_module(config, data, twin=False), Lessons(config, data)
    lessons.start(module, config)
    fit_without_folder(module, lessons.data, config, title="alone")
    for name, value in module.encoder.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], value, msg=name)


@pytest.mark.slow
def test_a_sweep_learns_each_seeds_lessons_once(tmp_path, capsys):
    sweep(
        *TAUGHT,
        *QUICK,
        "epochs=1",
        "sweep.weights.values=[1,10]",
        "sweep.seeds=2",
        folder=tmp_path / "front",
    )
    assert len(list((tmp_path / "front" / "teacher").iterdir())) == 2
    assert "Teacher: boosting" in capsys.readouterr().out


def test_fair_encoder_is_taught_as_a_run_is(tmp_path):
    people(300).to_csv(tmp_path / "train.csv", index=False)
    people(80, seed=1).to_csv(tmp_path / "test.csv", index=False)
    table = pd.read_csv(tmp_path / "train.csv")
    settings = [one for one in TAUGHT if not one.startswith("data=")]
    columns = ["data.sensitive=[sex]", "data.tasks.seen=[hired,grade]"]
    paths = [f"data.path={tmp_path}/train.csv", f"data.test_path={tmp_path}/test.csv"]
    own = ["data=csv", *columns, *paths, "twin=false", "epochs=1", *QUICK]
    train(*settings, *own, folder=tmp_path / "run")
    estimator = fairrep.FairEncoder(max_epochs=1, overrides=settings)
    estimator.fit(table, table[["hired", "grade"]], sensitive_features=table["sex"])
    script = fairrep.load_encoder(tmp_path / "run").state_dict()
    for name, value in estimator.encoder_.state_dict().items():
        assert torch.equal(script[name], value), name


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["+teacher.name=trees"], "teacher must be one of none, boosting, got 'trees'"),
        (["teacher=boosting", "teacher.copies=-1"], "teacher.copies must be a whole number >= 0"),
        (["teacher=boosting", "teacher.swap=2"], "teacher.swap must lie in [0, 1], got 2"),
    ],
)
def test_mistakes_are_one_line_before_anything_is_written(command, tmp_path, settings, message):
    folder = tmp_path / "run"
    settings = [one.removeprefix("+") for one in settings]
    code, _, err = command("train", "data=german", *settings, f"hydra.run.dir={folder}")
    assert code == 2
    assert err.count("\n") == 1
    assert message in err
    assert not folder.exists()


@pytest.mark.slow
def test_a_taught_encoder_is_nearer_to_the_truth():
    """Steps and interactions under noise: the distance of probabilities to the true ones."""
    random = np.random.default_rng(0)
    x = pd.DataFrame(random.uniform(size=(6000, 5)), columns=list("vwxyz"))
    logit = 3 * ((x["v"] > 0.37) ^ (x["w"] > 0.61)) + 2 * (x["x"] > 0.8) - 2.5
    true = 1 / (1 + np.exp(-logit))
    table = x.assign(hired=(random.uniform(size=6000) < true).astype(int))
    table["sex"] = random.choice(["a", "b"], size=6000)
    distances = {}
    for teacher in ("none", "boosting"):
        model = fairrep.FairEncoder(
            penalty="none", overrides=[f"teacher={teacher}"], accelerator="cpu", random_state=0
        ).fit(table[list("vwxyz")], table[["hired"]], sensitive_features=table["sex"])
        z = model.transform(x)
        head = LogisticRegression(C=1e6).fit(z, table["hired"])
        distances[teacher] = np.abs(head.predict_proba(z)[:, 1] - true).mean()
    assert distances["boosting"] < 0.8 * distances["none"]
