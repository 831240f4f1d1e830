"""Fit a module as the configs say: on what device, with or without a progress bar."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from fairrep.app.build import build_settings
from fairrep.app.configs import plain
from fairrep.app.console import is_first_process
from fairrep.data import PreparedData
from fairrep.training import FairEncoderModule, FitProgress, FitResult, FitSettings, fit


def fit_module(
    module: FairEncoderModule,
    data: PreparedData,
    config: DictConfig,
    settings: FitSettings,
    folder: Path,
    *,
    title: str,
    logger: Any = None,
) -> FitResult:
    """Train, then load the best epoch; checkpoints go into ``folder``.

    Args:
        module: untrained.
        data: its rows.
        config: of the run; its ``trainer``.
        settings: how long and how.
        folder: the run's folder.
        title: what the progress bar says.
        logger: a Lightning logger.
    """
    options = plain(config.trainer)
    bar = options.pop("enable_progress_bar") and is_first_process()
    return fit(
        module,
        data,
        settings,
        folder,
        trainer=options,
        logger=logger,
        callbacks=[FitProgress(title)] if bar else [],
    )


def fit_without_folder(
    module: FairEncoderModule, data: PreparedData, config: DictConfig, *, title: str
) -> FitResult:
    """Fit as :func:`fit_module` does, with checkpoints in a folder that is gone afterwards."""
    settings = build_settings(config, data)
    with tempfile.TemporaryDirectory() as folder:
        return fit_module(module, data, config, settings, Path(folder), title=title)
