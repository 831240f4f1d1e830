"""One architecture, many models: its layers with parameters that have a leading model axis."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn

from fairrep.encoders import BatchStandardise, Encoder, MultitaskHeads, OneHotInput
from fairrep.encoders.normalise import newest_weight, standardise, standardise_batch
from fairrep.errors import ConfigError

Tensors = Mapping[str, Tensor]
"""By the module's own names, each with a leading model axis."""
Drop = Callable[[Tensor], Tensor]
"""Hidden units (k, n, h) → the same with some zeroed, and the others scaled up."""


def stacked_encoder(
    encoder: Encoder,
    parameters: Tensors,
    running: Tensors,
    rows: Float[Tensor, "n w"] | Float[Tensor, "k n w"],
    *,
    drop: Drop | None,
) -> tuple[Float[Tensor, "k n d"], dict[str, Tensor]]:
    """Represent rows by k encoders at once.

    Args:
        encoder: any of them; its own parameters are not used.
        parameters: of the module that holds ``encoder`` and ``heads``.
        running: statistics of the normalised output.
        rows: after the input layer; the same for all models, or each model's own.
        drop: dropout in training; ``None`` in evaluation.

    Returns:
        z, and the running statistics afterwards (unchanged in evaluation).
    """
    h = run_layers(encoder.trunk, "encoder.trunk", parameters, rows, drop)  # (k, n, d)
    mean, variance, batches = (
        running[f"encoder.normalise.{name}"] for name in ("mean", "variance", "batches")
    )
    if drop is None:
        return standardise(h, mean, variance), dict(running)
    z, newest_mean, newest_variance = standardise_batch(h)
    batches = batches + 1
    weight = newest_weight(batches, encoder.normalise.momentum)[:, None]  # (k, 1)
    return z, dict(running) | {
        "encoder.normalise.mean": mean.lerp(newest_mean, weight),
        "encoder.normalise.variance": variance.lerp(newest_variance, weight),
        "encoder.normalise.batches": batches,
    }


def stacked_heads(
    heads: MultitaskHeads, parameters: Tensors, z: Float[Tensor, "k n d"]
) -> Float[Tensor, "k n o"]:
    """Outputs of k models' joint heads side by side."""
    parts = [
        run_layers(head, f"heads.heads.{number}", parameters, z, None)
        for number, head in enumerate(heads.heads)
    ]
    return torch.cat(parts, dim=-1)


def run_layers(
    module: nn.Module, name: str, parameters: Tensors, x: Tensor, drop: Drop | None
) -> Tensor:
    """Run a module with k sets of parameters.

    Raises:
        ConfigError: a layer with parameters that is not known here.
    """
    if isinstance(module, nn.Linear):
        weight = parameters[f"{name}.weight"]  # (k, out, in)
        x = x.expand(len(weight), -1, -1) if x.dim() == 2 else x
        return torch.baddbmm(parameters[f"{name}.bias"].unsqueeze(1), x, weight.mT)
    if isinstance(module, nn.Dropout):
        return x if drop is None else drop(x)
    children = list(module.named_children())
    if children:  # the project's trunks run their children in order
        for child, layer in children:
            x = run_layers(layer, f"{name}.{child}", parameters, x, drop)
        return x
    if any(True for _ in module.parameters()) or isinstance(
        module, (BatchStandardise, OneHotInput)
    ):
        raise ConfigError(
            f"a stack cannot hold the layer {type(module).__name__}; train such models one by one "
            "with scripts/train.py -m."
        )
    return module(x)  # element by element
