"""Cell recall: the share of columns' variance that lies between cells."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fairrep.functional import cell_recall

COLUMNS = torch.tensor([0, 1, 1, 1])  # a number, then a column of three categories


def sample(n=60, *, cells=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    cell = torch.randint(cells, (n,), generator=generator)
    number = torch.randn(n, generator=generator).double() + 0.5 * cell
    code = (torch.randint(3, (n,), generator=generator) + cell) % 3
    values = torch.cat([number[:, None], torch.eye(3).double()[code]], dim=1)
    return torch.eye(cells).double()[cell], values, cell, number, code


def test_it_is_the_correlation_ratio_of_a_number_and_goodman_and_kruskals_tau_of_categories():
    q, values, cell, number, code = sample()
    table = np.zeros((4, 3))
    np.add.at(table, (cell.numpy(), code.numpy()), 1 / 60)
    p, c = table.sum(0), table.sum(1)
    tau = ((table**2 / c[:, None]).sum() - (p**2).sum()) / (1 - (p**2).sum())
    means = torch.stack([number[cell == k].mean() for k in range(4)])[cell]
    ratio = float(means.var(correction=0) / number.var(correction=0))
    one = torch.zeros(1, dtype=torch.int64)
    assert cell_recall(q, values[:, :1], one).item() == pytest.approx(ratio)
    assert cell_recall(q, values[:, 1:], one.expand(3)).item() == pytest.approx(tau)
    assert cell_recall(q, values, COLUMNS).item() == pytest.approx((ratio + tau) / 2)


def test_it_is_1_where_the_cell_tells_the_column_and_0_where_it_tells_nothing():
    q = torch.eye(3)[[0, 0, 1, 1, 2, 2]]
    told = torch.tensor([[2.0], [2], [5], [5], [-1], [-1]])
    untold = torch.tensor([[1.0], [-1]] * 3)
    column = torch.zeros(1, dtype=torch.int64)
    assert cell_recall(q, told, column).item() == pytest.approx(1)
    assert cell_recall(q, untold, column).item() == pytest.approx(0, abs=1e-7)
    assert cell_recall(torch.full((6, 3), 1 / 3), told, column).item() == pytest.approx(0, abs=1e-7)


def test_a_constant_column_counts_as_0_and_an_empty_cell_has_a_finite_gradient():
    q, values, *_ = sample(cells=4)
    q = torch.cat([q, torch.zeros(60, 1)], dim=1).requires_grad_()
    wider = torch.cat([values, torch.full((60, 1), 7.0)], dim=1)
    columns = torch.cat([COLUMNS, torch.tensor([2])])
    value = cell_recall(q, wider, columns)
    assert value.item() == pytest.approx(2 / 3 * cell_recall(q, values, COLUMNS).item())
    (gradient,) = torch.autograd.grad(value, q)
    assert bool(gradient.isfinite().all())


def test_gradients_are_right_and_models_stand_side_by_side():
    _, values, *_ = sample(20)
    q = torch.randn(2, 20, 3, generator=torch.Generator().manual_seed(1)).double().softmax(-1)
    alone = torch.stack([cell_recall(one, values, COLUMNS) for one in q])
    torch.testing.assert_close(cell_recall(q, values, COLUMNS), alone)
    assert torch.autograd.gradcheck(
        lambda one: cell_recall(one, values, COLUMNS), q[0].clone().requires_grad_()
    )
