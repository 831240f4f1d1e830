"""A progress bar for one fit: epochs done, losses, the joint heads' validation gap."""

from __future__ import annotations

import pytorch_lightning as pl
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

SHOWN = {"train/task": "task loss", "train/penalty": "penalty", "val/selection": "selection"}


class FitProgress(pl.Callback):
    """One line per fit that moves every step.

    Args:
        title: what is being trained.
    """

    def __init__(self, title: str) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("steps"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[values]}"),
        )
        self._bar = self._progress.add_task(title, total=None, values="")

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Show the bar where the run stands."""
        total = int(trainer.estimated_stepping_batches)
        self._progress.update(self._bar, total=total, completed=trainer.global_step)
        self._progress.start()

    def on_train_batch_end(self, trainer: pl.Trainer, *args: object) -> None:
        """Move on."""
        self._progress.update(self._bar, completed=trainer.global_step)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Show the epoch's figures."""
        values = [
            f"{label} {float(trainer.callback_metrics[key]):.3f}"
            for key, label in SHOWN.items()
            if key in trainer.callback_metrics
        ]
        self._progress.update(self._bar, values=", ".join(values))

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Leave the finished bar."""
        self._progress.stop()

    def on_exception(self, trainer: pl.Trainer, *args: object) -> None:
        """Leave the bar where it was."""
        self._progress.stop()
