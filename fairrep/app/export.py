"""The export command: a run's encoder as a file that needs neither Python nor this library."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

import fairrep
from fairrep.app.certify import RESULT
from fairrep.app.configs import compose_config
from fairrep.app.console import quieten, user_errors
from fairrep.app.export_graph import CATEGORIES, NUMERIC, ExportGraph
from fairrep.app.export_onnx import require_packages, write_onnx
from fairrep.app.output_file import require_free
from fairrep.app.run_folder import METRICS
from fairrep.app.run_heads import run_heads
from fairrep.app.transfer_data import saved_config
from fairrep.app.transfer_encoders import run_encoder
from fairrep.data.schema import MISSING, UNSEEN, CategoricalColumn, NumericColumn
from fairrep.encoders import SavedHeads, TableEncoder, trunk_options
from fairrep.errors import ConfigError

FORMATS = ("onnx",)
SCHEMA = 1


def main(config: DictConfig) -> None:
    """Run what ``fairrep export`` was asked for."""
    with user_errors(debug=config.debug):
        run_export(config)


def export(*overrides: str) -> Path:
    """Export from Python as from the shell: ``export("run=outputs/…", "output=encoder.onnx")``.

    Args:
        *overrides: in Hydra's syntax.

    Returns:
        The file.

    Raises:
        FairrepError: a setting or a run that cannot be used, a package that is missing, or an
            encoder that cannot be exported.
    """
    return run_export(compose_config("export", list(overrides)))


def run_export(config: DictConfig) -> Path:
    """Check everything, write the file, say what it holds; return where it is."""
    quieten()
    if config.format not in FORMATS:
        raise ConfigError(f"format must be one of {', '.join(FORMATS)}, got '{config.format}'.")
    require_packages()
    saved = saved_config(config.run)
    run = Path(config.run)
    output = run / "encoder.onnx" if config.output is None else Path(config.output)
    require_free(output, overwrite=config.overwrite)
    encoder = run_encoder(run, saved)
    heads = run_heads(run, config.head, dim=encoder.dim)
    about = describe(run, saved, encoder, heads)
    difference = write_onnx(encoder, heads, about, output)
    print(
        f"{output}: {', '.join(about['inputs'])} → {', '.join(about['outputs'])}; "
        f"differs from PyTorch by {difference:.1e} at most"
    )
    return output


def describe(
    run: Path, saved: DictConfig, encoder: TableEncoder, heads: SavedHeads | None
) -> dict[str, Any]:
    """What a user of the file must know, JSON-ready: inputs, what was trained, what is promised."""
    metrics = json.loads((run / METRICS).read_text())
    kinds = {NUMERIC: NumericColumn, CATEGORIES: CategoricalColumn}
    names = {
        name: [column.name for column in encoder.schema.columns if isinstance(column, kind)]
        for name, kind in kinds.items()
    }
    network = encoder.encoder
    return {
        "schema": SCHEMA,
        "fairrep": fairrep.__version__,
        "inputs": {name: columns for name, columns in names.items() if columns},
        "outputs": ExportGraph(encoder, heads).outputs,
        "columns": encoder.schema.to_json(),
        "missing": MISSING,  # the category of a missing value, where a column has it
        "unseen": UNSEEN,
        "encoder": trunk_options(network.architecture)["name"],
        "dim": network.dim,
        "cells": None if network.cells is None else network.cells.count,
        "tasks": [task.to_json() for task in encoder.tasks],
        "scored": [] if heads is None else [task.to_json() for task in heads.tasks],
        "groups": list(encoder.groups),
        **{key: metrics[key] for key in ("dataset", "sensitive", "penalty", "notion", "weight")},
        **{key: metrics[key] for key in ("seed", "split_seed")},
        "certificate": _certificate(run, metrics),
    }


def _certificate(run: Path, metrics: dict[str, Any]) -> dict[str, Any] | None:
    """Of ``fairrep certify``, or of the run itself."""
    if (run / RESULT).is_file():
        return json.loads((run / RESULT).read_text())["certificate"]
    return metrics["certificate"]
