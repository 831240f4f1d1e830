"""The input layer: numbers pass, codes become one-hot, unseen codes become zeros."""

from __future__ import annotations

import torch
from torch.func import vmap

from fairrep.encoders import OneHotInput

INPUTS = OneHotInput([0, 3, 0, 2])
X = torch.tensor([[0.5, 2.0, -1.0, 0.0], [1.5, 0.0, 4.0, 1.0]])


def test_numbers_come_first_then_one_column_per_category():
    assert INPUTS.width == 7
    assert INPUTS(X).tolist() == [[0.5, -1.0, 0, 0, 1, 1, 0], [1.5, 4.0, 1, 0, 0, 0, 1]]


def test_an_unseen_code_gives_zeros_for_its_column_only():
    x = torch.tensor([[0.5, -1.0, -1.0, 1.0]])
    assert INPUTS(x).tolist() == [[0.5, -1.0, 0, 0, 0, 0, 1]]


def test_vmap_gives_the_rows_of_the_plain_call():
    x = torch.stack([X, X.flip(0), torch.full_like(X, -1)])
    assert torch.equal(vmap(INPUTS)(x), torch.stack([INPUTS(part) for part in x]))


def test_the_buffers_are_rebuilt_and_never_saved():
    assert INPUTS.state_dict() == {}


def test_only_numbers_and_only_categories_work():
    assert OneHotInput([0, 0])(X[:, :2]).shape == (2, 2)
    assert OneHotInput([3, 2])(torch.tensor([[2.0, 1.0]])).tolist() == [[0, 0, 1, 0, 1]]
