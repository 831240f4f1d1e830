"""Configs → objects: data, encoder, penalty, settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig

from fairrep.app.certificates import check_certificate, total_variation_limit
from fairrep.app.configs import plain
from fairrep.app.data_settings import checked
from fairrep.data import PreparedData, prepare_data
from fairrep.encoders import Encoder, MultitaskHeads, build_encoder, fit_columns, trunk_options
from fairrep.encoders.saved import cardinalities
from fairrep.errors import ConfigError
from fairrep.evaluation import HEADS
from fairrep.penalties import DualAscent, Notion, Penalty
from fairrep.seeds import derive_seed
from fairrep.training import (
    FairEncoderModule,
    FitSettings,
    OptimizerSettings,
    SelectionRule,
    base_rate_logits,
)
from fairrep.training.validation import TOTAL_VARIATION


def build_data(config: DictConfig) -> PreparedData:
    """Load and prepare the data set of ``config.data``.

    Raises:
        ConfigError: a setting of another form than its own.
        DataError: rows or columns that cannot be used.
    """
    return prepare_data(**data_options(config))


def data_options(config: DictConfig) -> dict[str, Any]:
    """The settings of ``config.data`` and the split, as :func:`prepare_data` takes them.

    Raises:
        ConfigError: a setting of another form than its own.
    """
    for name in ("seed", "split_seed"):
        if not isinstance(config[name], int) or config[name] < 0:
            raise ConfigError(f"{name} must be an integer >= 0, got '{config[name]}'.")
    options = plain(config.data)
    tasks = {f"tasks.{name}": chosen for name, chosen in options.pop("tasks").items()}
    options = {key.removeprefix("tasks."): value for key, value in checked(options | tasks).items()}
    return options | {"split_seed": config.split_seed}


def build_heads(config: DictConfig) -> list[str]:
    """Names of the fresh heads; the headline is one of them, or the joint heads."""
    heads = list(plain(config.evaluation.heads))
    for name in heads:
        if name not in HEADS:
            raise ConfigError(f"evaluation.heads must be among {', '.join(HEADS)}, got '{name}'.")
    if config.evaluation.headline not in heads:
        raise ConfigError(
            f"evaluation.headline must be one of evaluation.heads ({', '.join(heads)}), "
            f"got '{config.evaluation.headline}'."
        )
    return heads


def build_settings(config: DictConfig, data: PreparedData) -> FitSettings:
    """How long and how to train.

    Raises:
        ConfigError: a setting that is no whole number, or out of its range.
    """
    for name in ("epochs", "batch_size"):
        if not isinstance(config[name], int | None):
            raise ConfigError(f"{name} must be a whole number, got '{config[name]}'.")
    optimizer = OptimizerSettings(**plain(config.optimizer))
    steps = len(data.train) // max(1, config.batch_size)
    epochs = optimizer.epochs_for(max(1, steps)) if config.epochs is None else config.epochs
    return FitSettings(
        epochs=epochs,
        batch_size=config.batch_size,
        allocation=config.allocation,
        patience=optimizer.patience_for(epochs),
        seed=config.seed,
    )


def build_module(config: DictConfig, data: PreparedData, *, twin: bool) -> FairEncoderModule:
    """Build the untrained model; the twin is the same without the penalty.

    Raises:
        ConfigError: a setting that is out of range or unknown.
    """
    check_certificate(config, data)
    encoder, heads = _build_networks(config, data)
    weight = build_weight(config, data)
    penalty = None if twin else build_penalty(config, data, encoder.dim)
    selection = build_selection(config, data)
    return FairEncoderModule(
        encoder,
        heads,
        data.seen,
        data.groups,
        penalty=penalty,
        weight=0.0 if twin else weight,
        warmup_epochs=config.penalty.warmup_epochs,
        task_weights=_task_weights(config, data),
        optimizer=OptimizerSettings(**plain(config.optimizer)),
        selection=replace(selection, max_gap=1.0) if twin else selection,  # a twin has no bound
    )


def build_penalty(config: DictConfig, data: PreparedData, dim: int) -> Penalty | None:
    """Build the penalty over groups, tried on a few rows (n, dim) before anything is trained."""
    if config.penalty.group is None:
        return None
    try:
        penalty = instantiate(config.penalty.group)(
            groups=data.groups,
            notion=build_notion(config, data),
            attributes=data.attributes,
            check_finite=config.debug,
        )
        _try_out(penalty, data, dim)
    except InstantiationException as problem:
        raise ConfigError(f"penalty: {str(problem).splitlines()[0]}") from problem
    except (ValueError, TypeError) as problem:
        raise ConfigError(f"penalty '{config.penalty.name}': {problem}") from problem
    return penalty


def _try_out(penalty: Penalty, data: PreparedData, dim: int) -> None:
    """Evaluate on the first rows of each group: settings fail here or not at all."""
    rows = [torch.nonzero(data.train.s == g)[: penalty.min_rows] for g in range(len(data.groups))]
    index = torch.cat(rows).flatten()
    z = torch.randn(len(index), dim, generator=torch.Generator().manual_seed(0))
    penalty.evaluate(z, getattr(data.train, penalty.reads)[index], data.train.y[index])


def build_weight(config: DictConfig, data: PreparedData) -> float | DualAscent:
    """λ as a number, or as the multiplier of a constraint on a task's validation gap."""
    asked, limit = config.penalty.weight, total_variation_limit(config, data)
    if asked == "auto":
        settings = plain(config.penalty.auto)
        if limit is not None:
            return DualAscent(**settings | {"task": TOTAL_VARIATION, "target": limit})
        settings["task"] = _seen_task(data, settings["task"], "penalty.auto.task")
        try:
            return DualAscent(**settings)
        except ValueError as problem:
            raise ConfigError(f"penalty.auto.{problem}") from problem
    if isinstance(asked, str) or not 0 <= asked < float("inf"):
        raise ConfigError(f"penalty.weight (λ) must be >= 0 and finite, or auto, got {asked}.")
    return float(asked)


