"""What is exported: an encoder that reads raw numbers and category codes, its scores beside z."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from fairrep.data.schema import UNSEEN, CategoricalColumn, NumericColumn
from fairrep.encoders import SavedHeads, TableEncoder, task_predictions

Z, CELL = "z", "cell"
NUMERIC, CATEGORIES = "numeric", "categories"


class ExportGraph(nn.Module):
    """Raw columns → z, of an encoder with cells the cell, and of each head's task what it says.

    Numbers are standardised in double precision, as :class:`fairrep.data.NumericColumn` does: in
    single precision values around 10⁹ would lose their last digits before the mean is subtracted.

    Args:
        encoder: trained.
        heads: whose scores are given too, if any.

    Attributes:
        outputs: names of what ``forward`` returns.
    """

    mean: Tensor
    scale: Tensor
    median: Tensor
    sizes: Tensor

    def __init__(self, encoder: TableEncoder, heads: SavedHeads | None) -> None:
        super().__init__()
        self.encoder = encoder.encoder
        self.heads = None if heads is None else heads.network
        self.tasks = () if heads is None else heads.tasks
        columns = encoder.schema.columns
        numeric = [column for column in columns if isinstance(column, NumericColumn)]
        classes = [column for column in columns if isinstance(column, CategoricalColumn)]
        for name in ("mean", "scale", "median"):
            values = [getattr(column, name) for column in numeric]
            self.register_buffer(name, torch.tensor(values, dtype=torch.float64))
        sizes = torch.tensor([len(column.categories) for column in classes], dtype=torch.int64)
        self.register_buffer("sizes", sizes)
        self.marked = [k for k, column in enumerate(numeric) if column.indicator]
        by_kind = [*numeric, *classes]  # the order of the inputs, then the marks
        marks = range(len(columns), len(columns) + len(self.marked))
        self.order = [*(by_kind.index(column) for column in columns), *marks]
        self.outputs = [Z, *([] if self.encoder.cells is None else [CELL])]
        self.outputs += [
            f"{task.name}/{'value' if task.kind == 'regression' else 'probability'}"
            for task in self.tasks
        ]

    def forward(
        self,
        numeric: Float[Tensor, "n p"] | None = None,
        categories: Int[Tensor, "n q"] | None = None,
    ) -> tuple[Tensor, ...]:
        """Encode rows.

        Args:
            numeric: numeric columns in double precision; NaN is a missing value.
            categories: codes of categories; one that does not exist is one never seen.
        """
        parts: list[Tensor] = []
        marks: list[Tensor] = []
        if numeric is not None:
            missing = numeric.isnan()
            filled = torch.where(missing, self.median, numeric)
            parts.append(((filled - self.mean) / self.scale).float())
            marks = [missing[:, self.marked].float()] if self.marked else []
        if categories is not None:
            known = (categories >= 0) & (categories < self.sizes)
            parts.append(torch.where(known, categories, UNSEEN).float())
        z = self.encoder(torch.cat([*parts, *marks], dim=1)[:, self.order])  # (n, d)
        cell = () if self.encoder.cells is None else (z.argmax(-1),)
        scores = () if self.heads is None else task_predictions(self.heads(z), self.tasks)
        return (z, *cell, *scores)
