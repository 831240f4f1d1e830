"""Samplers: promised counts, order by group, coverage, seeds, ranks, weights."""

from __future__ import annotations

import math

import pytest
import torch

from fairrep.data import OrderedSampler, StratifiedSampler
from fairrep.data.samplers import allocate
from fairrep.errors import ConfigError

S = torch.tensor([0] * 70 + [1] * 25 + [2] * 5)[torch.randperm(100, generator=torch.Generator())]


def sampler(s=S, **options):
    return StratifiedSampler(
        s, **{"groups": int(s.max()) + 1, "batch_size": 20, "seed": 0} | options
    )


def batches(sampler, epoch=0):
    sampler.set_epoch(epoch)
    return [batch.rows for batch in sampler]


@pytest.mark.parametrize("allocation", ["proportional", "equal"])
@pytest.mark.parametrize("batch_size", [7, 20, 64, 100, 1000])
def test_every_batch_holds_the_promised_rows_of_each_group_ordered_by_group(batch_size, allocation):
    drawn = sampler(batch_size=batch_size, allocation=allocation)
    for rows, counts in drawn:
        assert counts == drawn.counts
        assert S[rows].tolist() == [g for g, count in enumerate(counts) for _ in range(count)]


def test_proportional_counts_are_the_groups_shares():
    assert sampler().counts == (13, 5, 2)  # the largest gives the smallest its second row
    assert sampler(min_rows=1).counts == (14, 5, 1)


def test_equal_counts_do_not_depend_on_the_groups_sizes():
    assert sampler(batch_size=21, allocation="equal").counts == (7, 7, 7)


@pytest.mark.parametrize("batch_size", [3, 10, 17, 100])
@pytest.mark.parametrize("sizes", [[70, 25, 5], [1, 1], [10_000, 3], [5] * 8])
def test_allocation_sums_to_the_batch_unless_the_minimum_needs_more(sizes, batch_size):
    counts = allocate(sizes, batch_size, min_rows=2, allocation="proportional")
    assert min(counts) >= 2
    assert sum(counts) == max(batch_size, 2 * len(sizes))


def test_an_epoch_covers_every_row_where_the_shares_are_whole():
    s = torch.tensor([0] * 60 + [1] * 40)
    rows = torch.cat(batches(sampler(s, batch_size=20)))
    assert sorted(rows.tolist()) == list(range(100))


def test_a_group_is_exhausted_before_any_of_its_rows_comes_again():
    rows = torch.cat(batches(sampler(allocation="equal", batch_size=21)))
    smallest = rows[S[rows] == 2]  # 28 draws from 5 rows
    for start in range(0, len(smallest) - 4, 5):
        assert len(set(smallest[start : start + 5].tolist())) == 5


def test_batches_depend_on_seed_and_epoch_alone():
    fresh, used = sampler(), sampler()
    for epoch in range(3):
        batches(used, epoch)
    torch.testing.assert_close(batches(fresh, 2), batches(used, 2))
    assert not torch.equal(batches(fresh, 2)[0], batches(fresh, 3)[0])
    assert not torch.equal(batches(fresh, 2)[0], batches(sampler(seed=1), 2)[0])


def test_the_global_random_state_neither_matters_nor_moves():
    torch.manual_seed(1)
    first, state = batches(sampler()), torch.get_rng_state()
    torch.manual_seed(2)
    torch.testing.assert_close(first, batches(sampler()))
    torch.manual_seed(1)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("world_size", [2, 3])
def test_the_ranks_together_hold_the_batch_of_one_process(world_size):
    ranks = [batches(sampler(rank=r, world_size=world_size)) for r in range(world_size)]
    for alone, *shares in zip(batches(sampler()), *ranks):
        assert sorted(torch.cat(shares).tolist()) == sorted(alone.tolist())


@pytest.mark.parametrize("allocation", ["proportional", "equal"])
def test_weighted_batch_means_are_unbiased_for_the_population_mean(allocation):
    """Each group's draws are uniform, so the error is that of the mean over epochs."""
    value = S * 10.0 + torch.arange(100) * 0.01
    drawn = sampler(allocation=allocation)
    means = torch.stack(
        [
            (value[rows] * drawn.group_weights[S[rows]]).mean()
            for epoch in range(200)
            for rows in batches(drawn, epoch)
        ]
    )
    bound = 4 * means.std() / math.sqrt(len(means)) + 1e-5
    assert abs(means.mean() - value.mean()) < bound


def test_the_weights_of_a_batch_sum_to_its_rows():
    drawn = sampler(allocation="equal")
    total = sum(w * c for w, c in zip(drawn.group_weights.tolist(), drawn.counts))
    assert total == pytest.approx(sum(drawn.counts))


def test_a_batch_size_below_one_and_an_unknown_allocation_are_refused():
    with pytest.raises(ConfigError, match=r"batch_size must be at least 1, got 0"):
        sampler(batch_size=0)
    with pytest.raises(ConfigError, match=r"allocation.*'fair'"):
        sampler(allocation="fair")


@pytest.mark.parametrize("batch_size", [1, 7, 50, 1000])
def test_ordered_batches_visit_each_row_of_a_known_group_once(batch_size):
    s = S.clone()
    s[::9] = -1
    drawn = OrderedSampler(s, groups=3, batch_size=batch_size)
    rows = torch.cat([batch.rows for batch in drawn])
    assert sorted(rows.tolist()) == torch.nonzero(s >= 0).flatten().tolist()
    assert len(list(drawn)) == len(drawn) == math.ceil(100 / batch_size)


def test_ordered_batches_share_out_every_group_and_say_how():
    for rows, counts in OrderedSampler(S, groups=3, batch_size=25):
        assert S[rows].tolist() == [g for g, count in enumerate(counts) for _ in range(count)]
        assert counts[0] in (17, 18)
        assert counts[1] in (6, 7)
        assert counts[2] in (1, 2)
