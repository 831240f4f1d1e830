"""Penalties of several models' batches at once."""

from __future__ import annotations

import functools

import pytest
import torch

from fairrep.functional import distance_covariance2, hsic, mmd2, sinkhorn_divergence
from fairrep.penalties import DependencePenalty, GroupPenalty, Notion
from fairrep.penalties.penalty import fingerprint
from fairrep.types import AttributeSpec

COUNTS = (12, 9, 1)
ATTRIBUTES = [
    AttributeSpec("one", ("a", "b"), (0, 0, 1)),
    AttributeSpec("two", ("c", "d"), (0, 1, 1)),
]
GROUPS = functools.partial(GroupPenalty, groups=("x", "y", "z"), attributes=ATTRIBUTES)
PENALTIES = {
    "pairs": GROUPS(functools.partial(mmd2, bandwidth=1.0)),
    "pooled": GROUPS(functools.partial(sinkhorn_divergence, blur=0.5), pairs="pooled"),
    "sum": GROUPS(functools.partial(mmd2, bandwidth=1.0), combine="sum"),
    "odds": GROUPS(
        functools.partial(mmd2, bandwidth=1.0), notion=Notion("equalized_odds", column=1)
    ),
    "hsic": DependencePenalty(functools.partial(hsic, bandwidth_z=1.0, bandwidth_s=1.0)),
    "covariance": DependencePenalty(
        distance_covariance2, notion=Notion("equal_opportunity"), min_rows=5
    ),
}


@pytest.mark.parametrize("name", PENALTIES)
def test_a_stack_of_batches_is_a_loop_over_them(name):
    """One model's z holds a row that is not finite, and its labels leave few rows to compare."""
    penalty, rng = PENALTIES[name], torch.Generator().manual_seed(0)
    z = torch.randn(3, 22, 4, generator=rng, dtype=torch.float64)
    z[1, 3] = torch.nan
    y = (torch.rand(3, 22, 2, generator=rng) < 0.5).double()
    y[2] = 0
    y[2, :2] = 1
    s = torch.repeat_interleave(torch.arange(3), torch.tensor(COUNTS)).expand(3, -1)
    read = s if penalty.reads == "s" else torch.nn.functional.one_hot(s).double()
    together = penalty.evaluate(z, read, y, counts=COUNTS)
    for k in range(3):
        alone = penalty.evaluate(z[k], read[k], y[k], counts=COUNTS)
        torch.testing.assert_close(together.value[k], alone.value)
        assert int(together.absent[k]) == int(alone.absent)
        assert int(together.nonfinite[k]) == int(alone.nonfinite) == (k == 1)


def test_equal_settings_have_equal_fingerprints_whatever_was_drawn():
    one, other = (GROUPS(functools.partial(mmd2, bandwidth=1.0)) for _ in range(2))
    one.reseed(3)
    assert fingerprint(one) == fingerprint(other) == fingerprint(PENALTIES["pairs"])
    different = [fingerprint(penalty) for penalty in PENALTIES.values()]
    different += [fingerprint(None), fingerprint(GROUPS(functools.partial(mmd2, bandwidth=2.0)))]
    assert len(set(different)) == len(different)
