"""A network's numbers as one safetensors file."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import save_file
from torch import nn


def save_weights(network: nn.Module, file: Path) -> None:
    """Write parameters and buffers, the whole file or none."""
    # cloned, because safetensors refuses tensors that share memory, as tied weights do
    weights = {name: value.contiguous().clone() for name, value in network.state_dict().items()}
    part = file.with_name(f"{file.name}.part")
    save_file(weights, part)
    part.replace(file)
