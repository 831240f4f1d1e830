"""What closes the leak: recipes against the strongest of three probes.

    python benchmarks/leak.py --seeds 2 --final-seeds 5

``experiment=adult_income``: income, s = sex, not in x. Every recipe at two λ, on validation rows:
accuracy of a fresh MLP head and the strongest probe's balanced accuracy for s. The most accurate
recipe and λ whose leak is at most .58 there are trained anew with --final-seeds seeds and reported
on test rows. Writes benchmarks/results/leak.json, and runs no setting that it holds.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from mlp import MLP
from torch import Tensor, nn

from fairrep.app.build import build_data, build_module, build_settings
from fairrep.app.configs import compose_config
from fairrep.app.console import quieten
from fairrep.app.run_folder import environment
from fairrep.data import PreparedData, Rows
from fairrep.encoders import Encoder
from fairrep.evaluation import Sealed
from fairrep.evaluation.protocol import Part, fit_all, part, questions
from fairrep.evaluation.transfer import leakage_figures
from fairrep.evaluation.view import View
from fairrep.penalties.penalty import Penalty, PenaltyValue
from fairrep.training import fit

RESULTS = Path(__file__).resolve().parent / "results" / "leak.json"
DATA = [*MLP, "experiment=adult_income", "trainer=cpu", "logger=none"]
MOST = 0.58  # leak on validation rows
TWO, FOUR = "encoder.dim=2", "encoder.dim=4"


class Wrapped:
    """A penalty with something on top."""

    reads = "s"

    def __init__(self, base: Penalty, encoder: Encoder) -> None:
        self.base, self.min_rows, self.encoder = base, base.min_rows, encoder

    def reseed(self, seed: int) -> None:
        self.base.reseed(seed)

    def evaluate(self, z: Tensor, s: Tensor, y: Tensor | None = None, **options: Any) -> Any:
        found: PenaltyValue = self.base.evaluate(z, s, y, **options)
        return found._replace(value=found.value + self.more(z, s, y, **options))

    def more(self, z: Tensor, s: Tensor, y: Tensor | None, **options: Any) -> Tensor:
        raise AssertionError


class HiddenToo(Wrapped):
    """The same penalty on the last hidden layer, standardised, in distances like z's."""

    def __init__(self, base: Penalty, encoder: Encoder) -> None:
        super().__init__(base, encoder)
        encoder.trunk.layers[-2].register_forward_hook(self._keep)

    def _keep(self, module: nn.Module, inputs: Any, hidden: Tensor) -> None:
        self.hidden = hidden

    def more(self, z: Tensor, s: Tensor, y: Tensor | None, **options: Any) -> Tensor:
        h = self.hidden - self.hidden.mean(0)
        h = h / h.std(0).clamp_min(1e-3) * (z.shape[1] / h.shape[1]) ** 0.5
        return self.base.evaluate(h, s, y, **options).value


class AdversaryToo(Wrapped):
    """An MLP learns s from z, three steps a batch; its gain over chance (nats) is penalised."""

    def __init__(self, base: Penalty, encoder: Encoder) -> None:
        super().__init__(base, encoder)
        self.critic = nn.Sequential(nn.Linear(encoder.dim, 64), nn.ReLU(), nn.Linear(64, 1))
        self.optimizer = torch.optim.Adam(self.critic.parameters(), lr=5e-3)

    def more(self, z: Tensor, s: Tensor, y: Tensor | None, **options: Any) -> Tensor:
        if torch.is_grad_enabled():
            for _ in range(3):
                self.optimizer.zero_grad()
                self._loss(z.detach(), s).backward()
                self.optimizer.step()
        return np.log(2) - self._loss(z, s)

    def _loss(self, z: Tensor, s: Tensor) -> Tensor:
        weight = torch.where(s == 1, 0.5 / (s == 1).float().mean(), 0.5 / (s == 0).float().mean())
        return F.binary_cross_entropy_with_logits(self.critic(z)[:, 0], s.float(), weight=weight)


# name → settings, λ, what is put on top
Recipe = tuple[list[str], tuple[float, ...], Callable[[Penalty, Encoder], Penalty] | None]
RECIPES: dict[str, Recipe] = {
    "d = 4": ([FOUR], (0.6, 1.0), None),
    "d = 2": ([TWO], (0.4, 0.6, 1.0), None),
    "d = 1": (["encoder.dim=1"], (0.1, 0.2, 0.3), None),
    "d = 8": (["encoder.dim=8"], (0.6, 1.0), None),
    "d = 4, batches of 4,096": ([FOUR, "batch_size=4096", "epochs=45"], (0.6, 1.0), None),
    "d = 4, blur 0.2": ([FOUR, "penalty.group.divergence.blur=0.2"], (0.6, 1.0), None),
    "d = 4, MMD beside it": ([FOUR, "penalty=mixture"], (0.6, 1.0), None),
    "d = 4, sliced Wasserstein": ([FOUR, "penalty=sliced_wasserstein"], (2.0, 4.0), None),
    "d = 4, hidden layer too": ([FOUR], (0.3, 0.6), HiddenToo),
    "d = 4, adversary on top": ([FOUR], (0.6, 1.0), AdversaryToo),
}


