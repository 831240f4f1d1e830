"""Stacked training: every model is its single run, whoever stands beside it."""

from __future__ import annotations

import math

import pytest
import torch

from fairrep.app.build import build_data, build_module, build_settings
from fairrep.app.configs import compose_config
from fairrep.errors import ConfigError, RunError
from fairrep.training import StackListener, fit, fit_stack

BASE = ["data=german", "epochs=3", "batch_size=256", "penalty.warmup_epochs=1"]
OTHERS = [[], ["seed=1", "optimizer.lr=5e-3"], ["penalty.weight=0.5"]]
DOUBLE = {"accelerator": "cpu", "precision": "64-true"}


@pytest.fixture(scope="module")
def data():
    return build_data(compose_config("train", ["data=german"]))


def configs(*common, others=OTHERS):
    return [compose_config("train", [*BASE, *common, *own]) for own in others]


def built(data, chosen):
    return [build_module(c, data, twin=False) for c in chosen], [
        build_settings(c, data) for c in chosen
    ]


def stacked(data, chosen, folder, **options):
    modules, settings = built(data, chosen)
    result = fit_stack(
        modules, data, settings, folder, **{"device": "cpu", "dtype": torch.float64} | options
    )
    return modules, result


def single(data, config, folder):
    (module,), (settings,) = built(data, [config])
    return module, fit(module, data, settings, folder, trainer=DOUBLE)


def distance(one, other):
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return max(float((a - b).abs().max()) for a, b in pairs)


@pytest.mark.parametrize("dropout", [0.0, 0.2])
@pytest.mark.parametrize("penalty", ["none", "mmd", "sinkhorn", "sliced_wasserstein", "hsic"])
def test_every_model_of_a_stack_is_its_single_run(data, tmp_path, penalty, dropout):
    chosen = configs(f"penalty={penalty}", f"encoder.dropout={dropout}")
    modules, result = stacked(data, chosen, tmp_path)
    assert (result.epochs, result.diverged) == ((3, 3, 3), ())
    for number, (module, config) in enumerate(zip(modules, chosen)):
        alone, _ = single(data, config, tmp_path / str(number))
        assert distance(module, alone) < 1e-6
    assert distance(*modules[:2]) > 1e-3


@pytest.mark.parametrize("release", ["argmax", pytest.param("draw", marks=pytest.mark.slow)])
def test_cells_in_a_stack_are_their_single_runs(data, tmp_path, release):
    """Weights of the cells, running shares of the penalty, and the rewards included."""
    common = "encoder=cells", "penalty=total_variation", f"encoder.release={release}"
    own = ["penalty.weight=2", "encoder.trunk.dropout=0", "selection.by=last"]
    told = ["encoder.recall.weight=0.5", "penalty.group.hard=true"]
    others = [[], ["seed=1", "encoder.usage=0"], own, told, [*told, "seed=2"]]
    chosen = configs(*common, "batch_size=128", others=others)
    modules, result = stacked(data, chosen, tmp_path)
    assert result.diverged == ()
    for number, (module, config) in enumerate(zip(modules, chosen)):
        alone, _ = single(data, config, tmp_path / str(number))
        assert distance(module, alone) < 1e-6
    assert distance(*modules[:2]) > 1e-3


MIXED = [
    ["penalty.weight=0"],
    ["penalty=none"],
    ["penalty.group.divergence.blur=1.0", "encoder.dropout=0.3"],
    ["penalty=mmd", "encoder.activation=tanh", "optimizer.weight_decay=0.5"],
    ["optimizer.clip_norm=0.1", "optimizer.schedule=constant", "task_weights={credit: 0.5}"],
    ["penalty.weight=auto", "penalty.auto.rate=5"],
    ["selection.by=utility", "notion=equalized_odds", "seed=4"],
    ["optimizer.warmup_steps=2", "penalty.group.divergence.p=1"],
]


def test_models_of_different_settings_share_a_stack(data, tmp_path):
    chosen = configs("encoder=mlp", others=MIXED)
    modules, _ = stacked(data, chosen, tmp_path)
    for number, (module, config) in enumerate(zip(modules, chosen)):
        alone, _ = single(data, config, tmp_path / str(number))
        assert distance(module, alone) < 1e-6, MIXED[number]


@pytest.mark.parametrize(
    "settings",
    [
        ["encoder=linear", "heads=mlp"],
        ["encoder=mlp", "encoder.dropout=0.1"],
        ["encoder.numeric=periodic", "heads=mlp"],
        ["encoder.ensemble=3"],
        ["data.sensitive=[sex,age_over_25]"],
    ],
    ids=["linear", "mlp", "periodic", "ensemble", "four groups"],
)
def test_other_architectures_and_groups_are_stacked_too(tmp_path, settings):
    chosen = configs(*settings)
    data = build_data(chosen[0])
    modules, _ = stacked(data, chosen, tmp_path)
    for number, (module, config) in enumerate(zip(modules, chosen)):
        alone, _ = single(data, config, tmp_path / str(number))
        assert distance(module, alone) < 1e-6


