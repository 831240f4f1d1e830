"""The transfer command: fresh heads on novel tasks and domains, beside twin, raw and projection."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from omegaconf import DictConfig

from fairrep.app.certificates import cells_distance
from fairrep.app.configs import compose_config, plain
from fairrep.app.console import quieten, user_errors
from fairrep.app.transfer_data import domain_options, load_domain, relabelled, saved_config
from fairrep.app.transfer_encoders import loaded, retrained, run_encoder
from fairrep.app.transfer_results import (
    RESULT,
    asked_heads,
    report,
    summarise_folds,
    summarise_seeds,
    write,
)
from fairrep.app.transfer_views import Views
from fairrep.data import PreparedData
from fairrep.encoders import Encoder, SavedHeads, save_heads
from fairrep.errors import ConfigError, RunError
from fairrep.evaluation import HEADS, Sealed, ferm_heads, transfer_figures
from fairrep.evaluation.protocol import part, questions
from fairrep.evaluation.transfer import TRAINED
from fairrep.penalties.notion import NOTIONS
from fairrep.reporting import transfer_tables
from fairrep.seeds import derive_seed
from fairrep.types import TaskSpec

FERM = "ferm"
REPRESENTATIONS = ("trained", "twin", "raw", "linear")


def main(config: DictConfig) -> dict[str, Any]:
    """Run what ``fairrep transfer`` was asked for."""
    with user_errors(debug=config.debug):
        return run_transfer(config)


def transfer(*overrides: str) -> dict[str, Any]:
    """Measure transfer from Python as from the shell: ``transfer("run=out", "seeds=5")``.

    Args:
        *overrides: in Hydra's syntax.

    Returns:
        What ``transfer.json`` holds.

    Raises:
        FairrepError: a setting, a run or a table that cannot be used.
    """
    return run_transfer(compose_config("transfer", list(overrides)))


def run_transfer(config: DictConfig) -> dict[str, Any]:
    """Check everything, measure, write the results, print the table; return the results."""
    quieten()
    _check(config)
    saved = saved_config(config.run)
    run = Path(config.run)
    stamp = datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    out = Path(config.out) if config.out else run / "transfer" / stamp
    if (out / RESULT).exists():
        raise RunError(f"'{out}' already holds a {RESULT}; choose another out.")
    encoder = run_encoder(run, saved)
    options = domain_options(saved, plain(config.data))
    data = load_domain(options, encoder, split_seed=saved.split_seed)
    kept: dict[str, SavedHeads] = {}
    results = [
        _one_seed(config, saved, data, seed, kept)
        for seed in range(saved.seed, saved.seed + config.seeds)
    ]
    content = report(config, saved, data, options, summarise_seeds(results))
    content["total_variation"] = cells_distance(encoder.encoder, data.test, len(data.groups))
    for name, heads in kept.items():
        save_heads(heads, out / "heads" / name)
    write(content, out)
    transfer_tables.print_transfer(content, str(out))
    return content


def _check(config: DictConfig) -> None:
    for key, names, known in (
        ("head" if config.head else "evaluation.heads", asked_heads(config), (*HEADS, FERM)),
        ("representations", plain(config.representations), REPRESENTATIONS),
    ):
        unknown = [name for name in names if name not in known]
        if unknown or not names:
            raise ConfigError(f"{key} must be among {', '.join(known)}, got {names}.")
    if config.ferm.notion not in NOTIONS:
        raise ConfigError(
            f"ferm.notion must be among {', '.join(NOTIONS)}, got '{config.ferm.notion}'."
        )
    if not config.ferm.epsilon >= 0:
        raise ConfigError(f"ferm.epsilon must not be negative, got {config.ferm.epsilon}.")
    if "trained" not in config.representations:
        raise ConfigError("representations must hold trained, which the others stand beside.")
    if config.split not in (None, "leave_tasks_out"):
        raise ConfigError(f"split must be leave_tasks_out or null, got '{config.split}'.")
    for key, least in (("seeds", 1), ("folds", 2)):
        if config[key] < least:
            raise ConfigError(f"{key} must be at least {least}, got {config[key]}.")


def _one_seed(
    config: DictConfig,
    saved: DictConfig,
    data: PreparedData,
    seed: int,
    kept: dict[str, SavedHeads],
) -> dict[str, Any]:
    """The whole protocol with the run's encoders, whose heads are kept, or with retrained ones."""
    if config.split == "leave_tasks_out":
        return _leave_tasks_out(config, saved, data, seed)
    own = seed == saved.seed
    encoders = (
        loaded(Path(config.run), saved)
        if own
        else retrained(saved, _home(config, saved), seed=seed)
    )
    return _measure(config, saved, data, encoders, data.tasks, seed, kept if own else {})


def _home(config: DictConfig, saved: DictConfig) -> PreparedData:
    """The run's own data, which retraining is done on whatever the domain of the figures."""
    options = domain_options(saved, {})
    return load_domain(options, run_encoder(Path(config.run), saved), split_seed=saved.split_seed)


def _leave_tasks_out(
    config: DictConfig, saved: DictConfig, data: PreparedData, seed: int
) -> dict[str, Any]:
    """Every task is novel once: encoders are trained on the tasks of the other folds."""
    names = [task.name for task in data.tasks]
    if config.folds > len(names):
        raise ConfigError(f"folds must be at most the {len(names)} tasks, got {config.folds}.")
    order = np.random.default_rng(derive_seed(seed, "folds")).permutation(len(names))
    folds = []
    for left_out in np.array_split(order, config.folds):
        novel = {names[k] for k in left_out}
        fold = relabelled(data, [name for name in names if name not in novel])
        encoders = retrained(saved, fold, seed=seed)
        asked = tuple(task for task in fold.tasks if not task.seen)
        folds.append(_measure(config, saved, fold, encoders, asked, seed, {}))
    return summarise_folds(folds)


def _measure(
    config: DictConfig,
    saved: DictConfig,
    data: PreparedData,
    encoders: dict[str, Encoder],
    tasks: tuple[TaskSpec, ...],
    seed: int,
    kept: dict[str, SavedHeads],
) -> dict[str, Any]:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    views = Views(data, encoders, plain(config.representations), device=device)
    asked = questions(data, asked_heads(config), tasks)
    others = {FERM: partial(ferm_heads, **plain(config.ferm))}
    train, val = (part(views.of(rows.x), rows, data, asked) for rows in (data.train, data.val))
    test = Sealed(lambda: part(views.of(data.test.x), data.test, data, asked))
    found = transfer_figures(
        train,
        val,
        test,
        asked,
        seed=seed,
        min_rows=saved.data.min_rows,
        others=others,
        on_fitted=lambda heads: kept.update(heads.networks(views.names.index(TRAINED))),
    )
    return found | {"tasks": {task.name: {"kind": task.kind, "seen": task.seen} for task in tasks}}
