"""What a stack of models is between steps: numbers with a leading model axis, on disk too."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from fairrep.training.fit import unusable
from fairrep.training.module import FairEncoderModule
from fairrep.training.optimizer import in_heads
from fairrep.training.stack_user import fixed_tensors

CHECKPOINT = "stack.ckpt"
BETAS, EPS = (0.9, 0.999), 1e-8  # AdamW's, as in single runs


class StackState:
    """Parameters of all models as the rows of one matrix, and everything that moves with them.

    Args:
        modules: models of one architecture, at their initial weights.
        device: where the stack is trained.
        dtype: in which precision.

    Attributes:
        weights: (M, P) parameters that are trained.
        fixed: name → (M, …) tensors that are not, or (1, …) where all models share one.
        running: name → (M, …) running statistics.
        best_score: (M,) selection score of the best epoch so far.
        waited: (M,) epochs since then.
        active: (M,) still trained: neither stopped early nor diverged.
        diverged: (M,) whose training loss left the range of numbers.
        epochs: (M,) epochs finished.
        multiplier: (M,) λ of models whose λ follows a gap, in its own λ otherwise.
        last_gap: (M,) the gap it follows.
    """

    def __init__(
        self, modules: Sequence[FairEncoderModule], device: torch.device, dtype: torch.dtype
    ) -> None:
        models, first = len(modules), modules[0]
        named = {name: p for name, p in first.named_parameters() if p.requires_grad}
        self.names = list(named)
        self.shapes = [value.shape for value in named.values()]
        self.sizes = [shape.numel() for shape in self.shapes]
        rows = [
            torch.cat([p.detach().flatten() for p in m.parameters() if p.requires_grad])
            for m in modules
        ]
        self.weights: Float[Tensor, "m p"] = torch.stack(rows).to(device, dtype)
        self.running = {
            name: torch.stack(
                [m.encoder.state_dict()[name.removeprefix("encoder.")] for m in modules]
            ).to(device, dtype)
            for name in running_names(first)
        }
        fixed = [fixed_tensors(module) for module in modules]
        self.fixed = {
            name: _stacked([one[name] for one in fixed], device, dtype) for name in fixed[0]
        }
        self.matrices: Float[Tensor, " p"] = torch.cat(
            [torch.full((n,), float(len(shape) > 1)) for n, shape in zip(self.sizes, self.shapes)]
        ).to(device, dtype)  # 1 where weight decay applies
        heads = [float(in_heads(name)) for name in self.names]
        self.heads: Float[Tensor, " p"] = torch.cat(
            [torch.full((n,), value) for n, value in zip(self.sizes, heads)]
        ).to(device, dtype)  # 1 where the heads' rate applies
        self.first_moment = torch.zeros_like(self.weights)
        self.second_moment = torch.zeros_like(self.weights)
        self.gradient = torch.zeros_like(self.weights)
        self.best_weights = self.weights.clone()
        self.best_running = {name: value.clone() for name, value in self.running.items()}
        self.best_score = torch.full((models,), -math.inf, dtype=torch.float64)
        self.waited = torch.zeros(models, dtype=torch.int64)
        self.active = torch.ones(models, dtype=torch.bool)
        self.diverged = torch.zeros(models, dtype=torch.bool)
        self.epochs = torch.zeros(models, dtype=torch.int64)
        self.multiplier = torch.zeros(models, dtype=torch.float64)
        self.best_multiplier = torch.zeros(models, dtype=torch.float64)
        self.last_gap = torch.full((models,), math.nan, dtype=torch.float64)
        self.epoch, self.step, self.seconds = 0, 0, 0.0

    def views(self, rows: Float[Tensor, "k p"]) -> dict[str, Tensor]:
        """The parameters of some models by name, as parts of their rows."""
        parts = rows.split(self.sizes, dim=1)
        return {
            name: part.reshape(len(part), *shape)  # unflatten knows no scalars
            for name, part, shape in zip(self.names, parts, self.shapes)
        }

    def fixed_of(self, models: Sequence[int]) -> dict[str, Tensor]:
        """The tensors of some models that are not trained."""
        return {
            name: value if len(value) == 1 else value[list(models)]
            for name, value in self.fixed.items()
        }

    def adamw(self, rate: Tensor, heads: Tensor, decay: Tensor, clip: Tensor) -> None:
        """One step of AdamW for all models.

        Args:
            rate: (M,) learning rate of this step; 0 leaves a model where it is.
            heads: (M,) the heads' rate in units of it.
            decay: (M,) decoupled weight decay of its matrices.
            clip: (M,) largest gradient norm, infinite for no bound.

        Ref: Loshchilov and Hutter (2019), ICLR; torch.optim.AdamW.
        """
        rate, heads, decay, clip = (
            v.to(self.weights).unsqueeze(1) for v in (rate, heads, decay, clip)
        )  # (M, 1)
        rate = rate * (1 + (heads - 1) * self.heads)  # (M, P)
        self.step += 1
        gradient = self.gradient
        if bool(torch.isfinite(clip).any()):
            norm = gradient.norm(dim=1, keepdim=True)
            gradient = gradient * (clip / (norm + 1e-6)).clamp(max=1.0)
        self.weights.mul_(1 - rate * decay * self.matrices)
        self.first_moment.lerp_(gradient, 1 - BETAS[0])
        self.second_moment.mul_(BETAS[1]).addcmul_(gradient, gradient, value=1 - BETAS[1])
        size = rate.div_(1 - BETAS[0] ** self.step)
        scale = self.second_moment.sqrt().div_(math.sqrt(1 - BETAS[1] ** self.step)).add_(EPS)
        self.weights.addcdiv_(self.first_moment * size, scale, value=-1)

    def keep_best(self, better: Tensor) -> None:
        """Remember the models (M,) that are at their best."""
        where = better.to(self.weights.device)
        self.best_weights[where] = self.weights[where]
        for name, value in self.running.items():
            self.best_running[name][where] = value[where]
        self.best_multiplier[better] = self.multiplier[better]

    def load_best(self, modules: Sequence[FairEncoderModule]) -> None:
        """Put every model's best epoch into its module, in single precision on the CPU."""
        parameters = self.views(self.best_weights)
        for number, module in enumerate(modules):
            own = {name: value[number] for name, value in parameters.items()}
            own |= {name: value[number] for name, value in self.best_running.items()}
            for name, value in (("multiplier", self.best_multiplier), ("last_gap", self.last_gap)):
                if name in module.state_dict():
                    own[name] = value[number]
            state = module.state_dict()  # tensors that are not of the stack keep their values
            for name, value in own.items():
                state[name].copy_(value)
            module.to("cpu", torch.float32)

    def save(self, folder: Path, identity: Any) -> None:
        """Write ``stack.ckpt`` whole or not at all."""
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / f"{CHECKPOINT}.part"
        torch.save({"identity": identity, "state": self._content()}, part)
        part.replace(folder / CHECKPOINT)

    def load(self, folder: Path, identity: Any) -> None:
        """Continue from ``stack.ckpt``; no code in it is ever run.

        Raises:
            RunError: truncated, or of another stack.
        """
        file = folder / CHECKPOINT
        try:
            saved = torch.load(file, map_location="cpu", weights_only=True)
            if saved["identity"] != identity:
                raise ValueError("it is of models with other settings.")
            for name, value in saved["state"].items():
                self._restore(name, value)
        except Exception as problem:
            raise unusable(file, problem) from problem

    def _content(self) -> dict[str, Any]:
        left_out = ("names", "shapes", "sizes", "matrices", "heads", "gradient", "fixed")
        return {name: value for name, value in vars(self).items() if name not in left_out}

    def _restore(self, name: str, value: Any) -> None:
        own = getattr(self, name)
        if isinstance(own, dict):
            for key in own:
                own[key].copy_(value[key])
        elif isinstance(own, Tensor):
            own.copy_(value)
        else:
            setattr(self, name, value)


def running_names(module: FairEncoderModule) -> list[str]:
    """Names of the running statistics that a model saves: those of its normalised output."""
    names = (name for name, _ in module.named_buffers())
    return [name for name in names if name.startswith("encoder.normalise.")]


def _stacked(values: Sequence[Tensor], device: torch.device, dtype: torch.dtype) -> Tensor:
    """All models' tensors, once if they are equal; integers stay integers."""
    first = values[0]
    same = all(torch.equal(first, value) for value in values[1:])
    stack = first.unsqueeze(0) if same else torch.stack(list(values))
    return stack.to(device, dtype if first.is_floating_point() else None)
