"""A saved run's data, or another domain's, through the run's saved preprocessing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from omegaconf import DictConfig, OmegaConf

from fairrep.app.configs import plain
from fairrep.app.data_settings import checked
from fairrep.app.run_folder import METRICS
from fairrep.data import PreparedData, Rows, TableSchema
from fairrep.data.prepare import Choices, prepare_table
from fairrep.data.registry import RawData, open_dataset
from fairrep.encoders import TableEncoder
from fairrep.errors import ConfigError, RunError, listed

CHOICES = ("sensitive", "bins", "test_fraction", "calibration", "val_fraction", "min_rows")
OF_PATH = ("test_path", "embeddings", "test_embeddings", "embeddings_key")
RUNS_OWN = (*CHOICES[1:], "include_sensitive", "features")


def saved_config(run: str | None) -> DictConfig:
    """The settings of a finished run.

    Raises:
        ConfigError: no run named.
        RunError: no run there, or an unfinished one.
    """
    if run is None:
        raise ConfigError("a training run's folder is needed: run=RUN_DIR.")
    folder = Path(run)
    if not (folder / "config.yaml").is_file():
        raise RunError(f"run needs a training run's folder, but '{folder}' holds no config.yaml.")
    if not (folder / METRICS).is_file():
        raise RunError(f"'{folder}' is not finished; continue it with train.py resume={folder}.")
    return OmegaConf.load(folder / "config.yaml")  # type: ignore[return-value]


def domain_options(config: DictConfig, asked: dict[str, Any]) -> dict[str, Any]:
    """The run's ``data`` settings with the novel domain's in their place.

    Another table has test rows and embeddings of its own, and other embeddings their own key: the
    run's are of other rows.

    Raises:
        ConfigError: a setting of another form; another table without embeddings, for a run on
            embeddings; settings of a user's table for a registered data set.
    """
    own = {"calibration": 0.0} | plain(config.data)  # older runs know of none
    given = {key: value for key, value in asked.items() if value is not None}
    tasks = own["tasks"] | {k: v for k, v in given.pop("tasks", {}).items() if v is not None}
    given = checked(given)
    name = given.get("name", own["name"])
    if name != "csv" and (users := [key for key in OF_PATH if key in given]):
        raise ConfigError(f"data.{users[0]} is a choice of data=csv, not of {name}.")
    if name != own["name"]:
        own = {key: own[key] for key in (*CHOICES, "include_sensitive", "offline")}
    for key in RUNS_OWN:
        given.pop(key, None)
    if "path" in given and own.get("embeddings") and "embeddings" not in given:
        raise ConfigError(
            f"the run's encoder reads embeddings, and '{given['path']}' holds other rows than the "
            "run's; set data.embeddings=FILE of these rows too."
        )
    stale = OF_PATH if "path" in given else OF_PATH[2:] if "embeddings" in given else ()
    own = {key: value for key, value in own.items() if key not in stale}
    return own | given | {"tasks": tasks}


def load_domain(options: dict[str, Any], encoder: TableEncoder, *, split_seed: int) -> PreparedData:
    """Prepare a domain's rows and encode them through the saved schema.

    Raises:
        ConfigError: a task or a sensitive attribute that is read from the encoder's own columns.
        FairrepError: data that cannot be used.
    """
    options = dict(options)
    tasks = options.pop("tasks")
    for key in ("features", "cache"):
        options.pop(key, None)
    include = options.pop("include_sensitive")
    choices = Choices(
        **{key: options.pop(key) for key in CHOICES},
        **tasks,
        features=None,
        include_sensitive=include,
        split_seed=split_seed,
    )
    source = open_dataset(
        options.pop("name"), options.pop("path", None), offline=options.pop("offline"), **options
    )
    raw = source.read()
    _refuse_other_embeddings(raw, encoder.schema)
    data = prepare_table(raw, choices)
    _refuse_leaks(raw, data, encoder.schema, include_sensitive=include)
    return _through_schema(data, raw.frame, encoder)


def relabelled(data: PreparedData, seen: list[str]) -> PreparedData:
    """The same rows with other tasks seen, which come first."""
    tasks = tuple(replace(task, seen=task.name in seen) for task in data.tasks)
    order = sorted(range(len(tasks)), key=lambda t: not tasks[t].seen)
    return replace(
        data,
        tasks=tuple(tasks[t] for t in order),
        train=replace(data.train, y=data.train.y[:, order]),
        val=replace(data.val, y=data.val.y[:, order]),
        test=replace(data.test, y=data.test.y[:, order]),
        calibration=replace(data.calibration, y=data.calibration.y[:, order]),
    )


def _refuse_leaks(
    raw: RawData, data: PreparedData, schema: TableSchema, *, include_sensitive: bool
) -> None:
    uses = {f"task '{t.name}'": raw.spec.tasks[t.name].uses for t in data.tasks}
    if not include_sensitive:
        uses |= {f"attribute '{a}'": raw.spec.sensitive[a].uses for a in data.sensitive}
    for what, columns in uses.items():
        if leaks := [column for column in columns if column in schema.names]:
            raise ConfigError(
                f"{what} is read from {listed(leaks)}, which the encoder reads too; choose "
                "another, or train a run that knows of it."
            )


def _refuse_other_embeddings(raw: RawData, schema: TableSchema) -> None:
    """An array's columns have no names of their own: more of them are another model's."""
    known = set(schema.names)
    if other := [name for name in raw.spec.embeddings if name not in known]:
        raise ConfigError(
            f"data.embeddings must hold what the encoder reads ({listed(schema.names, shown=4)}), "
            f"but has {listed(other, shown=4)} besides; give those of the model that the run's "
            "came from, or leave out with data.drop what it does not read."
        )


def _through_schema(data: PreparedData, frame: pd.DataFrame, encoder: TableEncoder) -> PreparedData:
    splits: dict[str, Rows] = {}
    surprises = {}
    for name, rows in data.splits.items():
        table = frame.loc[rows.index]
        encoded = encoder.schema.encode(table)
        missing = table[list(encoder.schema.names)].isna().to_numpy()
        surprises[name] = encoder.schema.surprises(encoded, missing)
        splits[name] = replace(rows, x=torch.from_numpy(encoded))
    whole = replace(
        data,
        schema=encoder.schema,
        surprises=surprises,
        train=splits["train"],
        val=splits["val"],
        test=splits["test"],
        calibration=splits.get("calibration", data.calibration),
    )
    return relabelled(whole, [task.name for task in encoder.tasks])
