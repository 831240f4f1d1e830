"""The penalty is of the global batch: rows of all processes, differentiable in each."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.nn.functional import all_gather


def gather_rows(rows: Tensor) -> Tensor:
    """Stack the rows of all processes (rank 0 first); the rows themselves with one process.

    Processes may hold different numbers of rows. Gradients flow back to the process that a row
    came from, summed over the processes that used it; averaging parameters' gradients over
    processes, as DDP does, then gives the gradient of one process with all the rows.
    """
    if not (dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1):
        return rows
    sizes = _all_sizes(rows)
    padding = rows.new_zeros(max(sizes) - len(rows), *rows.shape[1:])
    padded = torch.cat([rows, padding]).contiguous()
    if rows.requires_grad:
        parts = list(all_gather(padded))
    else:
        parts = [torch.empty_like(padded) for _ in sizes]
        dist.all_gather(parts, padded)
    return torch.cat([part[:size] for part, size in zip(parts, sizes)])


def _all_sizes(rows: Tensor) -> list[int]:
    own = torch.tensor([len(rows)], device=rows.device)
    sizes = [torch.zeros_like(own) for _ in range(dist.get_world_size())]
    dist.all_gather(sizes, own)
    return [int(size) for size in sizes]
