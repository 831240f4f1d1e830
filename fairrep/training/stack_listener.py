"""What a stack tells of its training, while it trains and afterwards."""

from __future__ import annotations

from dataclasses import dataclass

TaskFigures = dict[str, dict[str, float]]


@dataclass(frozen=True)
class StackEpoch:
    """What is known after an epoch.

    Attributes:
        epoch: epochs finished.
        figures: model → task → figures of its joint head on validation rows; models that were
            still in training.
        diverged: models whose loss left the range of numbers so far.
    """

    epoch: int
    figures: dict[int, TaskFigures]
    diverged: tuple[int, ...]


class StackListener:
    """Is told how training goes; does nothing."""

    def on_start(self, steps: int, done: int) -> None:
        """Training starts, or goes on after ``done`` of ``steps`` steps."""

    def on_step(self) -> None:
        """All models took a step."""

    def on_epoch(self, epoch: StackEpoch) -> None:
        """All models were judged on validation rows."""


@dataclass(frozen=True)
class StackResult:
    """What stacked training left behind; the best weights are in the modules.

    Attributes:
        epochs: epochs that each model finished.
        diverged: models whose loss left the range of numbers; their weights mean nothing.
        seconds: wall-clock seconds of training, over all the sittings of a resumed stack.
        chunk: largest number of models that stepped together.
    """

    epochs: tuple[int, ...]
    diverged: tuple[int, ...]
    seconds: float
    chunk: int
