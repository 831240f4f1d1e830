"""Many models at once: one loop, one optimiser step, each model as in its single run.

Models of one architecture are rows of one matrix of parameters. Every model reads its own
batches, draws its own dropout and penalty, and has its own λ, learning rate, best epoch and early
stopping; nothing of one enters another.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from fairrep.data import PreparedData
from fairrep.encoders import trunk_options
from fairrep.penalties import DualAscent
from fairrep.training.cell_rewards import cell_rewards
from fairrep.training.fit import FitSettings
from fairrep.training.loss import multitask_loss
from fairrep.training.module import FairEncoderModule
from fairrep.training.stack_chunks import CACHE, check_stack, chunk_size, chunks, free_memory
from fairrep.training.stack_layers import stacked_encoder, stacked_heads
from fairrep.training.stack_listener import StackEpoch, StackListener, StackResult, TaskFigures
from fairrep.training.stack_rows import EpochBatches, StackBatch, StackRows, validation_batches
from fairrep.training.stack_schedule import StackSchedule
from fairrep.training.stack_state import CHECKPOINT, StackState
from fairrep.training.stack_workers import Workers
from fairrep.training.validation import joint_metrics


def fit_stack(
    modules: Sequence[FairEncoderModule],
    data: PreparedData,
    settings: Sequence[FitSettings],
    folder: Path,
    *,
    device: torch.device | str,
    dtype: torch.dtype,
    memory: float | None = None,
    listener: StackListener | None = None,
) -> StackResult:
    """Train all models, then load each one's best epoch into it.

    Model i ends where ``fit`` would bring ``modules[i]`` with ``settings[i]``, up to rounding.
    ``folder/stack.ckpt`` holds the last epoch; if it is there already, training goes on from it.
    A model whose loss is not finite is marked and left out; the others do not notice.

    Args:
        modules: untrained; parameters of equal names and shapes.
        data: rows and groups.
        settings: of every model; ``epochs``, ``batch_size`` and ``allocation`` are shared.
        folder: where the checkpoint lies.
        device: where to train.
        dtype: in which precision.
        memory: bytes that may be used; by default those free on the device, half of them on a CPU.
        listener: is told how training goes.

    Raises:
        ConfigError: models that cannot share a stack, or do not fit in memory.
        RunError: a checkpoint that is truncated or of another stack.
    """
    stack = _Stack(modules, data, settings, torch.device(device), dtype, memory)
    identity = [[one.seed, one.epochs, one.batch_size] for one in settings]
    if (folder / CHECKPOINT).exists():
        stack.state.load(folder, identity)
    listener = listener or StackListener()
    state, epochs = stack.state, settings[0].epochs
    listener.on_start(epochs * stack.batches.steps, state.epoch * stack.batches.steps)
    with stack.workers:
        while state.epoch < epochs and bool(state.active.any()):
            start = time.perf_counter()
            figures = stack.run_epoch(listener)
            state.seconds += time.perf_counter() - start
            state.save(folder, identity)
            listener.on_epoch(StackEpoch(state.epoch, figures, stack.diverged()))
    state.load_best(modules)
    finished = tuple(int(n) for n in state.epochs)
    diverged = sorted({*stack.diverged(), *_unusable(modules, data)})
    return StackResult(finished, tuple(diverged), state.seconds, stack.most)


@torch.no_grad()
def _unusable(modules: Sequence[FairEncoderModule], data: PreparedData) -> list[int]:
    """Models whose outputs on validation rows are not finite in single precision."""
    return [
        number
        for number, module in enumerate(modules)
        if not bool(torch.isfinite(module.eval()(data.val.x)).all())
    ]


class Judged(NamedTuple):
    """What the validation rows say of a model after an epoch."""

    loss: float
    figures: TaskFigures
    gaps: dict[str, float]


class _Stack:
    """The models in training."""

    def __init__(
        self,
        modules: Sequence[FairEncoderModule],
        data: PreparedData,
        settings: Sequence[FitSettings],
        device: torch.device,
        dtype: torch.dtype,
        memory: float | None,
    ) -> None:
        self.modules, self.data, self.settings = modules, data, settings
        self.device, self.dtype = device, dtype
        first, batch = modules[0], settings[0].batch_size
        room = free_memory(device) if memory is None else memory
        check_stack(modules, settings, dtype, room)
        self.workers = Workers(device)
        share = room / 2 if device.type == "cuda" else min(CACHE, room / self.workers.count)
        self.most = min(len(modules), chunk_size(first, batch, dtype, share))
        self.state = StackState(modules, device, dtype)
        for module in modules:
            module.encoder.trunk.to(device)  # for the buffers that its layers read
            if module.encoder.cells is not None:
                module.encoder.cells.to(device)
        least = [1 if m.penalty is None else m.penalty.min_rows for m in modules]
        self.batches = EpochBatches(data, settings, least)
        rows = partial(
            StackRows,
            inputs=first.encoder.inputs,
            tasks=len(data.seen),
            device=device,
            dtype=dtype,
            room=room / 4,
        )
        self.train_rows, self.val_rows = rows(data.train), rows(data.val)
        self.val_batches = list(validation_batches(data, self.val_rows, batch))
        self.task_weights = torch.stack([m.task_weights for m in modules]).to(device, dtype)
        self.dropout = [
            float(trunk_options(m.encoder.architecture).get("dropout", 0.0)) for m in modules
        ]
        self.streams = [torch.Generator(device) for _ in modules]
        self.schedule = StackSchedule(modules, settings, self.state, steps=self.batches.steps)

    def diverged(self) -> tuple[int, ...]:
        """Models that diverged so far."""
        return tuple(torch.nonzero(self.state.diverged).flatten().tolist())

    def run_epoch(self, listener: StackListener) -> dict[int, TaskFigures]:
        """Train the active models for an epoch and judge them."""
        state, schedule = self.state, self.schedule
        before = state.active.clone()
        self.batches.set_epoch(state.epoch)
        self.schedule.start_epoch(self.streams)
        parts = self._chunks()
        broken = torch.zeros(len(self.modules), dtype=torch.bool, device=self.device)
        for step in range(self.batches.steps):
            self.workers.run([partial(self._backward, part, step, broken) for part in parts])
            state.adamw(schedule.rate(), schedule.heads, schedule.decay, schedule.clip)
            listener.on_step()
        state.epoch += 1
        state.diverged |= broken.cpu() & before
        state.active &= ~state.diverged
        state.epochs[state.active] = state.epoch
        judged: dict[int, Judged] = {}
        for found in self.workers.run([partial(self._judge, part) for part in self._chunks()]):
            judged |= found
        self._settle(judged)
        return {model: one.figures for model, one in judged.items()}

    def _chunks(self) -> list[list[int]]:
        active = torch.nonzero(self.state.active).flatten().tolist()
        seeds = [one.seed for one in self.settings]
        return chunks(self.modules, seeds, active, most=self.most, workers=self.workers.count)

    def _backward(self, models: list[int], step: int, broken: Tensor) -> None:
        """Gradients of a chunk's losses."""
        state = self.state
        sampler = self.batches.sampler(models[0])
        batch = self.train_rows.batch(
            self.batches.index(models, step), sampler.counts, sampler.group_weights
        )
        rows = state.weights[models].requires_grad_()
        parameters = state.views(rows) | state.fixed_of(models)
        first = self.modules[models[0]]
        running = {name: value[models] for name, value in state.running.items()}
        members, running = stacked_encoder(
            first.encoder, parameters, running, batch.rows, drop=partial(self._drop, models)
        )
        outputs = stacked_heads(first.heads, parameters, members)  # (k, m, n, o)
        loss = self._task_loss(models, outputs, batch)  # (k,)
        z = members.mean(dim=1)  # (k, n, d)
        if first.encoder.cells is not None:
            loss = loss - sum(cell_rewards(first.encoder.cells, z, batch.x).values())
        if first.penalty is not None:
            loss = loss + self._weights(models, step) * self._penalty(models, z, batch)
        (state.gradient[models],) = torch.autograd.grad(loss.sum(), rows)
        for name, value in running.items():
            state.running[name][models] = value
        broken[models] |= ~torch.isfinite(loss.detach())

    def _weights(self, models: list[int], step: int | None) -> Tensor:
        return self.schedule.weights(models, step).to(self.device, self.dtype)

    def _task_loss(self, models: list[int], outputs: Tensor, batch: StackBatch) -> Tensor:
        """Losses (k,) of outputs (k, m, n, o), the mean over each model's members."""
        own = batch.target.dim() == 3
        return multitask_loss(
            outputs,
            batch.target.unsqueeze(1) if own else batch.target,
            self.modules[models[0]].tasks,
            row_weights=batch.weight.unsqueeze(1) if own else batch.weight,
            task_weights=self.task_weights[models].unsqueeze(1),
        ).mean(dim=1)

    def _penalty(self, models: list[int], z: Tensor, batch: StackBatch) -> Tensor:
        """Penalties (k,) of a chunk; random ones draw from each model's own stream."""
        penalty = self.modules[models[0]].penalty
        assert penalty is not None
        if not penalty.random:
            read = getattr(batch, penalty.reads)
            if batch.s.dim() == 1:  # rows that the models share
                read = read.expand(len(models), *read.shape)
            return penalty.evaluate(z, read, batch.y, counts=batch.counts).value
        return torch.stack([self._own_penalty(m, k, z[k], batch) for k, m in enumerate(models)])

    def _own_penalty(self, model: int, place: int, z: Tensor, batch: StackBatch) -> Tensor:
        penalty = self.modules[model].penalty
        assert penalty is not None
        y = batch.y if batch.y.dim() == 2 else batch.y[place]
        return penalty.evaluate(z, batch.s, y, counts=batch.counts).value

    def _drop(self, models: list[int], h: Tensor) -> Tensor:
        """Zero hidden units (k, …, h) with each model's own probability and stream."""
        if not any(self.dropout[m] for m in models):
            return h
        kept = torch.ones_like(h)
        for place, model in enumerate(models):
            if p := self.dropout[model]:
                kept[place].bernoulli_(1 - p, generator=self.streams[model]).div_(1 - p)
        return h * kept

    @torch.no_grad()
    def _judge(self, models: list[int]) -> dict[int, Judged]:
        """Validation loss, the joint heads' figures and the gaps of a chunk."""
        state, first = self.state, self.modules[models[0]]
        parameters = state.views(state.weights[models]) | state.fixed_of(models)
        running = {name: value[models] for name, value in state.running.items()}
        for model in models:
            if (penalty := self.modules[model].penalty) is not None:
                penalty.reseed(0)  # every epoch is judged along the same random directions
        loss = torch.zeros(len(models), dtype=torch.float64, device=self.device)
        outputs, released = [], []
        for batch, rows in self.val_batches:
            members, _ = stacked_encoder(first.encoder, parameters, running, batch.rows, drop=None)
            z = members.mean(dim=1)  # (k, n, d)
            released.append(z)
            outputs.append(stacked_heads(first.heads, parameters, z))
            part = self._task_loss(models, outputs[-1].unsqueeze(1), batch)
            if first.penalty is not None:
                part = part + self._weights(models, None) * self._penalty(models, z, batch)
            loss += part * rows
        y, s = (torch.cat([getattr(b, name) for b, _ in self.val_batches]) for name in ("y", "s"))
        mean = loss / len(s)
        judged = {}
        every, z = torch.cat(outputs, dim=1), torch.cat(released, dim=1)
        for place, model in enumerate(models):
            figures = joint_metrics(every[place], y, s, first.tasks, groups=len(self.data.groups))
            gaps = self.modules[model].gaps(figures, z[place], y, s)
            judged[model] = Judged(float(mean[place]), figures, gaps)
        return judged

    def _settle(self, judged: dict[int, Judged]) -> None:
        """Remember what is at its best, stop what has waited long enough."""
        state = self.state
        better = torch.zeros_like(state.active)
        for model, (loss, figures, gaps) in judged.items():
            module = self.modules[model]
            score = module.selection.score(
                loss=loss,
                utility=sum(values["utility"] for values in figures.values()) / len(figures),
                gap=module.selection.gap(gaps),
                epoch=int(state.epoch),
            )
            score = float(torch.tensor(score, dtype=self.dtype))  # as precise as a logged one
            if isinstance(module.weight, DualAscent):
                state.last_gap[model] = gaps[module.weight.task]
            better[model] = score > state.best_score[model] or int(state.epoch) == 1
            if score > state.best_score[model]:
                state.best_score[model], state.waited[model] = score, 0
            else:
                state.waited[model] += 1
            patience = self.settings[model].patience
            if 0 < patience <= int(state.waited[model]):
                state.active[model] = False
        state.keep_best(better)