def build_selection(config: DictConfig, data: PreparedData) -> SelectionRule:
    """How the best epoch is chosen; an automatic λ brings its constraint."""
    by, max_gap, task = config.selection.by, config.selection.max_gap, config.selection.task
    if task is not None:
        _seen_task(data, task, "selection.task")
    if by is None and (limit := total_variation_limit(config, data)) is not None:
        return SelectionRule("utility", limit, TOTAL_VARIATION)
    if by is None and config.penalty.weight == "auto":
        constraint = config.penalty.auto
        task = _seen_task(data, constraint.task, "penalty.auto.task")
        return SelectionRule("utility", constraint.target, task)
    return SelectionRule(by or "loss", max_gap, task)


def _seen_task(data: PreparedData, name: str | None, setting: str) -> str:
    """A seen task by name, the first one if none is named."""
    names = [task.name for task in data.seen]
    if name is not None and name not in names:
        raise ConfigError(f"{setting} must be a seen task ({', '.join(names)}), got '{name}'.")
    return name or names[0]


def build_notion(config: DictConfig, data: PreparedData) -> Notion:
    """Which rows the penalty compares."""
    task = _seen_task(data, config.notion.task, "notion.task")
    column = [one.name for one in data.seen].index(task)
    spec = data.seen[column]
    if config.notion.name != "demographic_parity" and spec.kind == "regression":
        raise ConfigError(f"notion {config.notion.name} needs a task with classes, got '{task}'.")
    if config.notion.name == "equal_opportunity" and spec.kind != "binary":
        raise ConfigError(f"notion equal_opportunity needs a binary task, got '{task}'.")
    try:
        return Notion(config.notion.name, column, spec.classes)
    except ValueError as problem:
        raise ConfigError(str(problem)) from problem


def _build_networks(config: DictConfig, data: PreparedData) -> tuple[Encoder, MultitaskHeads]:
    """Initialise from the seed's own stream, so that the twin starts from the same weights."""
    sizes, options = cardinalities(data.schema), plain(config.encoder)
    if "recall" in options:
        options["recall"] = _recall(options["recall"], data)
    labels = data.train.y[:, : len(data.seen)]
    trunk = trunk_options(options)
    if "bins" in trunk:
        trunk["columns"] = fit_columns(data.train.x, labels, data.seen, sizes, **trunk.pop("bins"))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(config.seed, "init"))
        encoder = build_encoder(sizes, **options)
        heads = MultitaskHeads(data.seen, encoder.dim, hidden=plain(config.heads.hidden))
    heads.start_at(base_rate_logits(labels, data.seen))
    return encoder, heads


def _recall(asked: Mapping[str, Any], data: PreparedData) -> dict[str, Any] | None:
    """The reward for columns of x with their positions for their names; nothing at weight 0."""
    if asked["weight"] == 0:
        return None
    names = [column.name for column in data.schema.columns]
    chosen = names if asked["columns"] is None else asked["columns"]
    for name in chosen:
        if name not in names:
            raise ConfigError(
                f"encoder.recall.columns must be columns of x, got '{name}'; they are "
                f"{', '.join(names)}."
            )
    return {"weight": asked["weight"], "columns": [names.index(name) for name in chosen]}


def _task_weights(config: DictConfig, data: PreparedData) -> dict[str, float]:
    weights = plain(config.task_weights) or {}
    names = {task.name for task in data.seen}
    for task, weight in weights.items():
        if task not in names:
            raise ConfigError(f"task_weights names '{task}', which is not a seen task.")
        if weight < 0:
            raise ConfigError(f"task_weights.{task} must be >= 0, got {weight}.")
    return weights