def test_early_stopping_is_each_models_own(data, tmp_path):
    chosen = configs("epochs=60", "optimizer.patience=2", "penalty=none", "optimizer.lr=2e-2")
    modules, result = stacked(data, chosen, tmp_path)
    for number, (module, config) in enumerate(zip(modules, chosen)):
        alone, fitted = single(data, config, tmp_path / str(number))
        assert fitted.epochs == result.epochs[number] < 60
        assert distance(module, alone) < 1e-6


def test_a_model_that_diverges_is_marked_and_leaves_its_neighbours_alone(data, tmp_path):
    chosen = configs("penalty=mmd", others=[[], ["optimizer.lr=1e300"], ["seed=1"]])
    modules, result = stacked(data, chosen, tmp_path / "with")
    assert result.diverged == (1,)
    assert result.epochs[1] < result.epochs[0] == 3
    without, _ = stacked(data, [chosen[0], chosen[2]], tmp_path / "without")
    # products of three models and of two may be rounded differently
    assert distance(modules[0], without[0]) < 1e-6
    assert distance(modules[2], without[1]) < 1e-6


class StopAfter(StackListener):
    """Fail like a killed process would, after some epochs."""

    def __init__(self, epochs):
        self.epochs = epochs

    def on_epoch(self, epoch):
        if epoch.epoch == self.epochs:
            raise KeyboardInterrupt


@pytest.mark.parametrize("more", [["encoder.dropout=0.3"], ["penalty.weight=auto"]])
def test_a_killed_stack_goes_on_to_the_weights_of_a_whole_one(data, tmp_path, more):
    chosen = configs(
        *more, "penalty=sliced_wasserstein", "optimizer.patience=1", others=[[], ["seed=1"]]
    )
    whole, expected = stacked(data, chosen, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        stacked(data, chosen, tmp_path / "cut", listener=StopAfter(2))
    resumed, result = stacked(data, chosen, tmp_path / "cut")
    assert result.epochs == expected.epochs
    assert [distance(a, b) for a, b in zip(resumed, whole)] == [0, 0]


@pytest.mark.parametrize("spoil", ["truncate", "other stack"])
def test_a_checkpoint_that_is_not_this_stacks_is_refused(data, tmp_path, spoil):
    chosen = configs()
    stacked(data, chosen, tmp_path)
    file = tmp_path / "stack.ckpt"
    if spoil == "truncate":
        file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(RunError, match=r"stack.ckpt' must be a whole checkpoint"):
        stacked(data, chosen if spoil == "truncate" else chosen[:2], tmp_path)


def test_a_stack_that_does_not_fit_says_how_large_one_may_be(data, tmp_path):
    chosen = configs("encoder=mlp", others=OTHERS * 4)
    modules, settings = built(data, chosen)
    with pytest.raises(ConfigError, match=r"largest stack that fits has (\d+) models") as refused:
        stacked(data, chosen, tmp_path, memory=4.5e6)
    most = int(str(refused.value).split("that fits has ")[1].split()[0])
    assert 0 < most < len(modules)
    options = {"device": "cpu", "dtype": torch.float64, "memory": 4.5e6}
    fit_stack(modules[:most], data, settings[:most], tmp_path / "fits", **options)


def test_memory_bounds_only_how_many_step_together(data, tmp_path):
    chosen = configs("encoder=mlp", others=OTHERS * 2)
    wide, one = stacked(data, chosen, tmp_path / "wide")
    narrow, other = stacked(data, chosen, tmp_path / "narrow", memory=4.2e6)
    assert other.chunk < one.chunk
    assert max(distance(a, b) for a, b in zip(wide, narrow)) < 1e-6


@pytest.mark.parametrize(
    ("others", "message"),
    [
        ([[], ["encoder.dim=5"]], "same shapes"),
        ([[], ["epochs=4"]], "share epochs"),
    ],
)
def test_models_that_cannot_share_a_stack_are_refused(data, tmp_path, others, message):
    with pytest.raises(ConfigError, match=message):
        stacked(data, configs(others=others), tmp_path)


def test_the_listener_hears_of_every_step_and_epoch(data, tmp_path):
    heard = []

    class Listener(StackListener):
        def on_start(self, steps, done):
            heard.append((steps, done))

        def on_step(self):
            heard.append("step")

        def on_epoch(self, epoch):
            heard.append(epoch)

    stacked(data, configs(others=[[]]), tmp_path, listener=Listener())
    steps, done = heard[0]
    assert (done, heard.count("step")) == (0, steps)
    last = heard[-1]
    assert (last.epoch, set(last.figures), last.diverged) == (3, {0}, ())
    assert math.isfinite(last.figures[0]["credit"]["demographic_parity_difference"])


def test_weights_are_in_single_precision_afterwards(data, tmp_path):
    (module,), _ = stacked(data, configs(others=[[]]), tmp_path)
    assert {p.dtype for p in module.parameters()} == {torch.float32}
