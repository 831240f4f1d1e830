"""An encoder as an ONNX file: traced, described in its metadata, compared before it is there."""

from __future__ import annotations

import importlib.util
import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fairrep.app.export_graph import ExportGraph
from fairrep.app.export_rows import Feeds, made_up_rows
from fairrep.encoders import SavedHeads, TableEncoder, task_predictions, trunk_options
from fairrep.errors import ConfigError, RunError

PACKAGES = ("onnx", "onnxruntime", "onnxscript")
KEY = "fairrep"
"""Of the JSON among the file's metadata."""
TOLERANCE = 1e-5  # of numbers up to 1; larger ones may differ by as much of themselves
BATCHES = (1, 2, 61, 448)  # rows that are compared at a time


def require_packages() -> None:
    """Refuse to begin without what the format needs.

    Raises:
        ConfigError: a package is missing.
    """
    if lacking := [name for name in PACKAGES if importlib.util.find_spec(name) is None]:
        raise ConfigError(
            f"format=onnx needs {', '.join(PACKAGES)}, but {', '.join(lacking)} cannot be "
            "imported; pip install 'fairrep[onnx]'."
        )


def write_onnx(
    encoder: TableEncoder,
    heads: SavedHeads | None,
    about: Mapping[str, Any],
    output: Path,
) -> float:
    """Write the file, if it gives what PyTorch gives.

    Args:
        encoder: trained.
        heads: whose scores are given too, if any.
        about: JSON-ready, becomes the metadata.
        output: the file; nothing is there before it has been compared.

    Returns:
        The largest difference that was found, of z and scores.

    Raises:
        ConfigError: draws from cells.
        RunError: the network cannot be traced, or the file gives something else than PyTorch.
    """
    cells = encoder.encoder.cells
    if cells is not None and cells.release == "draw":
        raise ConfigError(
            "encoder.release=draw cannot be exported: a draw is a hash of the row's bits, for "
            "which ONNX has no operations; export a run with encoder.release=argmax."
        )
    graph = ExportGraph(encoder, heads).eval()
    part = output.with_name(f"{output.name}.part")
    try:
        program = _traced(graph, made_up_rows(encoder.schema, 5, seed=0)[1])
        program.model.metadata_props[KEY] = json.dumps(about, ensure_ascii=False)
        program.save(str(part), external_data=False)
        difference = _compared(part, graph, encoder, heads)
        part.replace(output)
    finally:
        part.unlink(missing_ok=True)
    return difference


def _traced(graph: ExportGraph, feeds: Feeds) -> Any:
    rows = torch.export.Dim("rows")
    tensors = {name: torch.from_numpy(values) for name, values in feeds.items()}
    try:
        with _quiet(), torch.no_grad():
            return torch.onnx.export(
                graph,
                kwargs=tensors,
                input_names=list(tensors),
                output_names=graph.outputs,
                dynamic_shapes={name: {0: rows} for name in tensors},
                dynamo=True,
                verbose=False,
            )
    except Exception as problem:
        what = trunk_options(graph.encoder.architecture)
        raise RunError(
            f"encoder '{what.get('target', what['name'])}' could not be traced for ONNX: "
            f"{_first_cause(problem)}"
        ) from problem


def _compared(
    file: Path, graph: ExportGraph, encoder: TableEncoder, heads: SavedHeads | None
) -> float:
    """The largest difference from what PyTorch makes of the same rows as a table."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    largest = 0.0
    for rows in BATCHES:
        table, feeds = made_up_rows(encoder.schema, rows, seed=rows)
        expected = _by_torch(encoder, heads, table)
        for name, one, other in zip(graph.outputs, expected, session.run(None, feeds)):
            if one.shape != other.shape:
                raise RunError(
                    f"the exported file gives {other.shape} for {name}, not {one.shape}."
                )
            difference = float((np.abs(other - one) / np.maximum(1, np.abs(one))).max())
            if not difference <= TOLERANCE:
                raise RunError(
                    f"the exported file must give what PyTorch gives, but {name} differs by "
                    f"{difference:.1e} (at most {TOLERANCE:.0e} may) on {rows} made-up rows; "
                    "nothing was written."
                )
            largest = max(largest, difference)
    return largest


@torch.no_grad()
def _by_torch(encoder: TableEncoder, heads: SavedHeads | None, table: Any) -> list[np.ndarray]:
    z = encoder.transform(table)
    cell = [] if encoder.encoder.cells is None else [z.argmax(1)]
    if heads is None:
        return [z, *cell]
    scores = task_predictions(heads.network(torch.from_numpy(z)), heads.tasks)
    return [z, *cell, *(one.numpy() for one in scores)]


def _first_cause(problem: BaseException) -> str:
    while problem.__cause__ is not None:
        problem = problem.__cause__
    lines = [line.strip() for line in str(problem).splitlines() if line.strip()]
    return f"{type(problem).__name__}: {lines[0] if lines else ''}"


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's advice out of the terminal."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
