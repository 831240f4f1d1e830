"""Constrained Bayesian optimisation beside a plain one and random search, trial by trial.

    python benchmarks/fair_bo.py run --seeds 10 --trials 100          # all problems
    python benchmarks/fair_bo.py run --problems german-0.01 --seeds 3
    python benchmarks/fair_bo.py show                                 # what is there already

A curve is the best feasible validation accuracy after each trial; null where no trial was feasible
yet. A seed decides sampler, learner and folds; the split of the data is one. Shown for every
problem: medians with quartiles over seeds, seeds that end feasible, and after how many trials the
constrained search's median curve reaches random search's last median. Writes
benchmarks/results/fair-bo.json after every search, and runs none that it holds.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from filelock import FileLock

from fairrep.app.configs import compose_config, plain, register_resolvers
from fairrep.app.method_rows import load_rows
from fairrep.app.tune_learner import build_learner, folded_rows
from fairrep.estimators import FairSearchCV
from fairrep.seeds import derive_seed

RESULTS = Path(__file__).parent / "results" / "fair-bo.json"
GAP = "demographic_parity_difference"
PROBLEMS = {
    "german-0.01": ["tune=german_rf", f"constraint.{GAP}=0.01"],
    "german-0.05": ["tune=german_rf", f"constraint.{GAP}=0.05"],
    "adult-0.05": ["tune=hgb_adult", f"constraint.{GAP}=0.05"],
    "compas-0.05": ["tune=mlp_compas", f"constraint.{GAP}=0.05"],
}
SEARCHES: dict[str, dict[str, Any]] = {
    "constrained": {"sampler": "gp", "enforce": True},
    "plain": {"sampler": "gp", "enforce": False},
    "random": {"sampler": "random", "enforce": True},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("action", choices=["run", "show"])
    parser.add_argument("--problems", nargs="+", choices=list(PROBLEMS), default=list(PROBLEMS))
    parser.add_argument("--searches", nargs="+", choices=list(SEARCHES), default=list(SEARCHES))
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--trials", type=int, default=100)
    options = parser.parse_args()
    register_resolvers()
    warnings.simplefilter("ignore")
    if options.action == "run":
        for problem in options.problems:
            for seed in range(options.seeds):
                run(problem, seed, options.searches, options.trials)
    show()


def run(problem: str, seed: int, searches: list[str], trials: int) -> None:
    """The searches of one problem and seed that are not there yet."""
    missing = [name for name in searches if key(problem, name, seed, trials) not in saved()]
    if not missing:
        return
    config = compose_config("tune", [*PROBLEMS[problem], f"seed={seed}"])
    rows, splits = folded_rows(config, load_rows(config, "binary"))
    for name in missing:
        search = FairSearchCV(
            build_learner(config),
            plain(config.space),
            constraint=plain(config.constraint),
            n_trials=trials,
            cv=splits,
            refit=False,
            random_state=derive_seed(seed, "search") % 2**32,
            **SEARCHES[name],
        )
        begun = time.perf_counter()
        search.fit(rows.x, rows.y, sensitive_features=rows.s)
        seconds = time.perf_counter() - begun
        table = search.trials_dataframe()
        save(
            key(problem, name, seed, trials),
            {"curve": curve(table), "seconds": round(seconds, 2)},
        )
        print(problem, name, seed, curve(table)[-1], f"{seconds:.0f} s", flush=True)


def curve(table: pd.DataFrame) -> list[float | None]:
    """Best feasible accuracy after each trial."""
    kept = table["score"].where(table["feasible"]).cummax().ffill()
    return [None if np.isnan(value) else round(float(value), 5) for value in kept]


def key(problem: str, search: str, seed: int, trials: int) -> str:
    return f"{problem}/{search}/{trials} trials/seed {seed}"


def saved() -> dict[str, Any]:
    return json.loads(RESULTS.read_text()) if RESULTS.exists() else {}


def save(name: str, found: dict[str, Any]) -> None:
    with FileLock(f"{RESULTS}.lock"):  # others may run other problems
        RESULTS.write_text(json.dumps(saved() | {name: found}, indent=1) + "\n")


def show() -> None:
    curves: dict[tuple[str, str], dict[str, list]] = {}
    for name, found in saved().items():
        problem, search, trials, _ = name.split("/")
        curves.setdefault((problem, trials), {}).setdefault(search, []).append(found["curve"])
    for (problem, trials), searches in curves.items():
        print(f"{problem}, {trials}")
        # a search without a feasible trial is below all others
        tables = {n: np.array(c, dtype=float) for n, c in searches.items()}
        filled = {n: np.nan_to_num(t, nan=-np.inf) for n, t in tables.items()}
        for name, table in filled.items():
            low, middle, high = np.quantile(table[:, -1], [0.25, 0.5, 0.75], method="nearest")
            feasible = int(np.isfinite(table[:, -1]).sum())
            line = f"  {name:12} {middle:.4f} [{low:.4f}, {high:.4f}]"
            print(f"{line}, feasible in {feasible} of {len(table)} seeds")
        if {"constrained", "random"} <= set(filled):
            target = np.median(filled["random"][:, -1])
            reached = np.median(filled["constrained"], axis=0) >= target
            text = f"trial {reached.argmax() + 1}" if reached.any() else "never"
            print(f"  the constrained median reaches random's last median at: {text}")


if __name__ == "__main__":
    main()
