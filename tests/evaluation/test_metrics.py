"""Figures of one task against fairlearn and scikit-learn on random inputs."""

from __future__ import annotations

import numpy as np
import pytest
from fairlearn import metrics as oracle
from scipy.stats import ks_2samp, wasserstein_distance
from sklearn import metrics as sk

from fairrep.evaluation import groupings, task_metrics
from fairrep.types import AttributeSpec, TaskSpec

BINARY = TaskSpec("t", "binary", ("no", "yes"))
MULTI = TaskSpec("t", "multiclass", ("x", "y", "z"))
NUMBER = TaskSpec("t", "regression")
WAYS = groupings("abc")
EXACT = {"rel": 0, "abs": 1e-12}


def sample(seed, groups=3, n=500):
    rng = np.random.default_rng(seed)
    s = rng.integers(0, groups, n)
    y = (rng.random(n) < 0.3 + 0.1 * s).astype(float)
    probability = np.clip(0.3 * y + 0.5 * rng.random(n) + 0.05 * s, 0, 1).round(2)  # with ties
    return probability, y, s


def figures(task, prediction, y, s, ways=WAYS, **options):
    return task_metrics(task, {"": prediction}, y, s, ways, seed=0, draws=200, **options)[""]


def gaps(y, decided, s):
    return {
        name: getattr(oracle, name)(y, decided, sensitive_features=s)
        for name in (
            "demographic_parity_difference",
            "demographic_parity_ratio",
            "equal_opportunity_difference",
            "equalized_odds_difference",
        )
    }


@pytest.mark.parametrize("seed", range(10))
def test_binary_figures_equal_fairlearns_and_scikit_learns(seed):
    probability, y, s = sample(seed)
    found = figures(BINARY, probability, y, s)
    decided = probability > 0.5
    expected = gaps(y, decided, s) | {
        "accuracy": sk.accuracy_score(y, decided),
        "balanced_accuracy": sk.balanced_accuracy_score(y, decided),
        "auc": sk.roc_auc_score(y, probability),
        "score_mean_difference": np.ptp([probability[s == g].mean() for g in range(3)]),
    }
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, **EXACT), name
    assert {name: group["n"] for name, group in found["groups"].items()} == {
        name: int((s == g).sum()) for g, name in enumerate("abc")
    }


def test_attributes_and_their_intersections_equal_fairlearns():
    rng = np.random.default_rng(0)
    sex, race = rng.integers(0, 2, 900), rng.integers(0, 3, 900)
    y = (rng.random(900) < 0.4).astype(float)
    probability = np.clip(rng.random(900) + 0.1 * sex - 0.05 * race, 0, 1)
    names = [f"{a} & {b}" for a in "fm" for b in "xyz"]
    specs = (
        AttributeSpec("sex", ("f", "m"), (0, 0, 0, 1, 1, 1)),
        AttributeSpec("race", ("x", "y", "z"), (0, 1, 2, 0, 1, 2)),
    )
    found = figures(BINARY, probability, y, 3 * sex + race, groupings(names, specs))
    for own, s in (
        (found, 3 * sex + race),
        (found["attributes"]["sex"], sex),
        (found["attributes"]["race"], race),
    ):
        for name, value in gaps(y, probability > 0.5, s).items():
            if name in own:
                assert own[name] == pytest.approx(value, **EXACT), name
    assert found["attributes"]["race"]["groups"]["y"]["n"] == (race == 1).sum()


def test_every_figure_lies_in_its_interval():
    probability, y, s = sample(7)
    found = figures(BINARY, probability, y, s)
    names = [name for name in found if f"{name}_ci" in found]
    assert len(names) == 7
    for name in names:
        low, high = found[f"{name}_ci"]
        assert 0 <= low <= found[name] <= high <= 1, name


def test_rows_without_a_label_or_a_known_group_take_no_part():
    probability, y, s = sample(8)
    y, s = y.copy(), s.copy()
    y[:50] = np.nan
    keep = ~np.isnan(y)
    whole = figures(BINARY, probability, y, s)
    assert whole == figures(BINARY, probability[keep], y[keep], s[keep])
    s[50:60] = -1
    known = keep & (s >= 0)
    partly = figures(BINARY, probability, y, s)
    only = figures(BINARY, probability[known], y[known], s[known])
    for name in ("demographic_parity_difference", "equalized_odds_difference"):
        assert partly[name] == only[name]
    assert partly["n"] == only["n"] + 10
    assert partly["accuracy"] == pytest.approx(sk.accuracy_score(y[keep], probability[keep] > 0.5))


def test_multiclass_gap_is_the_largest_over_classes():
    rng = np.random.default_rng(0)
    y, s = rng.integers(0, 3, 400).astype(float), rng.integers(0, 2, 400)
    probabilities = rng.dirichlet(np.ones(3), 400)
    found = figures(MULTI, probabilities, y, s, groupings("ab"))
    decided = probabilities.argmax(1)
    largest = max(
        oracle.demographic_parity_difference(y == k, decided == k, sensitive_features=s)
        for k in range(3)
    )
    assert found["demographic_parity_difference"] == pytest.approx(largest, **EXACT)
    assert found["auc"] == pytest.approx(sk.roc_auc_score(y, probabilities, multi_class="ovr"))


def test_regression_figures_equal_scipys_and_scikit_learns():
    rng = np.random.default_rng(0)
    y, s = rng.normal(size=300), rng.integers(0, 3, 300)
    prediction = y + rng.normal(size=300) + 0.5 * s
    found = figures(NUMBER, prediction, y, s)
    assert found["rmse"] == pytest.approx(sk.root_mean_squared_error(y, prediction), **EXACT)
    assert found["r2"] == pytest.approx(sk.r2_score(y, prediction), **EXACT)
    pairs = [(prediction[s == a], prediction[s == b]) for a, b in ((0, 1), (0, 2), (1, 2))]
    largest = {
        "demographic_parity_difference": max(ks_2samp(*pair).statistic for pair in pairs),
        "wasserstein_distance": max(wasserstein_distance(*pair) for pair in pairs),
        "mean_difference": max(abs(a.mean() - b.mean()) for a, b in pairs),
    }
    for name, value in largest.items():
        assert found[name] == pytest.approx(value, **EXACT), name
    for name in ("rmse", "r2", "demographic_parity_difference", "mean_difference"):
        low, high = found[f"{name}_ci"]
        assert low <= found[name] <= high, name


@pytest.mark.parametrize("task", [BINARY, NUMBER])
def test_small_groups_are_noted_and_smaller_ones_take_no_part(task):
    probability, y, s = sample(9)
    s = np.where((s == 2) & (np.arange(500) >= 60), 1, s)
    few = int((s == 2).sum())
    found = figures(task, probability, y, s, min_rows=few + 1)
    without = figures(task, probability, y, np.where(s == 2, -1, s), groupings("ab"))
    name = "demographic_parity_difference"
    assert found[name] == without[name]
    (note,) = [note for note in found["notes"] if "takes no part" in note]
    assert note.startswith(f"c has {few}")
    wide = figures(task, probability, y, s)
    assert f"c has {few} rows: the interval is wide" in wide["notes"][0]


def test_one_group_or_no_label_has_no_gap():
    probability, y, s = sample(10)
    found = figures(BINARY, probability, y, np.zeros_like(s), WAYS)
    assert np.isnan(found["demographic_parity_difference"])
    assert np.isnan(found["demographic_parity_difference_ci"]).all()
    assert figures(BINARY, probability, np.full_like(y, np.nan), s) == {"n": 0}
