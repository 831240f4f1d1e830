"""Trained stack → figures: every model's representation in one protocol, test rows opened once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from omegaconf import DictConfig
from torch import Tensor

from fairrep.app.build import build_heads
from fairrep.app.results import plain_figures
from fairrep.app.sweep_front import Front, Table, settle
from fairrep.app.sweep_plan import Model, Point
from fairrep.app.transfer_views import Views
from fairrep.data import PreparedData
from fairrep.evaluation import FrontRule, Sealed, Several, evaluate_several
from fairrep.evaluation.heads import predictions
from fairrep.evaluation.protocol import part, questions
from fairrep.evaluation.several import MAJORITY, Joint, ViewFigures
from fairrep.training import FairEncoderModule

RAW = "raw"


def model_name(number: int) -> str:
    """A model's folder below ``models/``, and the name of its representation."""
    return f"{number:03d}"


def evaluate_stack(
    config: DictConfig,
    data: PreparedData,
    points: Sequence[Point],
    models: Sequence[Model],
    modules: Sequence[FairEncoderModule],
    rule: FrontRule,
    *,
    diverged: Sequence[int],
    device: torch.device,
) -> Several[Front]:
    """Fresh heads for all models together; the front is settled before test rows are opened."""
    sound = {model_name(k): m for k, m in enumerate(modules) if k not in diverged}
    tasks = data.tasks if config.sweep.transfer else data.seen
    asked = questions(data, build_heads(config), tasks)
    encoders = {name: module.encoder for name, module in sound.items()}
    views = Views(data, encoders, [*sound, RAW], device=device)
    train, val = (part(views.of(r.x), r, data, asked) for r in (data.train, data.val))
    test = Sealed(
        lambda: (part(views.of(data.test.x), data.test, data, asked), _joint(sound, data, device))
    )
    return evaluate_several(
        train,
        val,
        test,
        data,
        asked,
        settle=partial(_settle, config, points, models, rule),
        seed=config.seed,
    )


def leading(figures: ViewFigures, view: str, head: str) -> Table:
    """Task → the leading head's figures of one representation."""
    return {task: plain_figures(by_head[head]) for task, by_head in figures[view].items()}


def _settle(
    config: DictConfig,
    points: Sequence[Point],
    models: Sequence[Model],
    rule: FrontRule,
    figures: ViewFigures,
) -> Front:
    head = config.evaluation.headline
    val = [
        leading(figures, model_name(k), head) if model_name(k) in figures else None
        for k in range(len(models))
    ]
    raw, constant = leading(figures, RAW, head), leading(figures, MAJORITY, MAJORITY)
    reference = constant[rule.task][rule.maximize], raw[rule.task][rule.metric]
    return settle(points, models, val, rule, reference=reference)


@torch.no_grad()
def _joint(
    modules: dict[str, FairEncoderModule], data: PreparedData, device: torch.device
) -> Joint:
    """Predictions of the heads that were trained with each encoder, on test rows."""
    names = [task.name for task in data.seen]
    return {
        name: dict(zip(names, _predicted(module, data, data.test.x.to(device))))
        for name, module in modules.items()
    }


def _predicted(module: FairEncoderModule, data: PreparedData, x: Tensor) -> list[np.ndarray]:
    module.to(x.device).eval()
    return predictions(module(x), data.seen)
