"""Prepared data on disk, for data sets that take long to prepare: one safetensors file each.

A copy is found by a hash of everything it depends on: the data layer's own code (so each data
set's spec too), the source files' sizes and times, and the settings. Any change is another copy.
"""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from fairrep.data.prepared import PreparedData, Rows
from fairrep.data.registry import dataset_spec
from fairrep.data.schema import TableSchema
from fairrep.data.sources import cache_folder
from fairrep.errors import DataError
from fairrep.types import AttributeSpec, TaskSpec

KEPT = 4  # copies per data set; older ones are removed
PARTS = ("train", "val", "test", "calibration")
PLAIN = ("groups", "dropped", "surprises", "left_out", "notes")


def copy_path(name: str, files: Sequence[Path], settings: Mapping[str, Any]) -> Path:
    """Where the copy of a data set prepared with ``settings`` from ``files`` is kept."""
    facts = [(str(f.resolve()), f.stat().st_size, f.stat().st_mtime_ns) for f in files]
    described = json.dumps([_code(), name, facts, settings], sort_keys=True, default=list)
    key = hashlib.sha256(described.encode()).hexdigest()[:20]
    return cache_folder() / "prepared" / f"{name}-{key}.safetensors"


def save_copy(data: PreparedData, path: Path) -> None:
    """Write a copy whole or not at all, and remove the oldest ones of this data set.

    Raises:
        DataError: the cache cannot be written.
    """
    tensors = {}
    for part in PARTS:
        for field in fields(Rows):
            value = getattr(getattr(data, part), field.name)
            tensors[f"{part}.{field.name}"] = torch.as_tensor(value)
    described = {name: getattr(data, name) for name in PLAIN} | {
        "title": data.spec.title,
        "tasks": [task.to_json() for task in data.tasks],
        "attributes": [attribute.to_json() for attribute in data.attributes],
        "schema": data.schema.to_json(),
    }
    part_file = path.with_suffix(f".{os.getpid()}.part")
    metadata = {"data": json.dumps(described), "checksum": _checksum(tensors)}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(tensors, part_file, metadata=metadata)
        part_file.replace(path)
    except (OSError, SafetensorError) as problem:
        with suppress(OSError):
            part_file.unlink()
        raise DataError(
            f"the prepared copy cannot be written to '{path.parent}' ({problem}); set "
            "FAIRREP_CACHE to a folder that can be, or data.cache=false."
        ) from problem
    copies = sorted(path.parent.glob(f"{data.spec.name}-*.safetensors"), key=_age)
    for old in copies[:-KEPT]:
        with suppress(OSError):
            old.unlink()


def load_copy(name: str, path: Path) -> PreparedData | None:
    """Return the copy, or nothing where there is none or it is damaged."""
    try:
        with safe_open(path, framework="pt") as stored:
            metadata = stored.metadata()
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
        if metadata["checksum"] != _checksum(tensors):
            return None
        described = json.loads(metadata["data"])
        rows = {
            part: Rows(
                x=tensors[f"{part}.x"],
                y=tensors[f"{part}.y"],
                s=tensors[f"{part}.s"],
                a=tensors[f"{part}.a"],
                index=tensors[f"{part}.index"].numpy(),
            )
            for part in PARTS
        }
    except (OSError, SafetensorError, KeyError, TypeError, ValueError):
        return None
    plain = {key: described[key] for key in PLAIN}
    for key in ("groups", "notes"):
        plain[key] = tuple(plain[key])
    return PreparedData(
        spec=replace(dataset_spec(name), title=described["title"]),
        tasks=tuple(TaskSpec.from_json(task) for task in described["tasks"]),
        attributes=tuple(AttributeSpec.from_json(one) for one in described["attributes"]),
        schema=TableSchema.from_json(described["schema"]),
        train=rows["train"],
        val=rows["val"],
        test=rows["test"],
        calibration=rows["calibration"],
        **plain,
    )


def _checksum(tensors: Mapping[str, torch.Tensor]) -> str:
    """CRC-32 of all values: damaged copies are found, at a gigabyte or more a second."""
    crc = 0
    for name in sorted(tensors):
        crc = zlib.crc32(np.ascontiguousarray(tensors[name].numpy()).data, crc)
    return f"{crc:08x}"


def _age(file: Path) -> float:
    return file.stat().st_mtime


@cache
def _code() -> str:
    """Hash of the data layer's source files."""
    digest = hashlib.sha256()
    for file in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()
