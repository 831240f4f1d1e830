"""A front as it is saved: front.json and front.csv, from what each model's metrics.json says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from omegaconf import DictConfig

from fairrep.app.report import write_report
from fairrep.app.results import Metrics, plain_figures
from fairrep.app.run_folder import RunFolder, environment
from fairrep.app.sweep_front import Front, Table, over_seeds, sentence, summary
from fairrep.app.sweep_plan import Model, Point
from fairrep.evaluation import FrontRule

RESULT, TABLE = "front.json", "front.csv"
SCHEMA = 1
Content = dict[str, Any]


def front_content(
    config: DictConfig,
    about: Content,
    points: Sequence[Point],
    models: Sequence[Model],
    metrics: Mapping[int, Metrics],
    folders: Sequence[str],
    front: Front,
    rule: FrontRule,
    *,
    command: str | None,
    references: Mapping[str, Mapping[str, Table]],
    seconds: Mapping[str, float],
) -> Content:
    """What ``front.json`` holds.

    Args:
        config: of the sweep.
        about: what ``data.json`` says of the data.
        points: the settings.
        models: all of them.
        metrics: what ``metrics.json`` says of each model that did not diverge.
        folders: of the models, within the sweep's.
        front: what was settled on validation rows.
        rule: by which.
        command: what the sweep was started with.
        references: name → split → figures of what stands beside the models.
        seconds: of training and evaluation.
    """
    head = config.evaluation.headline
    asked = {task for one in metrics.values() for task in one["test"]}
    return {
        "schema": SCHEMA,
        "dataset": about["name"],
        "title": about["title"],
        "sensitive": about["sensitive"],
        "groups": {name: sum(g["rows"].values()) for name, g in about["groups"].items()},
        "penalty": config.penalty.name,
        "notion": config.notion.name,
        "split_seed": config.split_seed,
        "seeds": sorted({model.seed for model in models}),
        "command": command,
        "environment": environment(),
        **{key: about[key] for key in ("rows", "harms", "licence", "source")},
        "head": head,
        "tasks": {
            name: {"kind": task["kind"], "seen": task["seen"]}
            for name, task in about["tasks"].items()
            if name in asked
        },
        "points": [_point(p, one, models, metrics, front, head) for p, one in enumerate(points)],
        "references": references,
        "hypervolume": front.hypervolume,
        "selection": _selection(points, models, metrics, front, rule, head),
        "models": [
            {
                "point": model.point,
                "seed": model.seed,
                "folder": folders[k],
                "diverged": k not in metrics,
                "epochs": metrics[k]["epochs"] if k in metrics else None,
            }
            for k, model in enumerate(models)
        ],
        "seconds": {name: round(value, 3) for name, value in seconds.items()},
    }


def split_table(metrics: Metrics, split: str, head: str) -> Table:
    """Task → the leading head's figures on one split."""
    return {task: plain_figures(by_head[head]) for task, by_head in metrics[split].items()}


def _point(
    position: int,
    point: Point,
    models: Sequence[Model],
    metrics: Mapping[int, Metrics],
    front: Front,
    head: str,
) -> Content:
    own = [k for k, model in enumerate(models) if model.point == position]
    sound = [metrics[k] for k in own if k in metrics]
    certificates = [one["certificate"] for one in sound if one.get("certificate")]
    leaks = [one["leakage"]["trained"][one["leakage"]["probe"]] for one in sound]
    return {
        "settings": point.settings,
        "weight": point.weight,
        "label": point.label,
        "twin": point.twin,
        "on_front": front.on_front[position],
        "seeds": [models[k].seed for k in own],
        "diverged": [models[k].seed for k in own if k not in metrics],
        **{
            split: over_seeds([split_table(one, split, head) for one in sound])
            for split in ("val", "test")
        },
        "leakage": {name: summary([one[name] for one in leaks]) for name in leaks[0]}
        if leaks
        else None,
        "certificate": {
            name: summary([one[name] for one in certificates]) for name in ("bound", "distance")
        }
        | {key: certificates[0][key] for key in ("delta", "candidates")}
        if certificates
        else None,
    }


def _selection(
    points: Sequence[Point],
    models: Sequence[Model],
    metrics: Mapping[int, Metrics],
    front: Front,
    rule: FrontRule,
    head: str,
) -> Content:
    test = {}
    if front.model is not None:
        test = {
            task: {
                name: value
                for name, value in by_head[head].items()
                if isinstance(value, float) or name.endswith("_ci")
            }
            for task, by_head in metrics[front.model]["test"].items()
        }
    return {
        "task": rule.task,
        "maximize": rule.maximize,
        "metric": rule.metric,
        "at_most": rule.at_most,
        "feasible": front.feasible,
        "point": front.point,
        "model": front.model,
        "sentence": sentence(points, models, front, rule),
        "test": test,
    }


def front_table(content: Content) -> pd.DataFrame:
    """One row a point, split, task and figure: mean, sd and number of seeds."""
    rows = [
        {
            "point": number,
            "label": point["label"],
            **point["settings"],
            "on_front": point["on_front"],
            "selected": number == content["selection"]["point"],
            "split": split,
            "task": task,
            "figure": name,
            "mean": values["mean"],
            "sd": values["sd"],
            "seeds": len(values["values"]),
        }
        for number, point in enumerate(content["points"])
        for split in ("val", "test")
        for task, figures in (point[split] or {}).items()
        for name, values in figures.items()
    ]
    return pd.DataFrame(rows)


def write_front(folder: RunFolder, content: Content) -> None:
    """Write the table, the JSON, which marks a finished sweep, then the picture and the report."""
    front_table(content).to_csv(folder.path / TABLE, index=False)
    folder.write_json(RESULT, content)
    write_report(folder.path)
