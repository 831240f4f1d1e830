"""The sweep command on small stacks: what it leaves, what it selects on, what it refuses."""

from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from safetensors.torch import load_file

from fairrep.app import sweep_evaluate, sweep_progress
from fairrep.app.configs import compose_config
from fairrep.app.sweep import sweep
from fairrep.app.sweep_plan import plan_models, plan_points, sweep_weights
from fairrep.app.sweep_progress import SweepProgress
from fairrep.app.train import train
from fairrep.app.transfer import transfer
from fairrep.encoders import load_encoder
from fairrep.errors import ConfigError, RunError
from fairrep.training import StackEpoch
from tests.app.conftest import QUICK
from tests.app.test_transfer import people

GAP = "demographic_parity_difference"
SETTINGS = [
    "data.sensitive=[sex]",
    "data.tasks.seen=[hired]",
    "data.tasks.novel=[promoted]",
    "penalty=mmd",
    "batch_size=128",
    "epochs=2",
    "trainer.precision=64-true",
    *QUICK,
]
SWEEP = ["sweep.weights.values=[0,0.5,5]", "sweep.seeds=2"]


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    file = tmp_path_factory.mktemp("table") / "people.csv"
    people(500, 0).to_csv(file, index=False)
    return ["data=csv", f"data.path={file}"]


@pytest.fixture(scope="module")
def front(table, tmp_path_factory):
    """A finished sweep of three λ and two seeds."""
    folder = tmp_path_factory.mktemp("swept") / "front"
    sweep(*table, *SETTINGS, *SWEEP, "select.at_most=0.9", folder=folder)
    return folder


@pytest.fixture(scope="module")
def content(front):
    return json.loads((front / "front.json").read_text())


def test_the_front_has_a_point_for_every_weight_and_its_twin(content):
    assert content["schema"] == 1
    assert [(p["weight"], p["twin"]) for p in content["points"]] == [
        (0, True), (0.5, False), (5, False),
    ]  # fmt: skip
    assert [(m["point"], m["seed"], m["epochs"]) for m in content["models"]] == [
        (p, s, 2) for p in range(3) for s in range(2)
    ]
    assert content["tasks"] == {"hired": {"kind": "binary", "seen": True}}
    assert content["rows"] == {"train": 320, "val": 80, "test": 100}
    assert sum(content["groups"].values()) == 500
    for name in ("raw", "majority"):
        assert 0 <= content["references"][name]["test"]["hired"]["accuracy"] <= 1


def test_points_are_means_over_the_seeds_models(front, content):
    for number, point in enumerate(content["points"]):
        for metric in ("accuracy", GAP):
            test = point["test"]["hired"][metric]
            own = [
                json.loads((front / m["folder"] / "metrics.json").read_text())
                for m in content["models"]
                if m["point"] == number
            ]
            values = [one["test"]["hired"]["logistic"][metric] for one in own]
            assert test["values"] == pytest.approx(values)
            assert test["mean"] == pytest.approx(np.mean(values))
            assert test["sd"] == pytest.approx(np.std(values, ddof=1))
    table = pd.read_csv(front / "front.csv")
    row = table.query("point == 2 and split == 'val' and figure == 'accuracy'").iloc[0]
    assert row["mean"] == pytest.approx(content["points"][2]["val"]["hired"]["accuracy"]["mean"])
    assert (row["penalty.weight"], row["seeds"]) == (5, 2)


def test_the_selected_point_is_the_best_within_the_bound_on_validation_rows(content):
    chosen = content["selection"]
    points = [p["val"]["hired"] for p in content["points"]]
    within = [k for k, p in enumerate(points) if p[GAP]["mean"] <= 0.9]
    best = max(points[k]["accuracy"]["mean"] for k in within)
    assert chosen["feasible"]
    assert points[chosen["point"]]["accuracy"]["mean"] == best
    assert content["models"][chosen["model"]]["point"] == chosen["point"]
    assert len(chosen["test"]["hired"][f"{GAP}_ci"]) == 2
    assert "hired" in chosen["sentence"]


def test_a_models_folder_is_the_ordinary_run_that_trains_it_alone(front, content, table, tmp_path):
    place = next(m for m in content["models"] if (m["point"], m["seed"]) == (2, 1))
    alone = tmp_path / "alone"
    train(*table, *SETTINGS, "penalty.weight=5", "seed=1", "transfer=false", folder=alone)
    stacked = front / place["folder"]
    for part in ("encoder", "twin/encoder"):
        one, other = (load_file(f / part / "encoder.safetensors") for f in (stacked, alone))
        assert max(float((one[k] - other[k]).abs().max()) for k in other) < 1e-4
    mine, its = (json.loads((f / "metrics.json").read_text()) for f in (stacked, alone))
    assert mine.keys() == its.keys()
    assert mine["test"].keys() == its["test"].keys()
    assert mine["twin"].keys() == its["twin"].keys()
    for name in ("weight", "seed", "penalty", "epochs"):
        assert mine[name] == its[name]
    assert mine["test"]["hired"]["joint"]["accuracy"] == pytest.approx(
        its["test"]["hired"]["joint"]["accuracy"]
    )
    assert load_encoder(stacked).transform(people(5, 1)).shape == (5, 4)
    found = transfer(f"run={stacked}", "evaluation.heads=[logistic]", f"out={tmp_path / 'out'}")
    assert set(found["figures"]["promoted"]) == {"trained", "twin", "raw", "linear", "majority"}


