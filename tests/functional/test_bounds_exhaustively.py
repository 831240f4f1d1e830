"""Bounds of total variation where every outcome can be summed: no simulation, no asymptotics."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from fairrep.functional import (
    binomial_difference_upper_bound,
    total_variation,
    total_variation_upper_bound,
)

DELTA = 0.2


def outcomes(n, cells):
    """All counts of n rows in cells, as rows."""
    every = itertools.product(range(n + 1), repeat=cells)
    return np.array([counts for counts in every if sum(counts) == n])


def probabilities(counts, laws):
    """Of every outcome under every law, one row a law."""
    ways = [math.factorial(sum(c)) / math.prod(map(math.factorial, c)) for c in counts.tolist()]
    return (laws[:, None, :] ** counts).prod(-1) * ways


@pytest.mark.parametrize(("cells", "n", "m"), [(2, 9, 5), (3, 5, 4), (3, 7, 1), (4, 4, 4)])
def test_both_bounds_fail_with_probability_delta_at_most_under_every_law(cells, n, m):
    """Laws on a grid of the simplex, K = 2, 3, 4; the exact bound comes near δ, McDiarmid's not."""
    steps = {2: 40, 3: 10, 4: 6}[cells]
    laws = outcomes(steps, cells) / steps
    x, y = outcomes(n, cells), outcomes(m, cells)
    tv = np.abs(laws[:, None] - laws).sum(-1) / 2
    p, q = probabilities(x, laws), probabilities(y, laws)
    assert np.allclose(p.sum(1), 1)
    largest = {}
    for method in ("exact", "mcdiarmid"):
        value = np.array(
            [
                [
                    total_variation_upper_bound(
                        torch.tensor(a / n), torch.tensor(b / m), n, m, delta=DELTA, method=method
                    )
                    for b in y
                ]
                for a in x
            ]
        )
        failed = np.zeros_like(tv)
        for bound in np.unique(value):
            reached = np.einsum("ax,xy,by->ab", p, value == bound, q)
            failed += reached * (bound < tv - 1e-12)
        largest[method] = failed.max()
    assert largest["exact"] <= DELTA
    assert largest["mcdiarmid"] <= largest["exact"]
    assert largest["exact"] > 0.4 * DELTA


@pytest.mark.parametrize(("n", "m"), [(500, 500), (950, 50)])
def test_under_the_hardest_law_the_exact_bound_spends_delta_and_mcdiarmids_a_fifth(n, m):
    """Two cells about one half, TV = 0.2: the probability of failure, summed over all outcomes."""
    delta, tv = 0.05, 0.2
    v = 0.5 - tv * m / (n + m)  # the largest variance that the difference allows
    x, y = np.arange(n + 1), np.arange(m + 1)
    estimate = np.abs(np.subtract.outer(x / n, y / m))
    probability = np.outer(binom.pmf(x, n, v + tv), binom.pmf(y, m, v))
    values = np.unique(estimate)
    low, high = 0, len(values)  # the bound rises: the first value at which it holds
    while low < high:
        middle = (low + high) // 2
        below = binomial_difference_upper_bound(float(values[middle]), n, m, delta=delta) < tv
        low, high = (middle + 1, high) if below else (low, middle)
    exact = probability[estimate < values[low]].sum()
    assert 0.8 * delta < exact <= delta
    width = math.sqrt(math.log(1 / delta) / 2 * (1 / n + 1 / m))
    assert probability[estimate + width < tv].sum() < delta / 5


def largest_probability(t, n, m, d, points=2001):
    """Over pairs u - v = d on a grid that has both ends, hence never above the supremum."""
    v = np.linspace(0, 1 - d, points)[:, None]
    y = np.arange(m + 1)
    reach = np.floor(n * (t + y / m) + 1e-9)
    return (binom.pmf(y, m, v) * binom.cdf(reach, n, np.minimum(v + d, 1))).sum(1).max()


@pytest.mark.parametrize("delta", [0.05, 0.003])
@pytest.mark.parametrize(("n", "m"), [(1, 1), (6, 1), (3, 2), (4, 6), (17, 3), (2, 40), (25, 24)])
def test_just_above_the_bound_no_pair_on_a_fine_grid_has_probability_delta(n, m, delta):
    """F(t; d) <= δ at the returned d: never below U, to the last place, for every value of t."""
    lattice = {round(i / n - j / m, 12) for i in range(n + 1) for j in range(m + 1)}
    values = sorted(t for t in lattice if 0 <= t < 1)
    for t in values[:: max(1, len(values) // 12)]:
        d = binomial_difference_upper_bound(t, n, m, delta=delta)
        assert d == 1 or largest_probability(t, n, m, d) <= delta


laws = st.lists(st.integers(0, 9), min_size=6, max_size=6).filter(any)


@given(laws, laws, st.lists(st.integers(0, 2), min_size=6, max_size=6))
def test_merging_cells_never_raises_total_variation(p, q, into):
    """Cell k becomes into[k]."""
    p, q = (torch.tensor(law, dtype=torch.float64) / sum(law) for law in (p, q))
    merging = torch.nn.functional.one_hot(torch.tensor(into), 3).double()
    assert total_variation(p @ merging, q @ merging) <= total_variation(p, q) + 1e-15


@given(laws, laws, st.lists(st.floats(0, 1), min_size=6, max_size=6))
def test_no_randomised_model_on_the_cell_has_a_larger_parity_difference(p, q, chance):
    """It says yes with probability chance[k] in cell k."""
    p, q = (torch.tensor(law, dtype=torch.float64) / sum(law) for law in (p, q))
    gap = (torch.tensor(chance, dtype=torch.float64) * (p - q)).sum().abs()
    assert gap <= total_variation(p, q) + 1e-15


def test_argmax_can_tell_groups_apart_that_mean_probabilities_do_not():
    """Everybody of one group has (.51, .49), of the other (.49, .51)."""
    one, other = (torch.tensor([law], dtype=torch.float64) for law in ((0.51, 0.49), (0.49, 0.51)))
    assert total_variation(one.mean(0), other.mean(0)).item() == pytest.approx(0.02)
    released = [torch.nn.functional.one_hot(rows.argmax(-1), 2).double() for rows in (one, other)]
    assert total_variation(*(rows.mean(0) for rows in released)) == 1


def test_two_draws_of_one_person_say_more_than_one():
    """The pair of independent draws is a cell of its own, with the product of the laws."""
    p, q = torch.tensor([0.2, 0.8]).double(), torch.tensor([0.0, 1.0]).double()
    pair = total_variation(torch.outer(p, p).flatten(), torch.outer(q, q).flatten())
    assert total_variation(p, q).item() == pytest.approx(0.2)
    assert pair.item() == pytest.approx(1 - 0.8**2)
