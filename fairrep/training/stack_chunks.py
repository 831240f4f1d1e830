"""Which models take a step side by side, and what a stack needs in memory."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from itertools import pairwise

import torch

from fairrep.encoders import trunk_options
from fairrep.errors import ConfigError
from fairrep.penalties.penalty import fingerprint
from fairrep.training.fit import FitSettings
from fairrep.training.module import FairEncoderModule
from fairrep.training.stack_user import check_user_modules

CACHE = 24 << 20  # bytes of activations of the models that step together on a CPU
COPIES = 6  # of the trained parameters: themselves, two moments, gradient, best, a chunk's own
PASSES = 1.5  # tensors of a layer's size that a step holds: its value, and some gradients


def kind(module: FairEncoderModule) -> str:
    """Equal for models whose steps are the same computation on other numbers."""
    architecture = module.encoder.architecture
    trunk = {k: v for k, v in trunk_options(architecture).items() if k != "dropout"}
    others = {k: v for k, v in architecture.items() if k not in ("trunk", *trunk, "dropout")}
    return repr((trunk, others, str(module.heads), fingerprint(module.penalty)))


def shapes(module: FairEncoderModule) -> str:
    """Equal for models that can share a stack: names and shapes of parameters, and who learns."""
    own = [(n, tuple(p.shape), p.requires_grad) for n, p in module.named_parameters()]
    return repr(own)


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
    return PASSES * batch * row_elements(module) * dtype.itemsize


@torch.no_grad()
def row_elements(module: FairEncoderModule) -> float:
    """Numbers that the layers behind the shared input layer return for one row."""
    rows, counts = 2, []
    layers = [m for part in (module.encoder.trunk, module.heads) for m in part.modules()]
    hooks = [
        layer.register_forward_hook(lambda _layer, _inputs, out: counts.append(out.numel() / rows))
        for layer in layers
        if not any(True for _ in layer.children())
    ]
    some = next(module.parameters())
    training = module.training
    try:
        module.eval()(some.new_zeros(rows, len(module.encoder.architecture["cardinalities"])))
    finally:
        module.train(training)
        for hook in hooks:
            hook.remove()
    return sum(counts)


def check_stack(
    modules: Sequence[FairEncoderModule],
    settings: Sequence[FitSettings],
    dtype: torch.dtype,
    room: float,
) -> None:
    """Refuse models that cannot share a stack, or do not fit in ``room`` bytes.

    Raises:
        ConfigError: what they must share, what a user's module must not do, or the largest number
            of models that fits.
    """
    if len(set(map(shapes, modules))) > 1:
        raise ConfigError(
            "models of a stack must have parameters of the same shapes; sweep other settings "
            "with fairrep train -m."
        )
    for name in ("epochs", "batch_size", "allocation"):
        if len({getattr(one, name) for one in settings}) > 1:
            raise ConfigError(f"models of a stack share {name}; sweep it one value at a time.")
    check_user_modules(modules)
    trained, frozen = (
        sum(p.numel() for p in modules[0].parameters() if p.requires_grad == learns)
        for learns in (True, False)
    )
    own = (COPIES * trained + frozen) * dtype.itemsize
    step = step_bytes(modules[0], settings[0].batch_size, dtype)
    most = int((room - step) // own)
    if most < len(modules):
        raise ConfigError(
            f"the stack must fit in {room / 2**30:.3g} GiB, but its {len(modules)} models need "
            f"{(len(modules) * own + step) / 2**30:.3g} GiB; the largest stack that fits has "
            f"{max(0, most)} models: take fewer weights or seeds, or raise sweep.memory."
        )


def free_memory(device: torch.device) -> float:
    """Bytes that are free on the device, or half of the host's free memory."""
    if device.type == "cuda":
        return float(torch.cuda.mem_get_info(device)[0])
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2
    except (ValueError, OSError):  # not known here
        return float(4 << 30)
