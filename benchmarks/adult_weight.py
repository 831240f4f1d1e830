"""How the default weight of a penalty was chosen on Adult: validation rows only.

    python benchmarks/adult_weight.py --penalty sinkhorn --weights 12 20 30

The test rows are never read: the validation rows stand in for them, and each seed draws others
(split_seed = seed), so that their noise averages out. The choice: the highest mean accuracy on
`income` (fresh MLP-50 heads) among weights whose mean gap is at most a fifth of the λ = 0
encoder's. Writes benchmarks/results/adult-weight-PENALTY.json.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from fairrep.app.build import build_data, build_module, build_settings
from fairrep.app.configs import compose_config
from fairrep.app.run_folder import environment
from fairrep.data import PreparedData
from fairrep.evaluation import evaluate_representation, represent
from fairrep.training import fit

RESULTS = Path(__file__).resolve().parent / "results"
SHARE = 0.2


def without_test_rows(data: PreparedData) -> PreparedData:
    """The validation rows in place of the test rows."""
    return replace(data, test=data.val)


def one_run(penalty: str, weight: float, seed: int, overrides: list[str]) -> dict:
    config = compose_config(
        "train",
        [
            f"penalty={penalty if weight else 'none'}",
            f"penalty.weight={weight}",
            f"seed={seed}",
            f"split_seed={seed}",
            *overrides,
        ],
    )
    data = without_test_rows(build_data(config))
    module = build_module(config, data, twin=False)
    with tempfile.TemporaryDirectory() as folder:
        fitted = fit(
            module, data, build_settings(config, data), Path(folder), trainer={"accelerator": "cpu"}
        )
    z = represent(module.encoder, module.heads, data)
    found = evaluate_representation(z, data, data.seen, heads=["mlp"], seed=seed)
    row = found.test["income"]["mlp"]
    return {
        "weight": weight,
        "seed": seed,
        "seconds": fitted.seconds,
        "accuracy": row["accuracy"],
        "gap": row["demographic_parity_difference"],
    }


def choose(rows: list[dict], weights: list[float]) -> tuple[float, dict[float, dict[str, float]]]:
    means = {
        weight: {
            name: float(np.mean([row[name] for row in rows if row["weight"] == weight]))
            for name in ("accuracy", "gap", "seconds")
        }
        for weight in [0.0, *weights]
    }
    fair = [weight for weight in weights if means[weight]["gap"] <= SHARE * means[0.0]["gap"]]
    best = max(fair, key=lambda weight: means[weight]["accuracy"], default=float("nan"))
    return best, means


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--penalty", default="sinkhorn")
    parser.add_argument("--weights", type=float, nargs="+", required=True)
    parser.add_argument("--seeds", type=int, default=3, help="number of seeds, from 0")
    parser.add_argument("overrides", nargs="*", help="further settings of the run, as Hydra's")
    arguments = parser.parse_args()
    rows = []
    for weight in [0.0, *arguments.weights]:
        for seed in range(arguments.seeds):
            rows.append(one_run(arguments.penalty, weight, seed, arguments.overrides))
            print(rows[-1], flush=True)
    best, means = choose(rows, arguments.weights)
    for weight, row in means.items():
        print(f"λ = {weight:g}: accuracy {row['accuracy']:.4f}, gap {row['gap']:.4f}")
    print(f"chosen: λ = {best:g}")
    content = {"environment": environment(), "chosen": best, "mean": means, "rows": rows}
    out = RESULTS / f"adult-weight-{arguments.penalty}.json"
    out.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
