"""Fresh heads: each is what it would be alone, at scikit-learn's loss, and learns what there is."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression, Ridge

from fairrep.encoders import task_predictions
from fairrep.evaluation import linear_head, mlp_head, newton
from fairrep.evaluation.heads import HEADS, Rows
from fairrep.evaluation.linear_head import fit_linear_heads, moments
from fairrep.evaluation.losses import MeanLosses, row_losses
from fairrep.evaluation.mlp_head import MLPHeadSettings, fit_mlp_heads
from fairrep.evaluation.view import View
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
    third = np.digitize(z[:, 2] + 0.3 * rng.normal(size=n), [-0.5, 0.5])
    number = 50 + 10 * z[:, 3] + rng.normal(size=n)
    return tensors(z, np.stack([xor, third, number], axis=1))


def tensors(*parts):
    return tuple(torch.tensor(np.asarray(part, dtype=np.float32)) for part in parts)


def rows(z, y):
    return Rows([View(z)], y, torch.zeros(len(y), dtype=torch.long))


@pytest.fixture(scope="module")
def predicted():
    train, val, (z, y) = sample(2500, 0), sample(500, 1), sample(1000, 2)
    found = {
        name: fit(rows(*train), rows(*val), TASKS, 0)([View(z)])[0] for name, fit in HEADS.items()
    }
    return found, y.numpy()


def test_mlp_and_trees_learn_what_a_linear_head_cannot(predicted):
    found, y = predicted
    for head in ("mlp", "boosting"):
        assert ((found[head][0] > 0.5) == y[:, 0]).mean() > 0.9
    assert ((found["logistic"][0] > 0.5) == y[:, 0]).mean() < 0.6


@pytest.mark.parametrize("head", sorted(HEADS))
def test_every_kind_of_task_is_learnt_in_its_own_unit(predicted, head):
    found, y = predicted
    assert found[head][1].shape == (1000, 3)
    np.testing.assert_allclose(found[head][1].sum(1), 1, atol=1e-6)
    assert (found[head][1].argmax(1) == y[:, 1]).mean() > 0.75
    assert np.sqrt(np.square(found[head][2] - y[:, 2]).mean()) < 2.5  # of a deviation of 10


def objective(losses, weights, alpha, n):
    """What scikit-learn minimises, over n (C = 1/α)."""
    return float(losses) + alpha / (2 * n) * float(np.square(weights).sum())


@pytest.mark.parametrize("widest", [newton.WIDEST, 0], ids=["newton", "conjugate gradients"])
@pytest.mark.parametrize("alpha", [1000.0, 1.0, 0.01])
def test_linear_heads_reach_scikit_learns_minimum(alpha, widest, monkeypatch):
    """Two representations, correlated columns, missing labels: 1e-4 of every minimum."""
    monkeypatch.setattr(newton, "WIDEST", widest)
    rng = np.random.default_rng(0)
    n, d = 3000, 12
    z = rng.normal(size=(2, n, d)) @ rng.normal(size=(d, d))
    y = np.stack(
        [
            rng.random(n) < 1 / (1 + np.exp(-z[0, :, 0])),
            rng.random(n) < 0.05,
            np.digitize(z[1, :, 1], [-1, 1]),
            z[0, :, 2] + 5 * rng.normal(size=n),
        ],
        axis=1,
    ).astype(float)
    y[::3, 0] = np.nan
    tasks = (
        TaskSpec("a", "binary", ("0", "1")),
        TaskSpec("rare", "binary", ("0", "1")),
        TaskSpec("three", "multiclass", ("0", "1", "2")),
        TaskSpec("number", "regression", (), mean=y[:, 3].mean(), scale=y[:, 3].std()),
    )
    rows, labels = tensors(z, y)
    heads = fit_linear_heads(rows, labels, rows, labels, tasks, strengths=[alpha])
    mean, scale = moments(rows)
    design = ((rows - mean) / scale).double().numpy()
    outputs, weights = heads(rows).double(), heads.weights[:, :-1].double().numpy()
    for r in range(2):
        for t, columns in enumerate((slice(0, 1), slice(1, 2), slice(2, 5))):
            known = ~np.isnan(y[:, t])
            model = LogisticRegression(C=1 / alpha, tol=1e-10, max_iter=10_000)
            model.fit(design[r][known], y[known, t])
            theirs = torch.tensor(model.decision_function(design[r])).reshape(1, n, -1)
            mean_loss = MeanLosses([tasks[t]])
            label = torch.tensor(y[:, [t]])
            least = objective(mean_loss(theirs, label), model.coef_, alpha, known.sum())
            own = mean_loss(outputs[r : r + 1, :, columns], label)
            found = objective(own, weights[r][:, columns], alpha, known.sum())
            assert abs(found - least) <= 1e-4 * least, (r, t)
        ridge = Ridge(alpha=alpha).fit(design[r], (y[:, 3] - tasks[3].mean) / tasks[3].scale)
        np.testing.assert_allclose(outputs[r, :, 5], ridge.predict(design[r]), atol=2e-3)


def test_the_penalty_is_chosen_on_validation_rows():
    """Noise columns: with few rows the strongest penalty wins, with many rows it does not."""
    chosen = {}
    for n in (40, 4000):
        rng = np.random.default_rng(0)
        z = rng.normal(size=(1, n + 2000, 30))
        y = (rng.random(n + 2000) < 1 / (1 + np.exp(-2 * z[0, :, 0])))[:, None]
        rows, labels = tensors(z, y)
        heads = fit_linear_heads(
            rows[:, :n], labels[:n], rows[:, n:], labels[n:], TASKS[:1], strengths=[100.0, 0.01]
        )
        chosen[n] = float(heads.strength[0, 0])
    assert chosen[40] == 100
    assert chosen[4000] == pytest.approx(0.01)


def test_no_labels_of_other_rows_reach_a_linear_head():
    (z, y), (z_val, y_val) = sample(300, 3), sample(100, 4)
    y[::2, 0] = torch.nan
    all_rows = fit_linear_heads(z[None], y[:, :1], z_val[None], y_val[:, :1], TASKS[:1])
    known = ~torch.isnan(y[:, 0])
    mean, scale = moments(z[None])
    fit_on_known = fit_linear_heads(
        ((z[None] - mean) / scale)[:, known], y[known, :1], z_val[None], y_val[:, :1], TASKS[:1]
    )
    mean_known, scale_known = fit_on_known.mean, fit_on_known.scale
    outputs = all_rows(z_val[None])
    again = fit_on_known((z_val[None] - mean) / scale)
    # standardised by slightly different rows, so equal up to the penalty's share
    assert float((outputs - again).abs().max()) < 0.05
    assert mean_known.abs().max() < 0.2
    assert (scale_known - 1).abs().max() < 0.2


@pytest.mark.parametrize("tasks", [TASKS, TASKS[:1]])
def test_a_stacked_mlp_is_what_it_would_be_alone(tasks):
    """Beside other tasks and other representations: the same head."""
    (z, y), (z_val, y_val) = sample(600, 3), sample(200, 4)
    other, other_val = sample(600, 5)[0], sample(200, 6)[0]
    settings = MLPHeadSettings(epochs=3)
    together = fit_mlp_heads(
        torch.stack([other, z]), y, torch.stack([other_val, z_val]), y_val, TASKS,
        seed=0, settings=settings,
    )  # fmt: skip
    alone = fit_mlp_heads(
        z[None], y[:, : len(tasks)], z_val[None], y_val[:, : len(tasks)], tasks,
        seed=0, settings=settings,
    )  # fmt: skip
    outputs = alone(z[None])[0]
    torch.testing.assert_close(
        together(torch.stack([other, z]))[1][:, : outputs.shape[1]], outputs, atol=1e-4, rtol=1e-4
    )


def test_each_mlp_keeps_its_own_best_epoch():
    """The kept head's validation loss is the lowest over all epochs, for every task."""
    (z, y), (z_val, y_val) = sample(300, 5), sample(300, 6)
    mean_losses = MeanLosses(TASKS)
    lowest = torch.full((1, 3), math.inf)
    for epochs in range(1, 9):
        heads = fit_mlp_heads(
            z[None], y, z_val[None], y_val, TASKS,
            seed=0, settings=MLPHeadSettings(lr=0.02, epochs=epochs),
        )  # fmt: skip
        losses = mean_losses(heads(z_val[None]), y_val).detach()
        assert (losses <= lowest + 1e-6).all()
        lowest = torch.minimum(losses, lowest)


