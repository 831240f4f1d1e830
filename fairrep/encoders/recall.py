"""The columns of x that cells are rewarded for telling."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from fairrep.encoders.inputs import OneHotInput
from fairrep.errors import ConfigError
from fairrep.functional.cell_recall import cell_recall


class Recall(nn.Module):
    """Weight times :func:`fairrep.functional.cell_recall` of some columns of x.

    Args:
        cardinalities: per column of x its number of categories, 0 for a numeric column.
        weight: of the reward in training, ≥ 0; 0 for none.
        columns: which columns of x, by position; ``None`` for all.

    Raises:
        ConfigError: a value out of range.
    """

    column: Tensor

    def __init__(
        self, cardinalities: Sequence[int], *, weight: float, columns: Sequence[int] | None
    ) -> None:
        super().__init__()
        if not 0 <= weight < float("inf"):
            raise ConfigError(f"encoder.recall.weight must be >= 0 and finite, got {weight}.")
        chosen = list(range(len(cardinalities)) if columns is None else columns)
        if any(not 0 <= j < len(cardinalities) for j in chosen) or not chosen:
            raise ConfigError(
                "encoder.recall.columns must name at least one column of x (null = all), "
                f"got {chosen}."
            )
        self.weight = weight
        self.chosen = chosen
        sizes = [cardinalities[j] for j in chosen]
        self.values = OneHotInput(sizes)
        numbers = [place for place, size in enumerate(sizes) if size == 0]
        codes = [place for place, size in enumerate(sizes) for _ in range(size)]
        self.register_buffer("column", torch.tensor(numbers + codes), persistent=False)

    def forward(
        self, q: Float[Tensor, "*B n K"], x: Float[Tensor, "*B n p"]
    ) -> Float[Tensor, "*B"]:
        """The reward of rows with these probabilities of cells."""
        return self.weight * cell_recall(q, self.values(x[..., self.chosen]), self.column)
