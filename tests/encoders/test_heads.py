"""Heads: one block of outputs per task, side by side, started where they are told."""

from __future__ import annotations

import pytest
import torch

from fairrep.encoders import MultitaskHeads
from fairrep.types import TaskSpec

TASKS = [
    TaskSpec("bit", "binary", ("no", "yes")),
    TaskSpec("level", "multiclass", ("a", "b", "c")),
    TaskSpec("money", "regression"),
]
Z = torch.randn(7, 4, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("hidden", [[], [6], [6, 5]])
def test_outputs_are_one_logit_k_logits_and_one_number(hidden):
    heads = MultitaskHeads(TASKS, 4, hidden=hidden)
    assert heads.sizes == [1, 3, 1]
    assert heads(Z).shape == (7, 5)


def test_linear_heads_are_one_matrix():
    heads = MultitaskHeads(TASKS, 4, hidden=[])
    (layer,) = heads.heads
    torch.testing.assert_close(heads(Z), Z @ layer.weight.T + layer.bias)


def test_a_head_with_hidden_units_reads_nothing_of_the_others():
    heads = MultitaskHeads(TASKS, 4, hidden=[6])
    before = heads(Z)
    with torch.no_grad():
        for parameter in heads.heads[1].parameters():
            parameter.zero_()
    after = heads(Z)
    assert torch.equal(after[:, [0, 4]], before[:, [0, 4]])
    assert (after[:, 1:4] == 0).all()


@pytest.mark.parametrize("hidden", [[], [6]])
def test_the_last_biases_start_where_they_are_told(hidden):
    heads = MultitaskHeads(TASKS, 4, hidden=hidden)
    start = torch.tensor([-1.0, 0.1, 0.2, 0.3, 5.0])
    at_zero = heads(torch.zeros(1, 4)) if not hidden else None
    heads.start_at(start)
    biases = torch.cat([(h[-1] if hidden else h).bias for h in heads.heads])
    assert torch.equal(biases, start)
    assert at_zero is None or torch.equal(heads(torch.zeros(1, 4))[0], start)
