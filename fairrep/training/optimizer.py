"""The optimiser and its schedule."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from fairrep.errors import ConfigError


@dataclass(frozen=True)
class OptimizerSettings:
    """AdamW with linear warm-up, then a constant rate or a half cosine down to 0.

    Attributes:
        lr: peak learning rate, > 0.
        heads: the joint heads' rate in units of ``lr``, > 0: z is standardised, so that it is
            their weights that must grow until their outputs are calibrated logits.
        weight_decay: decoupled weight decay of the weight matrices (biases have none), ≥ 0.
        warmup_steps: steps over which the rate rises from 0.
        schedule: ``cosine`` or ``constant``.
        clip_norm: largest gradient norm; 0 for no bound.
        epochs: passes over the training rows where nobody asks for a number.
        min_steps: steps that these make at least: small tables are read more often.
        patience: epochs without a better selection score before training stops, below 1 a share
            of all epochs; 0 never stops.
    """

    lr: float
    heads: float
    weight_decay: float
    warmup_steps: int
    schedule: str
    clip_norm: float
    epochs: int
    min_steps: int
    patience: float

    def __post_init__(self) -> None:
        for name in ("lr", "heads"):
            if getattr(self, name) <= 0:
                raise ConfigError(f"optimizer.{name} must be > 0, got {getattr(self, name)}.")
        if self.epochs < 1:
            raise ConfigError(f"optimizer.epochs must be at least 1, got {self.epochs}.")
        for name in ("weight_decay", "warmup_steps", "clip_norm", "min_steps", "patience"):
            if getattr(self, name) < 0:
                raise ConfigError(f"optimizer.{name} must be >= 0, got {getattr(self, name)}.")
        if self.schedule not in ("cosine", "constant"):
            raise ConfigError(
                f"optimizer.schedule must be cosine or constant, got '{self.schedule}'."
            )

    def epochs_for(self, steps: int) -> int:
        """Epochs of so many steps each where nobody asks for a number."""
        return max(self.epochs, math.ceil(self.min_steps / steps))

    def patience_for(self, epochs: int) -> int:
        """Epochs without a better selection score before training stops."""
        return math.ceil(self.patience * epochs) if self.patience < 1 else int(self.patience)

    def factor(self, step: int, steps: int) -> float:
        """Share of the peak rate at ``step`` of ``steps``."""
        if step < self.warmup_steps:
            return (step + 1) / (self.warmup_steps + 1)
        if self.schedule == "constant":
            return 1.0
        progress = (step - self.warmup_steps) / max(1, steps - self.warmup_steps)
        return 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def build_optimizer(module: nn.Module, settings: OptimizerSettings, steps: int) -> dict[str, Any]:
    """Return Lightning's optimiser dictionary for a run of ``steps`` steps.

    Args:
        module: what is trained; its child ``heads``, if any, at a rate of its own.
        settings: of the optimiser.
        steps: steps of the whole run.
    """
    groups = [
        {
            "params": [p for p in parameters if (p.ndim > 1) == matrices],
            "lr": settings.lr * pace,
            "weight_decay": settings.weight_decay if matrices else 0.0,
        }
        for pace, parameters in _by_pace(module, settings.heads)
        for matrices in (True, False)
    ]
    optimizer = torch.optim.AdamW([group for group in groups if group["params"]], lr=settings.lr)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: settings.factor(step, steps)
    )
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def _by_pace(module: nn.Module, heads: float) -> list[tuple[float, list[nn.Parameter]]]:
    trained = {name: p for name, p in module.named_parameters() if p.requires_grad}
    of_heads = [p for name, p in trained.items() if in_heads(name)]
    return [(heads, of_heads), (1.0, [p for name, p in trained.items() if not in_heads(name)])]


def in_heads(name: str) -> bool:
    """Whether a parameter of a module in training is of its joint heads."""
    return name.startswith("heads.")
