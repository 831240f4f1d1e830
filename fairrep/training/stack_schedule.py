"""λ, learning rates and their like of every model of a stack, step by step."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from fairrep.penalties import DualAscent, warmup_weight
from fairrep.seeds import derive_seed
from fairrep.training.fit import FitSettings
from fairrep.training.module import FairEncoderModule
from fairrep.training.stack_state import StackState


class StackSchedule:
    """What moves with the step or the epoch, each model's own.

    Args:
        modules: with their optimisers' settings and λ.
        settings: with their seeds.
        state: where the stack stands.
        steps: steps of an epoch.
    """

    def __init__(
        self,
        modules: Sequence[FairEncoderModule],
        settings: Sequence[FitSettings],
        state: StackState,
        *,
        steps: int,
    ) -> None:
        self.modules, self.settings, self.state, self.steps = modules, settings, state, steps
        chosen = [module.optimizer_settings for module in modules]
        self.heads: Float[Tensor, " m"] = torch.tensor([one.heads for one in chosen])
        self.decay: Float[Tensor, " m"] = torch.tensor([one.weight_decay for one in chosen])
        self.clip: Float[Tensor, " m"] = torch.tensor(
            [one.clip_norm or torch.inf for one in chosen]
        )
        for model, module in enumerate(modules):
            if isinstance(module.weight, DualAscent):
                state.multiplier[model] = module.weight.start

    def start_epoch(self, streams: Sequence[torch.Generator]) -> None:
        """Dropout and random penalties start the epoch anew, and λ answers to the last gap."""
        state = self.state
        for model, (module, one) in enumerate(zip(self.modules, self.settings)):
            streams[model].manual_seed(derive_seed(one.seed, "dropout", state.epoch, 0))
            if module.penalty is not None:
                module.penalty.reseed(derive_seed(one.seed, "penalty", state.epoch))
            gap = float(state.last_gap[model])
            if isinstance(module.weight, DualAscent) and gap == gap:
                now = float(state.multiplier[model])
                state.multiplier[model] = module.weight.next_weight(now, gap)

    def rate(self) -> Float[Tensor, " m"]:
        """Learning rates of this step; 0 where a model is not in training."""
        steps = self.settings[0].epochs * self.steps
        rates = [
            m.optimizer_settings.lr * m.optimizer_settings.factor(self.state.step, steps)
            for m in self.modules
        ]
        return torch.tensor(rates, dtype=torch.float64) * self.state.active

    def weights(self, models: Sequence[int], step: int | None) -> Float[Tensor, " k"]:
        """λ of some models at a step of this epoch, or after warm-up."""
        epoch = torch.inf if step is None else self.state.epoch + step / self.steps
        return torch.tensor([self._weight(model, epoch) for model in models], dtype=torch.float64)

    def _weight(self, model: int, epoch: float) -> float:
        module = self.modules[model]
        if isinstance(module.weight, DualAscent):
            return float(self.state.multiplier[model])
        return warmup_weight(module.weight, epoch, module.warmup_epochs)
