"""Some rows of a table → their representation and scores, as columns of the output."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from fairrep.data.streams import Piece
from fairrep.encoders import SavedHeads, TableEncoder, task_predictions
from fairrep.errors import ConfigError, listed
from fairrep.types import TaskSpec

BATCH = 2048  # rows whose activations stay in a core's cache


class RowEncoder:
    """What one run makes of rows; safe to call from several threads.

    Args:
        encoder: trained.
        heads: whose scores are written, if any.
        z: whether the representation is written.
        kept: columns that are carried along.

    Raises:
        ConfigError: nothing to be written, or two columns of one name.
    """

    def __init__(
        self,
        encoder: TableEncoder,
        heads: SavedHeads | None,
        *,
        z: bool,
        kept: pa.Schema,
    ) -> None:
        if not z and heads is None:
            raise ConfigError("z=false leaves nothing to write; give head=joint or head=FOLDER.")
        self.encoder, self.heads, self.z = encoder, heads, z
        self.cells = encoder.encoder.cells is not None
        names = [*self._z_names(), *self._score_names()]
        kinds = [pa.int64() if self.cells and name == "cell" else pa.float32() for name in names]
        self.schema = pa.schema([*kept, *zip(names, kinds)])
        if twice := [name for name, n in Counter(self.schema.names).items() if n > 1]:
            raise ConfigError(
                f"the output's columns must be unique, but keep, z and head give "
                f"{listed(twice)} twice; leave one out."
            )

    @torch.inference_mode()
    def __call__(self, piece: Piece) -> pa.Table:
        """Encode rows.

        Raises:
            SchemaError: a value that is not a number or infinite.
        """
        x = torch.from_numpy(self.encoder.schema.encode(piece.features))
        z = torch.cat([self.encoder(rows) for rows in x.split(BATCH)])  # (n, d)
        columns = [*piece.kept.columns, *map(pa.array, (*self._z(z), *self._scores(z)))]
        return pa.table(columns, schema=self.schema)

    def _z_names(self) -> list[str]:
        if not self.z:
            return []
        return ["cell"] if self.cells else [f"z{k}" for k in range(self.encoder.dim)]

    def _z(self, z: Tensor) -> list[np.ndarray]:
        if not self.z:
            return []
        return [z.argmax(1).numpy()] if self.cells else _columns(z)

    def _score_names(self) -> list[str]:
        tasks = () if self.heads is None else self.heads.tasks
        return [name for task in tasks for name in score_names(task)]

    def _scores(self, z: Tensor) -> list[np.ndarray]:
        if self.heads is None:
            return []
        scores = task_predictions(self.heads.network(z).double(), self.heads.tasks)
        return [column for of_task in scores for column in _columns(of_task.view(len(z), -1))]


def score_names(task: TaskSpec) -> Sequence[str]:
    """A task's columns: its name, and a class's where it has more than two."""
    if task.kind != "multiclass":
        return [task.name]
    return [f"{task.name}/{label}" for label in task.labels]


def _columns(values: Tensor) -> list[np.ndarray]:
    return list(values.float().T.contiguous().numpy())
