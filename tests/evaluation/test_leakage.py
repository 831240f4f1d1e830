"""What fresh heads read of s from a representation."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fairrep.evaluation import groupings
from fairrep.evaluation.heads import HEADS, Rows, fit_heads
from fairrep.evaluation.leakage import leakage, probe_labels, probes, strongest
from fairrep.evaluation.view import View
from fairrep.types import AttributeSpec

RNG = np.random.default_rng(0)


def read(z, s, a=None, *, attributes=(), heads=("logistic", "boosting"), groups=None):
    """Scores by probe and head; the first half of the rows trains and selects."""
    s = torch.as_tensor(s)
    a = torch.zeros(len(s), 0) if a is None else torch.as_tensor(a)
    asked = probes(groupings(groups or [str(g) for g in range(int(s.max()) + 1)]), attributes)
    y, half = probe_labels(asked, s, a), len(z) // 2
    view = [View(torch.as_tensor(part).float()) for part in (z[:half], z[half:])]
    rows = Rows([view[0]], y[:half], s[:half])
    fitted = fit_heads(
        {head: HEADS[head] for head in heads}, rows, rows, [probe.task for probe in asked], seed=0
    )
    found = {head: predict([view[1]])[0] for head, predict in fitted.items()}
    return {
        probe.name: {
            head: leakage(probe, p[k], y[half:, k].numpy(), y[:half, k].numpy())
            for head, p in found.items()
        }
        for k, probe in enumerate(asked)
    }


def test_noise_leaks_nothing():
    """Within four standard errors of chance (n per group of the test half)."""
    draws, n = 4, 500
    found = [read(RNG.normal(size=(4 * n, 3)), RNG.integers(0, 2, 4 * n)) for _ in range(draws)]
    error = {"auc": np.sqrt((2 * n + 1) / (12 * n * n)), "balanced_accuracy": 0.5 / np.sqrt(2 * n)}
    for head in ("logistic", "boosting"):
        for score, single in error.items():
            mean = np.mean([one["groups"][head][score] for one in found])
            assert mean == pytest.approx(0.5, abs=4 * single / np.sqrt(draws)), (head, score)


def test_boosting_sees_what_a_linear_probe_misses():
    z = RNG.normal(size=(4000, 2))
    found = read(z, ((z[:, 0] > 0) != (z[:, 1] > 0)).astype(int))["groups"]
    assert found["boosting"]["balanced_accuracy"] > 0.95
    assert found["logistic"]["balanced_accuracy"] < 0.6
    assert strongest(found) == "boosting"


def test_unequal_groups_do_not_hide_behind_the_majority():
    """Nine in ten rows of one group: always guessing it scores one half, reading z more."""
    s = (RNG.random(6000) < 0.1).astype(int)
    z = RNG.normal(size=(6000, 2)) + 2 * s[:, None]
    for scores in read(z, s)["groups"].values():
        assert scores["balanced_accuracy"] > 0.85


def test_three_groups_and_rows_of_unknown_ones():
    s = RNG.integers(0, 3, 3000)
    z = RNG.normal(size=(3000, 2)) + s[:, None] * 3
    s[1500:1520] = -1
    found = read(z, s, heads=("logistic",), groups=("a", "b", "c"))["groups"]
    assert found["logistic"]["balanced_accuracy"] > 0.8
    assert found["logistic"]["auc"] > 0.9


def test_every_attribute_is_read_and_a_real_one_by_r2():
    """sex × age: the intersections, either attribute, and age as a number with R² = 0.5."""
    n = 4000
    age, sex = RNG.normal(size=n), RNG.integers(0, 2, n)
    s = 2 * sex + (age > 0)
    attributes = (
        AttributeSpec("sex", ("f", "m"), (0, 0, 1, 1)),
        AttributeSpec("age", ("age <= 0", "age > 0"), (0, 1, 0, 1), real=True),
    )
    ways = groupings([f"{a} & {b}" for a in "fm" for b in ("young", "old")], attributes)
    asked = probes(ways, attributes)
    a = np.stack([sex == 0, sex == 1, age], axis=1).astype(np.float32)
    y = probe_labels(asked, torch.as_tensor(s), torch.as_tensor(a))
    np.testing.assert_array_equal(y[:, 1], sex)
    np.testing.assert_array_equal(y[:, 2], age > 0)
    z = torch.as_tensor(age + RNG.normal(size=n)).float()[:, None]
    rows = Rows([View(z)], y, torch.as_tensor(s))
    predict = fit_heads(
        {"logistic": HEADS["logistic"]}, rows, rows, [probe.task for probe in asked], seed=0
    )
    found = predict["logistic"]([View(z)])[0]
    scores = {
        probe.name: leakage(probe, found[k], y[:, k].numpy(), y[:, k].numpy())
        for k, probe in enumerate(asked)
    }
    assert scores["age (real)"]["r2"] == pytest.approx(0.5, abs=0.05)
    assert scores["age"]["balanced_accuracy"] == pytest.approx(0.75, abs=0.03)  # arctan: 3/4
    assert scores["sex"]["balanced_accuracy"] == pytest.approx(0.5, abs=0.04)
