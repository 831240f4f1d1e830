"""Two and three processes with parts of a batch are one process with all of it."""

from __future__ import annotations

import functools

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from fairrep.distributed import gather_rows
from fairrep.encoders import BatchStandardise
from fairrep.functional import distance_covariance2, mmd2, sinkhorn_divergence, sliced_wasserstein2
from fairrep.penalties import DependencePenalty, GroupPenalty

SIZES = {2: (7, 4), 3: (5, 4, 2)}  # rows per process: uneven
GROUPS = ("a", "b")
CODES = torch.tensor([0, 0, 1, 0, 0, 0, 0, 1, 1, 1, 1])  # group 1 is missing from some processes
PENALTIES = {
    "mmd": GroupPenalty(functools.partial(mmd2, bandwidth=2.0), GROUPS),
    "sinkhorn": GroupPenalty(functools.partial(sinkhorn_divergence, blur=0.5, tol=1e-12), GROUPS),
    "sliced": GroupPenalty(sliced_wasserstein2, GROUPS),
    "distance covariance": DependencePenalty(distance_covariance2),
}


def layers():
    torch.manual_seed(0)
    linear = torch.nn.Linear(3, 4).double()
    return linear, BatchStandardise(4).double()


def rows():
    return torch.randn(11, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def penalise(name, z, own=slice(None)):
    """The penalty of the rows of all processes; each process draws the same random directions."""
    penalty = PENALTIES[name]
    penalty.reseed(0)
    s = CODES if penalty.reads == "s" else CODES.double()
    return penalty(gather_rows(z), gather_rows(s[own]))


def one_process(name):
    linear, normalise = layers()
    value = penalise(name, normalise(linear(rows())))
    value.backward()
    return value.detach(), linear.weight.grad, normalise.variance


def process(rank, world, address, results):
    """Try every penalty; global random numbers differ between processes."""
    dist.init_process_group("gloo", init_method=address, rank=rank, world_size=world)
    start = sum(SIZES[world][:rank])
    own = slice(start, start + SIZES[world][rank])
    torch.manual_seed(rank)
    for name in PENALTIES:
        linear, normalise = layers()
        value = penalise(name, normalise(linear(rows()[own])), own)
        value.backward()
        gradient = linear.weight.grad
        dist.all_reduce(gradient)  # as DDP does: the average over processes
        found = (value.item(), (gradient / world).tolist(), normalise.variance.tolist())
        results[name, rank] = found
    dist.destroy_process_group()


@pytest.mark.parametrize("world", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_value_and_gradient_equal_those_of_one_process(world, tmp_path):
    with mp.Manager() as manager:
        results = manager.dict()
        arguments = (world, f"file://{tmp_path}/meeting", results)
        mp.spawn(process, args=arguments, nprocs=world)
        found = dict(results)
    for (name, _), numbers in found.items():
        for other, one in zip(numbers, one_process(name), strict=True):
            other = torch.tensor(other, dtype=torch.float64)
            torch.testing.assert_close(other, one, rtol=1e-8, atol=1e-10)
    assert len(found) == world * len(PENALTIES)


def test_one_process_gathers_nothing():
    x = torch.ones(3, 2)
    assert gather_rows(x) is x
