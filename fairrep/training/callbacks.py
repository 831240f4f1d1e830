"""What happens around the steps: random streams, checkpoints, early stopping, pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint

from fairrep.seeds import derive_seed

SELECTION = "val/selection"


class EpochSeed(pl.Callback):
    """Start the epoch's random streams anew, so that a resumed run draws what it would have."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Dropout differs between processes; the penalty's random directions do not."""
        epoch = trainer.current_epoch
        torch.manual_seed(derive_seed(self.seed, "dropout", epoch, trainer.global_rank))
        if pl_module.penalty is not None:
            pl_module.penalty.reseed(derive_seed(self.seed, "penalty", epoch))


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
