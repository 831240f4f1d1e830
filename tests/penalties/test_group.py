"""GroupPenalty against sums written out by hand."""

from __future__ import annotations

import functools
from itertools import combinations

import pytest
import torch

from fairrep.errors import NumericalError
from fairrep.functional import (
    mean_difference2,
    mmd2,
    sinkhorn_divergence,
    sliced_wasserstein2,
)
from fairrep.penalties import GroupPenalty, Notion
from fairrep.types import AttributeSpec

GROUPS = ("a", "b", "c")
mmd = functools.partial(mmd2, bandwidth=1.0)


def batch(counts, *, seed=0, d=3):
    rng = torch.Generator().manual_seed(seed)
    n = sum(counts)
    z = torch.randn(n, d, generator=rng, dtype=torch.float64)
    s = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    y = torch.randint(0, 2, (n, 1), generator=rng).double()
    return z, s, y


def test_all_pairs_is_the_sum_over_pairs():
    z, s, _ = batch((5, 7, 4))
    parts = [z[s == g] for g in range(3)]
    expected = sum(mmd(x, y) for x, y in combinations(parts, 2))
    torch.testing.assert_close(GroupPenalty(mmd, GROUPS)(z, s, counts=(5, 7, 4)), expected)


def test_pooled_compares_each_group_with_all_rows():
    z, s, _ = batch((5, 7, 4))
    expected = sum(mmd(z[s == g], z) for g in range(3))
    value = GroupPenalty(mmd, GROUPS, pairs="pooled")(z, s, counts=(5, 7, 4))
    torch.testing.assert_close(value, expected)


def test_order_of_rows_does_not_matter():
    z, s, y = batch((5, 7, 4))
    order = torch.randperm(len(z), generator=torch.Generator().manual_seed(1))
    for notion in (Notion(), Notion("equalized_odds", 0, 2)):
        penalty = GroupPenalty(mmd, GROUPS, notion=notion)
        sorted_value = penalty(z, s, y, counts=(5, 7, 4))
        torch.testing.assert_close(penalty(z[order], s[order], y[order]), sorted_value)


def test_groups_are_known_by_value_not_by_position():
    """A batch that holds only the last two groups compares those two, not the first two."""
    z, s, _ = batch((0, 7, 4))
    expected = mmd(z[s == 1], z[s == 2])
    torch.testing.assert_close(GroupPenalty(mmd, GROUPS)(z, s), expected)


def test_rows_of_unknown_groups_are_ignored():
    z, s, _ = batch((5, 7, 4))
    strange = torch.cat([torch.full((3, 3), 9.0, dtype=z.dtype), z])
    codes = torch.cat([torch.full((3,), -1), s])
    penalty = GroupPenalty(mmd, GROUPS)
    torch.testing.assert_close(penalty(strange, codes), penalty(z, s, counts=(5, 7, 4)))


@pytest.mark.parametrize("counts", [(5, 1, 4), (5, 0, 4), (1, 1, 1)])
def test_small_groups_contribute_exactly_zero_and_are_counted(counts):
    z, s, _ = batch(counts)
    z.requires_grad_()
    result = GroupPenalty(mmd, GROUPS, min_rows=2).evaluate(z, s, counts=counts)
    large = [g for g in range(3) if counts[g] >= 2]
    terms = [mmd(z[s == a], z[s == b]) for a, b in combinations(large, 2)]
    expected = sum(terms, start=0 * z.sum())
    torch.testing.assert_close(result.value, expected)
    assert int(result.absent) == 3 - len(list(combinations(large, 2)))


def test_equal_opportunity_compares_the_positives():
    z, s, y = batch((9, 8))
    positive = y[:, 0] == 1
    expected = mmd(z[positive & (s == 0)], z[positive & (s == 1)])
    penalty = GroupPenalty(mmd, GROUPS[:2], notion=Notion("equal_opportunity", 0))
    torch.testing.assert_close(penalty(z, s, y, counts=(9, 8)), expected)


def test_equalized_odds_adds_the_classes():
    z, s, y = batch((9, 8))
    expected = sum(mmd(z[(y[:, 0] == k) & (s == 0)], z[(y[:, 0] == k) & (s == 1)]) for k in (0, 1))
    penalty = GroupPenalty(mmd, GROUPS[:2], notion=Notion("equalized_odds", 0, 2))
    torch.testing.assert_close(penalty(z, s, y, counts=(9, 8)), expected)


@pytest.mark.parametrize(
    "divergence",
    [mmd, mean_difference2, functools.partial(sinkhorn_divergence, blur=1.0)],
    ids=["mmd", "mean", "sinkhorn"],
)
def test_a_condition_that_no_row_meets_gives_zero_and_a_zero_gradient(divergence):
    z, s, y = batch((6, 5))
    z.requires_grad_()
    y = torch.full_like(y, torch.nan)
    penalty = GroupPenalty(divergence, GROUPS[:2], notion=Notion("equal_opportunity", 0))
    result = penalty.evaluate(z, s, y, counts=(6, 5))
    result.value.backward()
    assert result.value.item() == 0
    assert int(result.absent) == 1
    assert torch.equal(z.grad, torch.zeros_like(z))


