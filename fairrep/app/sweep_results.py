"""A finished sweep → front.json, front.csv, and a folder of an ordinary run for each model."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import pandas as pd
from omegaconf import DictConfig

from fairrep.app.results import part_metrics, with_twin
from fairrep.app.run_folder import METRICS, RunFolder, environment
from fairrep.app.sweep_evaluate import RAW, leading, model_name
from fairrep.app.sweep_front import Front, Table, over_seeds, plain_figures, sentence, summary
from fairrep.app.sweep_plan import Model, Point
from fairrep.data import PreparedData, describe
from fairrep.encoders import TableEncoder, save_encoder
from fairrep.evaluation import FrontRule, Several
from fairrep.evaluation.several import MAJORITY
from fairrep.training import FairEncoderModule, FitResult, StackResult

RESULT, TABLE, MODELS, COMMAND = "front.json", "front.csv", "models", "command.txt"
SCHEMA = 1
Content = dict[str, Any]


def write_models(
    folder: RunFolder,
    data: PreparedData,
    models: Sequence[Model],
    modules: Sequence[FairEncoderModule],
    fitted: StackResult,
    found: Several[Front],
) -> None:
    """Write every model as the folder of an ordinary run, its twin within.

    Of a model that diverged there is only the config: its weights mean nothing.
    """
    seconds = round(fitted.seconds / len(models), 3)
    metrics = {
        k: part_metrics(
            model.config,
            data,
            FitResult(fitted.epochs[k], seconds, finished=True),
            found.test[model_name(k)],
            weight=modules[k].final_weight(),
            twin=model.twin is None,
        )
        for k, model in enumerate(models)
        if k not in fitted.diverged
    }
    for k, model in enumerate(models):
        own = RunFolder(folder.path / MODELS / model_name(k))
        own.start(model.config)
        if k not in metrics:
            continue
        twin = metrics.get(model.twin) if model.twin is not None else None
        if twin is not None:
            own.twin.start(models[model.twin].config)  # type: ignore[index]
            _write_one(own.twin, data, modules[model.twin], twin)  # type: ignore[index]
        own.write_predictions(found.test[model_name(k)].predictions)
        _write_one(own, data, modules[k], with_twin(metrics[k], twin))


def _write_one(
    folder: RunFolder, data: PreparedData, module: FairEncoderModule, metrics: Content
) -> None:
    encoder = TableEncoder(module.encoder.cpu(), data.schema, tasks=data.seen, groups=data.groups)
    save_encoder(encoder, folder.path / "encoder")
    folder.write_json(METRICS, metrics)


def front_content(
    config: DictConfig,
    data: PreparedData,
    points: Sequence[Point],
    models: Sequence[Model],
    fitted: StackResult,
    found: Several[Front],
    rule: FrontRule,
    *,
    asked: str,
    seconds: float,
) -> Content:
    """What ``front.json`` holds; ``asked`` is the command, ``seconds`` those of the evaluation."""
    head, about = config.evaluation.headline, describe(data)
    tested = {view: evaluation.test for view, evaluation in found.test.items()}
    tasks = list(next(iter(tested.values())))
    tables = {view: leading(tested, view, head) for view in tested}
    return {
        "schema": SCHEMA,
        "dataset": data.spec.name,
        "title": data.spec.title,
        "sensitive": list(data.sensitive),
        "groups": {name: sum(g["rows"].values()) for name, g in about["groups"].items()},
        "penalty": config.penalty.name,
        "notion": config.notion.name,
        "split_seed": config.split_seed,
        "seeds": sorted({model.seed for model in models}),
        "command": asked,
        "environment": environment(),
        "rows": about["rows"],
        "harms": about["harms"],
        "licence": about["licence"],
        "source": about["source"],
        "head": head,
        "tasks": {t.name: {"kind": t.kind, "seen": t.seen} for t in data.tasks if t.name in tasks},
        "points": [
            _point(p, point, models, fitted, found, tables) for p, point in enumerate(points)
        ],
        "references": {
            RAW: {"val": leading(found.val, RAW, head), "test": tables[RAW]},
            MAJORITY: {
                "val": leading(found.val, MAJORITY, MAJORITY),
                "test": {t: plain_figures({"": m}, "") for t, m in found.majority.items()},
            },
        },
        "hypervolume": found.settled.hypervolume,
        "selection": _selection(points, models, found, rule, head),
        "models": [
            {
                "point": model.point,
                "seed": model.seed,
                "folder": f"{MODELS}/{model_name(k)}",
                "diverged": k in fitted.diverged,
                "epochs": fitted.epochs[k],
            }
            for k, model in enumerate(models)
        ],
        "seconds": {"training": round(fitted.seconds, 3), "evaluation": round(seconds, 3)},
    }


def remember_command(folder: RunFolder, *, resume: bool) -> None:
    """Write down the command line of a new sweep; a resumed one keeps its own."""
    file = folder.path / COMMAND
    if not (resume and file.exists()):
        file.write_text(command() + "\n")


def command() -> str:
    """The command line of this process, fit to be pasted."""
    quoted = [f"'{a}'" if set(a) & set(" []{}*$") else a for a in sys.argv]
    return " ".join(["python", *quoted])


def _point(
    position: int,
    point: Point,
    models: Sequence[Model],
    fitted: StackResult,
    found: Several[Front],
    tables: dict[str, Table],
) -> Content:
    own = [k for k, model in enumerate(models) if model.point == position]
    sound = [k for k in own if k not in fitted.diverged]
    val = [table for k in sound if (table := found.settled.val[k]) is not None]
    leaks = [
        found.test[view].leakage[found.probe[view]] for k in sound for view in (model_name(k),)
    ]
    return {
        "settings": point.settings,
        "weight": point.weight,
        "label": point.label,
        "twin": point.twin,
        "on_front": found.settled.on_front[position],
        "seeds": [models[k].seed for k in own],
        "diverged": [models[k].seed for k in own if k in fitted.diverged],
        "val": over_seeds(val),
        "test": over_seeds([tables[model_name(k)] for k in sound]),
        "leakage": {name: summary([one[name] for one in leaks]) for name in leaks[0]}
        if leaks
        else None,
    }


def _selection(
    points: Sequence[Point],
    models: Sequence[Model],
    found: Several[Front],
    rule: FrontRule,
    head: str,
) -> Content:
    front = found.settled
    test = {}
    if front.model is not None:
        test = {
            task: {
                name: value
                for name, value in by_head[head].items()
                if isinstance(value, float) or name.endswith("_ci")
            }
            for task, by_head in found.test[model_name(front.model)].test.items()
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
    """Write the table, then the JSON, which marks a finished sweep."""
    front_table(content).to_csv(folder.path / TABLE, index=False)
    folder.write_json(RESULT, content)
