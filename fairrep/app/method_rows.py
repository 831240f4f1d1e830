"""Rows for methods of scikit-learn's manner: one task's features, labels and groups as arrays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from fairrep.app.build import build_data
from fairrep.app.transfer_data import domain_options, load_domain, saved_config
from fairrep.app.transfer_encoders import run_encoder
from fairrep.data import PreparedData, Rows
from fairrep.data.registry import dataset_spec
from fairrep.encoders import OneHotInput
from fairrep.encoders.saved import cardinalities
from fairrep.errors import ConfigError
from fairrep.types import Kind, TaskSpec

CHUNK = 65_536  # rows through an encoder at a time


@dataclass(frozen=True)
class Split:
    """The labelled rows of one split whose group training has seen."""

    x: np.ndarray  # (n, p) float64
    y: np.ndarray  # (n,) in the label's unit
    s: np.ndarray  # (n,) group codes


@dataclass(frozen=True)
class MethodRows:
    """What a method is fitted on, chosen on and measured on."""

    data: PreparedData
    task: TaskSpec
    train: Split
    val: Split
    test: Split
    features: str
    """What x is, in words."""

    @property
    def groups(self) -> list[str]:
        """Names in the order of the codes."""
        return list(self.data.groups)


def load_rows(config: DictConfig, kind: Kind) -> MethodRows:
    """Rows of ``config.data``, or of a run (``config.run``) whose representation is x.

    Raises:
        ConfigError: no task of this kind.
        FairrepError: data or a run that cannot be used.
    """
    encode: Callable[[Tensor], Tensor]
    if config.run:
        data, encode = _of_run(config)
    else:
        data = _of_data(config, kind)
        encode = OneHotInput(cardinalities(data.schema))
    task = _task(data, config.task, kind)
    column = data.tasks.index(task)
    groups = len(data.groups) if config.group_in_x else 0

    def split(rows: Rows) -> Split:
        y = rows.y[:, column]
        used = ~torch.isnan(y) & (rows.s >= 0)
        parts = [encode(part) for part in rows.x[used].split(CHUNK)]
        x = torch.cat(parts).double().numpy() if parts else np.empty((0, 0))
        s = rows.s[used].numpy()
        own = np.eye(len(data.groups))[s][:, 1:] if groups else np.empty((len(s), 0))
        return Split(np.hstack([x, own]), y[used].double().numpy(), s)

    words = f"the representation of {config.run}" if config.run else "one-hot features"
    return MethodRows(
        data,
        task,
        train=split(data.train),
        val=split(data.val),
        test=split(data.test),
        features=f"{words}{' and the group' if groups else ''}",
    )


def _of_data(config: DictConfig, kind: Kind) -> PreparedData:
    """The table with the one task in question."""
    name = config.task or _first_task(config.data.name, kind)
    tasks = {"data": {"tasks": {"seen": [name], "novel": []}}}
    return build_data(OmegaConf.merge(config, tasks))  # type: ignore[arg-type]


def _first_task(dataset: str, kind: Kind) -> str:
    if dataset == "csv":
        raise ConfigError("task must name a column of the table: task=COLUMN.")
    spec = dataset_spec(dataset)
    ordered = [*spec.default_seen, *spec.tasks]
    found = [name for name in ordered if spec.tasks[name].kind == kind]
    if not found:
        raise ConfigError(
            f"{dataset} has no {kind} task (its tasks: {', '.join(spec.tasks)}); "
            "choose another data set."
        )
    return found[0]


def _of_run(config: DictConfig) -> tuple[PreparedData, Callable[[Tensor], Tensor]]:
    """The run's own rows and its representation; a task that it does not know is a novel one."""
    saved = saved_config(config.run)
    encoder = run_encoder(Path(config.run), saved)
    options = domain_options(saved, {})
    known = [task.name for task in encoder.tasks] + (options["tasks"]["novel"] or [])
    if config.task and config.task not in known:
        options["tasks"] = options["tasks"] | {"novel": [config.task]}
    data = load_domain(options, encoder, split_seed=saved.split_seed)
    return data, torch.no_grad()(encoder.encoder.eval())


def _task(data: PreparedData, name: str | None, kind: Kind) -> TaskSpec:
    tasks = [task for task in data.tasks if task.kind == kind and name in (None, task.name)]
    if not tasks:
        known = ", ".join(f"{task.name} ({task.kind})" for task in data.tasks)
        raise ConfigError(f"task must be a {kind} task, got '{name}' among {known}.")
    return tasks[0]
