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
    "weight_decay": 0.5,
    "warmup_steps": 4,
    "schedule": "cosine",
    "clip_norm": 0.0,
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


@pytest.mark.parametrize(
    "change",
    [{"lr": 0}, {"weight_decay": -1}, {"warmup_steps": -1}, {"schedule": "step"}],
)
def test_settings_out_of_range_are_refused(change):
    with pytest.raises(ConfigError, match="optimizer"):
        OptimizerSettings(**(SETTINGS | change))