@pytest.mark.parametrize("head", sorted(HEADS))
def test_tasks_with_missing_labels_train_every_head(head):
    (z, y), (z_val, y_val) = sample(200, 7), sample(100, 8)
    y[::2, 0] = torch.nan
    y_val[:, 0] = torch.nan
    predict = HEADS[head](rows(z, y), rows(z_val, y_val), TASKS, 0)
    assert all(np.isfinite(part).all() for part in predict([View(z_val)])[0])


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.kind)
def test_gradients_of_a_stack_are_those_of_autograd(task):
    """Two heads on two representations, in double precision; a missing label weighs nothing."""
    draws = torch.Generator().manual_seed(0)
    z = torch.randn(2, 50, 4, generator=draws, dtype=torch.float64)
    y = torch.randint(task.outputs + 1, (2, 50), generator=draws).clamp_max(2).double()
    share = torch.rand(2, 50, generator=draws, dtype=torch.float64)
    start = torch.randn(2, task.outputs, generator=draws, dtype=torch.float64)
    stack = mlp_head._Stack(2, 4, [task, task], start, 7, 0)
    weights = stack.weights.requires_grad_()
    losses = row_losses(task.kind, stack(z), y)
    (expected,) = torch.autograd.grad((losses * share).sum(), weights)
    with torch.no_grad():
        found = stack.gradients(linear_head.with_ones(z).mT, y, share)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("fit", [fit_linear_heads, partial(fit_mlp_heads, seed=0)])
