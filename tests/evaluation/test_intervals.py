"""Intervals: agreement with plainly resampled rows, coverage by simulation, paired differences."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest, norm

from fairrep.evaluation import groupings, task_metrics
from fairrep.evaluation.intervals import differences, gap_change_interval, gap_interval
from fairrep.evaluation.resample import resampled_sums
from fairrep.types import TaskSpec

BINARY = TaskSpec("t", "binary", ("no", "yes"))
NUMBER = TaskSpec("t", "regression")
DP, EO = "demographic_parity_difference", "equalized_odds_difference"


def rates_of(ones, sizes, seed, draws):
    """Rates and their resamples, of groups with so many ones."""
    s = np.repeat(np.arange(len(sizes)), sizes)
    decided = np.concatenate([np.arange(n) < k for n, k in zip(sizes, ones)])[:, None]
    sums, added = resampled_sums(decided, s, strata=len(sizes), seed=seed, draws=draws)
    shares = (sums[..., 0] + added[..., 0]) / (np.array(sizes) + 2)
    return (np.array(ones) / sizes)[:, None], shares[..., None]


def test_resamples_are_those_of_plainly_drawn_rows():
    """Means and covariances of the sums, against rows drawn with replacement within groups."""
    rng = np.random.default_rng(0)
    columns, s = rng.normal(size=(70, 2)), np.repeat([0, 1], [30, 40])
    sums, added = resampled_sums(columns, s, strata=3, seed=0, draws=20_000)
    assert (sums[:, 2] == 0).all()
    np.testing.assert_allclose(added[:, :2].mean(axis=0), 1, atol=0.05)
    for g, n in ((0, 32), (1, 42)):  # two made-up rows take part, with zeros in every column
        rows = np.concatenate([columns[s == g], np.zeros((2, 2))])
        plain = np.stack([rng.choice(rows, n).sum(axis=0) for _ in range(5_000)])
        error = 5 * plain.std(axis=0) / np.sqrt(4_000)
        assert (np.abs(sums[:, g].mean(axis=0) - plain.mean(axis=0)) < error).all()
        np.testing.assert_allclose(np.cov(sums[:, g].T), np.cov(plain.T), rtol=0.1, atol=1.5)


def covers(draw, true, interval, runs, *, most=None):
    """Share of runs whose interval holds the truth: at least 93%, and at most ``most``."""
    covered = 0
    for run in range(runs):
        low, high = interval(draw(run), run)
        covered += low <= true + 1e-12 and true - 1e-12 <= high
    assert binomtest(covered, runs, 0.93, alternative="less").pvalue > 1e-3, covered / runs
    if most is not None:
        assert binomtest(covered, runs, most, alternative="greater").pvalue > 1e-3, covered / runs
    return covered / runs


def dp_interval(drawn, seed, sizes, draws=300):
    return gap_interval(differences(*rates_of(drawn, sizes, seed, draws)))


@pytest.mark.parametrize(
    ("p", "q", "sizes"),
    [
        (0.3, 0.3, (150, 200)),
        (0.1, 0.35, (150, 200)),
        (0.02, 0.02, (60, 200)),
        *(
            pytest.param(*one, marks=pytest.mark.slow)
            for one in (
                (0.3, 0.33, (500, 800)),
                (0.2, 0.35, (500, 800)),
                (0.05, 0.5, (30, 300)),
                (0.01, 0.2, (100, 100)),
                (0.01, 0.01, (50, 2000)),
            )
        ),
    ],
)
def test_interval_of_a_gap_covers_95_times_in_100(p, q, sizes):
    """At a true gap of 0 and in small groups too; not much wider where the gap is clear."""
    rng = np.random.default_rng(1)
    error = np.sqrt(p * (1 - p) / sizes[0] + q * (1 - q) / sizes[1])
    clear = abs(p - q) >= 4 * error and min(sizes) >= 100
    covers(
        lambda _: rng.binomial(sizes, (p, q)),
        abs(p - q),
        lambda ones, seed: dp_interval(ones, seed, sizes),
        600,
        most=0.97 if clear else None,
    )


@pytest.mark.parametrize("true", [(0.3, 0.3, 0.3, 0.3), (0.2, 0.25, 0.3, 0.3)])
def test_interval_of_the_largest_of_many_gaps_covers(true):
    rng = np.random.default_rng(2)
    sizes = (100,) * 4
    covers(
        lambda _: rng.binomial(sizes, true),
        np.ptp(true),
        lambda ones, seed: dp_interval(ones, seed, sizes),
        300,
    )


def test_all_pairs_are_covered_at_once():
    """Nothing is clearly smaller here, so the band holds for all six differences together."""
    from itertools import combinations

    from fairrep.evaluation.intervals import simultaneous

    rng = np.random.default_rng(3)
    sizes, true = (100,) * 4, np.array([0.3, 0.32, 0.28, 0.3])
    pairs = list(combinations(range(4), 2))

    def whole(ones, seed):
        rates, drawn = rates_of(ones, sizes, seed, 300)
        low, high = simultaneous(differences(rates, drawn).drawn, 0.95)
        inside = [low[k] <= true[a] - true[b] <= high[k] for k, (a, b) in enumerate(pairs)]
        return (0.0, 1.0) if all(inside) else (1.0, 0.0)

    covers(lambda _: rng.binomial(sizes, true), 0.5, whole, 300)


def one_task(seed, rates, sizes):
    """Decisions with given true- and false-positive rates by group; base rate one half."""
    rng = np.random.default_rng(seed)
    s = np.repeat([0, 1], sizes)
    y = (rng.random(len(s)) < 0.5).astype(float)
    decided = rng.random(len(s)) < np.where(y == 1, rates[0][s], rates[1][s])
    return decided.astype(float), y, s


@pytest.mark.slow
@pytest.mark.parametrize(
    ("hits", "false", "most"),
    [
        ((0.8, 0.8), (0.2, 0.2), None),
        ((0.8, 0.6), (0.2, 0.2), 0.97),
        ((0.8, 0.7), (0.2, 0.3), None),
        ((0.9, 0.9), (0.05, 0.3), 0.97),
    ],
)
def test_interval_of_equalized_odds_covers(hits, false, most):
    """Two gaps at once; where one of them is clearly the larger, nearly at the nominal level."""
    rates = (np.array(hits), np.array(false))
    true = max(abs(np.subtract(*hits)), abs(np.subtract(*false)))

    def interval(rows, seed):
        found = task_metrics(BINARY, {"": rows[0]}, *rows[1:], groupings("ab"), seed=seed)
        return found[""][f"{EO}_ci"]

    covers(lambda run: one_task(run, rates, (500, 700)), true, interval, 1000, most=most)


@pytest.mark.slow
@pytest.mark.parametrize("shift", [0.0, 0.3, 1.0])
def test_interval_of_the_ks_distance_covers(shift):
    """N(0, 1) against N(shift, 1): the distance is 2Φ(shift / 2) - 1."""

    def draw(run):
        rng = np.random.default_rng(run)
        s = np.repeat([0, 1], [250, 350])
        return rng.normal(size=600) + shift * s, s

    def interval(rows, seed):
        values, s = rows
        found = task_metrics(NUMBER, {"": values}, values + 1, s, groupings("ab"), seed=seed)
        return found[""][f"{DP}_ci"]

    covers(draw, 2 * norm.cdf(shift / 2) - 1, interval, 500)


@pytest.mark.slow
@pytest.mark.parametrize(("p", "q"), [(0.3, 0.3), (0.25, 0.45)])
def test_interval_of_an_auc_covers(p, q):
    """Scores N(0, 1) and N(1, 1): the AUC is Φ(1/√2), whatever the groups."""

    def draw(run):
        rng = np.random.default_rng(run)
        s = np.repeat([0, 1], [150, 250])
        y = (rng.random(400) < np.where(s == 0, p, q)).astype(float)
        return rng.normal(size=400) + y, y, s

    def interval(rows, seed):
        found = task_metrics(
            BINARY, {"": rows[0]}, *rows[1:], groupings("ab"), seed=seed, draws=400
        )
        return found[""]["auc_ci"]

    covers(draw, norm.cdf(0.5**0.5), interval, 400)


@pytest.mark.parametrize(("first", "second"), [((0.3, 0.3), (0.3, 0.3)), ((0.3, 0.3), (0.2, 0.4))])
def test_paired_interval_covers_and_is_narrower_than_an_unpaired_one(first, second):
    """Two predictors whose decisions share their noise; their gaps differ by a known amount."""
    sizes = np.array([200, 300])
    s = np.repeat([0, 1], sizes)
    true = abs(np.subtract(*first)) - abs(np.subtract(*second))

    def draw(run):
        noise = np.random.default_rng(run).random(len(s))
        return noise < np.array(first)[s], noise < np.array(second)[s]

    def parts(rows, seed):
        sums, added = resampled_sums(np.stack(rows, axis=1), s, strata=2, seed=seed, draws=300)
        shares = (sums + added[..., :1]) / (sizes + 2)[:, None]
        observed = np.array([[row[s == g].mean() for row in rows] for g in (0, 1)])
        return [differences(observed[:, [k]], shares[..., [k]]) for k in (0, 1)]

    covers(draw, true, lambda rows, seed: gap_change_interval(*parts(rows, seed)), 300)
    a, b = parts(draw(0), 0)
    low, high = gap_change_interval(a, b)
    (low_a, high_a), (low_b, high_b) = gap_interval(a), gap_interval(b)
    assert high - low < (high_a - low_a) + (high_b - low_b)


def test_every_prediction_is_paired_with_its_twin():
    """The same prediction twice differs by exactly nothing, in every figure."""
    rng = np.random.default_rng(0)
    s, y, p = rng.integers(0, 2, 300), (rng.random(300) < 0.4).astype(float), rng.random(300)
    found = task_metrics(
        BINARY, {"a": p, "b": p}, y, s, groupings("ab"), seed=0, draws=100, twins={"a": "b"}
    )
    assert "versus_twin" not in found["b"]
    change = found["a"]["versus_twin"]
    assert change["auc"] == 0
    assert change["auc_ci"] == [0, 0]
    low, high = change[f"{DP}_ci"]
    assert low <= 0 <= high
