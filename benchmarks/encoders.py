"""Encoders beside boosted trees: accuracy and AUC without a penalty, and seconds of an epoch.

    python benchmarks/encoders.py tables               # every table below, seeds 0-4
    python benchmarks/encoders.py tables --only adult german --encoders tabular
    python benchmarks/encoders.py time                 # an epoch of Adult, per encoder
    python benchmarks/encoders.py front                # accuracy against the gap of sex on Adult

One task at a time, one setting of each encoder for all of them, chosen on validation rows of Adult.
A seed is a split (where the publisher names no test rows), an initialisation and batches; the joint
head of the epoch with the lowest validation loss is read. Boosting is scikit-learn's histogram
boosting on the same columns, categories as categories, its rate, leaves and number of trees chosen
on the same validation rows. Test rows are read once. Writes benchmarks/results/encoders.json
after every seed, and runs nothing that it holds; and encoders-time.json.

The fronts: fresh MLP heads on frozen representations, s not needed at prediction time. For every
penalty, seed (split, initialisation and batches) and bound, of all λ whose validation gap is within
the bound the one with the best validation accuracy; then its test accuracy and gap. Which penalty
is best is read off the validation rows, too. Beside it, for reading and not for choosing: the test
accuracy where the test gap itself is the bound, linear between λ. Writes encoders-front.json after
every seed, and runs nothing that it holds.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import log_loss, roc_auc_score

from fairrep.app.build import build_data, build_module, build_settings
from fairrep.app.configs import compose_config
from fairrep.app.console import quieten
from fairrep.app.fitting import fit_without_folder
from fairrep.app.lessons import Lessons
from fairrep.app.run_folder import environment
from fairrep.app.sweep import sweep
from fairrep.data import PreparedData, Rows
from fairrep.encoders.saved import cardinalities
from fairrep.training import fit

RESULTS = Path(__file__).resolve().parent / "results"
ACS = ["data=acs", "data.states=[WA]", "data.tasks.novel=[]"]
TABLES = {
    "adult": ["experiment=adult_income"],
    "german": ["data=german", "data.tasks.novel=[]"],
    "compas": ["data=compas", "data.tasks.novel=[]"],
    "acs income": [*ACS, "data.people=income", "data.tasks.seen=[income]"],
    "acs public_coverage": [*ACS, "data.tasks.seen=[public_coverage]"],
    "acs mobility": [*ACS, "data.tasks.seen=[mobility]"],
    "acs employment": [*ACS, "data.tasks.seen=[employment]"],
    "acs travel_time": [*ACS, "data.tasks.seen=[travel_time]"],
    "kdd_census": ["data=kdd_census", "data.tasks.seen=[income]", "data.tasks.novel=[]"],
}
ENCODERS = {
    "linear": ["encoder=linear"],
    "mlp": ["encoder=mlp"],
    "tabular": ["encoder=tabular", "encoder.dropout=0.2"],
    "ensemble": ["encoder=tabular", "encoder.dropout=0.2", "encoder.ensemble=8"],
    "taught": ["encoder=tabular", "teacher=boosting"],
    "taught ensemble": ["encoder=tabular", "encoder.ensemble=8", "teacher=boosting"],
}
BOUNDS = (0.02, 0.05, 0.10)
TAUGHT = ["teacher=boosting", "encoder.dim=1", "optimizer.lr=0.008"]
# name → penalty, λ
FRONTS: dict[str, tuple[str, tuple[float, ...]]] = {
    "wasserstein": ("sliced_wasserstein", tuple(round(0.2 * 1.186**k, 3) for k in range(28))),
    "energy": ("energy", tuple(round(0.35 * 1.155 ** (k / 2), 3) for k in range(67))),
    "sinkhorn": ("sinkhorn", (0.5, 0.7, 1, 1.5, 2, 3, 4, 6, 8, 12, 16)),
}
BOOSTING = [(rate, leaves) for rate in (0.05, 0.1) for leaves in (15, 31)]
TREES = 400
COMMON = [
    "penalty=none",
    "optimizer.lr=0.008",
    "trainer=cpu",
    "trainer.enable_progress_bar=false",
    "logger=none",
]


def figures(probability: np.ndarray, y: np.ndarray) -> dict[str, float]:
    return {
        "accuracy": float(((probability > 0.5) == y).mean()),
        "auc": float(roc_auc_score(y, probability)),
    }


def boosted(data: PreparedData, seed: int) -> dict[str, Any]:
    start = time.perf_counter()
    train, val, test = (
        (rows.x.numpy(), rows.y[:, 0].numpy()) for rows in (data.train, data.val, data.test)
    )
    model, trees = best_trees(train, val, cardinalities(data.schema), seed)
    return {
        "seconds": time.perf_counter() - start,
        "trees": trees,
        "test": figures(trees_probability(model, trees, test[0]), test[1]),
    }


def best_trees(
    train: tuple[np.ndarray, np.ndarray],
    val: tuple[np.ndarray, np.ndarray],
    sizes: Sequence[int],
    seed: int,
) -> tuple[HistGradientBoostingClassifier, int]:
    """The best of a small grid on validation rows, and how many of its trees are best."""
    categorical = [0 < size <= 255 for size in sizes]
    best = (np.inf, None, 0)
    for rate, leaves in BOOSTING:
        model = HistGradientBoostingClassifier(
            learning_rate=rate,
            max_leaf_nodes=leaves,
            max_iter=TREES,
            early_stopping=False,
            categorical_features=categorical,
            random_state=seed,
        ).fit(*train)
        losses = [log_loss(val[1], p) for p in model.staged_predict_proba(val[0])]
        best = min(best, (min(losses), model, int(np.argmin(losses)) + 1), key=lambda one: one[0])
    return best[1:]


def trees_probability(
    model: HistGradientBoostingClassifier, trees: int, x: np.ndarray
) -> np.ndarray:
    return next(itertools.islice(model.staged_predict_proba(x), trees - 1, None))[:, 1]


@torch.no_grad()
def probabilities(module: torch.nn.Module, rows: Rows) -> np.ndarray:
    return torch.cat([module(x)[:, 0] for x in rows.x.split(65_536)]).sigmoid().numpy()


def encoded(data: PreparedData, settings: list[str]) -> dict[str, Any]:
    config = compose_config("train", settings)
    module = build_module(config, data, twin=True)
    start = time.perf_counter()
    lessons = Lessons(config, data)
    lessons.start(module, config)
    fitted = fit_without_folder(module, lessons.data, config, title="benchmark")
    module.eval()
    return {
        "seconds": time.perf_counter() - start,
        "epochs": fitted.epochs,
        "parameters": sum(p.numel() for p in module.encoder.parameters()),
        "val": figures(probabilities(module, data.val), data.val.y[:, 0].numpy()),
        "test": figures(probabilities(module, data.test), data.test.y[:, 0].numpy()),
    }


def tables(only: list[str], encoders: list[str], seeds: int, out: Path) -> None:
    rows = json.loads(out.read_text())["rows"] if out.exists() else []
    held = {(row["table"], row["encoder"], row["seed"]) for row in rows}
    for table in only:
        for seed in range(seeds):
            asked = [name for name in encoders if (table, name, seed) not in held]
            if not asked:
                continue
            own = [*COMMON, *TABLES[table], f"seed={seed}", f"split_seed={seed}"]
            data = build_data(compose_config("train", own))
            for name in asked:
                found = (
                    boosted(data, seed)
                    if name == "boosting"
                    else encoded(data, [*own, *ENCODERS[name]])
                )
                rows.append({"table": table, "encoder": name, "seed": seed} | found)
                print(rows[-1], flush=True)
            content = {"environment": environment(), "summary": summary(rows), "rows": rows}
            out.write_text(json.dumps(content, indent=1) + "\n")


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Means and standard deviations over seeds."""
    found: dict[str, Any] = {}
    for table, encoder in dict.fromkeys((row["table"], row["encoder"]) for row in rows):
        own = [r for r in rows if (r["table"], r["encoder"]) == (table, encoder)]
        found.setdefault(table, {})[encoder] = {
            "seeds": len(own),
            "seconds": statistics.mean(row["seconds"] for row in own),
            **{name: spread([row["test"][name] for row in own]) for name in ("accuracy", "auc")},
        }
    return found


