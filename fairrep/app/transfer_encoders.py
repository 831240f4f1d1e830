"""The encoders that the transfer protocol compares: loaded from a run, or trained anew."""

from __future__ import annotations

import tempfile
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from fairrep.app.build import build_module, build_settings
from fairrep.app.configs import plain
from fairrep.data import PreparedData
from fairrep.encoders import Encoder, TableEncoder, load_encoder, runs_user_code
from fairrep.evaluation.transfer import TRAINED, TWIN
from fairrep.training import fit


def run_encoder(folder: Path, config: DictConfig) -> TableEncoder:
    """A run's encoder; code of the user's own is called if the run's settings say so."""
    return load_encoder(folder, allow_code=runs_user_code(config.encoder))


def loaded(run: Path, config: DictConfig) -> dict[str, Encoder]:
    """The run's encoder, and its λ = 0 twin where the run has one."""
    folders = {TRAINED: run, TWIN: run / "twin"}
    return {
        name: run_encoder(folder, config).encoder
        for name, folder in folders.items()
        if name == TRAINED or folder.is_dir()
    }


def retrained(config: DictConfig, data: PreparedData, *, seed: int) -> dict[str, Encoder]:
    """Train the run's settings anew with another seed, or on other seen tasks, and its twin."""
    settings = OmegaConf.merge(config, {"seed": seed})
    trainer = plain(settings.trainer) | {"enable_progress_bar": False}
    encoders = {}
    for name in (TRAINED, TWIN) if config.twin else (TRAINED,):
        module = build_module(settings, data, twin=name == TWIN)  # type: ignore[arg-type]
        with tempfile.TemporaryDirectory() as folder:
            fit(module, data, build_settings(settings, data), Path(folder), trainer=trainer)  # type: ignore[arg-type]
        encoders[name] = module.encoder.cpu().eval()
    return encoders
