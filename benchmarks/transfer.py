"""Fresh heads against a scikit-learn loop, and what transfers on Adult, ACS and School.

    python benchmarks/transfer.py heads                 # all fits of a front, at equal loss
    python benchmarks/transfer.py bootstrap             # 1,000 resamples of 50,000 rows
    python benchmarks/transfer.py adult --seeds 5       # married, never seen in training
    python benchmarks/transfer.py acs                   # Washington → Arizona (FAIRREP_DATA)
    python benchmarks/transfer.py school                # schools left out (FAIRREP_DATA)

Each part writes benchmarks/results/transfer-PART.json.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from mlp import MLP
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.neural_network import MLPClassifier

from fairrep.app.run_folder import environment
from fairrep.app.train import train
from fairrep.app.transfer import transfer
from fairrep.evaluation.figures_of_task import groupings
from fairrep.evaluation.linear_head import STRENGTHS, fit_linear_heads, moments
from fairrep.evaluation.losses import MeanLosses
from fairrep.evaluation.metrics import task_metrics
from fairrep.evaluation.mlp_head import MLPHeadSettings, fit_mlp_heads
from fairrep.evaluation.resample import DRAWS
from fairrep.types import TaskSpec

RESULTS = Path(__file__).resolve().parent / "results"
TRAIN, VAL, TEST, DIM = 26_048, 6_513, 16_281, 4  # as on Adult
FIT, SELECT, JUDGE = slice(TRAIN), slice(TRAIN, TRAIN + VAL), slice(TRAIN + VAL, None)


def world(representations: int, tasks: int) -> tuple:
    """Representations of the same rows, from noisy to informative, as along a front."""
    rng = np.random.default_rng(0)
    n = TRAIN + VAL + TEST
    hidden = rng.normal(size=(n, DIM)).astype(np.float32)
    noise = np.linspace(0.3, 3, representations)[:, None, None]
    z = hidden + noise * rng.normal(size=(representations, n, DIM))
    slopes = rng.normal(size=(DIM, tasks))
    logits = hidden @ slopes + np.square(hidden[:, :1]) - 1.5
    y = rng.random((n, tasks)) < 1 / (1 + np.exp(-logits))
    specs = tuple(TaskSpec(f"t{k}", "binary", ("0", "1")) for k in range(tasks))
    z, y = (torch.tensor(part, dtype=torch.float32) for part in (z, y))
    mean, scale = moments(z[:, :TRAIN])
    return (z - mean) / scale, y, specs


def linear(z: torch.Tensor, y: torch.Tensor, specs: tuple) -> dict:
    """Every strength of every fit, here at once and there one by one; the losses of the chosen."""
    start = time.perf_counter()
    heads = fit_linear_heads(z[:, FIT], y[FIT], z[:, SELECT], y[SELECT], specs)
    seconds = time.perf_counter() - start
    losses = MeanLosses(specs)(heads(z[:, JUDGE]), y[JUDGE]).numpy()
    theirs = np.empty_like(losses)
    arrays = z.numpy().astype(np.float64)
    start = time.perf_counter()
    for r, rows in enumerate(arrays):
        for t in range(len(specs)):
            models = [
                LogisticRegression(C=1 / alpha).fit(rows[FIT], y[FIT, t].numpy())
                for alpha in STRENGTHS
            ]
            best = min(models, key=lambda model: their_loss(model, rows, y[:, t], SELECT))
            theirs[r, t] = their_loss(best, rows, y[:, t], JUDGE)
    return compared(seconds, time.perf_counter() - start, losses, theirs)


def mlp(z: torch.Tensor, y: torch.Tensor, specs: tuple) -> dict:
    """The same architecture, optimiser, batches and rows, early stopping on as many rows.

    Losses are of other rows. Compared with scikit-learn at the settings that reach our loss
    (within 1e-4, mean over fits) in the least time; where none does, at those with the lowest.
    """
    start = time.perf_counter()
    heads = fit_mlp_heads(z[:, FIT], y[FIT], z[:, SELECT], y[SELECT], specs, seed=0)
    seconds = time.perf_counter() - start
    losses = MeanLosses(specs)(heads(z[:, JUDGE]), y[JUDGE]).numpy()
    tried = []
    for lr, patience in ((2e-3, 3), (4e-3, 3), (8e-3, 3), (4e-3, 5)):
        start = time.perf_counter()
        theirs = scikit_learn_mlps(z, y, specs, lr, patience)
        found = compared(seconds, time.perf_counter() - start, losses, theirs)
        tried.append({"lr": lr, "patience": patience} | found)
    equal = [one for one in tried if one["mean_relative_excess_loss"] >= -1e-4]
    chosen = (
        min(equal, key=lambda one: one["scikit_learn_seconds"])
        if equal
        else max(tried, key=lambda one: one["mean_relative_excess_loss"])
    )
    return chosen | {"reaches_our_loss": bool(equal), "tried": tried}


def scikit_learn_mlps(
    z: torch.Tensor, y: torch.Tensor, specs: tuple, lr: float, patience: int
) -> np.ndarray:
    """Validation losses (r, t) of one fit after another."""
    own = MLPHeadSettings()
    losses = np.empty((len(z), len(specs)))
    for r, rows in enumerate(z.numpy()):
        for t in range(len(specs)):
            model = MLPClassifier(
                hidden_layer_sizes=(own.hidden,),
                learning_rate_init=lr,
                batch_size=own.batch_size,
                max_iter=own.epochs,
                early_stopping=True,
                validation_fraction=0.2,
                n_iter_no_change=patience,
                tol=0.0,
                alpha=0.0,
                random_state=0,
            ).fit(rows[: TRAIN + VAL], y[: TRAIN + VAL, t].numpy())
            losses[r, t] = their_loss(model, rows, y[:, t], JUDGE)
    return losses


def their_loss(model, rows: np.ndarray, y: torch.Tensor, part: slice) -> float:
    return log_loss(y[part], model.predict_proba(rows[part])[:, 1])


def compared(seconds: float, theirs: float, losses: np.ndarray, their_losses: np.ndarray) -> dict:
    worse = losses / their_losses - 1
    return {
        "seconds": seconds,
        "scikit_learn_seconds": theirs,
        "times_faster": theirs / seconds,
        "largest_relative_excess_loss": float(worse.max()),
        "mean_relative_excess_loss": float(worse.mean()),
    }


def heads(arguments: argparse.Namespace) -> dict:
    warnings.filterwarnings("ignore")
    z, y, specs = world(arguments.representations, arguments.tasks)
    found = {"representations": len(z), "tasks": len(specs), "rows": TRAIN, "dim": DIM}
    found |= {"threads": torch.get_num_threads()}
    for name, run in (("logistic", linear), ("mlp", mlp)):
        found[name] = run(z, y, specs)
        print(name, json.dumps(found[name], indent=1))
    return found


def bootstrap(arguments: argparse.Namespace) -> dict:
    """All utilities and gaps with intervals from 1,000 resamples of 50,000 test rows."""
    rng = np.random.default_rng(0)
    n, found = 50_000, {}
    for groups, predictions in ((2, 1), (2, 8), (6, 8)):
        y, s = rng.integers(0, 2, n).astype(float), rng.integers(0, groups, n)
        predicted = {k: rng.random(n) for k in range(predictions)}
        ways = groupings([str(g) for g in range(groups)])
        task = TaskSpec("t", "binary", ("0", "1"))
        times = []
        for _ in range(5):
            start = time.perf_counter()
            task_metrics(task, predicted, y, s, ways, seed=0)
            times.append(time.perf_counter() - start)
        name = f"{groups} groups, {predictions} predictions"
        found[name] = {"median_seconds": float(np.median(times)), "seconds": times}
        print(name, found[name])
    return {"rows": n, "draws": DRAWS, "threads": torch.get_num_threads()} | found


def measured(training: list[str], protocol: list[str]) -> dict:
    """Train a run, then the protocol on it; what is left of the twin's gap and utility."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        quick = ("trainer=cpu", "logger=none", "transfer=false", "evaluation.heads=[mlp]")
        train(*quick, *training, folder=run)
        content = transfer(f"run={run}", f"out={folder}/out", *protocol)
    keys = ("transfer", "over_seeds", "leakage", "distribution", "over_folds", "seeds", "domain")
    return {"training": training, "protocol": protocol} | {
        key: content[key] for key in keys if content.get(key) is not None
    }