def show(found: dict[str, Any]) -> None:
    for table, by_encoder in found.items():
        for name, one in by_encoder.items():
            accuracy, auc = one["accuracy"], one["auc"]
            print(
                f"{table:20s} {name:9s} {accuracy['mean']:.4f} ± {accuracy['sd']:.4f}  "
                f"AUC {auc['mean']:.4f} ± {auc['sd']:.4f}  {one['seconds']:.0f} s  "
                f"({one['seeds']} seeds)"
            )


def epoch_seconds(repeats: int) -> dict[str, Any]:
    """Seconds of an epoch of Adult, encoders taking turns; median of the repeats."""
    seconds: dict[str, list[float]] = {name: [] for name in ENCODERS}
    epochs = 3
    for _ in range(repeats):
        for name, settings in ENCODERS.items():
            config = compose_config(
                "train", [*COMMON, *TABLES["adult"], *settings, f"epochs={epochs}"]
            )
            data = build_data(config)
            module = build_module(config, data, twin=True)
            with tempfile.TemporaryDirectory() as folder:
                fitted = fit(
                    module,
                    data,
                    build_settings(config, data),
                    Path(folder),
                    trainer={"accelerator": "cpu"},
                )
            seconds[name].append(fitted.seconds / epochs * 32_561 / len(data.train))
    return {name: statistics.median(values) for name, values in seconds.items()}


