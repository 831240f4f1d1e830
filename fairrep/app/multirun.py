"""The end of Hydra's multirun: its runs become the points of a front, as those of a sweep do."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from fairrep.app.console import user_errors
from fairrep.app.front_files import front_content, split_table, write_front
from fairrep.app.results import Metrics
from fairrep.app.run_folder import DATA, ENVIRONMENT, METRICS, RunFolder
from fairrep.app.sweep_front import settle
from fairrep.app.sweep_plan import WEIGHT, Model, Point, build_rule, twin_key
from fairrep.types import TaskSpec

SHARED = ("data", "split_seed", "evaluation", "notion")
"""Settings that the runs of one front have in common."""


class FrontCallback(Callback):
    """Write front.json, its table, picture and report beside the runs of ``train.py -m``."""

    def on_multirun_end(self, config: DictConfig, **options: Any) -> None:
        """Do so if the runs are comparable; a single run, or none, is no front."""
        with user_errors(debug=config.debug):
            multirun_front(config, Path(config.hydra.sweep.dir))


def multirun_front(config: DictConfig, folder: Path) -> dict[str, Any] | None:
    """Make one front of the finished runs below ``folder``; return what ``front.json`` holds.

    A point is what the runs' command lines differ in, seeds apart; the twins are points of their
    own. Nothing is made of runs on different data, splits, heads or notions.
    """
    runs = [path.parent for path in sorted(folder.glob(f"*/{METRICS}"), key=_position)]
    configs = [_config(run) for run in runs]
    shared = {repr([one.get(key) for key in SHARED]) for one in configs}
    if len(runs) < 2 or len(shared) > 1:
        return None
    about = _read(runs[0] / DATA)
    points, models, places = _plan(runs, configs)
    metrics = dict(enumerate(_read(place / METRICS) for place in places))
    asked = metrics[0]["test"]
    specs = [
        TaskSpec(name, task["kind"], tuple(task["labels"]), task["seen"])
        for name, task in about["tasks"].items()
        if name in asked
    ]
    rule = build_rule(config, specs)
    val = [split_table(one, "val", config.evaluation.headline) for one in metrics.values()]
    worst = (
        min(table[rule.task][rule.maximize] for table in val),
        max(table[rule.task][rule.metric] for table in val),
    )
    content = front_content(
        config,
        about,
        points,
        models,
        metrics,
        [str(place.relative_to(folder)) for place in places],
        settle(points, models, list(val), rule, reference=worst),
        rule,
        command=shlex.join(["fairrep", "train", "-m", *config.hydra.overrides.task]),
        references={},
        seconds={"training": sum(one["seconds"] for one in metrics.values())},
    )
    write_front(RunFolder(folder), content)
    print(f"Front: {content['selection']['sentence']}\nFolder: {folder}")
    return content


def _plan(
    runs: list[Path], configs: list[DictConfig]
) -> tuple[list[Point], list[Model], list[Path]]:
    """Points (twins first), models, and the folder of each model."""
    found: dict[tuple[str, int], tuple[Point, DictConfig, Path]] = {}
    for run, config, changes in zip(runs, configs, _differences(runs)):
        own = {key: value for key, value in changes.items() if key not in ("seed", WEIGHT)}
        weight = _read(run / METRICS)["weight"]
        if config.penalty.weight == "auto":
            own["weight"] = "auto"
        point = Point({WEIGHT: weight, **own}, twin=weight == 0)
        if not point.twin:
            found.setdefault(_key(point, config.seed), (point, config, run))
        twin = run if point.twin else run / "twin"
        if (twin / METRICS).exists():
            rest = {k: v for k, v in own.items() if not k.startswith(("penalty", "weight"))}
            point = Point({WEIGHT: 0.0, **rest}, twin=True)
            found.setdefault(_key(point, config.seed), (point, config, twin))
    points = list({repr(p.settings): p for p, _, _ in found.values()}.values())
    points.sort(key=lambda point: (not point.twin, _others(point), point.weight))
    models, places = [], []
    for number, point in enumerate(points):
        for own_point, config, place in found.values():
            if own_point == point:
                models.append(Model(number, config.seed, config, None))
                places.append(place)
    return points, _with_twins(points, models), places


def _with_twins(points: list[Point], models: list[Model]) -> list[Model]:
    """Say where each model's twin stands among them."""
    twins = {
        (twin_key(points[m.point].settings), m.seed): k
        for k, m in enumerate(models)
        if points[m.point].twin
    }
    return [
        m
        if points[m.point].twin
        else replace(m, twin=twins.get((twin_key(points[m.point].settings), m.seed)))
        for m in models
    ]


def _differences(runs: list[Path]) -> list[dict[str, str]]:
    """For each run, what its command line says that not every run's says."""
    lines = [shlex.split(_read(run / ENVIRONMENT)["command"] or "")[2:] for run in runs]
    given = [dict(part.split("=", 1) for part in line if "=" in part) for line in lines]
    keys = {key for one in given for key in one}
    varying = [key for key in sorted(keys) if len({one.get(key) for one in given}) > 1]
    return [{key: one[key] for key in varying if key in one} for one in given]


def _key(point: Point, seed: int) -> tuple[str, int]:
    return repr(point.settings), seed


def _others(point: Point) -> str:
    return repr({key: value for key, value in point.settings.items() if key != WEIGHT})


def _position(path: Path) -> tuple[int, str]:
    name = path.parent.name
    return (int(name), "") if name.isdecimal() else (-1, name)


def _config(run: Path) -> DictConfig:
    return OmegaConf.load(run / "config.yaml")  # type: ignore[return-value]


def _read(file: Path) -> Metrics:
    return json.loads(file.read_text())
