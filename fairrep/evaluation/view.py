"""What heads read of a set of rows: one representation of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class View:
    """Rows as one representation shows them.

    Attributes:
        matrix: (n, d) what linear heads and MLPs read, on the device that trains them.
        table: (n, p) what trees read, where that differs: category codes, not one-hot columns.
        categorical: which columns of ``table`` are category codes; -1 = unknown.
    """

    matrix: Float[Tensor, "n d"]
    table: np.ndarray | None = None
    categorical: tuple[bool, ...] | None = None

    @property
    def for_trees(self) -> np.ndarray:
        """The rows as trees read them (n, p)."""
        return self.matrix.cpu().numpy() if self.table is None else self.table


def stacks(views: Sequence[View]) -> Iterator[tuple[list[int], Float[Tensor, "r n d"]]]:
    """Stack the matrices of equal width, with the positions that they came from."""
    widths: dict[int, list[int]] = {}
    for position, view in enumerate(views):
        widths.setdefault(view.matrix.shape[1], []).append(position)
    for positions in widths.values():
        yield positions, torch.stack([views[p].matrix for p in positions])
