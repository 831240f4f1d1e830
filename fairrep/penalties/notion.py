"""What fairness conditions on: nothing, the positives of a task, or each of its classes."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Bool, Float
from torch import Tensor

NOTIONS = ("demographic_parity", "equal_opportunity", "equalized_odds")


@dataclass(frozen=True)
class Notion:
    """Which rows are compared.

    Attributes:
        name: ``demographic_parity`` compares all rows, ``equal_opportunity`` those with label 1
            of one task, ``equalized_odds`` those of each class in turn (the values are summed).
        column: the task's column in y; unused by demographic parity.
        classes: number of classes of that task.
    """

    name: str = "demographic_parity"
    column: int = 0
    classes: int = 2

    def __post_init__(self) -> None:
        if self.name not in NOTIONS:
            raise ValueError(f"notion must be one of {', '.join(NOTIONS)}, got '{self.name}'.")

    def conditions(self, y: Float[Tensor, "*B n t"] | None) -> list[Bool[Tensor, "*B n"] | None]:
        """Masks of the rows to compare, one per comparison; ``None`` means all rows."""
        if self.name == "demographic_parity":
            return [None]
        if y is None:
            raise ValueError(f"{self.name} conditions on a task's labels: pass y.")
        labels = y[..., self.column]
        if self.name == "equal_opportunity":
            return [labels == 1]
        return [labels == k for k in range(self.classes)]