def test_a_few_rows_and_heads_at_a_time_give_the_same_heads(fit, monkeypatch):
    """To the tolerance of the linear heads' minimum, 1e-5 of the loss."""
    (z, y), (z_val, y_val) = sample(700, 3), sample(300, 4)
    views, views_val = torch.stack([z, z.flip(1)]), torch.stack([z_val, z_val.flip(1)])
    losses = lambda: MeanLosses(TASKS)(fit(views, y, views_val, y_val, TASKS)(views), y)  # noqa: E731
    whole = losses()
    monkeypatch.setattr(mlp_head, "STACK", {"cpu": 1})
    monkeypatch.setattr(mlp_head, "PIECE", 99)
    monkeypatch.setattr(newton, "PIECE", {"cpu": 1})
    torch.testing.assert_close(losses(), whole, atol=0, rtol=1e-4)


def test_trees_split_category_codes_as_sets():
    """Even codes against odd ones: one split of a set, not of an order."""
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 20, 2000)
    y = (codes % 2)[:, None]
    one_hot = np.eye(20)[codes]
    view = View(tensors(one_hot)[0], table=codes[:, None].astype(np.float32), categorical=(True,))
    (labels,) = tensors(y)
    own = Rows([view], labels, torch.zeros(2000, dtype=torch.long))
    predict = HEADS["boosting"](own, own, TASKS[:1], 0)
    assert ((predict([view])[0][0] > 0.5) == y[:, 0]).all()


@pytest.mark.parametrize("head", ["logistic", "mlp"])
def test_heads_as_layers_give_the_same_predictions(head):
    """Two representations of one width and one of another; the last task is left out."""
    z, y = sample(300, 3)
    views = [View(z), View(z[:, :3] * 40 + 9), View(z.flip(1))]
    part = Rows(views, y, torch.zeros(len(y), dtype=torch.long))
    predict = HEADS[head](part, part, TASKS, 0)
    expected = predict(views)
    for position, view in enumerate(views):
        heads = predict.network(position, TASKS[:2])
        with torch.no_grad():
            found = task_predictions(heads(view.matrix.float()), TASKS[:2])
        for one, other in zip(found, expected[position][:2]):
            assert np.allclose(one, other, rtol=1e-4, atol=1e-4)
