"""Fit one module: trainer, checkpoints, resuming, and what was kept when interrupted."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch

from fairrep.data import Allocation, IndexLoader, OrderedSampler, PreparedData, StratifiedSampler
from fairrep.errors import ConfigError, RunError
from fairrep.training.callbacks import default_callbacks
from fairrep.training.module import FairEncoderModule

RECORD = "fit.json"


@dataclass(frozen=True)
class FitSettings:
    """How long, how large the batches, when to stop.

    Attributes:
        epochs: largest number of passes over the training rows.
        batch_size: rows of a batch over all processes.
        allocation: rows of the groups in a batch: ``proportional`` or ``equal``.
        patience: epochs without a better selection score before training stops; 0 never stops.
        seed: of batches and dropout, each its own stream.
    """

    epochs: int
    batch_size: int
    allocation: Allocation
    patience: int
    seed: int

    def __post_init__(self) -> None:
        for name, least in (("epochs", 1), ("batch_size", 2), ("patience", 0), ("seed", 0)):
            if getattr(self, name) < least:
                raise ConfigError(f"{name} must be at least {least}, got {getattr(self, name)}.")


@dataclass(frozen=True)
class FitResult:
    """What a fit left behind.

    Attributes:
        epochs: epochs that were finished.
        seconds: wall-clock seconds of training, over all the sittings of a resumed run.
        finished: false when it was interrupted.
    """

    epochs: int
    seconds: float
    finished: bool


def fit(
    module: FairEncoderModule,
    data: PreparedData,
    settings: FitSettings,
    folder: Path,
    *,
    trainer: Mapping[str, Any] | None = None,
    logger: Any = None,
    callbacks: list[pl.Callback] | None = None,
) -> FitResult:
    """Train until ``epochs`` or early stopping, then load the best epoch into ``module``.

    The weights are in single precision afterwards.

    ``folder/checkpoints`` holds ``best.ckpt`` and ``last.ckpt``. If ``last.ckpt`` is there already,
    training continues from it; a fit that is already finished is only loaded.

    Args:
        module: untrained.
        data: rows and groups.
        settings: how long and how.
        folder: the run's folder.
        trainer: keyword arguments of ``pytorch_lightning.Trainer``, e.g. ``accelerator``.
        logger: a Lightning logger.
        callbacks: further callbacks, e.g. a progress bar.

    Raises:
        RunError: a checkpoint that is truncated or not of this model.
    """
    record = folder / "checkpoints" / RECORD
    before = _read_record(record)
    if not before.finished:
        before = _train(module, data, settings, folder, trainer, logger, callbacks, before)
    if (folder / "checkpoints" / "best.ckpt").exists():
        load_weights(module, folder / "checkpoints" / "best.ckpt")
    module.float()  # whatever precision it was trained in
    return before


def load_weights(module: FairEncoderModule, checkpoint: Path) -> None:
    """Load a checkpoint's weights into ``module``; no code in it is ever run.

    Raises:
        RunError: truncated, or not of this model.
    """
    try:
        saved = torch.load(checkpoint, map_location="cpu", weights_only=True)
        module.load_state_dict(saved["state_dict"])
    except Exception as problem:
        raise unusable(checkpoint, problem) from problem


def unusable(checkpoint: Path, problem: Exception) -> RunError:
    """Say that a checkpoint cannot be used, and the first line of why."""
    reason = (str(problem) or type(problem).__name__).strip().splitlines()[0]
    return RunError(
        f"'{checkpoint}' must be a whole checkpoint of this run, but: {reason} "
        "Start a new run, or restore the file."
    )


def _train(
    module: FairEncoderModule,
    data: PreparedData,
    settings: FitSettings,
    folder: Path,
    trainer_options: Mapping[str, Any] | None,
    logger: Any,
    callbacks: list[pl.Callback] | None,
    before: FitResult,
) -> FitResult:
    last = folder / "checkpoints" / "last.ckpt"
    resume = _checked(last, module) if last.exists() else None
    trainer = pl.Trainer(
        max_epochs=settings.epochs,
        logger=logger or False,
        callbacks=[
            *default_callbacks(folder, seed=settings.seed, patience=settings.patience),
            *(callbacks or []),
        ],
        default_root_dir=folder,
        num_sanity_val_steps=0,
        enable_model_summary=False,
        use_distributed_sampler=False,
        gradient_clip_val=module.optimizer_settings.clip_norm or None,
        log_every_n_steps=1,
        **{"enable_progress_bar": False, **(trainer_options or {})},
    )
    start = time.perf_counter()
    interrupted = False
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*does not have many workers.*")
            warnings.filterwarnings("ignore", message=".*Checkpoint directory .* exists.*")
            # a frozen module is meant to be
            warnings.filterwarnings("ignore", message=r".*module\(s\) in eval mode.*")
            trainer.fit(
                module,
                train_dataloaders=_train_loader(module, data, settings, trainer),
                val_dataloaders=_val_loader(data, settings, trainer),
                ckpt_path=resume,
                weights_only=True,
            )
    except (KeyboardInterrupt, SystemExit):  # Lightning turns the first into the second
        interrupted = True
    result = FitResult(
        epochs=trainer.fit_loop.epoch_progress.current.completed,
        seconds=before.seconds + time.perf_counter() - start,
        finished=not interrupted,
    )
    if trainer.is_global_zero and last.parent.exists():
        (last.parent / RECORD).write_text(json.dumps(asdict(result)))
    return result


def _checked(checkpoint: Path, module: FairEncoderModule) -> str:
    """Refuse a truncated or foreign checkpoint before anything is trained."""
    try:
        saved = torch.load(checkpoint, map_location="cpu", weights_only=True)
        shapes = {name: value.shape for name, value in saved["state_dict"].items()}
    except Exception as problem:
        raise unusable(checkpoint, problem) from problem
    wanted = {name: value.shape for name, value in module.state_dict().items()}
    if shapes != wanted:
        raise unusable(checkpoint, ValueError("its weights have other names or shapes."))
    return str(checkpoint)


def _read_record(record: Path) -> FitResult:
    if not record.exists():
        return FitResult(epochs=0, seconds=0.0, finished=False)
    return FitResult(**json.loads(record.read_text()))


def _train_loader(
    module: FairEncoderModule, data: PreparedData, settings: FitSettings, trainer: pl.Trainer
) -> IndexLoader:
    sampler = StratifiedSampler(
        data.train.s,
        groups=len(data.groups),
        batch_size=settings.batch_size,
        seed=settings.seed,
        min_rows=module.penalty.min_rows if module.penalty else 1,
        allocation=settings.allocation,
        rank=trainer.global_rank,
        world_size=trainer.world_size,
    )
    return IndexLoader(
        data.train, sampler, tasks=len(data.seen), device=trainer.strategy.root_device
    )


def _val_loader(data: PreparedData, settings: FitSettings, trainer: pl.Trainer) -> IndexLoader:
    sampler = OrderedSampler(data.val.s, groups=len(data.groups), batch_size=settings.batch_size)
    return IndexLoader(data.val, sampler, tasks=len(data.seen), device=trainer.strategy.root_device)
