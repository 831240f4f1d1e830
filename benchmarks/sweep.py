"""One stack of 32 models against 32 single runs, and against a script as a user would write it.

    python benchmarks/sweep.py [--epochs 3] [--alone 3]

Adult, the default settings of conf/, 8 λ and 4 seeds. A few of the models are trained alone as well
(``fairrep.training.fit``, start-up not counted) and by a plain Lightning + DataLoader + GeomLoss
script, in turn with the stack and in one process; their mean seconds an epoch are scaled to 32
models. Losses are those on validation rows after the last epoch: task loss + λ * penalty, of the
same models. Writes benchmarks/results/sweep-cpu.json.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as in the commands; read before torch is

import pytorch_lightning as pl
import torch
from geomloss import SamplesLoss
from mlp import MLP
from omegaconf import DictConfig
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from fairrep.app.build import build_data, build_module, build_settings
from fairrep.app.configs import compose_config
from fairrep.app.console import quieten
from fairrep.app.run_folder import environment
from fairrep.data import PreparedData
from fairrep.encoders import OneHotInput
from fairrep.encoders.saved import cardinalities
from fairrep.penalties import warmup_weight
from fairrep.training import FairEncoderModule, fit, fit_stack, multitask_loss

RESULT = Path(__file__).resolve().parent / "results" / "sweep-cpu.json"
PENALTIES = ("none", "mmd", "sinkhorn")
SHARES, SEEDS = (0.01, 0.03, 0.1, 0.2, 0.4, 0.7, 1.0, 3.0), 4  # λ in units of the default


def configs(penalty: str, epochs: int) -> list[DictConfig]:
    base = compose_config("train", [f"penalty={penalty}"]).penalty.weight
    return [
        compose_config(
            "train",
            [
                *MLP,
                f"penalty={penalty}",
                f"penalty.weight={share * base}",
                "penalty.warmup_epochs=1",
                f"epochs={epochs}",
                f"seed={seed}",
            ],
        )
        for share in SHARES
        for seed in range(SEEDS)
    ]


class UserScript(pl.LightningModule):
    """What a user would write: layers, a batch normalisation, BCE and a GeomLoss term."""

    def __init__(self, config: DictConfig, inputs: int, tasks: int, steps: int) -> None:
        super().__init__()
        self.config, self.steps = config, steps
        self.encoder = nn.Sequential(
            nn.Linear(inputs, 64),
            nn.ReLU(),
            nn.Linear(64, 64),
            nn.ReLU(),
            nn.Linear(64, config.encoder.dim),
            nn.BatchNorm1d(config.encoder.dim, affine=False),
        )
        self.heads = nn.Linear(config.encoder.dim, tasks)
        self.distance = {
            "none": None,
            "mmd": SamplesLoss("gaussian", blur=2.0, backend="tensorized"),
            "sinkhorn": SamplesLoss("sinkhorn", p=2, blur=0.5, backend="tensorized"),
        }[config.penalty.name]

    def loss(self, batch: tuple[Tensor, ...], weight: float) -> Tensor:
        x, y, s = batch
        z = self.encoder(x)
        loss = nn.functional.binary_cross_entropy_with_logits(self.heads(z), y) * y.shape[1]
        if self.distance is None:
            return loss
        factor = 2 if self.config.penalty.name == "mmd" else 1  # GeomLoss halves the kernel norm
        return loss + weight * factor * self.distance(z[s == 0], z[s == 1])

    def training_step(self, batch: tuple[Tensor, ...]) -> Tensor:
        epoch = self.global_step / self.steps
        loss = self.loss(batch, warmup_weight(self.config.penalty.weight, epoch, 1))
        self.log("train/loss", loss)
        return loss

    def validation_step(self, batch: tuple[Tensor, ...]) -> None:
        self.log("val/loss", self.loss(batch, self.config.penalty.weight))

    def configure_optimizers(self) -> Any:
        options = self.config.optimizer
        optimizer = torch.optim.AdamW(
            self.parameters(), lr=options.lr, weight_decay=options.weight_decay
        )
        total = self.steps * self.config.epochs
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, total)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }


def users_run(config: DictConfig, data: PreparedData) -> tuple[float, UserScript]:
    one_hot, tasks = OneHotInput(cardinalities(data.schema)), len(data.seen)
    train, val = (
        TensorDataset(one_hot(rows.x), rows.y[:, :tasks], rows.s) for rows in (data.train, data.val)
    )
    loaders = (
        DataLoader(train, config.batch_size, shuffle=True, drop_last=True),
        DataLoader(val, config.batch_size),
    )
    torch.manual_seed(config.seed)
    model = UserScript(config, one_hot.width, tasks, len(loaders[0]))
    with tempfile.TemporaryDirectory() as folder:
        trainer = pl.Trainer(
            max_epochs=config.epochs,
            accelerator="cpu",
            logger=False,
            default_root_dir=folder,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
        )
        start = time.perf_counter()
        trainer.fit(model, *loaders)
        return time.perf_counter() - start, model


def single_run(config: DictConfig, data: PreparedData) -> tuple[float, FairEncoderModule]:
    module = build_module(config, data, twin=False)
    with tempfile.TemporaryDirectory() as folder:
        fitted = fit(
            module, data, build_settings(config, data), Path(folder), trainer={"accelerator": "cpu"}
        )
    return fitted.seconds, module


def stacked_run(chosen: list[DictConfig], data: PreparedData) -> tuple[float, list, int]:
    modules = [build_module(config, data, twin=False) for config in chosen]
    settings = [build_settings(config, data) for config in chosen]
    with tempfile.TemporaryDirectory() as folder:
        fitted = fit_stack(modules, data, settings, Path(folder), device="cpu", dtype=torch.float32)
    return fitted.seconds, modules, fitted.chunk


@torch.no_grad()
def validation_loss(config: DictConfig, data: PreparedData, z: Tensor, outputs: Tensor) -> float:
    """Task loss + λ * this project's penalty, the same measure for everybody."""
    penalty = build_module(config, data, twin=False).penalty
    tasks = len(data.seen)
    loss = multitask_loss(
        outputs,
        data.val.y[:, :tasks],
        data.seen,
        row_weights=torch.ones(len(z)),
        task_weights=torch.ones(tasks),
    )
    if penalty is not None:
        loss = loss + config.penalty.weight * penalty.evaluate(z, data.val.s).value
    return float(loss)


