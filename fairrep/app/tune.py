"""The tuning command: a plain and a constrained search side by side, tested on held-out rows."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from omegaconf import DictConfig

from fairrep.app.configs import compose_config, resumed
from fairrep.app.console import in_run_folder, quieten
from fairrep.app.run_folder import DATA, TUNE, RunFolder
from fairrep.app.tune_encoder import EncoderSearch
from fairrep.app.tune_learner import LearnerSearch
from fairrep.app.tune_progress import TuneProgress
from fairrep.app.tune_search import CONSTRAINED, PLAIN, Found, Search
from fairrep.data import describe
from fairrep.reporting import figures as pictures
from fairrep.reporting import tables, tune_figure, tune_tables
from fairrep.tuning import Constraint

TRIALS = "trials.parquet"
Content = dict[str, Any]


def main(config: DictConfig) -> Content:
    """Run what ``fairrep tune`` was asked for, in Hydra's run folder."""
    return in_run_folder(run_tune, config)


def tune(*overrides: str, folder: str | Path) -> Content:
    """Run from Python as from the shell: ``tune("tune=german_rf", folder="out")``.

    Args:
        *overrides: in Hydra's syntax.
        folder: the run's folder.

    Returns:
        What ``tune.json`` holds.

    Raises:
        FairrepError: a setting, a file or a table that cannot be used.
    """
    return run_tune(compose_config("tune", list(overrides)), Path(folder))


def run_tune(config: DictConfig, path: Path) -> Content:
    """Search twice, test both models, write the run's folder, print the table."""
    quieten()
    resume = config.resume is not None
    config = resumed(config)
    folder = RunFolder(path)
    folder.refuse_used(resume=resume)
    searched: Search = LearnerSearch(config) if "model" in config else EncoderSearch(config)
    folder.start(config)
    described = describe(searched.data)
    tables.print_data(described)
    folder.write_json(DATA, described)
    found, seconds = {}, {}
    for name in (PLAIN, CONSTRAINED):
        begun = time.perf_counter()
        with TuneProgress(name, config.n_trials) as progress:
            found[name] = searched.search(
                name, folder.path, enforce=name == CONSTRAINED, listener=progress.show
            )
        seconds[name] = time.perf_counter() - begun
    test = searched.test(found, folder.path)
    sizes = test[CONSTRAINED]["groups"]
    content = {
        "schema": 1,
        "name": config.name,
        "dataset": searched.data.spec.name,
        "title": searched.data.spec.title,
        "sensitive": list(searched.data.sensitive),
        "task": {"name": searched.task.name, "kind": searched.task.kind},
        "features": searched.features,
        "rows": searched.rows,
        "groups": {name: group["n"] for name, group in sizes.items()},
        "learner": searched.learner,
        "constraints": _as_json(searched.constraints),
        "sampler": config.sampler,
        "n_trials": config.n_trials,
        "choose": config.choose,
        "measured": searched.measured,
        "seed": config.seed,
        "split_seed": config.split_seed,
        "searches": {
            name: _described(one, searched.constraints, test[name], seconds[name])
            for name, one in found.items()
        },
    }
    table = _trials(found)
    table.to_parquet(folder.path / TRIALS, index=False)
    pictures.save(tune_figure.tune_figure(content, table), folder.path / "tune.png")
    folder.write_json(TUNE, content)
    tune_tables.print_tune(content, str(folder.path))
    return content


def _described(
    found: Found, constraints: tuple[Constraint, ...], test: Content, seconds: float
) -> Content:
    states = found.trials["state"]
    return {
        "params": found.params,
        "accuracy": found.score,
        "figures": found.figures,
        "feasible": found.feasible,
        "feasible_count": found.feasible_count,
        "failed": int((states == "failed").sum()),
        "pruned": int((states == "pruned").sum()),
        "seconds": round(seconds, 3),
        "test": test,
        "verdicts": tune_tables.verdicts(_as_json(constraints), test),
    }


def _as_json(constraints: tuple[Constraint, ...]) -> list[Content]:
    return [
        {"metric": one.metric, "bound": one.bound, "at_least": one.at_least} for one in constraints
    ]


def _trials(found: Mapping[str, Found]) -> pd.DataFrame:
    """All trials of both searches; settings of several types become text."""
    table = pd.concat(
        [one.trials.assign(search=name) for name, one in found.items()],
        ignore_index=True,
    )
    for name in [name for name in table if str(name).startswith("param_")]:
        if len({type(value) for value in table[name]}) > 1:
            table[name] = table[name].map(str)
    return table
