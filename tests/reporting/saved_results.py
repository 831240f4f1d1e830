"""Small hand-made results, as the commands save them."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path
from typing import Any

import pandas as pd

GAP = "demographic_parity_difference"
HOSTILE = '<script>alert(1)</script> & "$\\frac{$"'


def head(accuracy: float, gap: float, groups: tuple[str, ...]) -> dict[str, Any]:
    return {
        "n": 8, "accuracy": accuracy, "accuracy_ci": [accuracy - 0.01, accuracy + 0.01],
        "auc": 0.75, GAP: gap, f"{GAP}_ci": [gap - 0.01, None],
        "groups": {group: {"n": 4} for group in groups},
    }  # fmt: skip


def metrics(groups: tuple[str, ...] = ("f", "m"), weight: float = 3.0) -> dict[str, Any]:
    probe = {"boosting": {"balanced_accuracy": 0.61, "auc": None}}
    twin_probe = {"boosting": {"balanced_accuracy": 0.81, "auc": 0.9}}
    return {
        "schema": 1, "dataset": "people", "sensitive": ["sex"], "penalty": "mmd",
        "notion": "demographic_parity", "weight": weight, "seed": 0, "split_seed": 0,
        "epochs": 2, "seconds": 0.5, "head": "mlp",
        "tasks": {
            "hired": {"kind": "binary", "seen": True}, "rich": {"kind": "binary", "seen": False}
        },
        "test": {
            task: {"joint": head(0.81, 0.03, groups), "mlp": head(0.82, 0.05, groups)}
            for task in ("hired", "rich")
        },
        "twin": {"test": {"hired": {"mlp": head(0.84, 0.15, groups)}}},
        "leakage": {"trained": probe, "twin": twin_probe, "chance": 0.5},
    }  # fmt: skip


def certificate(
    bound: float = 0.12, groups: tuple[str, ...] = ("f", "m"), candidates: int = 1
) -> dict[str, Any]:
    """As a certificate of cells is saved; the largest pair is the first."""
    pairs = {
        f"{one} | {other}": {"distance": bound - 0.03 - k / 100, "bound": bound - k / 100}
        for k, (one, other) in enumerate(combinations(groups, 2))
    }
    return {
        "about": "cell", "bound": bound, "distance": bound - 0.03, "slack": 0.03, "delta": 0.05,
        "candidates": candidates, "groups": dict.fromkeys(groups, 4321), "pairs": pairs,
        "notion": "demographic_parity", "task": None, "release": "argmax", "cells": [8, 5],
        "method": "exact", "norm": None, "promise": f"No model is above {bound:.3f}.",
        "limits": ["Another year voids it.", "It speaks of the cell alone."],
    }  # fmt: skip


def data(groups: tuple[str, ...] = ("f", "m")) -> dict[str, Any]:
    counts = {"train": 1234, "val": 56, "test": 8}
    about = {"kind": "binary", "seen": True, "about": "got the job"}
    return {
        "title": "People", "source": "somewhere", "licence": "CC0", "harms": ["May embarrass."],
        "notes": [], "rows": counts, "left_out": 0, "sensitive": ["sex"], "features": ["age"],
        "groups": {g: {"rows": counts, "base_rates": {"hired": 0.25}} for g in groups},
        "dropped": {"title": "task hired or its proxy"}, "tasks": {"hired": about},
    }  # fmt: skip


def predictions(groups: tuple[str, ...] = ("f", "m")) -> pd.DataFrame:
    """Per group: three rows at 0.25 of which one is positive, and one at 0.95 that is."""
    rows = [(0.25, 1.0), (0.25, 0.0), (0.25, 0.0), (0.95, 1.0)]
    return pd.DataFrame(
        [
            {"row": k, "group": g, "hired/label": y, "hired/mlp": p, "rich/label": None}
            for k, (g, (p, y)) in enumerate((g, row) for g in groups for row in rows)
        ]
    )


def plane(groups: tuple[str, ...] = ("f", "m")) -> dict[str, Any]:
    points = [[float(k), -float(k)] for k in range(8)]
    owners = [groups[k % len(groups)] for k in range(8)]
    return {"schema": 1, "points": points, "groups": owners, "variance": [0.7, 0.2]}


def transfer(groups: tuple[str, ...] = ("f", "m")) -> dict[str, Any]:
    own = head(0.83, 0.04, groups)
    views = {"trained": {"mlp": own | {"versus_twin": {GAP: -0.1, f"{GAP}_ci": [-0.2, 0.0]}}}}
    density = {"edges": [0, 0.5, 1], "density": {groups[0]: [2, 0], groups[1]: [None, 2]}}
    leak = {"strongest": "boosting", "balanced_accuracy": 0.61, "auc": 0.66}
    return {
        "schema": 1, "domain": {"own": True, "title": "People"}, "figures": {"hired": views},
        "tasks": {"hired": {"seen": True}}, "selected": {"hired": {"trained": "mlp"}},
        "leakage": {"sex": {"trained": leak}}, "scores": {"hired": {"trained": density}},
    }  # fmt: skip


def over_seeds(mean: float | None, sd: float | None = 0.01) -> dict[str, Any]:
    return {"mean": mean, "sd": sd, "values": [mean]}


def point(weight: float, accuracy: float | None, gap: float | None, **more: Any) -> dict[str, Any]:
    figures = {"hired": {"accuracy": over_seeds(accuracy), GAP: over_seeds(gap)}}
    return {
        "settings": {"penalty.weight": weight}, "weight": weight, "label": f"λ = {weight:g}",
        "twin": weight == 0, "on_front": False, "seeds": [0, 1], "diverged": [],
        "val": figures, "test": None, "leakage": None,
    } | more  # fmt: skip


def front() -> dict[str, Any]:
    """λ = 0 and 1 are on the front, 2 is dominated, 3 was lost altogether."""
    return {
        "schema": 1, "dataset": "people", "title": "People", "sensitive": ["sex"],
        "groups": {"f": 10, "m": 20}, "penalty": "mmd", "notion": "demographic_parity",
        "seeds": [0, 1], "split_seed": 0, "command": "fairrep sweep penalty=mmd",
        "environment": {"python": "3.11"}, "rows": {"train": 20, "val": 6, "test": 4},
        "harms": ["May embarrass."], "licence": "CC0", "source": "somewhere", "head": "mlp",
        "tasks": {"hired": {"kind": "binary", "seen": True}},
        "points": [
            point(0, 0.9, 0.3, on_front=True),
            point(1, 0.8, 0.1, on_front=True),
            point(2, 0.7, 0.2),
            point(3, None, None, diverged=[0, 1]),
        ],
        "references": {"raw": {"val": {"hired": {"accuracy": 0.95, GAP: 0.4}}}},
        "hypervolume": {"value": 0.123, "reference": {"accuracy": 0.5, "gap": 1.0}},
        "selection": {
            "task": "hired", "maximize": "accuracy", "metric": GAP, "at_most": 0.15,
            "feasible": True, "point": 1, "model": 1, "sentence": "λ = 1 it is.",
            "test": {"hired": {"accuracy": 0.79, GAP: 0.11, f"{GAP}_ci": [0.1, 0.12]}},
        },
        "models": [
            {"point": 0, "seed": 0, "folder": "models/000", "diverged": False},
            {"point": 1, "seed": 0, "folder": "models/001", "diverged": False},
        ],
        "seconds": {"training": 1.5},
    }  # fmt: skip


def certified_front() -> dict[str, Any]:
    """The same with test figures and certificates of the first three settings."""
    content = front()
    for entry, bound in zip(content["points"], (0.4, 0.16, 0.26)):
        figures = entry["val"]["hired"]
        entry["test"] = {"hired": {name: dict(figure) for name, figure in figures.items()}}
        values = {"bound": over_seeds(bound), "distance": over_seeds(bound - 0.03)}
        entry["certificate"] = values | {"delta": 0.05, "candidates": 6}
    content["points"][3]["certificate"] = None
    content["selection"]["certificate"] = certificate(0.14)
    return content


def write(file: Path, content: Any) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content))


def write_run(folder: Path, groups: tuple[str, ...] = ("f", "m"), weight: float = 3.0) -> Path:
    """Everything that the training and transfer commands leave and the report reads."""
    write(folder / "metrics.json", metrics(groups, weight))
    write(folder / "data.json", data(groups))
    write(folder / "plane.json", plane(groups))
    write(folder / "transfer" / "2026-01-01" / "transfer.json", transfer(groups))
    write(folder / "encoder" / "encoder.json", {"architecture": {"name": "mlp", "dim": 4}})
    write(folder / "env.json", {"python": "3.11", "command": "fairrep train"})
    predictions(groups).to_parquet(folder / "predictions.parquet")
    return folder


def write_sweep(folder: Path, content: dict[str, Any] | None = None) -> Path:
    """A sweep whose twin and selected model have folders."""
    write(folder / "front.json", front() if content is None else content)
    write_run(folder / "models" / "000", weight=0.0)
    write_run(folder / "models" / "001", weight=1.0)
    return folder
