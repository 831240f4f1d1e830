"""A mixture is the weighted sum of its parts, each with what it needs."""

import functools

import pytest
import torch

from fairrep import functional as F

PARTS = {
    "mean": F.mean_difference2,
    "sliced": functools.partial(F.sliced_wasserstein2, projections=3),
    "mmd": functools.partial(F.mmd2, bandwidth=1.0),
}


def clouds():
    draws = torch.Generator().manual_seed(0)
    x, y = torch.randn(20, 3, generator=draws), torch.randn(30, 3, generator=draws) + 1
    return x.requires_grad_(), y, torch.rand(20, generator=draws)


def test_value_and_gradient_are_the_weighted_sums_of_the_parts():
    x, y, a = clouds()
    seeded = lambda: torch.Generator().manual_seed(1)  # noqa: E731
    shares = {"mean": 0.5, "sliced": 2.0, "mmd": 10.0}
    value = F.mixture(x, y, parts=PARTS, shares=shares, generator=seeded(), a=a)
    by_hand = (
        0.5 * F.mean_difference2(x, y, a=a)
        + 2 * F.sliced_wasserstein2(x, y, projections=3, generator=seeded(), a=a)
        + 10 * F.mmd2(x, y, bandwidth=1.0, a=a)
    )
    torch.testing.assert_close(value, by_hand)
    gradients = [torch.autograd.grad(v, x, retain_graph=True)[0] for v in (value, by_hand)]
    torch.testing.assert_close(*gradients)


def test_a_part_without_a_share_is_not_computed():
    x, y, _ = clouds()
    parts = {"mean": F.mean_difference2, "broken": lambda *_, **__: pytest.fail("was called")}
    value = F.mixture(x, y, parts=parts, shares={"mean": 1.0, "broken": 0.0})
    torch.testing.assert_close(value, F.mean_difference2(x, y))


@pytest.mark.parametrize(
    "shares", [{"mean": 1.0}, {"mean": -1.0, "sliced": 1, "mmd": 1}, dict.fromkeys(PARTS, 0.0)]
)
def test_shares_of_other_parts_or_of_nothing_are_refused(shares):
    x, y, _ = clouds()
    with pytest.raises(ValueError, match="shares must"):
        F.mixture(x, y, parts=PARTS, shares=shares)
