"""What the default run costs and buys on Adult, over seeds, from fresh MLP-50 heads.

    python benchmarks/adult.py                          # penalty=sinkhorn, seeds 0-4
    python benchmarks/adult.py --penalty mmd --seeds 3

Every seed is one run of the training job as a user would start it, with its λ = 0 twin; test rows
are read once a run. Writes benchmarks/results/adult-PENALTY.json.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from fairrep.app.run_folder import environment
from fairrep.app.train import train

RESULTS = Path(__file__).resolve().parent / "results"
FIGURES = ("accuracy", "auc", "demographic_parity_difference")


def one_seed(penalty: str, seed: int, overrides: list[str]) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        return train(
            f"penalty={penalty}",
            f"seed={seed}",
            "trainer=cpu",
            "logger=none",
            "evaluation.heads=[mlp]",
            *overrides,
            folder=Path(folder) / "run",
        )


def rows(metrics: dict) -> list[dict]:
    """One row a task and encoder."""
    sources = {"trained": (metrics, "trained"), "twin": (metrics["twin"], "twin")}
    return [
        {
            "seed": metrics["seed"],
            "task": task,
            "encoder": encoder,
            "seconds": source["seconds"],
            **{name: source["test"][task]["mlp"][name] for name in FIGURES},
            "leakage_boosting": metrics["leakage"][side]["boosting"]["balanced_accuracy"],
            "leakage_logistic": metrics["leakage"][side]["logistic"]["balanced_accuracy"],
        }
        for task in metrics["test"]
        for encoder, (source, side) in sources.items()
    ]


def mean(table: list[dict], task: str, encoder: str, name: str) -> float:
    return float(
        np.mean([row[name] for row in table if (row["task"], row["encoder"]) == (task, encoder)])
    )


def summary(table: list[dict]) -> dict:
    names = (*FIGURES, "leakage_boosting", "leakage_logistic", "seconds")
    tasks = list(dict.fromkeys(row["task"] for row in table))
    return {
        task: {
            encoder: {name: mean(table, task, encoder, name) for name in names}
            for encoder in ("trained", "twin")
        }
        for task in tasks
    }


def print_summary(means: dict, title: str) -> None:
    table = Table(title=title)
    for column in (
        "task",
        "encoder",
        "accuracy",
        "AUC",
        "DP difference",
        "leakage (boosting)",
        "s",
    ):
        table.add_column(column)
    for task, encoders in means.items():
        for encoder, row in encoders.items():
            table.add_row(
                task,
                encoder,
                *(f"{row[name]:.4f}" for name in FIGURES),
                f"{row['leakage_boosting']:.3f}",
                f"{row['seconds']:.1f}",
            )
    Console(width=110).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--penalty", default="sinkhorn")
    parser.add_argument("--seeds", type=int, default=5, help="number of seeds, from 0")
    parser.add_argument("overrides", nargs="*", help="further settings of the run, as Hydra's")
    arguments = parser.parse_args()
    table = [
        row
        for seed in range(arguments.seeds)
        for row in rows(one_seed(arguments.penalty, seed, arguments.overrides))
    ]
    means = summary(table)
    print_summary(means, f"adult, penalty={arguments.penalty}, mean of {arguments.seeds} seeds")
    trained, twin = means["income"]["trained"], means["income"]["twin"]
    gap = "demographic_parity_difference"
    print(
        f"income: gap {trained[gap]:.4f} is {trained[gap] / twin[gap]:.3f} of the twin's; "
        f"accuracy {twin['accuracy'] - trained['accuracy']:.4f} below it"
    )
    RESULTS.mkdir(exist_ok=True)
    out = RESULTS / f"adult-{arguments.penalty}.json"
    content = {"environment": environment(), "mean": means, "rows": table}
    out.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
