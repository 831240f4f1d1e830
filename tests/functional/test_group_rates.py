"""Counts by group: they add over batches, and groups are known by value."""

from __future__ import annotations

import math

import pytest
import torch

from fairrep.functional import group_rates
from fairrep.functional.group_distributions import ks_distance, largest_ks_distance


def sample(n=300, groups=3, classes=2, seed=0):
    rng = torch.Generator().manual_seed(seed)
    draw = lambda k: torch.randint(0, k, (n,), generator=rng)  # noqa: E731
    return draw(classes), draw(classes).double(), draw(groups)


@pytest.mark.parametrize("classes", [2, 4])
def test_counts_of_batches_add_up_to_those_of_all_rows(classes):
    decision, target, group = sample(classes=classes)
    count = lambda rows: group_rates.group_confusion(  # noqa: E731
        decision[rows], target[rows], group[rows], classes=classes, groups=3
    )
    whole = count(slice(None))
    assert torch.equal(count(slice(0, 100)) + count(slice(100, 300)), whole)
    assert int(whole.sum()) == 300


def test_a_batch_with_only_the_last_group_is_credited_to_it():
    decision, target = torch.tensor([1, 1, 0]), torch.tensor([1.0, 0.0, 0.0])
    counts = group_rates.group_confusion(
        decision, target, torch.tensor([2, 2, 2]), classes=2, groups=3
    )
    assert counts[2].tolist() == [[1, 1], [0, 1]]
    assert int(counts[:2].sum()) == 0


def test_groups_without_rows_take_no_part_in_a_gap():
    counts = torch.zeros(3, 2, 2, dtype=torch.int64)
    counts[0] = torch.tensor([[6, 4], [0, 0]])  # P(decided 1) = .4
    counts[2] = torch.tensor([[9, 1], [0, 0]])  # .1
    assert float(group_rates.demographic_parity_difference(counts)) == pytest.approx(0.3)
    assert float(group_rates.demographic_parity_ratio(counts)) == pytest.approx(0.25)


def test_one_group_alone_has_no_gap():
    counts = torch.zeros(2, 2, 2, dtype=torch.int64)
    counts[1] = 5
    assert math.isnan(group_rates.demographic_parity_difference(counts))


def test_ks_distance_of_disjoint_and_equal_samples():
    x = torch.tensor([1.0, 2.0, 3.0])
    assert float(ks_distance(x, x + 10)) == 1
    assert float(ks_distance(x, x.repeat(5))) == 0
    with pytest.raises(ValueError, match="rows on both sides"):
        ks_distance(x, x[:0])


def test_largest_ks_distance_is_over_pairs_of_groups_present():
    values = torch.tensor([0.0, 0.0, 1.0, 1.0, 0.0, 1.0])
    group = torch.tensor([0, 0, 2, 2, 3, 3])
    assert float(largest_ks_distance(values, group, groups=4)) == 1
    assert float(largest_ks_distance(values[2:], group[2:], groups=4)) == 0.5
    assert math.isnan(largest_ks_distance(values[:2], group[:2], groups=4))
