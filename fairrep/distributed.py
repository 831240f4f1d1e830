"""Sums and rows over all processes, differentiable; with one process, nothing happens.

Backward adds up what every process sends back. Averaging parameters' gradients over processes,
as DDP does, then gives the gradient of the processes' mean loss: a loss that each process
computes from gathered rows has the gradient of one process with all the rows.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


def process_count() -> int:
    """Number of processes that train together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def sum_over_processes(value: Tensor) -> Tensor:
    """Add up a tensor of the same shape on every process."""
    return value if process_count() == 1 else _Sum.apply(value)


def gather_rows(rows: Tensor) -> Tensor:
    """Stack the rows (n, …) of all processes, rank 0 first; n may differ between them."""
    if process_count() == 1:
        return rows
    sizes = _all_sizes(rows)
    padding = rows.new_zeros(max(sizes) - len(rows), *rows.shape[1:])
    parts = _Gather.apply(torch.cat([rows, padding]))  # (processes, largest n, …)
    return torch.cat([part[:size] for part, size in zip(parts, sizes)])


def _all_sizes(rows: Tensor) -> list[int]:
    sizes = torch.zeros(process_count(), dtype=torch.int64, device=rows.device)
    sizes[dist.get_rank()] = len(rows)
    dist.all_reduce(sizes)
    return sizes.tolist()


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        return _added(value)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return _added(gradient)


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:
        parts = [torch.empty_like(rows) for _ in range(process_count())]
        dist.all_gather(parts, rows.contiguous())
        return torch.stack(parts)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return _added(gradient)[dist.get_rank()]


def _added(value: Tensor) -> Tensor:
    total = value.clone(memory_format=torch.contiguous_format)
    dist.all_reduce(total)
    return total