class Cut(SweepProgress):
    def on_epoch(self, epoch: StackEpoch) -> None:
        if epoch.epoch == 1:
            raise KeyboardInterrupt


def test_a_killed_sweep_goes_on_to_the_same_front(front, content, table, tmp_path, monkeypatch):
    folder = tmp_path / "cut"
    settings = [*table, *SETTINGS, *SWEEP, "select.at_most=0.9"]
    with monkeypatch.context() as patch:
        patch.setattr("fairrep.app.sweep.SweepProgress", Cut)
        with pytest.raises(KeyboardInterrupt):
            sweep(*settings, folder=folder)
    assert not (folder / "front.json").exists()
    with pytest.raises(RunError, match="unfinished run; continue it with resume="):
        sweep(*settings, folder=folder)
    environment = folder / "env.json"
    asked = json.loads(environment.read_text()) | {"command": "fairrep sweep as asked"}
    environment.write_text(json.dumps(asked))
    sweep(f"resume={folder}", folder=folder)
    again = json.loads((folder / "front.json").read_text())
    for key in ("points", "selection", "hypervolume", "references"):
        assert again[key] == content[key]
    assert again["command"] == "fairrep sweep as asked"
    with pytest.raises(RunError, match="already holds a finished sweep"):
        sweep(f"resume={folder}", folder=folder)


def test_selection_is_settled_before_the_test_rows_exist(table, tmp_path, monkeypatch):
    order = []
    settle, joint = sweep_evaluate.settle, sweep_evaluate._joint

    def settled(*args, **options):
        order.append("settled")
        return settle(*args, **options)

    def opened(*args):
        order.append("test rows")
        return joint(*args)

    monkeypatch.setattr(sweep_evaluate, "settle", settled)
    monkeypatch.setattr(sweep_evaluate, "_joint", opened)
    sweep(*table, *SETTINGS, "sweep.weights.values=[1]", "sweep.seeds=1", folder=tmp_path / "out")
    assert order == ["settled", "test rows"]


def test_a_diverged_model_is_marked_and_not_averaged_in(table, tmp_path):
    grid = "sweep.grid={optimizer.lr: [1e-3, 1e30]}"
    more = [grid, "sweep.weights.values=[1]", "sweep.seeds=1", "sweep.transfer=true"]
    found = sweep(*table, *SETTINGS, *more, "select.at_most=0", folder=tmp_path / "out")
    saved = json.loads((tmp_path / "out" / "front.json").read_text())
    assert [p["diverged"] for p in saved["points"]] == [[], [0], [], [0]]
    assert saved["points"][3]["val"] == {}
    assert saved["points"][3]["leakage"] is None
    assert [p["on_front"] for p in saved["points"]][1::2] == [False, False]
    assert set(saved["points"][0]["test"]) == {"hired", "promoted"}
    assert saved["points"][2]["label"] == "λ = 1, lr 0.001"
    assert not (tmp_path / "out" / "models" / "003" / "metrics.json").exists()
    assert not found["selection"]["feasible"] or found["selection"]["test"]
    assert math.isnan(found["points"][0]["val"]["hired"]["accuracy"]["sd"])


def test_no_feasible_point_is_said_with_the_closest_one(content):
    from fairrep.app.sweep_front import sentence, settle
    from fairrep.app.sweep_plan import Model, Point
    from fairrep.evaluation import FrontRule

    points = [Point({"penalty.weight": w}, w == 0) for w in (0.0, 1.0)]
    models = [Model(p, 0, None, None) for p in (0, 1)]
    val = [{"t": {"accuracy": a, GAP: g}} for a, g in ((0.9, 0.2), (0.8, 0.1))]
    rule = FrontRule("t", "accuracy", GAP, 0.05)
    front = settle(points, models, val, rule, reference=(0.5, 0.3))
    assert (front.point, front.model, front.feasible) == (1, 1, False)
    assert front.hypervolume["value"] == pytest.approx(0.1 * 0.3 + 0.1 * 0.4)
    words = sentence(points, models, front, rule)
    assert words.startswith("No point has a demographic parity difference of at most 0.05")
    assert "the closest is λ = 1: accuracy 0.800" in words
    lost = settle(points, models, [None, None], rule, reference=(0.5, 0.3))
    assert sentence(points, models, lost, rule) == "Every model diverged: nothing is selected."