def test_counts_and_values_follow_the_notion_with_missing_labels():
    """Rows without a label take no part in a condition on it."""
    z, s, y = batch((9, 8))
    y[::3] = torch.nan
    keep = ~torch.isnan(y[:, 0])
    penalty = GroupPenalty(mmd, GROUPS[:2], notion=Notion("equalized_odds", 0, 2))
    torch.testing.assert_close(penalty(z, s, y), penalty(z[keep], s[keep], y[keep]))


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"pairs": "some"}, "pairs must be"),
        ({"min_rows": 0}, "min_rows must be"),
        ({"combine": "product"}, "combine must be"),
        ({"combine": "sum"}, "give `attributes`"),
    ],
)
def test_settings_out_of_range_are_refused(kwargs, message):
    with pytest.raises(ValueError, match=message):
        GroupPenalty(mmd, GROUPS, **kwargs)


def test_notions_that_need_labels_say_so():
    z, s, _ = batch((4, 4))
    penalty = GroupPenalty(mmd, GROUPS[:2], notion=Notion("equal_opportunity", 0))
    with pytest.raises(ValueError, match="pass y"):
        penalty(z, s, counts=(4, 4))
    with pytest.raises(ValueError, match="notion must be one of"):
        Notion("fairness")


SEX_BY_RACE = ("f & x", "f & y", "f & z", "m & x", "m & z")  # no row is m & y
ATTRIBUTES = (
    AttributeSpec("sex", ("f", "m"), (0, 0, 0, 1, 1)),
    AttributeSpec("race", ("x", "y", "z"), (0, 1, 2, 0, 2)),
)


@pytest.mark.parametrize("pairs", ["all", "pooled"])
def test_a_sum_over_attributes_compares_each_ones_own_groups(pairs):
    counts = (5, 4, 6, 7, 3)
    z, s, _ = batch(counts)
    expected = 0.0
    for attribute in ATTRIBUTES:
        own = torch.tensor(attribute.of_group)[s]
        parts = [z[own == k] for k in range(len(attribute.groups))]
        chosen = combinations(parts, 2) if pairs == "all" else ((part, z) for part in parts)
        expected = expected + sum(mmd(x, y) for x, y in chosen)
    penalty = GroupPenalty(mmd, SEX_BY_RACE, pairs=pairs, combine="sum", attributes=ATTRIBUTES)
    torch.testing.assert_close(penalty(z, s, counts=counts), expected)


def test_intersections_are_the_groups_themselves():
    counts = (5, 4, 6, 7, 3)
    z, s, _ = batch(counts)
    plain = GroupPenalty(mmd, SEX_BY_RACE)(z, s, counts=counts)
    assert GroupPenalty(mmd, SEX_BY_RACE, attributes=ATTRIBUTES)(z, s, counts=counts) == plain


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
@pytest.mark.parametrize(
    "divergence",
    [mmd, mean_difference2, functools.partial(sinkhorn_divergence, blur=1.0)],
    ids=["mmd", "mean", "sinkhorn"],
)
def test_rows_that_are_not_finite_are_left_out_and_counted(bad, divergence):
    z, s, _ = batch((6, 7))
    z[2, 1], z[9, 0] = bad, -bad
    kept = torch.isfinite(z).all(1)
    z.requires_grad_()
    penalty = GroupPenalty(divergence, GROUPS[:2])
    result = penalty.evaluate(z, s, counts=(6, 7))
    result.value.backward()
    assert int(result.nonfinite) == 2
    torch.testing.assert_close(result.value, penalty(z[kept], s[kept], counts=(5, 6)))
    assert torch.equal(z.grad[~kept], torch.zeros(2, 3, dtype=z.dtype))
    assert torch.isfinite(z.grad).all()


def test_too_few_finite_rows_are_an_absent_group():
    z, s, _ = batch((3, 7))
    z[:2] = torch.nan
    result = GroupPenalty(mmd, GROUPS[:2]).evaluate(z, s, counts=(3, 7))
    assert (float(result.value), int(result.absent), int(result.nonfinite)) == (0.0, 1, 2)


def test_check_finite_names_z_and_the_number_of_rows():
    z, s, _ = batch((3, 7))
    z[:2] = torch.nan
    penalty = GroupPenalty(mmd, GROUPS[:2], check_finite=True)
    with pytest.raises(NumericalError, match="z must be finite, but 2 of 10 rows"):
        penalty(z, s, counts=(3, 7))


def test_autocast_and_half_precision_do_not_round_the_comparison():
    z, s, _ = batch((40, 50), d=8)
    half = z.to(torch.bfloat16)
    exact = GroupPenalty(mmd, GROUPS[:2])(half.double(), s, counts=(40, 50)).float()
    with torch.autocast("cpu", torch.bfloat16):
        value = GroupPenalty(mmd, GROUPS[:2])(half, s, counts=(40, 50))
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, exact, rtol=1e-4, atol=1e-6)


def test_random_directions_come_from_a_stream_of_their_own():
    z, s, _ = batch((20, 30))
    penalty = GroupPenalty(functools.partial(sliced_wasserstein2, projections=3), GROUPS[:2])

    def two_values(seed):
        penalty.reseed(seed)
        return [float(penalty(z, s, counts=(20, 30))) for _ in range(2)]

    before = torch.get_rng_state()
    first = two_values(1)
    assert first[0] != first[1]
    assert two_values(1) == first
    assert two_values(2) != first
    assert torch.equal(torch.get_rng_state(), before)
