"""The multitask loss against sums written out by hand."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from fairrep.training import base_rate_logits, multitask_loss
from fairrep.types import TaskSpec

BINARY = TaskSpec("b", "binary", ("no", "yes"))
MULTI = TaskSpec("m", "multiclass", ("x", "y", "z"))
NUMBER = TaskSpec("r", "regression", mean=10.0, scale=2.0)
NAN = math.nan


def loss(outputs, y, tasks, *, rows=None, weights=None):
    return multitask_loss(
        outputs,
        y,
        tasks,
        row_weights=torch.ones(len(y)) if rows is None else rows,
        task_weights=torch.ones(len(tasks)) if weights is None else weights,
    )


def test_each_kind_is_its_textbook_loss_and_they_add_up():
    rng = torch.Generator().manual_seed(0)
    outputs = torch.randn(6, 5, generator=rng)
    b = torch.tensor([0, 1, 1, 0, 1, 0.0])
    m = torch.tensor([0, 1, 2, 2, 1, 0.0])
    r = torch.tensor([9, 10, 11, 14, 8, 10.0])
    expected = (
        F.binary_cross_entropy_with_logits(outputs[:, 0], b)
        + F.cross_entropy(outputs[:, 1:4], m.long())
        + F.mse_loss(outputs[:, 4], (r - 10) / 2)
    )
    y = torch.stack([b, m, r], dim=1)
    torch.testing.assert_close(loss(outputs, y, (BINARY, MULTI, NUMBER)), expected)


def test_tasks_keep_their_order_when_kinds_alternate():
    rng = torch.Generator().manual_seed(1)
    outputs = torch.randn(4, 3, generator=rng)
    y = torch.tensor([[0, 11, 1], [1, 9, 0], [1, 10, 1], [0, 8, 0.0]])
    second = TaskSpec("b2", "binary", ("no", "yes"))
    expected = (
        F.binary_cross_entropy_with_logits(outputs[:, 0], y[:, 0])
        + F.mse_loss(outputs[:, 1], (y[:, 1] - 10) / 2)
        + 5 * F.binary_cross_entropy_with_logits(outputs[:, 2], y[:, 2])
    )
    found = loss(outputs, y, (BINARY, NUMBER, second), weights=torch.tensor([1.0, 1.0, 5.0]))
    torch.testing.assert_close(found, expected)


def test_disjoint_rows_count_for_their_own_task_only():
    outputs = torch.tensor([[0.3, 1.0], [0.7, -1.0], [-0.2, 0.5]], requires_grad=True)
    y = torch.tensor([[1.0, NAN], [NAN, 8.0], [NAN, NAN]])
    value = loss(outputs, y, (BINARY, NUMBER))
    expected = F.softplus(torch.tensor(-0.3)) + (-1.0 - (8 - 10) / 2) ** 2
    torch.testing.assert_close(value, expected)
    value.backward()
    assert torch.equal(outputs.grad[2], torch.zeros(2))
    assert outputs.grad[0, 1] == 0


def test_a_task_without_a_label_in_the_batch_contributes_zero():
    outputs = torch.zeros(3, 1, requires_grad=True)
    value = loss(outputs, torch.full((3, 1), NAN), (BINARY,))
    value.backward()
    assert value.item() == 0
    assert torch.equal(outputs.grad, torch.zeros(3, 1))


def test_row_weights_make_the_batch_an_unbiased_sample():
    """A batch with one group at half its share, its rows weighted by two, has the full mean."""
    outputs = torch.tensor([[0.1], [0.1], [2.0], [2.0]])
    y = torch.tensor([[1.0], [1.0], [0.0], [0.0]])
    full = loss(outputs, y, (BINARY,))
    thinned = loss(outputs[1:], y[1:], (BINARY,), rows=torch.tensor([2.0, 1.0, 1.0]))
    torch.testing.assert_close(thinned, full)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_base_rate_logits_predict_the_base_rates(share):
    ones = round(1000 * share)
    y = torch.cat([torch.ones(ones, 1), torch.zeros(1000 - ones, 1), torch.full((50, 1), NAN)])
    assert float(base_rate_logits(y, (BINARY,)).sigmoid()) == pytest.approx(share, abs=1e-3)


def test_base_rate_logits_of_several_classes():
    y = torch.tensor([0] * 100 + [1] * 300 + [2] * 600).float().unsqueeze(1)
    probabilities = base_rate_logits(y, (MULTI,)).softmax(0)
    torch.testing.assert_close(probabilities, torch.tensor([0.1, 0.3, 0.6]), atol=1e-3, rtol=0)
    assert torch.equal(base_rate_logits(y, (NUMBER,)), torch.zeros(1))


def test_the_loss_of_several_models_is_a_loop_over_them():
    """Each with its own labels, row weights and task weights, or all with the same labels."""
    rng, tasks = torch.Generator().manual_seed(0), [MULTI, BINARY, NUMBER]
    outputs = torch.randn(4, 9, 5, generator=rng)
    y = torch.stack([torch.arange(36) % 3, torch.arange(36) % 2, torch.arange(36) + 0.5], -1)
    y = y.view(4, 9, 3).clone()
    y[1, 2:5, 0] = NAN
    rows, weights = (torch.rand(4, n, generator=rng) for n in (9, 3))
    together = loss(outputs, y, tasks, rows=rows, weights=weights)
    shared = loss(outputs, y[1], tasks)
    for k in range(4):
        alone = loss(outputs[k], y[k], tasks, rows=rows[k], weights=weights[k])
        torch.testing.assert_close(together[k], alone)
        torch.testing.assert_close(shared[k], loss(outputs[k], y[1], tasks))
