"""Columns as vectors: numbers by piecewise-linear or periodic functions, categories by table."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import torch
from jaxtyping import Float
from rtdl_num_embeddings import PeriodicEmbeddings, PiecewiseLinearEmbeddings
from torch import Tensor, nn

from fairrep.errors import ConfigError

NUMERIC = ("piecewise_linear", "periodic")


class NumericEmbedding(nn.Module):
    """Each number itself, and a vector that is a learnt function of it.

    Values beyond the training rows' range count as its ends, so that no representation runs away.

    Args:
        edges: per column the edges of its bins, ascending.
        kind: ``piecewise_linear`` or ``periodic``.
        size: length of each column's vector.

    Ref: Gorishniy, Rubachev and Babenko (2022), NeurIPS.
    """

    low: Tensor
    high: Tensor

    def __init__(self, edges: Sequence[Sequence[float]], *, kind: str, size: int) -> None:
        super().__init__()
        if kind not in NUMERIC:
            raise ConfigError(f"encoder.numeric must be one of {', '.join(NUMERIC)}, got '{kind}'.")
        bins = [torch.tensor(column, dtype=torch.float32) for column in edges]
        self.embed = _piecewise_linear(bins, size) if kind == NUMERIC[0] else _periodic(bins, size)
        ends = [torch.stack([column[end] for column in bins]) for end in (0, -1)]
        self.register_buffer("low", ends[0], persistent=False)
        self.register_buffer("high", ends[1], persistent=False)
        self.width = len(bins) * (size + 1)

    def forward(self, x: Float[Tensor, "n p"]) -> Float[Tensor, "n width"]:
        """Vectors of all columns side by side, then the numbers."""
        x = torch.minimum(torch.maximum(x, self.low), self.high)
        return torch.cat([self.embed(x).flatten(-2), x], dim=-1)


class CategoricalEmbedding(nn.Module):
    """A learnt vector for every frequent category, and one per column that all others share.

    The shared one is learnt from the rare categories of the training rows, and stands for
    categories never seen there; it starts at 0, and stays there if no category was rare.

    Args:
        cardinalities: categories of each column.
        rare: per column the codes that share its vector.
        size: length of each column's vector.
    """

    row: Tensor
    first: Tensor

    def __init__(
        self, cardinalities: Sequence[int], rare: Sequence[Sequence[float]], *, size: int
    ) -> None:
        super().__init__()
        rows: list[int] = []  # per column: the shared row, then one for each code
        firsts, shared = [], []
        count = 0
        for categories, few in zip(cardinalities, rare):
            own = [code for code in range(categories) if code not in set(map(int, few))]
            place = {code: count + 1 + k for k, code in enumerate(own)}
            firsts.append(len(rows) + 1)
            shared.append(count)
            rows += [count, *(place.get(code, count) for code in range(categories))]
            count += 1 + len(own)
        self.register_buffer("row", torch.tensor(rows, dtype=torch.int64), persistent=False)
        self.register_buffer("first", torch.tensor(firsts, dtype=torch.int64), persistent=False)
        table = torch.randn(count, size) / size**0.5
        table[shared] = 0.0
        self.table = nn.Parameter(table)
        self.width = len(cardinalities) * size

    def forward(self, codes: Float[Tensor, "n c"]) -> Float[Tensor, "n width"]:
        """Vectors of all columns side by side; -1 is a category never seen."""
        rows = self.row[codes.long() + self.first]  # (n, c)
        return self.table[rows].flatten(-2)


class ColumnEmbedding(nn.Module):
    """Numeric and categorical columns of x as one long vector.

    Args:
        cardinalities: per column its number of categories, 0 for a numeric one.
        columns: per column the edges of its bins, or the codes of its rare categories.
        numeric: ``piecewise_linear`` or ``periodic``.
        size: length of each column's vector.
    """

    def __init__(
        self,
        cardinalities: Sequence[int],
        columns: Sequence[Sequence[float]],
        *,
        numeric: str,
        size: int,
    ) -> None:
        super().__init__()
        if size < 1:
            raise ConfigError(f"encoder.embedding must be at least 1, got {size}.")
        numbers = [j for j, categories in enumerate(cardinalities) if not categories]
        classes = [j for j, categories in enumerate(cardinalities) if categories]
        self.places = (numbers, classes)
        self.numeric, self.categorical = None, None
        if numbers:
            self.numeric = NumericEmbedding([columns[j] for j in numbers], kind=numeric, size=size)
        if classes:
            self.categorical = CategoricalEmbedding(
                [cardinalities[j] for j in classes], [columns[j] for j in classes], size=size
            )
        self.width = sum(part.width for part in (self.numeric, self.categorical) if part)

    def forward(self, x: Float[Tensor, "n p"]) -> Float[Tensor, "n width"]:
        """Vectors of the numeric columns, the numbers, vectors of the categorical columns."""
        parts = zip((self.numeric, self.categorical), self.places)
        return torch.cat([part(x[..., where]) for part, where in parts if part], dim=-1)


def _piecewise_linear(bins: list[Tensor], size: int) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a column with two values has one bin is as it should
        module = PiecewiseLinearEmbeddings(bins, size, activation=True, version="A")
    for name, buffer in list(module.impl.named_buffers()):
        # rebuilt from the architecture, never saved
        module.impl.register_buffer(name, buffer, persistent=False)
    return module


def _periodic(bins: list[Tensor], size: int) -> nn.Module:
    return PeriodicEmbeddings(len(bins), size, lite=False)
