"""Fresh heads: each task's head is what it would be alone, and it learns what there is."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from fairrep.evaluation.heads import HEADS
from fairrep.evaluation.mlp_head import MLPHeadSettings, StackedMLP, fit_mlp_heads
from fairrep.evaluation.mlp_head import _mean_losses as mean_losses
from fairrep.seeds import generator
from fairrep.types import TaskSpec

TASKS = (
    TaskSpec("xor", "binary", ("no", "yes")),
    TaskSpec("third", "multiclass", ("x", "y", "z")),
    TaskSpec("number", "regression", mean=50.0, scale=10.0),
)


def sample(n, seed):
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, 4))
    xor = (z[:, 0] > 0) != (z[:, 1] > 0)
    third = np.digitize(z[:, 2], [-0.5, 0.5])
    number = 50 + 10 * z[:, 3]
    return z, np.stack([xor, third, number], axis=1).astype(float)


@pytest.fixture(scope="module")
def predicted():
    train, val, (z, y) = sample(4000, 0), sample(800, 1), sample(2000, 2)
    return {name: fit(train, val, z, TASKS, 0) for name, fit in HEADS.items()}, y


def test_mlp_learns_what_a_linear_head_cannot(predicted):
    found, y = predicted
    assert ((found["mlp"][0] > 0.5) == y[:, 0]).mean() > 0.93
    assert ((found["logistic"][0] > 0.5) == y[:, 0]).mean() < 0.6


@pytest.mark.parametrize("head", sorted(HEADS))
def test_every_kind_of_task_is_learnt_in_its_own_unit(predicted, head):
    found, y = predicted
    assert found[head][1].shape == (2000, 3)
    np.testing.assert_allclose(found[head][1].sum(1), 1, atol=1e-6)
    assert (found[head][1].argmax(1) == y[:, 1]).mean() > 0.9
    assert np.sqrt(np.square(found[head][2] - y[:, 2]).mean()) < 1.5  # of a deviation of 10


def test_a_stacked_head_is_what_it_would_be_alone():
    """Same start, same batches, another task beside it: the same head."""
    (z, y), (z_val, y_val) = sample(600, 3), sample(200, 4)
    z, y, z_val, y_val = (torch.tensor(part).float() for part in (z, y, z_val, y_val))
    settings = MLPHeadSettings(epochs=3)
    both = (TASKS[0], TASKS[0])
    together = fit_mlp_heads(
        z, y[:, [0, 0]], z_val, y_val[:, [0, 0]], both, seed=0, settings=settings
    )
    other = y.clone()
    other[:, 1] = (z[:, 3] > 0).float()
    other_val = y_val.clone()
    other_val[:, 1] = (z_val[:, 3] > 0).float()
    beside = fit_mlp_heads(
        z, other[:, :2], z_val, other_val[:, :2], both, seed=0, settings=settings
    )
    torch.testing.assert_close(together(z)[:, 0], beside(z)[:, 0])


def test_each_task_keeps_its_own_best_epoch():
    """The kept head's validation loss is the lowest over all epochs, for every task."""
    (z, y), (z_val, y_val) = sample(300, 5), sample(300, 6)
    z, y, z_val, y_val = (torch.tensor(part).float() for part in (z, y, z_val, y_val))
    lowest = torch.full((3,), math.inf)
    for epochs in range(1, 9):
        heads = fit_mlp_heads(
            z, y, z_val, y_val, TASKS, seed=0, settings=MLPHeadSettings(lr=0.02, epochs=epochs)
        )
        losses = mean_losses(heads(z_val), y_val, TASKS).detach()
        assert (losses <= lowest + 1e-6).all()
        lowest = torch.minimum(losses, lowest)


def test_missing_labels_do_not_reach_a_head():
    (z, y), (z_val, y_val) = sample(200, 7), sample(100, 8)
    y[::2, 0] = np.nan
    y_val[::2, 0] = np.nan
    found = HEADS["mlp"]((z, y), (z_val, y_val), z_val, TASKS, 0)
    assert all(np.isfinite(part).all() for part in found)


def test_outputs_of_the_stack_are_those_of_its_parts():
    heads = StackedMLP(4, TASKS, 7, generator(0))
    z = torch.randn(5, 4, generator=generator(1))
    outputs = heads(z)
    assert outputs.shape == (5, 1 + 3 + 1)
    hidden = torch.relu(z @ heads.w1[1] + heads.b1[1])
    torch.testing.assert_close(outputs[:, 1:4], hidden @ heads.w2[1] + heads.b2[1])
