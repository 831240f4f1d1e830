"""Which models take a step side by side, and what a stack needs in memory."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from itertools import pairwise

import torch

from fairrep.errors import ConfigError
from fairrep.penalties.penalty import fingerprint
from fairrep.training.module import FairEncoderModule

CACHE = 24 << 20  # bytes of activations of the models that step together on a CPU
COPIES = 6  # of the parameters: themselves, two moments, gradient, best, a chunk's own
PASSES = 4  # tensors of a layer's size that a step holds: value, its gradient, two temporaries


def kind(module: FairEncoderModule) -> str:
    """Equal for models whose steps are the same computation on other numbers."""
    architecture = {k: v for k, v in module.encoder.architecture.items() if k != "dropout"}
    return repr((architecture, str(module.heads), fingerprint(module.penalty)))


def chunks(
    modules: Sequence[FairEncoderModule],
    seeds: Sequence[int],
    active: Iterable[int],
    *,
    most: int,
    workers: int,
) -> list[list[int]]:
    """Split the active models into chunks of one kind, at most ``most`` each, costly ones first.

    Models of one seed stand together, because they share their batches.
    """
    kinds: dict[str, list[int]] = {}
    for model in active:
        kinds.setdefault(kind(modules[model]), []).append(model)
    found = []
    for models in sorted(kinds.values(), key=lambda m: modules[m[0]].penalty is None):
        models.sort(key=lambda m: seeds[m])
        parts = max(-(-len(models) // most), min(workers, len(models)))
        cuts = [round(k * len(models) / parts) for k in range(parts + 1)]
        found += [models[a:b] for a, b in pairwise(cuts)]
    return found


def chunk_size(module: FairEncoderModule, batch: int, dtype: torch.dtype, room: float) -> int:
    """Models that step together: as many as the device's memory, or a CPU's cache, holds."""
    return max(1, int(room // step_bytes(module, batch, dtype)))


def step_bytes(module: FairEncoderModule, batch: int, dtype: torch.dtype) -> float:
    """Bytes of one model's activations in a step."""
    widths = [p.shape[0] for p in module.parameters() if p.ndim > 1]
    return PASSES * batch * sum(widths) * dtype.itemsize


def check_room(
    modules: Sequence[FairEncoderModule], batch: int, dtype: torch.dtype, room: float
) -> None:
    """Refuse a stack that cannot fit.

    Raises:
        ConfigError: and the largest number of models that fits.
    """
    parameters = sum(p.numel() for p in modules[0].parameters())
    own = COPIES * parameters * dtype.itemsize
    most = int((room - step_bytes(modules[0], batch, dtype)) // own)
    if most < len(modules):
        raise ConfigError(
            f"the stack must fit in {room / 2**30:.3g} GiB, but its {len(modules)} models need "
            f"{(len(modules) * own) / 2**30:.3g} GiB beside a step; the largest stack that fits "
            f"has {max(0, most)} models: take fewer weights or seeds, or raise sweep.memory."
        )


def free_memory(device: torch.device) -> float:
    """Bytes that are free on the device, or half of the host's free memory."""
    if device.type == "cuda":
        return float(torch.cuda.mem_get_info(device)[0])
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2
    except (ValueError, OSError):  # not known here
        return float(4 << 30)
