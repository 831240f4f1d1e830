"""Constrained Bayesian optimisation beside a plain one and random search, trial by trial.

    python benchmarks/fair_bo.py run --seeds 10 --trials 100          # all problems
    python benchmarks/fair_bo.py run --problems german-0.01 --seeds 3
    python benchmarks/fair_bo.py time --seeds 5                       # the samplers alone
    python benchmarks/fair_bo.py show                                 # what is there already

A curve is the best feasible validation accuracy after each trial; null where no trial was feasible
yet. A seed decides sampler, learner and folds; the split of the data is one. Shown for every
problem: medians with quartiles over seeds, seeds that end feasible, after how many trials the
constrained search's median curve reaches random search's last median, and after how many a seed
reaches what random search has in the end with the same learner and folds. ``time`` is of a function
of ten hyperparameters that costs nothing: seconds a trial of our sampler and of Optuna's Gaussian
process, turn about in one process, and the best feasible values that they find. Writes
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
import optuna
import pandas as pd
from filelock import FileLock
from optuna.samplers import GPSampler

from fairrep.app.configs import compose_config, plain, register_resolvers
from fairrep.app.method_rows import load_rows
from fairrep.app.tune_learner import build_learner, folded_rows
from fairrep.estimators import FairSearchCV
from fairrep.seeds import derive_seed
from fairrep.tuning import FairBO

RESULTS = Path(__file__).parent / "results" / "fair-bo.json"
GAP = "demographic_parity_difference"
PROBLEMS = {
    "german-0.01": ["tune=german_rf", f"constraint.{GAP}=0.01"],
    "german-0.05": ["tune=german_rf", f"constraint.{GAP}=0.05"],
    "adult-0.05": ["tune=hgb_adult", f"constraint.{GAP}=0.05"],
    "compas-0.05": ["tune=mlp_compas", f"constraint.{GAP}=0.05"],
}
TIMED = "sampler alone"
TEN = [f"x{k}" for k in range(10)]
SEARCHES: dict[str, dict[str, Any]] = {
    "constrained": {"sampler": "gp", "enforce": True},
    "plain": {"sampler": "gp", "enforce": False},
    "random": {"sampler": "random", "enforce": True},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("action", choices=["run", "time", "show"])
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
    if options.action == "time":
        save(f"{TIMED}, {options.trials} trials", timed(options.seeds, options.trials))
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
        for own in [problem] if name == "constrained" else alike(problem):
            found = curve(table, bound(own))
            save(key(own, name, seed, trials), {"curve": found, "seconds": round(seconds, 2)})
            print(own, name, seed, found[-1], f"{seconds:.0f} s", flush=True)


def alike(problem: str) -> list[str]:
    """Problems of the same learner and rows: searches that do not see the bound are the same."""
    return [name for name in PROBLEMS if name.split("-")[0] == problem.split("-")[0]]


def bound(problem: str) -> float:
    return float(problem.split("-")[1])


def timed(seeds: int, trials: int) -> dict[str, Any]:
    """Of either sampler, medians over seeds: seconds a trial on average and at most, best value."""
    found: dict[str, list[tuple[float, float, float]]] = {"ours": [], "optuna": []}
    for seed in range(seeds):
        found["ours"].append(timed_ours(seed, trials))
        found["optuna"].append(timed_optuna(seed, trials))
    names = ("mean_seconds", "max_seconds", "best")
    return {
        name: dict(zip(names, np.median(rows, axis=0).round(4).tolist()))
        for name, rows in found.items()
    }


def smooth(values: dict[str, float]) -> tuple[float, float]:
    """Ripples on a bowl with its middle at .6, and a constraint that keeps it at a distance."""
    x = np.array(list(values.values()))
    utility = -((x - 0.6) ** 2).sum() + 0.02 * np.sin(50 * x).sum()
    return float(utility), float(abs(x[0] - 0.2) + 0.1 * x[1] - 0.1)


def timed_ours(seed: int, trials: int) -> tuple[float, float, float]:
    ends = [time.perf_counter()]
    found = FairBO(
        lambda values: dict(zip(("u", "v"), smooth(values))),
        {name: {"low": 0.0, "high": 1.0} for name in TEN},
        constraints=[(lambda figures: figures["v"], 0.0)],
        utility="u",
        seed=seed,
        listener=lambda _: ends.append(time.perf_counter()),
    ).run(trials)
    return float(np.diff(ends).mean()), float(np.diff(ends).max()), found.figures["u"]


def timed_optuna(seed: int, trials: int) -> tuple[float, float, float]:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(direction="maximize", sampler=GPSampler(seed=seed))
    ends, best = [time.perf_counter()], -np.inf
    for _ in range(trials):
        trial = study.ask()
        utility, violation = smooth({n: trial.suggest_float(n, 0, 1) for n in TEN})
        trial.set_constraint("v", violation)
        study.tell(trial, utility)
        best = max(best, utility) if violation <= 0 else best
        ends.append(time.perf_counter())
    return float(np.diff(ends).mean()), float(np.diff(ends).max()), best


def curve(table: pd.DataFrame, most: float) -> list[float | None]:
    """Best accuracy with a gap of at most so much, after each trial."""
    kept = table["score"].where(table[GAP] <= most).cummax().ffill()
    return [None if np.isnan(value) else round(float(value), 5) for value in kept]


def key(problem: str, search: str, seed: int, trials: int) -> str:
    return f"{problem}/{search}/{trials} trials/seed {seed}"


def saved() -> dict[str, Any]:
    return json.loads(RESULTS.read_text()) if RESULTS.exists() else {}


def save(name: str, found: dict[str, Any]) -> None:
    with FileLock(f"{RESULTS}.lock"):  # others may run other problems
        RESULTS.write_text(json.dumps(saved() | {name: found}, indent=1) + "\n")


def show() -> None:
    curves: dict[tuple[str, str], dict[str, dict[int, list]]] = {}
    for name, found in saved().items():
        if name.startswith(TIMED):
            print(name, found)
            continue
        problem, search, trials, seed = name.split("/")
        own = curves.setdefault((problem, trials), {}).setdefault(search, {})
        own[int(seed.removeprefix("seed "))] = found["curve"]
    for (problem, trials), searches in curves.items():
        print(f"{problem}, {trials}")
        # a search without a feasible trial is below all others
        tables = {n: np.array(list(c.values()), dtype=float) for n, c in searches.items()}
        filled = {n: np.nan_to_num(t, nan=-np.inf) for n, t in tables.items()}
        for name, table in filled.items():
            low, high = np.quantile(table[:, -1], [0.25, 0.75], method="nearest")
            middle = np.median(table[:, -1])
            feasible = int(np.isfinite(table[:, -1]).sum())
            line = f"  {name:12} {middle:.4f} [{low:.4f}, {high:.4f}]"
            print(f"{line}, feasible in {feasible} of {len(table)} seeds")
        if {"constrained", "random"} <= set(filled):
            target = np.median(filled["random"][:, -1])
            reached = np.median(filled["constrained"], axis=0) >= target
            text = f"trial {reached.argmax() + 1}" if reached.any() else "never"
            print(f"  the constrained median reaches random's last median at: {text}")
            print(f"  a seed reaches its own random search's last value: {paired(searches)}")


def paired(searches: dict[str, dict[int, list]]) -> str:
    """Median over seeds, of the constrained search's first trial as good as random's last."""
    trials = []
    for seed in set(searches["constrained"]) & set(searches["random"]):
        curves = (searches[name][seed] for name in ("constrained", "random"))
        own, random = (np.nan_to_num(np.array(c, dtype=float), nan=-np.inf) for c in curves)
        reached = own >= random[-1]
        trials.append(reached.argmax() + 1 if reached.any() else np.inf)
    return f"trial {np.median(trials):g} (never in {np.isinf(trials).sum()} of {len(trials)})"


if __name__ == "__main__":
    main()
