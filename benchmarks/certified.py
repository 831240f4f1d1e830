"""Certified cells on ACS 2024: accuracy and AUC against a bound on any model's unfairness.

    python benchmarks/certified.py washington --seeds 10  # needs the person files (FAIRREP_DATA)
    python benchmarks/certified.py states                 # six states together
    python benchmarks/certified.py transfer               # tasks that the cells never saw
    python benchmarks/certified.py show                   # what is there already

Workers, s = sex, not in x, δ = .05. A seed is a split of the rows and an initialisation.

The rule, the same for every seed: train every encoder of the study's grid; predict its certificate
from training and validation rows; for each bound take, among those predicted to be at least .006
below it, the best one on validation rows: by the accuracy of the first task, in ``transfer`` by the
mean AUC of the seen ones. What is predicted is the certificate's mean: with the difference d of a
cell's shares between the groups on these rows, and its standard error e, calibration rows will show
about N(d, e² + f²), f the standard error on as many rows as they are; half the sum of the means of
its absolute values, and the slack of equal cells. Only the chosen ones are certified, each at the
full δ, on rows that nothing else reads; then the test rows are read, once.

Grids and rule were settled on Arizona's rows, novel labels included, and on Washington's training
and validation rows with income alone. They are not the first ones. At the bound .03, ``washington``
had accuracy .8056 with certificate .0360 on two seeds (a smaller margin and .4 of the rows for
calibration), then .8007 with .0288 on seeds 0 to 4 (a coarser grid). The present one was run on
seeds 5 to 9 (.8059 with .0226), then on 0 to 4 (.8077 with .0324); all ten are held.
``transfer`` kept .695 of the long commute on seeds 0 to 4 with 16 or 24 cells that tell age alone;
Arizona asked for more cells and for hours, and seeds 5 to 9 (``--seeds 10``) are a check.

Writes benchmarks/results/certified.json after every seed, and runs no seed that it holds.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.metrics import roc_auc_score

from fairrep.app.build import build_data, build_module, build_settings
from fairrep.app.configs import compose_config
from fairrep.app.console import quieten
from fairrep.app.run_folder import environment
from fairrep.data import PreparedData, Rows
from fairrep.encoders import Encoder
from fairrep.evaluation import Sealed, certify
from fairrep.evaluation.protocol import Part, fit_all, part, questions
from fairrep.evaluation.view import View
from fairrep.functional.bounds import total_variation_upper_bound
from fairrep.functional.group_distributions import largest_ks_distance
from fairrep.functional.total_variation import cell_shares
from fairrep.training import fit
from fairrep.types import TaskSpec

RESULTS = Path(__file__).resolve().parent / "results" / "certified.json"
DELTA = 0.05
NOVEL = ["public_coverage", "private_coverage", "poverty", "mobility", "travel_time"]
COMMON = [
    "experiment=certified",
    "data=acs",
    "data.year=2024",
    "data.people=income",
    "trainer=cpu",
    "logger=none",
]
MARGIN = 0.006  # training rows, which the penalty read, are optimists
HEADS = ["logistic", "mlp"]


@dataclass(frozen=True)
class Study:
    """One of the questions.

    Attributes:
        data: settings of the data set.
        grid: settings of the encoders to choose from.
        bounds: wanted certificates.
        by: the figure of the joint choice on validation rows: ``accuracy`` of the first task, or
            the mean ``auc`` of the seen ones.
    """

    data: list[str]
    grid: list[list[str]]
    bounds: tuple[float, ...]
    by: str = "accuracy"


def tasks(seen: list[str]) -> list[str]:
    novel = [name for name in NOVEL if name not in seen]
    return [f"data.tasks.seen=[{','.join(seen)}]", f"data.tasks.novel=[{','.join(novel)}]"]


HARD = "penalty.group.hard=true"  # what is penalised is what is released


def two_cells(*weights: float) -> list[list[str]]:
    own = ["encoder.cells=2", "encoder.usage=0", HARD]
    return [[*own, f"penalty.weight={weight}"] for weight in weights]


TRANSFER = [
    [
        "encoder.cells=32",
        "encoder.usage=0.3",
        "encoder.recall={weight: 0.25, columns: [AGEP, WKHP]}",  # age and hours of work
        HARD,
        f"penalty.weight={weight}",
    ]
    for weight in (0.5, 0.8, 1.2)
]
TWIN = "twin"  # the same trunk without cells and without a penalty
CONTINUOUS = ["encoder=tabular", "encoder.dim=16", "encoder.dropout=0.2", "penalty=none"]
STUDIES = {
    "washington": Study(
        ["data.states=[WA]", "data.calibration=0.5", *tasks(["income"])],
        two_cells(0.3, 0.5, 0.65, 0.8, 1, 1.2, 2),
        (0.03, 0.045, 0.06, 0.08),
    ),
    "states": Study(
        ["data.states=[AZ,CT,DC,RI,VT,WA]", *tasks(["income"])],
        two_cells(0.5, 0.8, 1.2),
        (0.018, 0.025, 0.035, 0.05),
    ),
    "transfer": Study(
        ["data.states=[WA]", "data.calibration=0.4", *tasks(["income", "public_coverage"])],
        TRANSFER,
        (0.04, 0.05, 0.06),
        by="auc",
    ),
}


def trained(data: PreparedData, settings: list[str], seed: int) -> Encoder:
    config = compose_config("train", [*settings, f"seed={seed}", f"split_seed={seed}"])
    module = build_module(config, data, twin=False)
    with tempfile.TemporaryDirectory() as folder:
        options = {"accelerator": "cpu"}
        fit(module, data, build_settings(config, data), Path(folder), trainer=options)
    return module.encoder.eval()


@torch.no_grad()
def view(encoder: Encoder, x: torch.Tensor) -> View:
    return View(torch.cat([encoder(rows) for rows in x.split(65_536)]))


def counts(rows: Rows, groups: int) -> list[int]:
    return torch.bincount(rows.s, minlength=groups).tolist()


def predicted(z: torch.Tensor, s: torch.Tensor, calibration: list[int]) -> float:
    """The mean of the certificate that calibration rows of these numbers will show.

    Args:
        z: cells of training and validation rows.
        s: their groups.
        calibration: number of calibration rows in each group.
    """
    own = [z[s == g].double() for g in range(len(calibration))]
    found = []
    for a, b in combinations(range(len(own)), 2):
        p, q = cell_shares(own[a]), cell_shares(own[b])
        errors = [
            (p * (1 - p) / n + q * (1 - q) / m).sqrt()
            for n, m in ((len(own[a]), len(own[b])), (calibration[a], calibration[b]))
        ]
        shown = mean_size(p - q, torch.hypot(*errors)).sum() / 2
        found.append(float(shown) + slack([calibration[a], calibration[b]]))
    return max(found)


def mean_size(mean: torch.Tensor, sd: torch.Tensor) -> torch.Tensor:
    """E|N(mean, sd²)|."""
    ratio = mean / sd.clamp_min(1e-12)
    density = (-(ratio**2) / 2).exp() * (2 / torch.pi) ** 0.5
    return sd * density + mean * torch.erf(ratio / 2**0.5)


def slack(calibration: list[int]) -> float:
    """The certificate of equal cells."""
    same = torch.ones(1)
    return max(
        total_variation_upper_bound(same, same, n, m, delta=DELTA)
        for n, m in combinations(calibration, 2)
    )


def gap(prediction: np.ndarray, s: np.ndarray) -> float:
    rates = [(prediction[s == g] > 0.5).mean() for g in range(int(s.max()) + 1)]
    return float(max(rates) - min(rates))


def separation(prediction: np.ndarray, s: torch.Tensor) -> float:
    values = torch.from_numpy(prediction)
    return float(largest_ks_distance(values, s, groups=int(s.max()) + 1))


def auc(prediction: np.ndarray, y: np.ndarray) -> float:
    known = ~np.isnan(y)
    return float(roc_auc_score(y[known], prediction[known]))


def figures(
    predicted: dict[str, dict[str, np.ndarray]], rows: Part, asked: Sequence[TaskSpec]
) -> dict[str, dict[str, Any]]:
    """Head → accuracy and gap on the first task, AUC on every task."""
    y, s = rows.y.numpy(), rows.s.numpy()
    first = asked[0].name
    return {
        head: {
            "accuracy": float(((own[first] > 0.5) == y[:, 0]).mean()),
            "gap": gap(own[first], s),
            "auc": {task.name: auc(own[task.name], y[:, t]) for t, task in enumerate(asked)},
        }
        for head, own in predicted.items()
    }


def one_seed(study: Study, seed: int) -> dict[str, Any]:
    start = time.perf_counter()
    settings = [*COMMON, *study.data]
    data = build_data(compose_config("train", [*settings, f"split_seed={seed}"]))
    encoders = [trained(data, [*settings, *own], seed) for own in study.grid]
    twin = trained(data, [*settings, *CONTINUOUS], seed)
    seconds = time.perf_counter() - start
    calibration = counts(data.calibration, len(data.groups))
    points = []
    for own, encoder in zip(study.grid, encoders):
        fitted, z = (view(encoder, rows.x).matrix for rows in (data.train, data.val))
        s = torch.cat([data.train.s, data.val.s])
        points.append(
            {
                "settings": own,
                "predicted": predicted(torch.cat([fitted, z]), s, calibration),
            }
        )
    everyone = {str(k): encoder for k, encoder in enumerate(encoders)} | {TWIN: twin}

    def views(rows: Rows, which: list[str]) -> dict[str, View]:
        return {key: view(everyone[key], rows.x) for key in which}

    names = list(everyone)
    seen = questions(data, ["mlp"], data.seen)
    train, val = (part(views(rows, names), rows, data, seen) for rows in (data.train, data.val))
    found = fit_all(train, val, seen, seed=seed).predict(val.views)["mlp"]
    for k, point in enumerate(points):
        point["val"] = figures({"mlp": found[str(k)]}, val, data.seen)["mlp"]
    chosen = {str(bound): choice(points, bound, study.by) for bound in study.bounds}
    needed = sorted({str(k) for k in chosen.values() if k is not None}) + [TWIN]
    test = tested(data, lambda rows: views(rows, needed), seed)
    return {
        "seed": seed,
        "training_seconds": round(seconds, 1),
        "rows": {split: len(rows) for split, rows in data.splits.items()},
        "slack": slack(calibration),
        "points": points,
        "twin": test[TWIN],
        "chosen": {
            bound: None
            if k is None
            else {
                "settings": study.grid[k],
                "certificate": certificate(encoders[k], data),
                "test": test[str(k)],
            }
            for bound, k in chosen.items()
        },
    }


def choice(points: list[dict[str, Any]], bound: float, by: str) -> int | None:
    """The best on validation rows of those whose predicted certificate is well within the bound."""

    def value(k: int) -> float:
        figure = points[k]["val"][by]
        return float(np.mean(list(figure.values()))) if isinstance(figure, dict) else figure

    within = [k for k, point in enumerate(points) if point["predicted"] <= bound - MARGIN]
    return max(within, key=value, default=None)


def certificate(encoder: Encoder, data: PreparedData) -> dict[str, Any]:
    rows = data.calibration
    found = certify(encoder, rows.x, rows.s, delta=DELTA, groups=data.groups)
    return {key: getattr(found, key) for key in ("bound", "distance", "cells", "groups")}


def tested(data: PreparedData, views: Any, seed: int) -> dict[str, Any]:
    """Test figures, and what the strongest adversary makes of the groups."""
    asked = questions(data, HEADS, data.tasks)
    train, val = (part(views(rows), rows, data, asked) for rows in (data.train, data.val))
    test = Sealed(lambda: part(views(data.test), data.test, data, asked))
    fitted = fit_all(train, val, asked, seed=seed)
    rows = test.open()
    predicted = fitted.predict(rows.views)
    probe = asked.probes[0].task.name
    return {
        key: {
            "heads": figures({head: predicted[head][key] for head in HEADS}, rows, data.tasks),
            # a probe for s at its best threshold
            "adversary": max(separation(own[key][probe], rows.s) for own in predicted.values()),
        }
        for key in rows.views
    }


def aggregated(values: Sequence[float]) -> dict[str, float]:
    return {"mean": float(np.mean(values)), "sd": float(np.std(values, ddof=len(values) > 1))}


def summary(seeds: list[dict[str, Any]]) -> dict[str, Any]:
    """Per bound, over the seeds in which an encoder was predicted to be within it."""
    bounds = list(seeds[0]["chosen"])
    return {"twin": summarised([one["twin"] for one in seeds])} | {
        bound: summarised([own["test"] for own in found])
        | {
            name: aggregated([own["certificate"][name] for own in found])
            for name in ("bound", "distance")
        }
        for bound in bounds
        if (found := [one["chosen"][bound] for one in seeds if one["chosen"][bound]])
    }


def summarised(tests: list[dict[str, Any]]) -> dict[str, Any]:
    table: dict[str, Any] = {"seeds": len(tests)}
    table["adversary"] = aggregated([one["adversary"] for one in tests])
    for head in HEADS:
        own = [one["heads"][head] for one in tests]
        table[head] = {key: aggregated([f[key] for f in own]) for key in ("accuracy", "gap")}
        names = list(own[0]["auc"])
        table[head]["auc"] = {name: aggregated([f["auc"][name] for f in own]) for name in names}
    return table


def show(name: str, found: dict[str, Any]) -> None:
    print(name, "· AUC of", ", ".join(found["twin"]["mlp"]["auc"]))
    for bound, row in found.items():
        sure = "-"
        if "bound" in row:
            sure = f"{row['bound']['mean']:.4f} ± {row['bound']['sd']:.4f}"
        for head in HEADS:
            own = row[head]
            aucs = " ".join(f"{v['mean']:.3f}" for v in own["auc"].values())
            print(
                f"  {bound:6s} {head:9s} accuracy {own['accuracy']['mean']:.4f} ± "
                f"{own['accuracy']['sd']:.4f}  gap {own['gap']['mean']:.3f}  certificate {sure}  "
                f"adversary {row['adversary']['mean']:.3f}  AUC {aucs}  ({row['seeds']} seeds)"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study", choices=[*STUDIES, "show"])
    parser.add_argument("--seeds", type=int, default=5)
    asked = parser.parse_args()
    quieten()
    warnings.filterwarnings("ignore")
    saved = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for seed in range(asked.seeds if asked.study in STUDIES else 0):
        own = saved.setdefault(asked.study, {"seeds": []})
        if seed in [one["seed"] for one in own["seeds"]]:
            continue
        own["seeds"].append(one_seed(STUDIES[asked.study], seed))
        study = STUDIES[asked.study]
        saved[asked.study] = {
            "environment": environment(),
            "settings": [*COMMON, *study.data],
            "summary": summary(own["seeds"]),
            "seeds": own["seeds"],
        }
        RESULTS.write_text(json.dumps(saved, indent=1) + "\n")
        show(asked.study, saved[asked.study]["summary"])
    if asked.study == "show":
        for name, own in saved.items():
            show(name, own["summary"])


if __name__ == "__main__":
    main()
