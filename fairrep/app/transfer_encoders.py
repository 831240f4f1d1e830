"""The encoders that the transfer protocol compares: loaded from a run, or trained anew."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from omegaconf import DictConfig, OmegaConf

from fairrep.app.build import build_module
from fairrep.app.fitting import fit_without_folder
from fairrep.app.lessons import Lessons
from fairrep.data import PreparedData
from fairrep.encoders import Encoder, TableEncoder, load_encoder, runs_user_code
from fairrep.evaluation.transfer import TRAINED, TWIN


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
    own = {"seed": seed, "trainer": {"enable_progress_bar": False}}
    settings = cast(DictConfig, OmegaConf.merge(config, own))
    encoders, lessons = {}, Lessons(settings, data)
    for name in (TRAINED, TWIN) if config.twin else (TRAINED,):
        module = build_module(settings, data, twin=name == TWIN)
        lessons.start(module, settings)
        fit_without_folder(module, lessons.data, settings, title=name)
        encoders[name] = module.encoder.cpu().eval()
    return encoders
