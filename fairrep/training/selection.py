"""Which epoch is the best: a stated rule on validation rows, as one number to maximise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from fairrep.errors import ConfigError
from fairrep.training.validation import TOTAL_VARIATION


@dataclass(frozen=True)
class SelectionRule:
    """How epochs are compared.

    Attributes:
        by: ``loss`` takes the lowest validation loss (tasks + final λ * penalty); ``utility``
            takes the highest mean utility of the seen tasks (accuracy, or R² for regression)
            among epochs whose validation demographic-parity difference is within ``max_gap``, and
            the smallest difference while none is.
        max_gap: bound of ``utility``, in [0, 1].
        task: the seen task whose difference that is; ``None`` for the largest of all;
            ``total_variation`` for the cells' instead.
    """

    by: Literal["loss", "utility"]
    max_gap: float
    task: str | None = None

    def __post_init__(self) -> None:
        if self.by not in ("loss", "utility"):
            raise ConfigError(f"selection.by must be loss or utility, got '{self.by}'.")
        if not 0 <= self.max_gap <= 1:
            raise ConfigError(f"selection.max_gap must lie in [0, 1], got {self.max_gap}.")

    def gap(self, gaps: Mapping[str, float]) -> float:
        """The gap that is bounded, of those known by name."""
        if self.task is not None:
            return gaps[self.task]
        return max(gap for name, gap in gaps.items() if name != TOTAL_VARIATION)

    def score(self, *, loss: float, utility: float, gap: float) -> float:
        """Return the number to maximise."""
        if self.by == "loss":
            return -loss
        # R² has no lower bound; every feasible epoch must still beat every infeasible one
        return max(utility, -1.0) if gap <= self.max_gap else -2.0 - gap