def adult(arguments: argparse.Namespace) -> dict:
    return measured(
        ["data=adult", *MLP, "penalty.weight=6", *arguments.overrides],
        [f"seeds={arguments.seeds}", "representations=[trained,twin]"],
    )


def acs(arguments: argparse.Namespace) -> dict:
    return measured(
        ["data=acs", "data.states=[WA]", *MLP, "penalty.weight=6", *arguments.overrides],
        ["data.states=[AZ]", f"seeds={arguments.seeds}", "representations=[trained,twin]"],
    )


def school(arguments: argparse.Namespace) -> dict:
    return measured(
        ["data=school", *MLP, "penalty.weight=6", *arguments.overrides],
        ["split=leave_tasks_out", "folds=5", "representations=[trained,twin]"],
    )


PARTS = {"heads": heads, "bootstrap": bootstrap, "adult": adult, "acs": acs, "school": school}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--representations", type=int, default=20, help="of a front, with twins")
    parser.add_argument("--tasks", type=int, default=4)
    parser.add_argument("overrides", nargs="*", help="further settings of the run, as Hydra's")
    arguments = parser.parse_args()
    found = PARTS[arguments.part](arguments)
    RESULTS.mkdir(exist_ok=True)
    content = {"environment": environment(), **found}
    (RESULTS / f"transfer-{arguments.part}.json").write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
