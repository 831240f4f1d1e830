"""Batches by index hand out the very rows that the sampler names."""

from __future__ import annotations

import numpy as np
import torch

from fairrep.data import IndexLoader, Rows, StratifiedSampler

S = torch.tensor([0, 1] * 10)
ROWS = Rows(
    x=torch.arange(40.0).view(20, 2),
    y=torch.stack([torch.arange(20.0), torch.full((20,), torch.nan)], dim=1),
    s=S,
    a=torch.nn.functional.one_hot(S).float(),
    index=np.arange(20),
)


def loader(tasks: int = 2) -> IndexLoader:
    sampler = StratifiedSampler(S, groups=2, batch_size=6, seed=0)
    return IndexLoader(ROWS, sampler, tasks=tasks)


def test_x_y_s_of_a_batch_belong_to_the_same_rows():
    for batch in loader():
        rows = batch.y[:, 0].long()
        assert torch.equal(batch.x, ROWS.x[rows])
        assert torch.equal(batch.s, S[rows])


def test_rows_come_ordered_by_group_with_their_counts():
    for batch in loader():
        assert torch.equal(batch.s, batch.s.sort().values)
        assert batch.counts == (3, 3)


def test_only_the_leading_tasks_are_handed_out():
    assert next(iter(loader(tasks=1))).y.shape == (6, 1)


def test_a_missing_label_stays_nan():
    assert torch.isnan(next(iter(loader())).y[:, 1]).all()


def test_weights_are_those_of_the_rows_groups():
    built = loader()
    batch = next(iter(built))
    assert torch.equal(batch.weight, built.sampler.group_weights[batch.s])


def test_length_is_the_samplers():
    assert len(loader()) == len(list(loader())) == 3
