"""What each penalty costs in a training step on Adult, beside the step without a penalty.

    python benchmarks/penalty_cost.py [--threads 1]

A batch of 2,048 rows at the default settings of conf/, forward and backward; the two steps are
taken in turn, and the figure is the median over pairs; for d = 4 and d = 1. Writes
benchmarks/results/penalty-cost.json.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from mlp import MLP
from torch import Tensor

from fairrep.app.build import build_data, build_module
from fairrep.app.configs import compose_config
from fairrep.app.run_folder import environment
from fairrep.data import IndexLoader, PreparedData, StratifiedSampler
from fairrep.training import multitask_loss
from fairrep.types import Batch

RESULT = Path(__file__).resolve().parent / "results" / "penalty-cost.json"
PENALTIES = (
    "mean",
    "mmd",
    "mmd_rff",
    "energy",
    "sinkhorn",
    "sliced_wasserstein",
    "mixture",
    "hsic",
    "distance_covariance",
)


def adult_batch(data: PreparedData, size: int) -> Batch:
    sampler = StratifiedSampler(data.train.s, groups=len(data.groups), batch_size=size, seed=0)
    return next(iter(IndexLoader(data.train, sampler, tasks=len(data.seen))))


def timed(loss: Callable[[], Tensor]) -> float:
    start = time.perf_counter()
    loss().backward()
    return 1e3 * (time.perf_counter() - start)


def measure(name: str, data: PreparedData, pairs: int, *, dim: int) -> dict[str, Any]:
    """Milliseconds of a step without and with the penalty, and the median of their ratios."""
    config = compose_config("train", [*MLP, f"penalty={name}", f"encoder.dim={dim}"])
    module = build_module(config, data, twin=False)
    penalty, batch = module.penalty, adult_batch(data, config.batch_size)
    assert penalty is not None

    def task(z: Tensor) -> Tensor:
        return multitask_loss(
            module.heads(z),
            batch.y,
            module.tasks,
            row_weights=batch.weight,
            task_weights=module.task_weights,
        )

    def plain() -> Tensor:
        return task(module.encoder(batch.x))

    def penalised() -> Tensor:
        z = module.encoder(batch.x)
        attribute = getattr(batch, penalty.reads)
        return task(z) + penalty.evaluate(z, attribute, batch.y, counts=batch.counts).value

    penalised().backward()
    runs = [(timed(plain), timed(penalised)) for _ in range(pairs)]
    return {
        "penalty": name,
        "dim": dim,
        "plain_ms": round(statistics.median(run[0] for run in runs), 2),
        "penalised_ms": round(statistics.median(run[1] for run in runs), 2),
        "ratio": round(statistics.median(run[1] / run[0] for run in runs), 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2, help="of torch")
    parser.add_argument("--pairs", type=int, default=15, help="of steps")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    data = build_data(compose_config("train", []))
    rows = []
    for dim, name in itertools.product((4, 1), PENALTIES):
        rows.append(measure(name, data, arguments.pairs, dim=dim))
        print(rows[-1], flush=True)
    content = {"environment": environment(), "threads": arguments.threads, "rows": rows}
    RESULT.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
