"""Transfer figures → transfer.json, transfer.csv and pictures; seeds and folds summed up."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from omegaconf import DictConfig

from fairrep.app.configs import plain
from fairrep.app.run_folder import METRICS, RunFolder, environment
from fairrep.data import PreparedData
from fairrep.reporting import figures, transfer_figures

RESULT, TABLE = "transfer.json", "transfer.csv"
SCHEMA = 1
DOMAIN = ("path", "embeddings", "states", "year")  # settings that say whose rows these are
MEASURES = ("gap_left", "margin_kept")

Result = dict[str, Any]


def report(
    config: DictConfig, saved: DictConfig, data: PreparedData, options: Result, result: Result
) -> Result:
    """Put what was measured where, and on whom, beside the figures."""
    return {
        "schema": SCHEMA,
        "run": str(config.run),
        "domain": {
            **{key: options.get(key) for key in ("name", *DOMAIN)},
            "own": options.get("name") == saved.data.name
            and all(options.get(key) == saved.data.get(key) for key in DOMAIN),
            "title": data.spec.title,
            "harms": list(data.spec.harms),
            "rows": {name: len(rows) for name, rows in data.splits.items()},
            "surprises": data.surprises,
            "unknown_group": {n: int((rows.s < 0).sum()) for n, rows in data.splits.items()},
        },
        "sensitive": list(data.sensitive),
        "groups": list(data.groups),
        "chance": {"balanced_accuracy": 1 / len(data.groups), "auc": 0.5},
        "penalty": saved.penalty.name,
        "weight": _of_run(config.run, "weight"),
        "certificate": _of_run(config.run, "certificate"),
        "heads": asked_heads(config),
        "split": config.split,
        "seeds": [saved.seed + k for k in range(config.seeds)],
        **result,
        "environment": environment(),
    }


def asked_heads(config: DictConfig) -> list[str]:
    """The one head that was asked for, or all of ``evaluation.heads``."""
    return [config.head] if config.head else plain(config.evaluation.heads)


def _of_run(run: str, key: str) -> Any:
    """What the run's metrics say; an automatic λ is not in its settings."""
    return json.loads((Path(run) / METRICS).read_text()).get(key)


def summarise_seeds(results: Sequence[Result]) -> Result:
    """The first seed's figures, and mean ± sd of everything over the seeds."""
    first = results[0]
    if len(results) == 1:
        return {**first, "over_seeds": None}
    parts = ("figures", "transfer", "leakage")
    trees = [{part: result[part] for part in parts} for result in results]
    return {**first, "over_seeds": _mean_and_sd(trees)}


def summarise_folds(folds: Sequence[Result]) -> Result:
    """Figures of every task from the fold that left it out, and their distribution."""
    merged: Result = {part: {} for part in ("figures", "selected", "transfer", "scores", "tasks")}
    for fold in folds:
        for name, content in merged.items():
            content |= fold[name]
    leakages = _mean_and_sd([fold["leakage"] for fold in folds])
    return {
        **merged,
        "leakage": folds[0]["leakage"],
        "over_folds": {"leakage": leakages, "novel": [list(fold["tasks"]) for fold in folds]},
        "distribution": _distribution(merged),
    }


def write(content: Result, folder: Path) -> None:
    """Write pictures and table, then the JSON, which marks finished results."""
    folder.mkdir(parents=True, exist_ok=True)
    figures.save(transfer_figures.utility_and_gap(content), folder / "transfer.png")
    figures.save(transfer_figures.score_distributions(content), folder / "scores.png")
    long_table(content).to_csv(folder / TABLE, index=False)
    RunFolder(folder).write_json(RESULT, content)


def long_table(content: Result) -> pd.DataFrame:
    """One row a task, representation, head and figure, with its interval; then leakage."""
    rows = []
    for task, by_view in content["figures"].items():
        for view, by_head in by_view.items():
            for head, metrics in by_head.items():
                where = {
                    "task": task,
                    "seen": content["tasks"][task]["seen"],
                    "representation": view,
                    "head": head,
                }
                rows += [where | row for row in _figure_rows(metrics)]
                against = metrics.get("versus_twin", {})
                rows += [
                    where | row | {"figure": f"{row['figure']} - twin's"}
                    for row in _figure_rows(against)
                ]
    for attribute, by_view in content["leakage"].items():
        for view, found in by_view.items():
            for head, scores in found["heads"].items():
                where = {"task": f"leakage of {attribute}", "representation": view, "head": head}
                rows += [where | {"figure": name, "value": v} for name, v in scores.items()]
    return pd.DataFrame(rows)


def _figure_rows(metrics: Result) -> list[Result]:
    n = metrics.get("n")
    return [
        {"figure": name, "value": value, "low": low, "high": high, "n": n}
        for name, value in metrics.items()
        if isinstance(value, float)
        for low, high in (metrics.get(f"{name}_ci", (None, None)),)
    ]


def _distribution(merged: Result) -> Result:
    """Quartiles over the novel tasks, by representation, each with its best head."""
    found: dict[str, dict[str, list[float]]] = {}
    for task, chosen in merged["selected"].items():
        for view, head in chosen.items():
            metrics = merged["figures"][task][view][head]
            for name in ("auc", "r2", "rmse", "demographic_parity_difference"):
                if name in metrics:
                    found.setdefault(view, {}).setdefault(name, []).append(metrics[name])
    found[""] = {name: [entry[name] for entry in merged["transfer"].values()] for name in MEASURES}
    ratios = found.pop("")
    return {
        "by_representation": {
            view: {name: _quartiles(values) for name, values in by_name.items()}
            for view, by_name in found.items()
        },
        "transfer": {name: _quartiles(values) for name, values in ratios.items()},
    }


def _quartiles(values: Sequence[float]) -> Result:
    known = np.array([v for v in values if v == v], dtype=float)
    if not known.size:
        return {"tasks": 0, "without": len(values)}
    low, middle, high = np.quantile(known, [0.25, 0.5, 0.75])
    return {
        "tasks": int(known.size),
        "without": len(values) - int(known.size),
        "quartiles": [float(low), float(middle), float(high)],
        "mean": float(known.mean()),
    }


def _mean_and_sd(trees: Sequence[Any]) -> Any:
    """The same tree with [mean, sd] for every number; what is no number is left out."""
    first = trees[0]
    if isinstance(first, dict):
        return {
            key: found
            for key in first
            if all(isinstance(tree, dict) and key in tree for tree in trees)
            and (found := _mean_and_sd([tree[key] for tree in trees])) not in (None, {})
        }
    if isinstance(first, float):
        values = np.array(trees, dtype=float)
        return [float(values.mean()), float(values.std(ddof=1))]
    return None
