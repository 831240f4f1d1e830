"""A run's folder: readable without this library, never half-written."""

from __future__ import annotations

import json
import math
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.loggers import TensorBoardLogger

import fairrep
from fairrep.app.configs import command_line
from fairrep.errors import RunError

METRICS, DATA, PLANE, ENVIRONMENT = "metrics.json", "data.json", "plane.json", "env.json"
METHOD = "method.json"  # of a run without an encoder: FERM, fair regression
TUNE = "tune.json"  # of a search for hyperparameters
PACKAGES = ("torch", "pytorch-lightning", "numpy", "pandas", "scikit-learn")


class RunFolder:
    """Where a run writes: config, environment, metrics, predictions, checkpoints, encoder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def twin(self) -> RunFolder:
        """The folder of the same run with λ = 0."""
        return RunFolder(self.path / "twin")

    def refuse_used(self, *, resume: bool) -> None:
        """Refuse a folder with a finished run, or an unfinished one that is not to be resumed."""
        if any((self.path / name).exists() for name in (METRICS, METHOD, TUNE)):
            raise RunError(
                f"'{self.path}' already holds a finished run; choose another hydra.run.dir."
            )
        if not resume and (self.path / "config.yaml").exists():
            raise RunError(
                f"'{self.path}' already holds an unfinished run; continue it with "
                f"resume={self.path}, or choose another hydra.run.dir."
            )

    def start(self, config: DictConfig) -> None:
        """Write the resolved config, the environment and the command that first started it."""
        self.path.mkdir(parents=True, exist_ok=True)
        (self.path / "config.yaml").write_text(OmegaConf.to_yaml(config, resolve=True))
        command = self.command() if config.get("resume") else command_line()
        self.write_json(ENVIRONMENT, {**environment(), "command": command})

    def command(self) -> str | None:
        """What the run was first started with."""
        file = self.path / ENVIRONMENT
        return json.loads(file.read_text()).get("command") if file.exists() else None

    def logger(self, name: str) -> TensorBoardLogger | None:
        """TensorBoard events in ``tensorboard/``, or nothing for ``none``."""
        if name == "none":
            return None
        return TensorBoardLogger(self.path, name="", version="tensorboard", default_hp_metric=False)

    def write_json(self, name: str, content: Any) -> None:
        """Write a JSON file whole or not at all; NaN becomes null."""
        part = self.path / f"{name}.part"
        part.write_text(json.dumps(_json_ready(content), indent=1, ensure_ascii=False) + "\n")
        part.replace(self.path / name)

    def write_predictions(self, table: pd.DataFrame) -> None:
        """Write ``predictions.parquet``: one row a test row."""
        part = self.path / "predictions.parquet.part"
        table.to_parquet(part, index=False)
        part.replace(self.path / "predictions.parquet")


def environment() -> dict[str, str]:
    """Versions and device, for whoever reads the figures later."""
    packages = {name: version(name) for name in PACKAGES}
    device = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "cpu"
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "device": device,
        "threads": str(torch.get_num_threads()),
        "fairrep": fairrep.__version__,
        **packages,
    }


def _json_ready(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _json_ready(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_json_ready(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
