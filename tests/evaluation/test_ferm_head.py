"""FERM as a head: the constraint on frozen representations, and nothing else than a linear head."""

import numpy as np
import pytest
import torch

from fairrep.errors import EstimatorError
from fairrep.evaluation.ferm_head import ferm_heads
from fairrep.evaluation.heads import Rows, logistic_heads
from fairrep.evaluation.view import View
from fairrep.types import TaskSpec

TASKS = (
    TaskSpec("hired", "binary", ("no", "yes")),
    TaskSpec("third", "multiclass", ("x", "y", "z")),
    TaskSpec("number", "regression", mean=5.0, scale=2.0),
)


def sample(n, seed, widths=(4,)):
    """Rows whose groups differ in the first column, on which all labels depend."""
    rng = np.random.default_rng(seed)
    s = rng.integers(2, size=n)
    z = rng.normal(size=(n, 4)) + np.outer(s, [1.0, 0, 0, 0])
    hired = z[:, 0] + z[:, 1] + rng.normal(size=n) > 0.5
    third = np.digitize(z[:, 0] + z[:, 2], [0, 1])
    number = 5 + z[:, 0] + z[:, 3] + rng.normal(size=n)
    y = torch.tensor(np.stack([hired, third, number], axis=1).astype(np.float32))
    views = [View(torch.tensor(z[:, :width], dtype=torch.float32)) for width in widths]
    return Rows(views, y, torch.tensor(s))


def log_odds(p):
    return np.log(p / (1 - p))


def differences(rows, found):
    """Mean outputs of group 1 less those of group 0: positives, everybody, everybody."""
    y, s = rows.y.numpy(), rows.s.numpy()
    positive = y[:, 0] == 1
    f = log_odds(found[0])
    means = [f[positive & (s == g)].mean() for g in (0, 1)]
    numbers = [found[2][s == g].mean() for g in (0, 1)]
    return means[1] - means[0], numbers[1] - numbers[0]


@pytest.mark.parametrize("epsilon", [0.0, 0.3])
def test_mean_outputs_of_training_rows_differ_by_epsilon(epsilon):
    """Equal opportunity of a class, equal means of a number, where the plain head differs."""
    train, val = sample(3000, 0), sample(500, 1)
    heads = ferm_heads(train, val, TASKS, 0, notion="equal_opportunity", epsilon=epsilon)
    plain = logistic_heads(train, val, TASKS, 0)
    fair = differences(train, heads(train.views)[0])
    assert min(differences(train, plain(train.views)[0])) > 0.5
    np.testing.assert_allclose(fair, epsilon, atol=2e-3)


def test_without_a_bound_it_is_the_linear_head():
    """ε = ∞: the same strengths, chosen alike, give the same predictions."""
    train, val, test = sample(2000, 0), sample(400, 1), sample(300, 2)
    heads = ferm_heads(train, val, TASKS, 0, notion="equal_opportunity", epsilon=np.inf)
    plain = logistic_heads(train, val, TASKS, 0)
    for task, own, other in zip(TASKS, heads(test.views)[0], plain(test.views)[0]):
        if task.kind != "multiclass":  # one against the rest here, softmax there
            np.testing.assert_allclose(own, other, atol=5e-3)


def test_every_representation_and_task_has_a_head_of_its_own():
    train, val, test = (sample(n, k, widths=(4, 2)) for k, n in enumerate((2000, 300, 200)))
    found = ferm_heads(train, val, TASKS, 0, notion="demographic_parity", epsilon=0.0)(test.views)
    assert [len(row) for row in found] == [3, 3]
    assert found[0][1].shape == (200, 3)
    np.testing.assert_allclose(found[0][1].sum(1), 1)
    assert not np.allclose(found[0][0], found[1][0])


def test_rows_without_label_or_group_are_left_out():
    train, val = sample(1000, 0), sample(300, 1)
    y, s = train.y.clone(), train.s.clone()
    y[:100], s[100:200] = torch.nan, -1
    z = train.views[0].matrix.clone()
    z[:200] = 1e6  # would ruin every head
    spoilt = Rows([View(z)], y, s)
    rest = Rows([View(train.views[0].matrix[200:])], train.y[200:], train.s[200:])
    options = {"notion": "equal_opportunity", "epsilon": 0.0}
    found = [ferm_heads(rows, val, TASKS, 0, **options)(val.views)[0] for rows in (spoilt, rest)]
    for own, other in zip(*found):
        np.testing.assert_allclose(own, other, rtol=1e-6)


def test_a_group_without_positives_is_said():
    train, val = sample(300, 0), sample(100, 1)
    y = train.y.clone()
    y[train.s == 1, 0] = 0
    with pytest.raises(EstimatorError, match="every group needs rows with y = 1"):
        ferm_heads(
            Rows(train.views, y, train.s), val, TASKS[:1], 0, notion="equal_opportunity", epsilon=0
        )