def losses(config: DictConfig, data: PreparedData, module: Any, x: Tensor) -> float:
    module.eval()
    z = module.encoder(x)
    return validation_loss(config, data, z, module.heads(z))


def peak_mib(reset: bool = False) -> float:
    """Largest resident memory since the last reset."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(penalty: str, data: PreparedData, epochs: int, alone: int) -> dict[str, Any]:
    """Seconds an epoch of all models, ratios to the stack's, losses and memory."""
    chosen = configs(penalty, epochs)
    places = [round((k + 0.5) * len(chosen) / alone) for k in range(alone)]
    wide = OneHotInput(cardinalities(data.schema))(data.val.x)
    single_run(chosen[0], data)  # warm up
    seconds: dict[str, list[float]] = {"single": [], "user": [], "stack": []}
    loss: dict[str, list[float]] = {"single": [], "user": [], "stack": []}
    before = peak_mib(reset=True)
    spent, modules, chunk = stacked_run(chosen, data)
    memory = peak_mib() - before
    seconds["stack"].append(spent / epochs)
    for place in places:
        config = chosen[place]
        for name, run, x in (("single", single_run, data.val.x), ("user", users_run, wide)):
            spent, module = run(config, data)
            seconds[name].append(spent / epochs * len(chosen))
            loss[name].append(losses(config, data, module, x))
        loss["stack"].append(losses(config, data, modules[place], data.val.x))
    seconds["stack"].append(stacked_run(chosen, data)[0] / epochs)
    mean = {name: statistics.mean(values) for name, values in seconds.items()}
    return {
        "penalty": penalty,
        "models": len(chosen),
        "seconds_an_epoch": {name: round(value, 3) for name, value in mean.items()},
        "times_single": round(mean["single"] / mean["stack"], 2),
        "times_user": round(mean["user"] / mean["stack"], 2),
        "losses": {name: round(statistics.mean(values), 5) for name, values in loss.items()},
        "stack_memory_mib": round(memory),
        "models_that_step_together": chunk,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--alone", type=int, default=3, help="models trained alone too")
    parser.add_argument("--threads", type=int, default=2, help="of torch")
    parser.add_argument("--penalties", nargs="+", default=list(PENALTIES))
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    quieten()
    data = build_data(compose_config("train", MLP))
    start = os.getloadavg()[0]
    rows = []
    for penalty in arguments.penalties:
        rows.append(measure(penalty, data, arguments.epochs, arguments.alone))
        print(rows[-1], flush=True)
    content = {
        "environment": environment(),
        "threads": arguments.threads,
        "epochs": arguments.epochs,
        "trained_alone": arguments.alone,
        "load_before_and_after": [round(start, 2), round(os.getloadavg()[0], 2)],
        "rows": rows,
    }
    RESULT.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
