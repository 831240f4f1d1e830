"""Two and three processes with parts of a batch are one process with all of it."""

from __future__ import annotations

import functools

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from fairrep.distributed import gather_rows
from fairrep.encoders import BatchStandardise
from fairrep.functional import mmd2
from fairrep.penalties import GroupPenalty

SIZES = {2: (7, 4), 3: (5, 4, 2)}  # rows per process: uneven
GROUPS = ("a", "b")
CODES = torch.tensor([0, 0, 1, 0, 0, 0, 0, 1, 1, 1, 1])  # group 1 is missing from some processes
penalty = GroupPenalty(functools.partial(mmd2, bandwidth=2.0), GROUPS)


def layers():
    torch.manual_seed(0)
    linear = torch.nn.Linear(3, 4).double()
    return linear, BatchStandardise(4).double()


def rows():
    return torch.randn(11, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def one_process():
    linear, normalise = layers()
    value = penalty(normalise(linear(rows())), CODES)
    value.backward()
    return value.detach(), linear.weight.grad, normalise.variance


def process(rank, world, address, results):
    dist.init_process_group("gloo", init_method=address, rank=rank, world_size=world)
    start = sum(SIZES[world][:rank])
    own = slice(start, start + SIZES[world][rank])
    linear, normalise = layers()
    z = normalise(linear(rows()[own]))
    value = penalty(gather_rows(z), gather_rows(CODES[own]))
    value.backward()
    gradient = linear.weight.grad
    dist.all_reduce(gradient)  # as DDP does: the average over processes
    results[rank] = (value.item(), (gradient / world).tolist(), normalise.variance.tolist())
    dist.destroy_process_group()


@pytest.mark.parametrize("world", [2, 3])
def test_value_and_gradient_equal_those_of_one_process(world, tmp_path):
    with mp.Manager() as manager:
        results = manager.dict()
        arguments = (world, f"file://{tmp_path}/meeting", results)
        mp.spawn(process, args=arguments, nprocs=world)
        found = dict(results)
    value, gradient, variance = one_process()
    for rank in range(world):
        for one, other in zip(found[rank], (value, gradient, variance)):
            one = torch.tensor(one, dtype=torch.float64)
            torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-14)


def test_one_process_gathers_nothing():
    x = torch.ones(3, 2)
    assert gather_rows(x) is x