def front(names: list[str], seeds: list[int], out: Path) -> None:
    """Sweep λ with every penalty, and choose within each bound."""
    points = json.loads(out.read_text())["points"] if out.exists() else []
    held = {(point["penalty"], point["seed"]) for point in points}
    for name, seed in itertools.product(names, seeds):
        if (name, seed) in held:
            continue
        penalty, weights = FRONTS[name]
        with tempfile.TemporaryDirectory() as folder:
            content = sweep(
                *TABLES["adult"],
                "trainer=cpu",
                "evaluation.heads=[mlp]",
                *TAUGHT,
                f"penalty={penalty}",
                f"sweep.weights.values=[{','.join(map(str, weights))}]",
                "sweep.seeds=1",
                f"seed={seed}",
                f"split_seed={seed}",
                folder=Path(folder) / "front",
            )
        points += [
            {"penalty": name, "weight": point["weight"], "seed": seed}
            | {part: front_figures(point[part]["income"]) for part in ("val", "test")}
            for point in content["points"]
        ]
        content = {"environment": environment(), "tables": front_tables(points), "points": points}
        out.write_text(json.dumps(content, indent=1) + "\n")
        show_fronts(content["tables"])


def front_tables(points: list[dict[str, Any]]) -> dict[str, Any]:
    """Penalty → bound → what is chosen within it."""
    return {
        name: {
            str(bound): chosen([p for p in points if p["penalty"] == name], bound)
            for bound in BOUNDS
        }
        for name in dict.fromkeys(point["penalty"] for point in points)
    }


def show_fronts(found: dict[str, Any]) -> None:
    for name, by_bound in found.items():
        for bound, one in by_bound.items():
            print(f"{name:12s} gap <= {bound:4s} ({one['seeds']} seeds)", end="")
            for part in ("val", "test"):
                accuracy, gap = one[part]["accuracy"], one[part]["gap"]
                print(
                    f"  {part} {accuracy['mean']:.4f} ± {accuracy['sd']:.4f} ({gap['mean']:.3f})",
                    end="",
                )
            print(f"  at this test gap {one['at_equal_test_gap']['mean']:.4f}", flush=True)


def front_figures(found: dict[str, Any]) -> dict[str, float]:
    names = {"accuracy": "accuracy", "gap": "demographic_parity_difference"}
    return {own: found[name]["values"][0] for own, name in names.items()}


def chosen(points: list[dict[str, Any]], bound: float) -> dict[str, Any]:
    """Each seed's best λ within the bound; means and standard deviations over seeds."""
    best, seeds = [], sorted({point["seed"] for point in points})
    for seed in seeds:
        within = [p for p in points if p["seed"] == seed and p["val"]["gap"] <= bound]
        if within:
            best.append(max(within, key=lambda p: p["val"]["accuracy"]))
    return {
        "seeds": len(best),
        "weights": [p["weight"] for p in best],
        "at_equal_test_gap": spread([at_test_gap(points, seed, bound) for seed in seeds]),
        **{
            part: {name: spread([p[part][name] for p in best]) for name in ("accuracy", "gap")}
            for part in ("val", "test")
        },
    }


def at_test_gap(points: list[dict[str, Any]], seed: int, gap: float) -> float:
    """A seed's test accuracy at a test gap, linear between its λ."""
    own = sorted((p["test"]["gap"], p["test"]["accuracy"]) for p in points if p["seed"] == seed)
    gaps, accuracies = zip(*own)
    return float(np.interp(gap, gaps, accuracies))


def spread(values: list[float]) -> dict[str, float]:
    """Mean and standard deviation; of nothing, NaN."""
    return {"mean": float(np.mean(values)), "sd": float(np.std(values, ddof=len(values) > 1))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=("tables", "time", "front"))
    parser.add_argument("--only", nargs="+", choices=TABLES, default=list(TABLES))
    names = [*ENCODERS, "boosting"]
    parser.add_argument("--encoders", nargs="+", choices=names, default=names)
    parser.add_argument("--fronts", nargs="+", choices=FRONTS, default=list(FRONTS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--out", type=Path, help="default: the part's own file in results/")
    asked = parser.parse_args()
    quieten()
    if asked.part == "front":
        out = asked.out or RESULTS / "encoders-front.json"
        front(asked.fronts, list(range(asked.seeds)), out)
        return
    if asked.part == "time":
        found = {"environment": environment(), "threads": torch.get_num_threads()}
        found |= {"seconds_of_an_epoch": epoch_seconds(5)}
        print(found["seconds_of_an_epoch"])
        (RESULTS / "encoders-time.json").write_text(json.dumps(found, indent=1) + "\n")
        return
    out = asked.out or RESULTS / "encoders.json"
    tables(asked.only, asked.encoders, asked.seeds, out)
    show(json.loads(out.read_text())["summary"])


if __name__ == "__main__":
    main()
