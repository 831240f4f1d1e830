"""Validation metrics of the joint heads against plain NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import ks_2samp
from sklearn.metrics import r2_score

from fairrep.training.validation import joint_metrics
from fairrep.types import TaskSpec


def test_binary_task_gives_accuracy_and_the_gap_of_decisions():
    rng = np.random.default_rng(0)
    logits, y, s = rng.normal(size=200), rng.integers(0, 2, 200), rng.integers(0, 2, 200)
    found = joint_metrics(
        torch.tensor(logits)[:, None],
        torch.tensor(y)[:, None].double(),
        torch.tensor(s),
        [TaskSpec("t", "binary", ("no", "yes"))],
        groups=2,
    )["t"]
    decided = logits > 0
    assert found["utility"] == pytest.approx((decided == y).mean())
    gap = abs(decided[s == 0].mean() - decided[s == 1].mean())
    assert found["demographic_parity_difference"] == pytest.approx(gap)


def test_regression_gives_r2_and_the_ks_distance():
    rng = np.random.default_rng(1)
    y, s = rng.normal(10, 2, 300), rng.integers(0, 2, 300)
    prediction = y + rng.normal(size=300) + s
    found = joint_metrics(
        torch.tensor((prediction - 10) / 2)[:, None],
        torch.tensor(y)[:, None],
        torch.tensor(s),
        [TaskSpec("t", "regression", mean=10.0, scale=2.0)],
        groups=2,
    )["t"]
    assert found["utility"] == pytest.approx(r2_score(y, prediction))
    ks = ks_2samp(prediction[s == 0], prediction[s == 1]).statistic
    assert found["demographic_parity_difference"] == pytest.approx(ks)
