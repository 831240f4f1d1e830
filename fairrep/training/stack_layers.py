"""One architecture, many models: its layers with parameters that have a leading model axis."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call, vmap

from fairrep.encoders import (
    BatchStandardise,
    Encoder,
    LinearTrunk,
    MLPTrunk,
    MultitaskHeads,
    TabularTrunk,
    UserTrunk,
)
from fairrep.encoders.cells import release_cells
from fairrep.encoders.normalise import batch_moments, newest_weight, standardise
from fairrep.encoders.tabular import Residual
from fairrep.errors import ConfigError
from fairrep.training.stack_user import is_random, run_user_module

Tensors = Mapping[str, Tensor]
"""By the module's own names, each with a leading model axis."""
IN_ORDER = (nn.Sequential, LinearTrunk, MLPTrunk, TabularTrunk)
"""Modules that run their children one after the other."""
Drop = Callable[[Tensor], Tensor]
"""Hidden units (k, …, h) → the same with some zeroed, and the others scaled up."""


def stacked_encoder(
    encoder: Encoder,
    parameters: Tensors,
    running: Tensors,
    rows: Float[Tensor, "n w"] | Float[Tensor, "k n w"],
    *,
    drop: Drop | None,
) -> tuple[Float[Tensor, "k m n d"], dict[str, Tensor]]:
    """Represent rows by k encoders at once, each by its m members.

    Args:
        encoder: any of them; its own parameters are not used.
        parameters: of the module that holds ``encoder`` and ``heads``, and the fixed tensors of a
            user's module.
        running: statistics of the normalised output.
        rows: after the input layer; the same for all models, or each model's own.
        drop: dropout in training; ``None`` in evaluation.

    Returns:
        The members' z, or the cells (m = 1), and the running statistics afterwards (unchanged in
        evaluation).
    """
    models = len(running["encoder.normalise.batches"])
    rows = rows.expand(models, -1, -1) if rows.dim() == 2 else rows
    z, running = _standardised(encoder, parameters, running, rows, drop)
    if encoder.cells is None:
        return z, running
    logits = run_layers(encoder.cells.map, "encoder.cells.map", parameters, z.mean(dim=1), drop)
    if drop is not None:
        return logits.softmax(-1).unsqueeze(1), running
    cells = release_cells(logits, rows, release=encoder.cells.release, merged=encoder.cells.merged)
    return cells.unsqueeze(1), running


def _standardised(
    encoder: Encoder, parameters: Tensors, running: Tensors, rows: Tensor, drop: Drop | None
) -> tuple[Float[Tensor, "k m n d"], dict[str, Tensor]]:
    h = run_layers(encoder.trunk, "encoder.trunk", parameters, rows, drop)  # (k, [m,] n, d)
    h = h if h.dim() == 4 else h.unsqueeze(1)
    mean, variance, batches = (
        running[f"encoder.normalise.{name}"] for name in ("mean", "variance", "batches")
    )
    if drop is None:
        return standardise(h, mean.unsqueeze(1), variance.unsqueeze(1)), dict(running)
    newest_mean, newest_variance = batch_moments(h.mean(dim=1))  # (k, d)
    z = standardise(h, newest_mean.unsqueeze(1), newest_variance.unsqueeze(1))
    batches = batches + 1
    weight = newest_weight(batches, encoder.normalise.momentum)[:, None]  # (k, 1)
    return z, dict(running) | {
        "encoder.normalise.mean": mean.lerp(newest_mean.detach(), weight),
        "encoder.normalise.variance": variance.lerp(newest_variance.detach(), weight),
        "encoder.normalise.batches": batches,
    }


def stacked_heads(
    heads: MultitaskHeads, parameters: Tensors, z: Float[Tensor, "k *m n d"]
) -> Float[Tensor, "k *m n o"]:
    """Outputs of k models' joint heads side by side."""
    parts = [
        run_layers(head, f"heads.heads.{number}", parameters, z, None)
        for number, head in enumerate(heads.heads)
    ]
    return torch.cat(parts, dim=-1)


def run_layers(
    module: nn.Module, name: str, parameters: Tensors, x: Float[Tensor, "k ..."], drop: Drop | None
) -> Tensor:
    """Run a module with k sets of parameters, on rows of each.

    Linear layers are one batched product, dropout is each model's own; a module that holds
    neither, or is the user's, runs as it is under ``vmap``.

    Raises:
        ConfigError: a module with layers of both kinds that is not known here, or a user's that
            does not run under ``vmap``.
    """
    if isinstance(module, nn.Linear):
        return _linear(parameters[f"{name}.weight"], parameters.get(f"{name}.bias"), x)
    if isinstance(module, nn.Dropout):
        return x if drop is None else drop(x)
    if isinstance(module, Residual):
        return x + run_layers(module.block, f"{name}.block", parameters, x, drop)
    if isinstance(module, UserTrunk):
        training = drop is not None
        h = run_user_module(module, f"{name}.module", parameters, x, training=training)
        return run_layers(module.out, f"{name}.out", parameters, h, drop)
    if isinstance(module, IN_ORDER):
        for child, layer in module.named_children():
            x = run_layers(layer, f"{name}.{child}", parameters, x, drop)
        return x
    own = {key: parameters[f"{name}.{key}"] for key, _ in module.named_parameters()}
    if not own:
        return module(x)  # element by element
    if isinstance(module, BatchStandardise) or any(is_random(part) for part in module.modules()):
        raise ConfigError(
            f"a stack cannot hold the layer {type(module).__name__}; train such models one by one "
            "with fairrep train -m."
        )
    return vmap(lambda p, rows: functional_call(module, p, (rows,)))(own, x)


def _linear(weight: Tensor, bias: Tensor | None, x: Tensor) -> Tensor:
    """Weights (k, out, in) on rows (k, …, in)."""
    rows = x.flatten(1, -2)
    y = rows @ weight.mT if bias is None else torch.baddbmm(bias.unsqueeze(1), rows, weight.mT)
    return y.unflatten(1, x.shape[1:-1])
