"""Fronts of accuracy against gap on ACS Washington, penalties side by side.

    python benchmarks/fronts.py --seeds 5          # needs the person file (FAIRREP_DATA)

Income of workers, s = sex, not in x. For every seed: each penalty at each λ, and the λ = 0 twin;
a fresh MLP with 50 hidden units on every frozen representation. Per bound on the gap the setting
with the best validation accuracy among those whose validation gap is within it; then, once, test
accuracy and gap, how well three heads read s, and the AUC of tasks that the encoder never saw.
Writes benchmarks/results/fronts-acs-wa.json after every seed, and runs no seed that it holds.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mlp import MLP
from sklearn.metrics import roc_auc_score

from fairrep.app.build import build_data, build_module, build_settings
from fairrep.app.configs import compose_config
from fairrep.app.console import quieten
from fairrep.app.run_folder import environment
from fairrep.data import PreparedData, Rows
from fairrep.encoders import Encoder
from fairrep.evaluation import Sealed
from fairrep.evaluation.protocol import Part, Questions, fit_all, part, questions
from fairrep.evaluation.transfer import leakage_figures
from fairrep.evaluation.view import View
from fairrep.training import fit

RESULTS = Path(__file__).resolve().parent / "results" / "fronts-acs-wa.json"
DATA = [
    *MLP,
    "data=acs",
    "data.states=[WA]",
    "data.people=income",
    "data.tasks.seen=[income]",
    "data.tasks.novel=[public_coverage,private_coverage,poverty,mobility,travel_time]",
    "trainer=cpu",
    "logger=none",
]
BOUNDS = (0.02, 0.05, 0.10)
NARROW = "encoder.dim=2"
# name → settings, λ
GRID: dict[str, tuple[list[str], tuple[float, ...]]] = {
    "mean": (["penalty=mean", NARROW], (0.15, 0.5, 1.5, 5)),
    "mmd": (["penalty=mmd", NARROW], (15, 50, 150, 300)),
    "energy": (["penalty=energy", NARROW], (1.2, 4, 12, 24)),
    "sinkhorn": (["penalty=sinkhorn", NARROW], (0.3, 1, 3, 6)),
    "sliced_wasserstein": (["penalty=sliced_wasserstein", NARROW], (1, 3.3, 10, 20)),
    "mixture": (["penalty=mixture", NARROW], (0.25, 0.8, 2.5, 5)),
}
TWIN = "twin"


@dataclass(frozen=True)
class Trained:
    """One setting's encoder."""

    method: str
    weight: float
    encoder: Encoder


def trained(data: PreparedData, settings: list[str], weight: float, method: str) -> Trained:
    config = compose_config("train", [*DATA, *settings])
    module = build_module(config, data, twin=weight == 0)
    with tempfile.TemporaryDirectory() as folder:
        fit(
            module, data, build_settings(config, data), Path(folder), trainer={"accelerator": "cpu"}
        )
    return Trained(method, weight, module.encoder.eval())


def settings_of_seed(seed: int) -> list[tuple[str, float, list[str]]]:
    own = [f"seed={seed}"]
    points = [
        (method, weight, [*settings, f"penalty.weight={weight}", *own])
        for method, (settings, weights) in GRID.items()
        for weight in weights
    ]
    return [(TWIN, 0.0, [NARROW, "penalty=none", *own]), *points]


@torch.no_grad()
def views(models: list[Trained], rows: Rows) -> dict[str, View]:
    return {str(k): View(model.encoder(rows.x)) for k, model in enumerate(models)}


def gap(prediction: np.ndarray, s: np.ndarray) -> float:
    rates = [(prediction[s == g] > 0.5).mean() for g in range(int(s.max()) + 1)]
    return float(max(rates) - min(rates))


def figures(prediction: np.ndarray, rows: Part) -> dict[str, float]:
    y = rows.y[:, 0].numpy()
    return {
        "accuracy": float(((prediction > 0.5) == y).mean()),
        "gap": gap(prediction, rows.s.numpy()),
    }


def one_seed(data: PreparedData, seed: int) -> dict[str, Any]:
    start = time.perf_counter()
    models = []
    for method, weight, settings in settings_of_seed(seed):
        models.append(trained(data, settings, weight, method))
        print(f"seed {seed}: {method}, λ = {weight:g}", flush=True)
    seconds = time.perf_counter() - start
    asked = questions(data, ["mlp"], data.tasks[:1])
    parts = {
        name: part(views(models, rows), rows, data, asked)
        for name, rows in (("train", data.train), ("val", data.val))
    }
    heads = fit_all(parts["train"], parts["val"], asked, seed=seed)
    found = heads.predict(parts["val"].views)["mlp"]
    task = data.tasks[0].name
    points = [
        {"method": m.method, "weight": m.weight, "val": figures(found[str(k)][task], parts["val"])}
        for k, m in enumerate(models)
    ]
    chosen = {bound: choices(points, bound) for bound in BOUNDS}
    needed = sorted({k for by_method in chosen.values() for k in by_method.values()} | {0})
    report = tested([models[k] for k in needed], data, seed)
    by_index = dict(zip(needed, report))
    return {
        "seed": seed,
        "training_seconds": seconds,
        "points": points,
        "twin": by_index[0],
        "chosen": {
            str(bound): {
                method: {"weight": models[k].weight, "val": points[k]["val"]} | by_index[k]
                for method, k in by_method.items()
            }
            for bound, by_method in chosen.items()
        },
    }


