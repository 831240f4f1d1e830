"""Which models a sweep trains: λ × other settings × seeds, and the λ = 0 twins of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import torch
from omegaconf import DictConfig, OmegaConf

from fairrep.app.configs import plain
from fairrep.errors import ConfigError
from fairrep.evaluation import FrontRule, figure_names
from fairrep.types import TaskSpec

WEIGHT = "penalty.weight"
SWEPT = ("penalty.", "optimizer.", "encoder.", "selection.", "task_weights.")
PRECISIONS = {"32-true": torch.float32, "64-true": torch.float64}
OWN_SECTIONS = ("sweep", "select")


@dataclass(frozen=True)
class Point:
    """One setting of the sweep, trained with every seed.

    Attributes:
        settings: what differs between points, λ included, by dotted name.
        twin: whether λ is 0.
    """

    settings: dict[str, Any]
    twin: bool

    @property
    def weight(self) -> float:
        """λ."""
        return float(self.settings[WEIGHT])

    @property
    def label(self) -> str:
        """As tables and pictures call it: ``λ = 0.1, blur 0.5``."""
        others = [
            f"{name.rsplit('.', 1)[1] if '.' in name else name} {_short(value)}"
            for name, value in self.settings.items()
            if name != WEIGHT
        ]
        return ", ".join([f"λ = {self.weight:.3g}", *others])


@dataclass(frozen=True)
class Model:
    """One encoder of the sweep, with the settings of its single run."""

    point: int
    seed: int
    config: DictConfig
    twin: int | None
    """Position of its λ = 0 twin among the models; none of its own if it is one."""


def plan_points(config: DictConfig) -> list[Point]:
    """All settings, the twins first.

    Raises:
        ConfigError: an empty or non-finite grid, a negative λ, a key that cannot be swept.
    """
    weights, grid = sweep_weights(config), _grid(config)
    names = list(grid)
    combinations = [dict(zip(names, values)) for values in product(*grid.values())]
    twins: list[Point] = []
    for combination in combinations:
        own = {k: v for k, v in combination.items() if not k.startswith("penalty.")}
        if (twin := Point({WEIGHT: 0.0, **own}, twin=True)) not in twins:
            twins.append(twin)
    return twins + [
        Point({WEIGHT: weight, **combination}, twin=False)
        for combination in combinations
        for weight in weights
    ]


def plan_models(config: DictConfig, points: Sequence[Point]) -> list[Model]:
    """Every point with every seed; each with the config of an ordinary run.

    Raises:
        ConfigError: fewer than one seed.
    """
    seeds = config.sweep.seeds
    if not isinstance(seeds, int) or seeds < 1:
        raise ConfigError(f"sweep.seeds must be an integer >= 1, got {seeds}.")
    chosen = [config.seed + k for k in range(seeds)]
    twins = {twin_key(point.settings): p for p, point in enumerate(points) if point.twin}
    return [
        Model(
            number,
            seed,
            model_config(config, point, seed),
            None if point.twin else twins[twin_key(point.settings)] * seeds + k,
        )
        for number, point in enumerate(points)
        for k, seed in enumerate(chosen)
    ]


def model_config(config: DictConfig, point: Point, seed: int) -> DictConfig:
    """The settings of the single run that trains this model."""
    own = OmegaConf.create({k: v for k, v in config.items() if k not in OWN_SECTIONS})
    changes = {
        **point.settings,
        "seed": seed,
        "twin": not point.twin,
        "transfer": bool(config.sweep.transfer),
        "resume": None,
    }
    for name, value in changes.items():
        OmegaConf.update(own, name, value, force_add=True)
    return own


def sweep_weights(config: DictConfig) -> list[float]:
    """The positive λ of the sweep, ascending.

    Raises:
        ConfigError: no λ, several ways of giving them, one that is negative or not finite.
    """
    if config.penalty.name == "none":
        raise ConfigError("a sweep needs a penalty to weigh, got penalty=none.")
    asked = plain(config.sweep.weights)
    given = [name for name in ("values", "logspace") if asked[name] is not None]
    if len(given) > 1:
        raise ConfigError("give sweep.weights.values or sweep.weights.logspace, got both.")
    name = given[0] if given else "times"
    values = asked[name]
    if not isinstance(values, list) or not all(_is_number(value) for value in values):
        raise ConfigError(f"sweep.weights.{name} must be a list of finite numbers, got {values}.")
    if name != "values":
        values = _logspace(name, values)
    if name == "times":
        if not _is_number(config.penalty.weight) or config.penalty.weight <= 0:
            raise ConfigError(
                f"sweep.weights.times is in units of penalty.weight, which is "
                f"{config.penalty.weight}; give sweep.weights.logspace or values."
            )
        values = [float(f"{value * config.penalty.weight:.6g}") for value in values]
    if any(value < 0 for value in values):
        raise ConfigError(f"sweep.weights.{name} (λ) must be >= 0, got {min(values)}.")
    found = sorted({float(value) for value in values if value > 0})
    if not found:
        raise ConfigError(f"sweep.weights.{name} needs at least one λ > 0, got {values}.")
    return found


def build_rule(config: DictConfig, asked_of: Sequence[TaskSpec]) -> FrontRule:
    """The rule that selects one model; ``asked_of`` are the tasks that are evaluated.

    Raises:
        ConfigError: a task or a figure that does not exist, or a bound out of range.
    """
    asked = config.select
    tasks = {task.name: task for task in asked_of}
    task = asked.task or asked_of[0].name
    if task not in tasks:
        raise ConfigError(f"select.task must be one of {', '.join(tasks)}, got '{task}'.")
    names = figure_names(tasks[task])
    gaps = [n for n in names if n.endswith(("_difference", "_distance"))]
    utilities = [n for n in names if n not in gaps and not n.endswith("_ratio") and n != "rmse"]
    maximize = asked.maximize or ("r2" if tasks[task].kind == "regression" else "accuracy")
    for key, name, known in (("maximize", maximize, utilities), ("metric", asked.metric, gaps)):
        if name not in known:
            raise ConfigError(f"select.{key} must be one of {', '.join(known)}, got '{name}'.")
    if not _is_number(asked.at_most):
        raise ConfigError(f"select.at_most must be a number, got {asked.at_most}.")
    return FrontRule(task, maximize, asked.metric, float(asked.at_most))


def build_device(config: DictConfig) -> tuple[torch.device, torch.dtype]:
    """Where and in which precision a stack is trained.

    Raises:
        ConfigError: several devices, a precision of two kinds, a device that is not there.
    """
    asked = config.trainer
    if asked.devices not in (1, "auto") or asked.get("strategy") is not None:
        raise ConfigError("a stack is trained on one device; choose trainer=auto, cpu or gpu.")
    if asked.precision not in PRECISIONS:
        raise ConfigError(
            f"trainer.precision of a stack must be {' or '.join(PRECISIONS)}, "
            f"got '{asked.precision}'."
        )
    there = torch.cuda.is_available()
    if asked.accelerator not in ("auto", "cpu", "gpu", "cuda"):
        raise ConfigError(
            f"trainer.accelerator of a stack must be auto, cpu or gpu, got '{asked.accelerator}'."
        )
    if asked.accelerator in ("gpu", "cuda") and not there:
        raise ConfigError("trainer=gpu needs a GPU, but none is there; use trainer=cpu.")
    device = "cuda" if there and asked.accelerator != "cpu" else "cpu"
    return torch.device(device), PRECISIONS[asked.precision]


def _grid(config: DictConfig) -> dict[str, list[Any]]:
    asked = plain(config.sweep.grid)
    asked = plain(OmegaConf.create(asked)) if isinstance(asked, str) else asked
    if asked is None:
        return {}
    if not isinstance(asked, dict):
        raise ConfigError(f"sweep.grid must map settings to lists of values, got {asked}.")
    for name, values in asked.items():
        if name == WEIGHT:
            raise ConfigError(f"{WEIGHT} is swept by sweep.weights, not by sweep.grid.")
        check_swept(config, name, setting="sweep.grid")
        if not isinstance(values, list) or not values:
            raise ConfigError(f"sweep.grid.{name} must be a list of values, got {values}.")
        if any(isinstance(v, float) and not math.isfinite(v) for v in values):
            raise ConfigError(f"sweep.grid.{name} must hold finite values, got {values}.")
    return asked


def check_swept(config: DictConfig, name: str, *, setting: str) -> None:
    """Refuse a key that is no setting, or one that models of a stack cannot differ in.

    Raises:
        ConfigError: such a key, with the setting that names it.
    """
    parent, _, leaf = name.rpartition(".")
    node = OmegaConf.select(config, parent) if parent else config
    if not OmegaConf.is_dict(node) or leaf not in node:
        raise ConfigError(f"{setting} names '{name}', which is no setting of this run.")
    if not name.startswith(SWEPT):
        raise ConfigError(
            f"{setting} can vary {', '.join(f'{n}*' if n.endswith('.') else n for n in SWEPT)}; "
            f"'{name}' is shared by a stack: sweep it with fairrep train -m."
        )


def _logspace(name: str, values: list[float]) -> list[float]:
    if len(values) != 3 or values[2] != int(values[2]) or values[2] < 1:
        raise ConfigError(f"sweep.weights.{name} must be [a, b, n] with n >= 1, got {values}.")
    with np.errstate(over="ignore"):
        found = np.logspace(values[0], values[1], int(values[2]))
    if not np.isfinite(found).all():
        raise ConfigError(f"sweep.weights.{name} must give finite λ, got {values}.")
    return [float(f"{value:.6g}") for value in found]


def twin_key(settings: dict[str, Any]) -> str:
    """What a point shares with its twin."""
    return repr([(k, v) for k, v in settings.items() if not k.startswith("penalty")])


def _is_number(value: Any) -> bool:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_number and math.isfinite(value)


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
