"""What happens around the steps: random streams, checkpoints, early stopping, pictures."""

from __future__ import annotations

from pathlib import Path

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint

from fairrep.seeds import derive_seed

SELECTION = "val/selection"


class EpochSeed(pl.Callback):
    """Start dropout's stream anew each epoch, so that a resumed run draws what it would have."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Seed the global generator from (seed, epoch, process)."""
        torch.manual_seed(
            derive_seed(self.seed, "dropout", trainer.current_epoch, trainer.global_rank)
        )


def default_callbacks(folder: Path, *, seed: int, patience: int) -> list[pl.Callback]:
    """Epoch seeds, ``checkpoints/{best,last}.ckpt`` and early stopping on the selection score.

    Args:
        folder: the run's folder.
        seed: of dropout's stream.
        patience: epochs without a better selection score before training stops; 0 never stops.
    """
    checkpoints = folder / "checkpoints"
    callbacks: list[pl.Callback] = [
        EpochSeed(seed),
        ModelCheckpoint(
            checkpoints, "best", monitor=SELECTION, mode="max", enable_version_counter=False
        ),
        # last, so that it holds the state of the two callbacks around it
        ModelCheckpoint(checkpoints, "last", enable_version_counter=False),
    ]
    if patience > 0:
        stop = EarlyStopping(SELECTION, mode="max", patience=patience, check_finite=False)
        callbacks.insert(1, stop)
    return callbacks
