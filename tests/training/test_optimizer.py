"""The learning rate over the steps."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from fairrep.errors import ConfigError
from fairrep.training import OptimizerSettings
from fairrep.training.optimizer import build_optimizer

SETTINGS = {
    "lr": 0.1,
    "heads": 4.0,
    "weight_decay": 0.5,
    "warmup_steps": 4,
    "schedule": "cosine",
    "clip_norm": 0.0,
    "epochs": 30,
    "min_steps": 200,
    "patience": 0.25,
}


def rates(steps, **changes):
    settings = OptimizerSettings(**(SETTINGS | changes))
    return [settings.factor(step, steps) for step in range(steps + 1)]


def test_rate_rises_to_one_then_falls_to_zero_by_half_a_cosine():
    found = rates(24)
    assert found[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert found[14] == pytest.approx(0.5)
    assert found[24] == pytest.approx(0.0)
    assert all(a > b for a, b in pairwise(found[4:]))


def test_constant_schedule_stays_at_the_peak():
    assert rates(24, schedule="constant")[4:] == [1.0] * 21


def test_only_matrices_decay():
    layer = torch.nn.Linear(3, 2)
    built = build_optimizer(layer, OptimizerSettings(**SETTINGS), 10)["optimizer"]
    decays = {
        p.ndim: group["weight_decay"] for group in built.param_groups for p in group["params"]
    }
    assert decays == {2: 0.5, 1: 0.0}


def test_small_tables_are_read_more_often_and_patience_may_be_a_share_of_it():
    settings = OptimizerSettings(**SETTINGS)
    assert [settings.epochs_for(steps) for steps in (1, 6, 7, 100)] == [200, 34, 30, 30]
    assert [settings.patience_for(epochs) for epochs in (200, 30)] == [50, 8]
    fixed = OptimizerSettings(**(SETTINGS | {"patience": 3}))
    never = OptimizerSettings(**(SETTINGS | {"patience": 0}))
    assert (fixed.patience_for(200), never.patience_for(200)) == (3, 0)


def test_heads_have_a_rate_of_their_own():
    module = torch.nn.ModuleDict({"encoder": torch.nn.Linear(3, 2), "heads": torch.nn.Linear(2, 1)})
    built = build_optimizer(module, OptimizerSettings(**SETTINGS), 10)["optimizer"]
    peaks = {id(p): group["initial_lr"] for group in built.param_groups for p in group["params"]}
    assert {peaks[id(p)] for p in module["heads"].parameters()} == {0.4}
    assert {peaks[id(p)] for p in module["encoder"].parameters()} == {0.1}


@pytest.mark.parametrize(
    "change",
    [
        {"lr": 0},
        {"epochs": 0},
        {"min_steps": -1},
        {"patience": -1},
        {"weight_decay": -1},
        {"warmup_steps": -1},
        {"schedule": "step"},
    ],
)
def test_settings_out_of_range_are_refused(change):
    with pytest.raises(ConfigError, match="optimizer"):
        OptimizerSettings(**(SETTINGS | change))
