"""DependencePenalty against the measures themselves, and HSIC of groups against their MMD."""

from __future__ import annotations

import functools
import math

import pytest
import torch

from fairrep.errors import NumericalError
from fairrep.functional import distance_covariance2, hsic, mmd2
from fairrep.penalties import DependencePenalty, Notion
from fairrep.types import AttributeSpec

measure = functools.partial(hsic, bandwidth_z=1.0, bandwidth_s=1.0)
ATTRIBUTES = (
    AttributeSpec("sex", ("f", "m"), (0, 0, 1, 1)),
    AttributeSpec("age", ("age <= 37", "age > 37"), (0, 1, 0, 1), real=True),
)


def batch(n=30, d=3, k=3):
    rng = torch.Generator().manual_seed(0)
    a = torch.randn(n, k, generator=rng, dtype=torch.float64)
    z = torch.randn(n, d, generator=rng, dtype=torch.float64) + a[:, :1]
    y = torch.randint(0, 2, (n, 1), generator=rng).double()
    return z, a, y


def test_attributes_are_measured_jointly_or_one_at_a_time():
    z, a, _ = batch()
    torch.testing.assert_close(DependencePenalty(measure)(z, a), measure(z, a))
    penalty = DependencePenalty(measure, combine="sum", attributes=ATTRIBUTES)
    torch.testing.assert_close(penalty(z, a), measure(z, a[:, :2]) + measure(z, a[:, 2:]))


def test_one_real_attribute_may_be_a_vector():
    z, a, _ = batch()
    penalty = DependencePenalty(distance_covariance2)
    torch.testing.assert_close(penalty(z, a[:, 0]), penalty(z, a[:, :1]))


def test_hsic_of_two_groups_is_their_mmd_up_to_a_constant():
    """Indicators at distance sqrt 2: HSIC = 2 p^2 q^2 (1 - exp(-1)) MMD^2, both biased."""
    z, _, _ = batch()
    s = torch.arange(30) % 3 == 0
    indicators = torch.stack([~s, s], 1).double()
    value = DependencePenalty(functools.partial(measure, estimator="biased"))(z, indicators)
    share = float(s.double().mean())
    constant = 2 * share**2 * (1 - share) ** 2 * (1 - math.exp(-1))
    expected = constant * mmd2(z[s], z[~s], bandwidth=1.0, estimator="biased")
    torch.testing.assert_close(value, expected)


def test_conditions_look_at_the_rows_that_meet_them():
    z, a, y = batch()
    rows = y[:, 0] == 1
    one = DependencePenalty(measure, notion=Notion("equal_opportunity", 0))
    torch.testing.assert_close(one(z, a, y), measure(z[rows], a[rows]))
    both = DependencePenalty(measure, notion=Notion("equalized_odds", 0, 2))
    torch.testing.assert_close(
        both(z, a, y), measure(z[rows], a[rows]) + measure(z[~rows], a[~rows])
    )


def test_a_condition_that_too_few_rows_meet_is_zero_and_counted():
    z, a, y = batch()
    z.requires_grad_()
    y = torch.zeros_like(y)
    y[:3] = 1
    penalty = DependencePenalty(measure, notion=Notion("equal_opportunity", 0))
    result = penalty.evaluate(z, a, y)
    result.value.backward()
    assert (float(result.value), int(result.absent)) == (0.0, 1)
    assert torch.equal(z.grad, torch.zeros_like(z))


def test_rows_that_are_not_finite_are_left_out_counted_or_named():
    z, a, _ = batch()
    z[4] = torch.nan
    kept = torch.isfinite(z).all(1)
    z.requires_grad_()
    result = DependencePenalty(measure).evaluate(z, a)
    result.value.backward()
    torch.testing.assert_close(result.value, measure(z[kept], a[kept]))
    assert int(result.nonfinite) == 1
    assert torch.isfinite(z.grad).all()
    with pytest.raises(NumericalError, match="1 of 30 rows"):
        DependencePenalty(measure, check_finite=True)(z, a)


def test_codes_are_refused():
    z, _, _ = batch()
    with pytest.raises(ValueError, match="codes have no order"):
        DependencePenalty(measure)(z, torch.arange(30))
