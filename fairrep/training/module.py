"""One encoder in training: minimise task losses + λ * penalty(z, s)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from fairrep.distributed import gather_rows, sum_over_processes
from fairrep.encoders import Encoder, MultitaskHeads
from fairrep.errors import NumericalError
from fairrep.penalties import DualAscent, Notion, Penalty, warmup_weight
from fairrep.training.cell_rewards import cell_rewards
from fairrep.training.loss import multitask_loss
from fairrep.training.optimizer import OptimizerSettings, build_optimizer
from fairrep.training.selection import SelectionRule
from fairrep.training.validation import TOTAL_VARIATION, gaps_of, joint_metrics
from fairrep.types import Batch, TaskSpec


class FairEncoderModule(pl.LightningModule):
    """Minimise the multitask loss + λ * penalty(z, s); the maths lives in ``functional``.

    Args:
        encoder: x → z.
        heads: z → outputs of the seen tasks.
        tasks: the seen tasks, in column order.
        groups: names of the groups in code order.
        penalty: compares the groups' representations; ``None`` for none.
        weight: λ after warm-up, ≥ 0; or how it rises and falls with a validation gap.
        warmup_epochs: epochs over which a fixed λ rises from 0.
        task_weights: task → weight w_t (1 where absent).
        optimizer: its settings.
        selection: how the best epoch is chosen.
    """

    def __init__(
        self,
        encoder: Encoder,
        heads: MultitaskHeads,
        tasks: Sequence[TaskSpec],
        groups: Sequence[str],
        *,
        penalty: Penalty | None,
        weight: float | DualAscent,
        warmup_epochs: float,
        task_weights: Mapping[str, float],
        optimizer: OptimizerSettings,
        selection: SelectionRule,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.heads = heads
        self.tasks = tuple(tasks)
        self.groups = tuple(groups)
        self.penalty = penalty
        self.weight = weight
        self.warmup_epochs = warmup_epochs
        self.optimizer_settings = optimizer
        self.selection = selection
        weights = [float(task_weights.get(task.name, 1.0)) for task in self.tasks]
        self.task_weights: Tensor
        self.register_buffer("task_weights", torch.tensor(weights), persistent=False)
        self.multiplier: Tensor  # λ of this epoch, where it follows a gap
        self.last_gap: Tensor  # NaN before the first epoch's end
        if isinstance(weight, DualAscent):
            self.register_buffer("multiplier", torch.tensor(weight.start))
            self.register_buffer("last_gap", torch.tensor(torch.nan))
        self._broken = torch.zeros(())  # steps whose loss was not finite
        self._val_losses: list[tuple[float, int]] = []
        self._val_rows: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []

    def forward(self, x: Tensor) -> Tensor:
        """Outputs of the joint heads."""
        return self.heads(self.encoder(x))

    def current_weight(self) -> float | Tensor:
        """λ now."""
        if isinstance(self.weight, DualAscent):
            return self.multiplier
        steps = max(1, self.trainer.num_training_batches)
        epoch = self.trainer.global_step / steps
        return warmup_weight(self.weight, epoch, self.warmup_epochs)

    def final_weight(self) -> float:
        """λ after warm-up, or that of the epoch whose weights these are."""
        return float(self.multiplier if isinstance(self.weight, DualAscent) else self.weight)

    def on_train_epoch_start(self) -> None:
        """Let λ answer to the gap of the epoch before."""
        self._broken = torch.zeros((), device=self.device)
        if isinstance(self.weight, DualAscent) and not torch.isnan(self.last_gap):
            self.multiplier.fill_(
                self.weight.next_weight(float(self.multiplier), float(self.last_gap))
            )

    def training_step(self, batch: Batch) -> Tensor:
        """Loss of a batch; the penalty is of the rows of all processes."""
        members = self.encoder.members(batch.x)  # (m, n, d): an ensemble's learn one by one
        task = self._task_loss(self.heads(members), batch).mean()  # ()
        self._log({"train/task": task}, rows=len(batch.x))
        z = members.mean(dim=0)  # (n, d)
        loss = task - self._rewards(z, batch)
        if self.penalty is not None:
            loss = loss + self._weighted_penalty(z, batch)
        self._broken += ~torch.isfinite(loss.detach())
        return loss

    def validation_step(self, batch: Batch) -> None:
        """Keep what the epoch's end needs; every process sees all validation rows."""
        z = self.encoder(batch.x)  # (n, d)
        outputs = self.heads(z)  # (n, o)
        loss = self._task_loss(outputs, batch)
        if self.penalty is not None:
            attribute = getattr(batch, self.penalty.reads)
            gap = self.penalty.evaluate(z, attribute, batch.y, counts=batch.counts).value
            self._log({"val/penalty": gap}, rows=len(z))
            loss = loss + self.final_weight() * gap
        self._val_losses.append((float(loss), len(z)))
        self._val_rows.append((outputs, batch.y, batch.s, z))

    def on_validation_epoch_start(self) -> None:
        """Start anew, unless training has left the range of numbers."""
        self._require_finite()
        if self.penalty is not None:
            self.penalty.reseed(0)  # every epoch is judged along the same random directions
        self._val_losses, self._val_rows = [], []

    def on_validation_epoch_end(self) -> None:
        """Metrics of the joint heads per task, and the number that selects the best epoch."""
        rows = sum(count for _, count in self._val_losses)
        loss = sum(value * count for value, count in self._val_losses) / rows
        outputs, y, s, z = (torch.cat(parts) for parts in zip(*self._val_rows))
        metrics = joint_metrics(outputs, y, s, self.tasks, groups=len(self.groups))
        for task, values in metrics.items():
            self._log({f"val/{task}/{name}": value for name, value in values.items()})
        utility = sum(values["utility"] for values in metrics.values()) / len(metrics)
        gaps = self.gaps(metrics, z, y, s)
        if self.encoder.cells is not None:
            self._log({f"val/{TOTAL_VARIATION}": gaps[TOTAL_VARIATION]})
        if isinstance(self.weight, DualAscent):
            self.last_gap.fill_(gaps[self.weight.task])
        gap, epoch = self.selection.gap(gaps), self.current_epoch + 1
        score = self.selection.score(loss=loss, utility=utility, gap=gap, epoch=epoch)
        self._log({"val/loss": loss, "val/utility": utility, "val/selection": score})

    def gaps(
        self, metrics: Mapping[str, Mapping[str, float]], z: Tensor, y: Tensor, s: Tensor
    ) -> dict[str, float]:
        """The gaps on validation rows that λ and the selection can follow, by name."""
        return gaps_of(
            metrics,
            z,
            y,
            s,
            cells=self.encoder.cells is not None,
            notion=Notion() if self.penalty is None else self.penalty.notion,
            groups=len(self.groups),
        )

    def configure_optimizers(self) -> Any:
        """Optimiser and schedule, see :mod:`fairrep.training.optimizer`."""
        steps = int(self.trainer.estimated_stepping_batches)
        return build_optimizer(self, self.optimizer_settings, steps)

    def _log(self, values: Mapping[str, Any], *, rows: int | None = None) -> None:
        """Log means over the epoch, and over the processes."""
        several = self.trainer.world_size > 1
        self.log_dict(values, batch_size=rows, on_step=False, on_epoch=True, sync_dist=several)

    def _task_loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        return multitask_loss(
            outputs,
            batch.target,
            self.tasks,
            row_weights=batch.weight,
            task_weights=self.task_weights,
        )

    def _rewards(self, z: Tensor, batch: Batch) -> Tensor | float:
        """What cells earn for their use and for the columns they tell, of all processes' rows."""
        cells = self.encoder.cells
        if cells is None:
            return 0.0
        rewards = cell_rewards(cells, gather_rows(z), gather_rows(batch.x))
        self._log({f"train/{name}": value for name, value in rewards.items()}, rows=len(z))
        return sum(rewards.values(), 0.0)

    def _weighted_penalty(self, z: Tensor, batch: Batch) -> Tensor:
        """λ times the penalty of the rows of all processes."""
        assert self.penalty is not None
        counts = batch.counts if self.trainer.world_size == 1 else None
        rows = [gather_rows(part) for part in (z, getattr(batch, self.penalty.reads), batch.y)]
        value, absent, nonfinite = self.penalty.evaluate(*rows, counts=counts)
        weight = self.current_weight()
        scalars = {
            "train/penalty": value,
            "train/absent_comparisons": absent.float(),
            "train/nonfinite_rows": nonfinite.float(),
            "train/weight": torch.as_tensor(weight, dtype=value.dtype, device=value.device),
        }
        self._log(scalars, rows=len(z))
        return weight * value

    def _require_finite(self) -> None:
        steps = int(sum_over_processes(self._broken))
        if steps:
            raise NumericalError(
                f"the training loss must be finite, but {steps} steps of epoch "
                f"{self.current_epoch} gave NaN or Inf; lower optimizer.lr or penalty.weight, or "
                "look for extreme features."
            )
