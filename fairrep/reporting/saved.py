"""What a run's or a sweep's folder holds, read back; what is absent is None."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from fairrep.errors import RunError
from fairrep.reporting.front_points import selected_index, selected_model

FRONT, METRICS, METHOD, TUNE = "front.json", "metrics.json", "method.json", "tune.json"
SCHEMA = 1
Content = dict[str, Any]


@dataclass(frozen=True)
class SavedRun:
    """One trained encoder: its metrics and whatever else was saved beside them."""

    path: Path
    metrics: Content
    data: Content | None
    encoder: Content | None
    environment: Content | None
    transfer: Content | None
    plane: Content | None
    predictions: pd.DataFrame | None
    twin: SavedRun | None


@dataclass(frozen=True)
class SavedMethod:
    """A method without an encoder: what ``method.json`` holds, and what was saved beside it."""

    path: Path
    content: Content
    data: Content | None
    environment: Content | None
    predictions: pd.DataFrame | None


@dataclass(frozen=True)
class SavedTune:
    """A search for hyperparameters: what ``tune.json`` holds, and its trials."""

    path: Path
    content: Content
    data: Content | None
    environment: Content | None
    trials: pd.DataFrame | None


@dataclass(frozen=True)
class Saved:
    """A folder to report on: a front with its selected model, one run, a method or a search."""

    path: Path
    front: Content | None
    run: SavedRun | None
    method: SavedMethod | SavedTune | None = None


def read_folder(path: Path) -> Saved:
    """Read a folder of a sweep, a run, a method or a search, as the file in it says.

    Raises:
        RunError: no such folder, none of these files in it, or a file that cannot be read.
    """
    if not path.is_dir():
        raise RunError(f"report needs the folder of a run or a sweep, but '{path}' is none.")
    front = read_json(path / FRONT)
    run = read_run(path) if front is None else _selected_run(path, front)
    method = _read_method(path) or _read_tune(path)
    if front is None and run is None and method is None:
        raise RunError(
            f"'{path}' holds none of {FRONT}, {METRICS}, {METHOD}, {TUNE}: no finished sweep or "
            "run; train first, or name another folder."
        )
    return Saved(path, front, run, method)


def read_run(path: Path, twin: Path | None = None) -> SavedRun | None:
    """Read one run's folder, and its twin's; None where no finished run is in it."""
    metrics = read_json(path / METRICS)
    if metrics is None:
        return None
    beside = twin or path / "twin"
    return SavedRun(
        path,
        metrics,
        data=read_json(path / "data.json"),
        encoder=read_json(path / "encoder" / "encoder.json", schema=None),
        environment=read_json(path / "env.json", schema=None),
        transfer=_newest_transfer(path),
        plane=read_json(path / "plane.json"),
        predictions=_parquet(path / "predictions.parquet"),
        twin=read_run(beside) if beside != path and beside.is_dir() else None,
    )


def _read_method(path: Path) -> SavedMethod | None:
    content = read_json(path / METHOD)
    if content is None:
        return None
    return SavedMethod(
        path,
        content,
        data=read_json(path / "data.json"),
        environment=read_json(path / "env.json", schema=None),
        predictions=_parquet(path / "predictions.parquet"),
    )


def _read_tune(path: Path) -> SavedTune | None:
    content = read_json(path / TUNE)
    if content is None:
        return None
    return SavedTune(
        path,
        content,
        data=read_json(path / "data.json"),
        environment=read_json(path / "env.json", schema=None),
        trials=_parquet(path / "trials.parquet"),
    )


def read_json(file: Path, *, schema: int | None = SCHEMA) -> Content | None:
    """Read one JSON object; None where the file is absent.

    Raises:
        RunError: the file is no JSON object, or of a schema that this version cannot read.
    """
    if not file.is_file():
        return None
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise RunError(f"'{file}' cannot be read as JSON ({error}); write it again.") from error
    if not isinstance(content, dict):
        raise RunError(f"'{file}' must hold a JSON object, got a {type(content).__name__}.")
    if schema is not None and content.get("schema", schema) != schema:
        raise RunError(
            f"'{file}' is of schema {content['schema']}, this version reads {schema}; "
            "use the version that wrote it."
        )
    return content


def _selected_run(path: Path, front: Content) -> SavedRun | None:
    """The selected model; without a selection, the first that did not diverge."""
    models = [model for model in front.get("models") or [] if not model.get("diverged")]
    index = selected_index(front)
    chosen = selected_model(front)
    if chosen is None or chosen not in models:
        own = [model for model in models if model.get("point") == index]
        chosen = next(iter(own or models), None)
    if chosen is None or not chosen.get("folder"):
        return None
    folder = path / chosen["folder"]
    inside = folder / "twin"
    return read_run(folder, None if inside.is_dir() else _twin_folder(path, front, chosen))


def _twin_folder(path: Path, front: Content, model: Content) -> Path | None:
    """The λ = 0 model of the same seed, where it has a folder of its own."""
    points = front.get("points") or []
    twins = {k for k, point in enumerate(points) if point.get("twin")}
    for other in front.get("models") or []:
        if other.get("point") in twins and other.get("seed") == model.get("seed"):
            return path / other["folder"] if other.get("folder") else None
    return None


def _newest_transfer(path: Path) -> Content | None:
    files = [path / "transfer.json", *sorted((path / "transfer").glob("*/transfer.json"))]
    found = [file for file in files if file.is_file()]
    return read_json(found[-1]) if found else None


def _parquet(file: Path) -> pd.DataFrame | None:
    if not file.is_file():
        return None
    try:
        return pd.read_parquet(file)
    except (ValueError, OSError) as error:
        raise RunError(f"'{file}' cannot be read as a table ({error}); write it again.") from error
