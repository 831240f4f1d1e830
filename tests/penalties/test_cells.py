"""CellPenalty: total variation of running shares, with the gradient of the newest batch."""

from __future__ import annotations

import pytest
import torch

from fairrep.functional import cell_total_variation
from fairrep.penalties import CellPenalty, GroupPenalty, Notion
from fairrep.penalties.penalty import fingerprint

GROUPS = ("a", "b", "c")
COUNTS = (30, 20, 10)


def batch(seed, *, models=()):
    generator = torch.Generator().manual_seed(seed)
    q = torch.randn(*models, 60, 4, generator=generator, dtype=torch.float64).softmax(-1)
    s = torch.repeat_interleave(torch.arange(3), torch.tensor(COUNTS))
    y = torch.randint(2, (60, 1), generator=generator).double()
    return q, s, y


@pytest.mark.parametrize("notion", [Notion(), Notion("equalized_odds", 0, 2)])
@pytest.mark.parametrize("pairs", ["all", "pooled"])
def test_without_memory_it_is_the_sum_over_comparisons_of_the_batch(notion, pairs):
    options = {"notion": notion, "pairs": pairs}
    q, s, y = batch(0)
    expected = GroupPenalty(cell_total_variation, GROUPS, **options)(q, s, y, counts=COUNTS)
    penalty = CellPenalty(GROUPS, memory=0.0, hard=False, **options)
    penalty(*batch(1), counts=COUNTS)
    torch.testing.assert_close(penalty(q, s, y, counts=COUNTS), expected)


def test_memory_averages_the_shares_of_all_batches_newer_ones_more():
    penalty = CellPenalty(GROUPS[:2], memory=0.5, hard=False)
    batches = [batch(seed)[0][:50] for seed in range(3)]
    for q in batches:
        value = penalty(q, torch.zeros(0), counts=COUNTS[:2])
    shares = torch.stack([torch.stack([q[:30].mean(0), q[30:].mean(0)]) for q in batches])
    weights = torch.tensor([0.25, 0.5, 1.0], dtype=torch.float64)
    mean = (weights[:, None, None] * shares).sum(0) / weights.sum()
    torch.testing.assert_close(value, 0.5 * (mean[0] - mean[1]).abs().sum())


def test_the_gradient_is_that_of_the_average_with_the_batch_at_full_weight():
    penalty = CellPenalty(GROUPS[:2], memory=0.9, hard=False)
    first, q = batch(0)[0][:50], batch(1)[0][:50].requires_grad_()
    penalty(first, torch.zeros(0), counts=COUNTS[:2])
    (gradient,) = torch.autograd.grad(penalty(q, torch.zeros(0), counts=COUNTS[:2]), q)
    total = 0.9 * torch.stack([first[:30].mean(0), first[30:].mean(0)])
    total = total + torch.stack([q[:30].mean(0), q[30:].mean(0)])
    sign = (total[0] - total[1]).sign().detach() / 2
    torch.testing.assert_close(gradient[:30], (sign / 30).expand(30, -1))
    torch.testing.assert_close(gradient[30:], (-sign / 20).expand(20, -1))


def test_running_shares_leave_less_of_the_noise_between_equal_groups():
    """Rows of one law on 8 cells: a batch of 50 + 50 shows a TV that a running average does not."""
    generator = torch.Generator().manual_seed(0)

    def last(memory):
        penalty = CellPenalty(GROUPS[:2], memory=memory, hard=False)
        for _ in range(60):
            q = torch.eye(8)[torch.randint(8, (100,), generator=generator)]
            value = penalty(q, torch.zeros(0), counts=(50, 50))
        return float(value)

    alone, averaged = (sum(last(memory) for _ in range(20)) / 20 for memory in (0.0, 0.9))
    assert abs(alone / (8 * (2 / 50) / (2 * torch.pi)) ** 0.5 - 1) < 0.15  # sqrt(K(1/n+1/m)/2π)
    assert 0.15 < averaged / alone < 0.35  # sqrt((1 - 0.9) / (1 + 0.9)) = 0.23


def test_reseeding_starts_anew_and_settings_stay_comparable():
    penalty, fresh = (
        CellPenalty(GROUPS, memory=0.9, hard=False),
        CellPenalty(GROUPS, memory=0.9, hard=False),
    )
    penalty(*batch(0), counts=COUNTS)
    assert (
        fingerprint(penalty)
        == fingerprint(fresh)
        != fingerprint(CellPenalty(GROUPS, memory=0, hard=False))
    )
    penalty.reseed(7)
    torch.testing.assert_close(
        penalty(*batch(1), counts=COUNTS), fresh(*batch(1), counts=COUNTS), rtol=0, atol=0
    )


def test_models_side_by_side_have_averages_of_their_own():
    penalty, singles = CellPenalty(GROUPS, memory=0.9, hard=False), []
    q0, s, _ = batch(0, models=(2,))
    q1, _, _ = batch(1, models=(2,))
    for q in (q0, q1):
        together = penalty.evaluate(q, s.expand(2, -1), counts=COUNTS).value
    for k in range(2):
        alone = CellPenalty(GROUPS, memory=0.9, hard=False)
        alone(q0[k], s, counts=COUNTS)
        singles.append(alone(q1[k], s, counts=COUNTS))
    torch.testing.assert_close(together, torch.stack(singles))


def test_hard_counts_the_most_probable_cells_with_the_gradient_of_the_probabilities():
    """Probabilities of equal mean whose most probable cells are all different."""
    q = torch.tensor([[0.6, 0.4], [0.6, 0.4], [0.9, 0.1], [0.3, 0.7]], dtype=torch.float64)
    q, s = q.requires_grad_(), torch.tensor([0, 0, 1, 1])
    values, gradients = {}, {}
    for hard in (False, True):
        penalty = CellPenalty(GROUPS[:2], memory=0.0, hard=hard)
        values[hard] = penalty(q, s, counts=(2, 2))
        (gradients[hard],) = torch.autograd.grad(values[hard], q)
    assert values[False].item() == pytest.approx(0, abs=1e-12)
    assert values[True].item() == pytest.approx(0.5)  # cell 0: both, one of two
    expected = torch.tensor([[0.25, -0.25]] * 2 + [[-0.25, 0.25]] * 2, dtype=torch.float64)
    torch.testing.assert_close(gradients[True], expected)


def test_memory_out_of_range_is_refused():
    with pytest.raises(ValueError, match=r"memory must lie in \[0, 1\), got 1"):
        CellPenalty(GROUPS, memory=1, hard=False)
