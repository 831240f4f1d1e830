"""Quantile averaging on the line, against closed forms, brute force and simulation."""

import numpy as np
import ot
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fairrep.functional.barycenter import (
    barycenter_map,
    barycenter_quantiles,
    quantiles,
    ranks,
)
from fairrep.functional.group_distributions import ks_distance

DOUBLE = torch.float64
numbers = st.integers(-20, 20).map(lambda k: k / 4)
samples = st.lists(numbers, min_size=1, max_size=12)


def mid_rank(t, sample):
    """(number below + half the number of equals) / m, on values of the sample."""
    sample = np.asarray(sample)
    return ((sample < t).sum() + (sample == t).sum() / 2) / len(sample)


def as_sorted(values):
    return torch.tensor(sorted(values), dtype=DOUBLE)


@given(samples)
def test_ranks_of_the_sample_are_mid_ranks(values):
    sample = as_sorted(values)
    expected = [mid_rank(t, values) for t in sample.tolist()]
    assert ranks(sample, sample).tolist() == pytest.approx(expected, abs=1e-12)


@given(samples, st.lists(numbers, min_size=2, max_size=12, unique=True), st.booleans())
def test_ranks_never_fall(values, points, drawn):
    """Between, on and beyond the values of the sample, wherever ties are put."""
    ties = torch.rand(len(points), dtype=DOUBLE) if drawn else None
    found = ranks(as_sorted(points), as_sorted(values), ties=ties)
    assert (found.diff() >= -1e-12).all()
    assert (found >= 0).all()
    assert (found <= 1).all()


def test_ranks_are_linear_between_and_constant_beyond():
    sample = torch.tensor([0.0, 1.0, 1.0, 3.0], dtype=DOUBLE)  # mid-ranks 1/8, 1/2, 1/2, 7/8
    t = torch.tensor([-5.0, 0.5, 2.0, 9.0], dtype=DOUBLE)
    assert ranks(t, sample).tolist() == pytest.approx([1 / 8, 5 / 16, 11 / 16, 7 / 8])


def test_ties_stand_where_they_are_put():
    """Three equal values of five take the ranks from 1/5 to 4/5."""
    sample = torch.tensor([0.0, 1.0, 1.0, 1.0, 2.0], dtype=DOUBLE)
    place = torch.tensor([0.0, 0.25, 1.0], dtype=DOUBLE)
    found = ranks(torch.ones(3, dtype=DOUBLE), sample, ties=place)
    assert found.tolist() == pytest.approx([0.2, 0.35, 0.8])


@given(st.sets(numbers, min_size=1, max_size=12))
def test_quantiles_invert_ranks_of_different_values(values):
    sample = as_sorted(values)
    assert quantiles(ranks(sample, sample), sample).tolist() == pytest.approx(sample.tolist())


def test_quantiles_are_those_of_numpy():
    """NumPy's "hazen" method has the same plotting positions."""
    sample = np.random.default_rng(0).normal(size=37)
    levels = np.linspace(0, 1, 101)
    expected = np.quantile(sample, levels, method="hazen")
    found = quantiles(torch.tensor(levels), as_sorted(sample))
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-12)


def test_the_barycenter_is_the_optimal_transport_one():
    """Equal sizes: the i-th atom is the weighted mean of the i-th values (POT's 1-D couplings)."""
    rng = np.random.default_rng(1)
    a, b = np.sort(rng.normal(size=30)), np.sort(rng.exponential(size=30))
    plan = ot.emd_1d(a, b, metric="sqeuclidean")
    expected = np.sort(0.3 * a + 0.7 * b[plan.argmax(1)])
    levels = torch.tensor((np.arange(30) + 0.5) / 30)
    weights = torch.tensor([0.3, 0.7], dtype=DOUBLE)
    found = barycenter_quantiles(levels, [torch.tensor(a), torch.tensor(b)], weights)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-12)


def gaussian_case(n, seed=0):
    rng = torch.Generator().manual_seed(seed)
    means, scales = (0.0, 2.0, -1.0), (1.0, 3.0, 0.5)
    draw = [m + c * torch.randn(n, generator=rng, dtype=DOUBLE) for m, c in zip(means, scales)]
    return means, scales, draw, torch.tensor([0.5, 0.3, 0.2], dtype=DOUBLE)


def test_the_map_between_gaussians_is_the_closed_form():
    """N(m_g, c_g²) → Σ w m + Σ w c (f - m_g) / c_g; ranks of n rows err by about n^(-1/2)."""
    n = 200_000
    means, scales, draw, w = gaussian_case(n)
    own = [g.sort().values for g in draw]
    for g, (mean, scale) in enumerate(zip(means, scales)):
        f = mean + scale * torch.linspace(-1.5, 1.5, 31, dtype=DOUBLE)
        group = torch.full((31,), g)
        found = barycenter_map(f, group, distributions=own, targets=own, weights=w)
        exact = w @ torch.tensor(means, dtype=DOUBLE) + w @ torch.tensor(
            scales, dtype=DOUBLE
        ) * torch.linspace(-1.5, 1.5, 31, dtype=DOUBLE)
        # sd of a quantile at 1.5 deviations: √(F(1-F)/n) / density = 1.93 n^(-1/2) deviations,
        # of the row's own rank and of the targets; five of them
        assert (found - exact).abs().max() < 5 * 1.93 * 2 * float(
            w @ torch.tensor(scales).double()
        ) / n**0.5