@pytest.mark.parametrize(
    ("settings", "weights"),
    [
        (["sweep.weights.logspace=[-1,1,3]"], [0.1, 1, 10]),
        (["sweep.weights.values=[0,3,1,3]"], [1, 3]),
        (["penalty=mmd", "sweep.weights.times=[-1,0,2]"], [30, 300]),
    ],
)
def test_weights_are_given_as_values_or_evenly_in_log(settings, weights):
    assert sweep_weights(compose_config("sweep", settings)) == pytest.approx(weights)


def test_a_grid_over_penalty_settings_shares_its_twins():
    grid = "sweep.grid={penalty.group.divergence.blur: [0.3, 0.5], optimizer.lr: [0.001, 0.002]}"
    config = compose_config("sweep", [grid, "sweep.weights.values=[1,2]", "sweep.seeds=2"])
    points = plan_points(config)
    models = plan_models(config, points)
    assert (sum(p.twin for p in points), len(points), len(models)) == (2, 10, 20)
    for model in models:
        settings = points[model.point].settings
        assert model.config.optimizer.lr == settings["optimizer.lr"]
        assert "sweep" not in model.config
        if model.twin is not None:
            twin = models[model.twin]
            assert points[twin.point].twin
            assert twin.seed == model.seed
            assert twin.config.optimizer.lr == model.config.optimizer.lr


BAD = [
    ("sweep.weights.values=[]", "at least one λ > 0, got \\[\\]"),
    ("sweep.weights.values=[-1,1]", "must be >= 0, got -1"),
    ("sweep.weights.values=[1,.nan]", "must be a list of finite numbers"),
    ("sweep.weights.logspace=[0,400,3]", "must give finite λ"),
    ("sweep.weights.logspace=[0,1,0]", "with n >= 1"),
    ("sweep.seeds=0", "sweep.seeds must be an integer >= 1, got 0"),
    ("penalty=none", "a sweep needs a penalty"),
    ("penalty.weight=auto", "units of penalty.weight, which is auto"),
    ("sweep.grid={encoder.depth: [1]}", "'encoder.depth', which is no setting"),
    ("sweep.grid={epochs: [1,2]}", "'epochs' is shared by a stack"),
    ("sweep.grid={optimizer.lr: []}", "must be a list of values"),
    ("sweep.grid={encoder.dim: [2,3]}", "same shapes"),
    ("sweep.memory=0.0001", "largest stack that fits has"),
    ("sweep.memory=-1", "sweep.memory must be a number of GiB"),
    ("select.metric=fairness", "select.metric must be one of demographic_parity_difference, "),
    ("select.maximize=rmse", "select.maximize must be one of accuracy"),
    ("select.task=promoted", "select.task must be one of hired"),
    ("select.at_most=-1", "at_most must be >= 0"),
    ("trainer.precision=16-mixed", "32-true or 64-true"),
    ("trainer.devices=2", "one device"),
]


@pytest.mark.parametrize(("setting", "message"), BAD, ids=[setting for setting, _ in BAD])
def test_bad_input_is_one_line_and_leaves_nothing(table, tmp_path, setting, message):
    with pytest.raises(ConfigError, match=message) as refused:
        sweep(*table, *SETTINGS, setting, folder=tmp_path / "out")
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "out").exists()


def test_the_command_refuses_with_exit_code_2(command, tmp_path):
    code, _, err = command("sweep", "sweep.seeds=0", "hydra.run.dir=out")
    assert code == 2
    assert err.splitlines() == ["error: sweep.seeds must be an integer >= 1, got 0."]
    assert not (tmp_path / "out").exists()


def test_the_live_table_shows_means_over_sound_seeds_and_keeps_quiet_without_a_terminal():
    config = compose_config("sweep", ["sweep.weights.values=[1]", "sweep.seeds=2"])
    points = plan_points(config)
    models = plan_models(config, points)
    console = Console(record=True, width=90, force_terminal=False)
    figures = {k: {"t": {"utility": 0.8 + k / 100, GAP: 0.1}} for k in range(4)}
    with sweep_progress.SweepProgress(points, models, "t", console=console) as progress:
        progress.on_start(10, 0)
        progress.on_epoch(StackEpoch(1, figures, (3,)))
    assert console.export_text() == ""
    console.print(progress.table())
    rows = console.export_text().splitlines()
    assert any("λ = 0" in row and "0.805" in row for row in rows)
    assert any("λ = 1" in row and "0.820" in row and "1 diverged" in row for row in rows)
