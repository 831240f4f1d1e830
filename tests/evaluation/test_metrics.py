"""Figures of one task against fairlearn and scikit-learn on random inputs."""

from __future__ import annotations

import numpy as np
import pytest
from fairlearn import metrics as oracle
from scipy.stats import ks_2samp
from sklearn import metrics as sk

from fairrep.evaluation import task_metrics
from fairrep.types import TaskSpec

BINARY = TaskSpec("t", "binary", ("no", "yes"))
MULTI = TaskSpec("t", "multiclass", ("x", "y", "z"))
NUMBER = TaskSpec("t", "regression")


def sample(seed, groups=3, n=500):
    rng = np.random.default_rng(seed)
    s = rng.integers(0, groups, n)
    y = (rng.random(n) < 0.3 + 0.1 * s).astype(float)
    probability = np.clip(0.3 * y + 0.5 * rng.random(n) + 0.05 * s, 0, 1)
    return probability, y, s


@pytest.mark.parametrize("seed", range(5))
def test_binary_figures_equal_fairlearns_and_scikit_learns(seed):
    probability, y, s = sample(seed)
    found = task_metrics(BINARY, probability, y, s, ("a", "b", "c"), seed=0)
    decided = probability > 0.5
    expected = {
        "accuracy": sk.accuracy_score(y, decided),
        "balanced_accuracy": sk.balanced_accuracy_score(y, decided),
        "auc": sk.roc_auc_score(y, probability),
        "demographic_parity_difference": oracle.demographic_parity_difference(
            y, decided, sensitive_features=s
        ),
        "demographic_parity_ratio": oracle.demographic_parity_ratio(
            y, decided, sensitive_features=s
        ),
        "equal_opportunity_difference": oracle.equal_opportunity_difference(
            y, decided, sensitive_features=s
        ),
        "equalized_odds_difference": oracle.equalized_odds_difference(
            y, decided, sensitive_features=s
        ),
    }
    for name, value in expected.items():
        assert found[name] == pytest.approx(value), name
    assert {name: group["n"] for name, group in found["groups"].items()} == {
        name: int((s == g).sum()) for g, name in enumerate("abc")
    }


def test_every_gap_lies_in_its_interval():
    probability, y, s = sample(7)
    found = task_metrics(BINARY, probability, y, s, ("a", "b", "c"), seed=0)
    for name in ("demographic_parity", "equal_opportunity", "equalized_odds"):
        low, high = found[f"{name}_difference_ci"]
        assert 0 <= low <= found[f"{name}_difference"] <= high <= 1


def test_rows_without_a_label_or_a_known_group_take_no_part():
    probability, y, s = sample(8)
    y, s = y.copy(), s.copy()
    y[:50] = np.nan
    keep = ~np.isnan(y)
    whole = task_metrics(BINARY, probability, y, s, ("a", "b", "c"), seed=0)
    assert whole == task_metrics(BINARY, probability[keep], y[keep], s[keep], "abc", seed=0)
    s[50:60] = -1
    known = keep & (s >= 0)
    partly = task_metrics(BINARY, probability, y, s, ("a", "b", "c"), seed=0)
    only = task_metrics(BINARY, probability[known], y[known], s[known], "abc", seed=0)
    assert partly["demographic_parity_difference"] == only["demographic_parity_difference"]
    assert partly["n"] == only["n"] + 10


def test_multiclass_gap_is_the_largest_over_classes():
    rng = np.random.default_rng(0)
    y, s = rng.integers(0, 3, 400).astype(float), rng.integers(0, 2, 400)
    probabilities = rng.dirichlet(np.ones(3), 400)
    found = task_metrics(MULTI, probabilities, y, s, ("a", "b"), seed=0)
    decided = probabilities.argmax(1)
    gaps = [
        oracle.demographic_parity_difference(y == k, decided == k, sensitive_features=s)
        for k in range(3)
    ]
    assert found["demographic_parity_difference"] == pytest.approx(max(gaps))
    assert found["auc"] == pytest.approx(sk.roc_auc_score(y, probabilities, multi_class="ovr"))


def test_regression_figures_equal_scipys_and_scikit_learns():
    rng = np.random.default_rng(0)
    y, s = rng.normal(size=300), rng.integers(0, 3, 300)
    prediction = y + rng.normal(size=300) + 0.5 * s
    found = task_metrics(NUMBER, prediction, y, s, ("a", "b", "c"), seed=0)
    assert found["rmse"] == pytest.approx(sk.root_mean_squared_error(y, prediction))
    assert found["r2"] == pytest.approx(sk.r2_score(y, prediction))
    largest = max(
        ks_2samp(prediction[s == a], prediction[s == b]).statistic
        for a, b in ((0, 1), (0, 2), (1, 2))
    )
    assert found["demographic_parity_difference"] == pytest.approx(largest)
