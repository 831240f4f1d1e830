"""Encoders on disk: safetensors for the numbers, JSON for the rest; no pickle anywhere."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from fairrep.data.schema import CategoricalColumn, TableSchema
from fairrep.encoders.encoder import Encoder, build_encoder, runs_user_code, trunk_options
from fairrep.encoders.examples import example_rows
from fairrep.encoders.fitted_rows import FittedRows
from fairrep.encoders.weights import save_weights
from fairrep.errors import RunError
from fairrep.types import TaskSpec

FORMAT = 1
WEIGHTS, DESCRIPTION = "encoder.safetensors", "encoder.json"
FITTED = "fitted_rows.safetensors"


class TableEncoder(nn.Module):
    """A trained encoder with its preprocessing: tables in, representations out.

    ``forward`` maps the preprocessed matrix and can be trained further inside any model;
    ``transform`` maps raw tables in evaluation mode.

    Attributes:
        encoder: the network.
        schema: the columns it needs, with their fitted preprocessing.
        tasks: the tasks it was trained on.
        groups: the groups it was made fair between.
        fitted: which rows it was trained and selected on, for a certificate to refuse them; None
            where that is not known.
        dim: size d of the representation.
    """

    def __init__(
        self,
        encoder: Encoder,
        schema: TableSchema,
        *,
        tasks: Sequence[TaskSpec] = (),
        groups: Sequence[str] = (),
        fitted: FittedRows | None = None,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.schema = schema
        self.tasks = tuple(tasks)
        self.groups = tuple(groups)
        self.fitted = fitted
        self.dim = encoder.dim

    def forward(self, x: Float[Tensor, "n p"]) -> Float[Tensor, "n d"]:
        """Represent preprocessed rows (``schema.encode`` makes them)."""
        return self.encoder(x)

    @torch.no_grad()
    def transform(
        self, table: pd.DataFrame | np.ndarray, *, batch_size: int = 65_536
    ) -> np.ndarray:
        """Represent raw rows (n, d) as float32.

        Args:
            table: a DataFrame with the schema's columns in any order, or an array with them in
                the schema's order.
            batch_size: rows on the device at a time.

        Raises:
            SchemaError: a column is missing, not a number or infinite.
        """
        device = next(self.parameters()).device
        x = torch.from_numpy(self.schema.encode(table))
        was_training = self.training
        self.eval()
        try:
            parts = [self(rows.to(device)).cpu() for rows in x.split(batch_size)]
        finally:
            self.train(was_training)
        return torch.cat(parts).numpy() if parts else np.empty((0, self.dim), np.float32)


def cardinalities(schema: TableSchema) -> list[int]:
    """Per column of x its number of categories, 0 for a numeric column."""
    of_columns = [
        len(column.categories) if isinstance(column, CategoricalColumn) else 0
        for column in schema.columns
    ]
    return of_columns + [2] * len(schema.indicators)


def save_encoder(encoder: TableEncoder, folder: Path) -> None:
    """Write ``encoder.safetensors`` and ``encoder.json`` into ``folder`` (made if absent).

    ``fitted_rows.safetensors`` stands beside them where the encoder knows which rows it was fitted
    on. It holds hashes of rows: whoever has it can tell whether a person whose columns they know
    was among them. Delete it before an encoder is published; it is needed for certificates alone.
    """
    folder.mkdir(parents=True, exist_ok=True)
    description = {
        "format": FORMAT,
        "architecture": encoder.encoder.architecture,
        "schema": encoder.schema.to_json(),
        "tasks": [task.to_json() for task in encoder.tasks],
        "groups": list(encoder.groups),
    }
    if runs_user_code(encoder.encoder.architecture):
        description["examples"] = _on_examples(encoder.encoder).tolist()
    save_weights(encoder.encoder, folder / WEIGHTS)
    (folder / FITTED).unlink(missing_ok=True)  # of an encoder that was here before
    if encoder.fitted is not None:
        encoder.fitted.save(folder / FITTED)
    (folder / DESCRIPTION).write_text(json.dumps(description, indent=1, ensure_ascii=False))


def load_encoder(
    path: str | Path, *, device: str | torch.device = "cpu", allow_code: bool = False
) -> TableEncoder:
    """Load a trained encoder from a run folder or an encoder folder, in evaluation mode.

    No code is run but this library's, unless ``allow_code``: an encoder that was trained with
    ``encoder=module`` is built by calling its ``encoder.target`` again, which must then be
    importable, before all weights are taken from ``encoder.safetensors``.

    Args:
        path: a run's folder, or the folder with ``encoder.safetensors`` and ``encoder.json``.
        device: where the weights go.
        allow_code: whether the ``encoder.target`` that the folder names may be imported and called.

    Raises:
        RunError: no encoder there, its files are truncated or of another format, its code may not
            be run, or is no longer what it was trained with.
        ConfigError: its code cannot be found, or fails.
    """
    folder = _encoder_folder(Path(path))
    description = _read_description(folder / DESCRIPTION)
    try:
        architecture = description["architecture"]
        if runs_user_code(architecture) and not allow_code:
            raise RunError(
                f"'{folder}' needs code that is not fairrep's: loading it imports and calls "
                f"'{trunk_options(architecture)['target']}'; if you trust that code, pass "
                "allow_code=True."
            )
        encoder = build_encoder(**architecture)
        encoder.load_state_dict(load_file(folder / WEIGHTS))
        if runs_user_code(architecture):
            _require_same_code(encoder, description["examples"], folder)
        loaded = TableEncoder(
            encoder,
            TableSchema.from_json(description["schema"]),
            tasks=[TaskSpec.from_json(task) for task in description["tasks"]],
            groups=description["groups"],
            fitted=FittedRows.load(folder / FITTED) if (folder / FITTED).exists() else None,
        )
    except (SafetensorError, RuntimeError, KeyError, TypeError, ValueError, OSError) as problem:
        raise RunError(
            f"'{folder}' does not hold a whole fairrep encoder: {' '.join(str(problem).split())}"
        ) from problem
    return loaded.to(device).eval()


@torch.no_grad()
def _on_examples(encoder: Encoder) -> Float[Tensor, "n d"]:
    """What the trunk makes of a few rows in evaluation mode."""
    was_training = encoder.training
    x = example_rows(encoder.architecture["cardinalities"]).to(encoder.normalise.mean.device)
    try:
        return encoder.eval().trunk(encoder.inputs(x)).float().cpu()
    finally:
        encoder.train(was_training)


def _require_same_code(encoder: Encoder, saved: list[list[float]], folder: Path) -> None:
    """Weights fit other code too: what it made of a few rows then, it must make of them now."""
    now, then = _on_examples(encoder), torch.tensor(saved)
    tolerance = 1e-3 * float(
        then.nan_to_num().abs().max()
    )  # other devices and threads round otherwise
    if now.shape != then.shape or not torch.allclose(
        now, then, rtol=0, atol=tolerance, equal_nan=True
    ):
        raise RunError(
            f"'{folder}' was trained with code that gave other outputs than "
            f"'{trunk_options(encoder.architecture)['target']}' gives now; restore that code, "
            "and let it keep what it draws at random in parameters or buffers, which are saved."
        )


def _encoder_folder(path: Path) -> Path:
    for folder in (path, path / "encoder"):
        if (folder / DESCRIPTION).is_file():
            return folder
    raise RunError(
        f"a run folder or an encoder folder is needed, but '{path}' has no "
        f"encoder/{DESCRIPTION}; train one with fairrep train."
    )


def _read_description(file: Path) -> dict[str, Any]:
    try:
        description = json.loads(file.read_text())
    except (json.JSONDecodeError, UnicodeDecodeError) as problem:
        raise RunError(f"'{file}' is not JSON: {problem}") from problem
    if not isinstance(description, dict) or description.get("format") != FORMAT:
        raise RunError(f"'{file}' is not a fairrep encoder of format {FORMAT}.")
    return description