def test_no_group_change_where_the_groups_are_alike():
    """With the same sample everywhere the map is the identity on it."""
    sample = torch.randn(50, dtype=DOUBLE, generator=torch.Generator().manual_seed(0)).sort().values
    group = torch.arange(50) % 2
    weights = torch.tensor([0.4, 0.6], dtype=DOUBLE)
    moved = barycenter_map(
        sample, group, distributions=[sample] * 2, targets=[sample] * 2, weights=weights
    )
    assert torch.allclose(moved, sample, atol=1e-12)


def test_tau_is_the_line_between_before_and_after():
    _, _, draw, w = gaussian_case(100)
    own = [g.sort().values for g in draw]
    f, group = torch.cat(draw), torch.arange(3).repeat_interleave(100)
    options = {"distributions": own, "targets": own, "weights": w}
    whole = barycenter_map(f, group, **options)
    for tau in (0.0, 0.25, 1.0):
        part = barycenter_map(f, group, **options, tau=tau)
        assert torch.allclose(part, (1 - tau) * f + tau * whole, atol=1e-12)


def test_leading_dimensions_are_separate_problems():
    _, _, draw, w = gaussian_case(60)
    f, group = torch.cat(draw), torch.arange(3).repeat_interleave(60)
    stack = torch.stack([f, 3 * f + 1])
    own = [stack[:, group == g].sort().values for g in range(3)]
    together = barycenter_map(stack, group, distributions=own, targets=own, weights=w)
    for k in range(2):
        single = [values[k] for values in own]
        alone = barycenter_map(stack[k], group, distributions=single, targets=single, weights=w)
        assert torch.equal(together[k], alone)


def test_gradients_are_those_of_finite_differences():
    """In the scores and in the samples: a network may train through the map."""
    rng = torch.Generator().manual_seed(3)
    f = torch.randn(2, 8, generator=rng, dtype=DOUBLE, requires_grad=True)
    group = torch.arange(8) % 2
    own = [
        torch.randn(2, m, generator=rng, dtype=DOUBLE).sort().values.requires_grad_()
        for m in (5, 6)
    ]
    weights = torch.tensor([0.5, 0.5], dtype=DOUBLE)
    assert torch.autograd.gradcheck(
        lambda f, a, b: barycenter_map(
            f, group, distributions=[a, b], targets=[a, b], weights=weights, tau=0.7
        ),
        (f, *own),
    )


LAWS = {
    "skewed": lambda n, rng: rng.gamma(0.5, size=n),
    "heavy-tailed": lambda n, rng: rng.standard_cauchy(n),
    "two values": lambda n, rng: (rng.random(n) < 0.3).astype(float),
    "an atom and a tail": lambda n, rng: np.maximum(rng.normal(size=n), 0),
}


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("m", [50, 800])
def test_distributions_are_equal_up_to_the_ranks_error(law, m):
    """Mean KS ≤ 2 · 0.87/√m whatever the laws: each group's rank errs by E sup|F̂ - F|.

    That is at most √(π/2)·… = 0.8687/√m for continuous laws (Kolmogorov) and less for others.
    """
    rng = np.random.default_rng(7)
    draws, fresh = 30, 20_000
    weights = torch.tensor([0.5, 0.5], dtype=DOUBLE)
    found = []
    for _ in range(draws):
        # the second group has another law: shifted, stretched, and rarer where discrete
        def group(n, g):
            values = LAWS[law](n, rng)
            return values if g == 0 else 2 * values * (rng.random(n) < 0.6) + 1

        own = [as_sorted(group(m, g)) for g in range(2)]
        targets = [as_sorted(group(m, g)) for g in range(2)]
        scores = torch.tensor(np.concatenate([group(fresh, g) for g in range(2)]))
        code = torch.arange(2).repeat_interleave(fresh)
        moved = barycenter_map(
            scores,
            code,
            distributions=own,
            targets=targets,
            weights=weights,
            ties=torch.tensor(rng.random(2 * fresh)),
        )
        found.append(float(ks_distance(moved[:fresh], moved[fresh:])))
    noise = 2 * 0.8687 / fresh**0.5
    assert np.mean(found) < 2 * 0.8687 / m**0.5 + noise + 3 * np.std(found) / draws**0.5


def test_ties_without_draws_leave_atoms():
    """Why the draws are there: two values stay two values, in other shares in every group."""
    sample = [torch.tensor([0.0] * 9 + [1.0]), torch.tensor([0.0] * 5 + [1.0] * 5)]
    group = torch.arange(2).repeat_interleave(10)
    weights = torch.tensor([0.5, 0.5])
    options = {"distributions": sample, "targets": sample, "weights": weights}
    fixed = barycenter_map(torch.cat(sample), group, **options)
    assert ks_distance(fixed[:10], fixed[10:]) == pytest.approx(0.4)  # 9 and 5 of 10 at 0
    spread = [(torch.arange(k) + 0.5) / k for k in (9, 1, 5, 5)]  # evenly, as draws would be
    moved = barycenter_map(torch.cat(sample), group, **options, ties=torch.cat(spread))
    assert torch.allclose(moved[:10], moved[10:], atol=1e-6)


def test_codes_without_a_distribution_are_refused():
    one = torch.zeros(2)
    with pytest.raises(ValueError, match=r"0\.\.1, got 0\.\.2"):
        barycenter_map(
            torch.zeros(2),
            torch.tensor([0, 2]),
            distributions=[one, one],
            targets=[one, one],
            weights=torch.tensor([0.5, 0.5]),
        )