def choices(points: list[dict[str, Any]], bound: float) -> dict[str, int]:
    """Per penalty, and over all of them, the best setting within the bound on validation rows."""
    found: dict[str, int] = {}
    within = [k for k, p in enumerate(points) if p["val"]["gap"] <= bound and p["method"] != TWIN]
    for k in within:
        for method in (points[k]["method"], "best"):
            best = found.setdefault(method, k)
            if points[k]["val"]["accuracy"] > points[best]["val"]["accuracy"]:
                found[method] = k
    return found


def tested(models: list[Trained], data: PreparedData, seed: int) -> list[dict[str, Any]]:
    """Test figures of chosen encoders: fresh heads for all tasks, and three probes for s."""
    asked: Questions = questions(data, ["mlp"], data.tasks)
    train, val = (part(views(models, r), r, data, asked) for r in (data.train, data.val))
    test = Sealed(lambda: part(views(models, data.test), data.test, data, asked))
    fitted = fit_all(train, val, asked, seed=seed)
    rows = test.open()
    predicted = fitted.predict(rows.views)
    leaks = leakage_figures(predicted, asked, train, rows)[asked.probes[0].name]
    found = []
    for k in range(len(models)):
        income = predicted["mlp"][str(k)][data.tasks[0].name]
        found.append(
            {
                "test": figures(income, rows),
                "leakage": leaks[str(k)]["balanced_accuracy"],
                "leakage_head": leaks[str(k)]["strongest"],
                "transfer_auc": {
                    task.name: auc(predicted["mlp"][str(k)][task.name], rows.y[:, t].numpy())
                    for t, task in enumerate(data.tasks)
                },
            }
        )
    return found


def auc(prediction: np.ndarray, y: np.ndarray) -> float:
    known = ~np.isnan(y)
    return float(roc_auc_score(y[known], prediction[known]))


def summary(seeds: list[dict[str, Any]]) -> dict[str, Any]:
    """Means and standard deviations over the seeds in which a setting is within the bound."""
    methods = [*GRID, "best"]
    twin = aggregated([one["twin"] for one in seeds])
    table = {
        str(bound): {
            method: aggregated(found)
            for method in methods
            if (
                found := [
                    s["chosen"][str(bound)][method]
                    for s in seeds
                    if method in s["chosen"][str(bound)]
                ]
            )
        }
        for bound in BOUNDS
    }
    return {"twin": twin, "by_bound": table}


def aggregated(found: list[dict[str, Any]]) -> dict[str, Any]:
    def both(values: list[float]) -> dict[str, float]:
        return {"mean": float(np.mean(values)), "sd": float(np.std(values, ddof=len(values) > 1))}

    tasks = found[0]["transfer_auc"]
    return {
        "seeds": len(found),
        "accuracy": both([one["test"]["accuracy"] for one in found]),
        "gap": both([one["test"]["gap"] for one in found]),
        "leakage": both([one["leakage"] for one in found]),
        "transfer_auc": {t: both([one["transfer_auc"][t] for one in found]) for t in tasks},
    }


def show(found: dict[str, Any]) -> None:
    def row(name: str, one: dict[str, Any]) -> str:
        aucs = " ".join(f"{v['mean']:.3f}" for v in one["transfer_auc"].values())
        return (
            f"{name:22s} {one['accuracy']['mean']:.4f} ± {one['accuracy']['sd']:.4f}  "
            f"gap {one['gap']['mean']:.3f} ± {one['gap']['sd']:.3f}  "
            f"s {one['leakage']['mean']:.3f}  AUC {aucs}  ({one['seeds']} seeds)"
        )

    print("AUC:", ", ".join(found["twin"]["transfer_auc"]))
    print(row("λ = 0", found["twin"]))
    for bound, by_method in found["by_bound"].items():
        print(f"validation gap <= {bound}")
        for method, one in by_method.items():
            print(" ", row(method, one))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    asked = parser.parse_args()
    quieten()
    warnings.filterwarnings("ignore")
    data = build_data(compose_config("train", DATA))
    seeds = json.loads(RESULTS.read_text())["seeds"] if RESULTS.exists() else []
    for seed in range(asked.seeds):
        if seed in [one["seed"] for one in seeds]:
            continue
        seeds.append(one_seed(data, seed))
        content = {"environment": environment(), "settings": DATA, "summary": summary(seeds)}
        RESULTS.write_text(json.dumps(content | {"seeds": seeds}, indent=1) + "\n")
        show(content["summary"])


if __name__ == "__main__":
    main()