def trained(data: PreparedData, recipe: Recipe, weight: float, seed: int) -> Encoder:
    settings, _, wrap = recipe
    config = compose_config("train", [*DATA, *settings, f"penalty.weight={weight}", f"seed={seed}"])
    torch.manual_seed(seed)
    module = build_module(config, data, twin=False)
    if wrap is not None:
        module.penalty = wrap(module.penalty, module.encoder)
    with tempfile.TemporaryDirectory() as folder:
        fit(
            module, data, build_settings(config, data), Path(folder), trainer={"accelerator": "cpu"}
        )
    return module.encoder.eval()


@torch.no_grad()
def shown(encoders: dict[str, Encoder], rows: Rows) -> dict[str, View]:
    return {name: View(encoder(rows.x)) for name, encoder in encoders.items()}


def judged(
    encoders: dict[str, Encoder], data: PreparedData, seed: int, *, on_test: bool
) -> dict[str, dict[str, Any]]:
    """Accuracy, gap and leak of every encoder; heads are fitted on training rows."""
    asked = questions(data, ["mlp"], data.tasks)
    make = lambda rows: part(shown(encoders, rows), rows, data, asked)  # noqa: E731
    train, val, test = make(data.train), make(data.val), Sealed(lambda: make(data.test))
    heads = fit_all(train, val, asked, seed=seed)
    rows: Part = test.open() if on_test else val
    predicted = heads.predict(rows.views)
    leaks = leakage_figures(predicted, asked, train, rows)[asked.probes[0].name]
    y, s = rows.y[:, 0].numpy(), rows.s.numpy()
    found = {}
    for name in encoders:
        decided = predicted["mlp"][name][data.tasks[0].name] > 0.5
        rates = [decided[s == g].mean() for g in range(2)]
        found[name] = {
            "accuracy": float((decided == y).mean()),
            "gap": float(abs(rates[0] - rates[1])),
            "leak": leaks[name]["balanced_accuracy"],
            "probe": leaks[name]["strongest"],
        }
    return found


def means(found: list[dict[str, Any]]) -> dict[str, Any]:
    keys = ("accuracy", "gap", "leak")
    columns = {key: [one[key] for one in found] for key in keys}
    return {key: float(np.mean(values)) for key, values in columns.items()} | {
        f"{key}_sd": float(np.std(values, ddof=len(values) > 1)) for key, values in columns.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--final-seeds", type=int, default=5)
    asked = parser.parse_args()
    quieten()
    warnings.filterwarnings("ignore")
    data = build_data(compose_config("train", DATA))
    before = (
        json.loads(RESULTS.read_text()) if RESULTS.exists() else {"validation": [], "final": {}}
    )
    table, finals = before["validation"], before["final"]
    done = {(one["recipe"], one["weight"]) for one in table}
    for name, recipe in RECIPES.items():
        for weight in (w for w in recipe[1] if (name, w) not in done):
            found = [
                judged({"z": trained(data, recipe, weight, seed)}, data, seed, on_test=False)["z"]
                for seed in range(asked.seeds)
            ]
            table.append({"recipe": name, "weight": weight, "val": means(found), "seeds": found})
            row = table[-1]["val"]
            print(
                f"{name:28s} λ = {weight:<4g} {row['accuracy']:.4f} {row['leak']:.3f}", flush=True
            )
    within = [one for one in table if one["val"]["leak"] <= MOST]
    best = max(within, key=lambda one: one["val"]["accuracy"])
    final = []
    for seed in range(asked.final_seeds):
        encoder = trained(data, RECIPES[best["recipe"]], best["weight"], seed)
        final.append(judged({"z": encoder}, data, seed, on_test=True)["z"])
    name = f"{best['recipe']}, λ = {best['weight']:g}"
    finals[name] = {"val": best["val"], "test": means(final), "seeds": final}
    print(name, json.dumps(finals[name]["test"]))
    content = {"environment": environment(), "validation": table, "chosen": name, "final": finals}
    RESULTS.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
