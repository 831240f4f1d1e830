"""The tuning command: a plain and a constrained search side by side, tested on held-out rows."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import StratifiedKFold

from fairrep.app.configs import compose_config, plain, resumed
from fairrep.app.console import in_run_folder, quieten
from fairrep.app.method_rows import MethodRows, Split, load_rows
from fairrep.app.run_folder import DATA, TUNE, RunFolder
from fairrep.app.tune_progress import TuneProgress
from fairrep.data import describe
from fairrep.errors import ConfigError
from fairrep.estimators import FairSearchCV
from fairrep.estimators.prediction_metrics import class_metrics
from fairrep.evaluation import groupings, task_metrics
from fairrep.reporting import figures as pictures
from fairrep.reporting import tables, tune_figure, tune_tables
from fairrep.seeds import derive_seed
from fairrep.tuning import Constraint, parse_constraints, search_space

PLAIN, CONSTRAINED = "plain", "constrained"
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
    config = resumed(config)
    folder = RunFolder(path)
    folder.refuse_used(resume=config.resume is not None)
    constraints = _checked(config)
    rows = load_rows(config, "binary")
    fitted, splits = folded_rows(config, rows)
    searches = _searches(config, folder, splits)
    folder.start(config)
    described = describe(rows.data)
    tables.print_data(described)
    folder.write_json(DATA, described)
    seconds = {name: _timed(search, fitted, name) for name, search in searches.items()}
    test = _test_figures(rows, searches, seed=config.seed)
    content = {
        "schema": 1,
        "name": config.name,
        "dataset": rows.data.spec.name,
        "title": rows.data.spec.title,
        "sensitive": list(rows.data.sensitive),
        "task": {"name": rows.task.name, "kind": rows.task.kind},
        "features": rows.features,
        "rows": {"searched": len(fitted.y), "test": len(rows.test.y)},
        "groups": {name: int((rows.test.s == k).sum()) for k, name in enumerate(rows.groups)},
        "learner": config.model._target_.rsplit(".", 1)[-1],
        "constraints": _as_json(constraints),
        "sampler": config.sampler,
        "n_trials": config.n_trials,
        "measured": f"{config.cv} folds" if config.cv else "validation rows",
        "seed": config.seed,
        "split_seed": config.split_seed,
        "searches": {
            name: _described(search, constraints, test[name], seconds[name])
            for name, search in searches.items()
        },
    }
    table = _trials(searches)
    table.to_parquet(folder.path / TRIALS, index=False)
    pictures.save(tune_figure.tune_figure(content, table), folder.path / "tune.png")
    folder.write_json(TUNE, content)
    tune_tables.print_tune(content, str(folder.path))
    return content


def _checked(config: DictConfig) -> tuple[Constraint, ...]:
    """The constraints, once everything that needs no data is in its range."""
    search_space(plain(config.space))
    known = class_metrics(np.array([0, 1]))
    constraints = parse_constraints(plain(config.constraint), known=list(known))
    if not constraints:
        raise ConfigError(
            "constraint must be given, constraint.demographic_parity_difference=0.05."
        )
    if config.cv is not None and (not isinstance(config.cv, int) or config.cv < 2):
        raise ConfigError(f"cv must be at least 2 folds, or null, got {config.cv}.")
    if config.max_rows is not None and config.max_rows < 2:
        raise ConfigError(f"max_rows must be at least 2, or null, got {config.max_rows}.")
    return constraints


def folded_rows(config: DictConfig, rows: MethodRows) -> tuple[Split, list[tuple[Any, Any]]]:
    """The rows that are searched on, and which of them are fitted on and measured on."""
    whole = Split(
        *(np.concatenate([getattr(rows.train, n), getattr(rows.val, n)]) for n in ("x", "y", "s"))
    )
    train = np.arange(len(whole.y)) < len(rows.train.y)
    rng = np.random.default_rng(derive_seed(config.seed, "tune rows"))
    if config.max_rows is not None and config.max_rows < len(train):
        kept = np.sort(rng.permutation(len(train))[: config.max_rows])
        whole, train = Split(whole.x[kept], whole.y[kept], whole.s[kept]), train[kept]
    if config.cv is None:
        return whole, [(np.flatnonzero(train), np.flatnonzero(~train))]
    folds = StratifiedKFold(
        config.cv, shuffle=True, random_state=derive_seed(config.seed, "folds") % 2**32
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The least populated class")  # it is compared
        return whole, list(folds.split(whole.x, whole.s * 2 + whole.y))


def _searches(config: DictConfig, folder: RunFolder, splits: list) -> dict[str, FairSearchCV]:
    """The two searches, which begin with the same random trials."""
    make = partial(
        FairSearchCV,
        build_learner(config),
        plain(config.space),
        constraint=plain(config.constraint),
        n_trials=config.n_trials,
        cv=splits,
        sampler=config.sampler,
        n_startup=config.n_startup,
        storage=folder.path,
        n_jobs=config.n_jobs,
        max_failures=config.max_failures,
        random_state=derive_seed(config.seed, "search") % 2**32,
    )
    found = {name: make(enforce=name == CONSTRAINED, name=name) for name in (PLAIN, CONSTRAINED)}
    found[PLAIN].check_parameters()
    return found


def build_learner(config: DictConfig) -> Any:
    """The learner with its fixed settings.

    Raises:
        ConfigError: settings that its class does not take.
    """
    try:
        return instantiate(config.model, _convert_="all")
    except InstantiationException as problem:
        raise ConfigError(f"model: {str(problem).splitlines()[0]}") from problem


def _timed(search: FairSearchCV, rows: Split, name: str) -> float:
    begun = time.perf_counter()
    with warnings.catch_warnings(), TuneProgress(name, search.n_trials) as progress:
        warnings.simplefilter("ignore", ConvergenceWarning)  # of one trial among many
        search.set_params(listener=progress.show)
        search.fit(rows.x, rows.y, sensitive_features=rows.s)
    return time.perf_counter() - begun


def _test_figures(
    rows: MethodRows, searches: Mapping[str, FairSearchCV], *, seed: int
) -> dict[str, Content]:
    """Figures of both models on test rows, with intervals of the same resamples."""
    predicted = {name: _probabilities(search, rows.test.x) for name, search in searches.items()}
    ways = groupings(rows.data.groups, rows.data.attributes)
    seed = derive_seed(seed, "bootstrap", rows.task.name)
    twins = {CONSTRAINED: PLAIN}
    return task_metrics(
        rows.task, predicted, rows.test.y, rows.test.s, ways, seed=seed, twins=twins
    )


def _probabilities(search: FairSearchCV, x: np.ndarray) -> np.ndarray:
    """Of class 1; of a learner without probabilities, its decisions."""
    if not hasattr(search, "predict_proba"):
        return search.predict(x).astype(float)
    return search.predict_proba(x)[:, 1]


def _described(
    search: FairSearchCV, constraints: tuple[Constraint, ...], test: Content, seconds: float
) -> Content:
    row: Content = search.cv_results_
    own = search.best_index_
    return {
        "params": search.best_params_,
        "accuracy": search.best_score_,
        "figures": {one.metric: float(row[one.metric][own]) for one in constraints},
        "feasible": search.feasible_,
        "feasible_count": search.feasible_count_,
        "failed": int((search.trials_dataframe()["state"] == "failed").sum()),
        "seconds": round(seconds, 3),
        "test": test,
        "verdicts": tune_tables.verdicts(_as_json(constraints), test),
    }


def _as_json(constraints: tuple[Constraint, ...]) -> list[Content]:
    return [
        {"metric": one.metric, "bound": one.bound, "at_least": one.at_least} for one in constraints
    ]


def _trials(searches: Mapping[str, FairSearchCV]) -> pd.DataFrame:
    """All trials of both searches; settings of several types become text."""
    table = pd.concat(
        [search.trials_dataframe().assign(search=name) for name, search in searches.items()],
        ignore_index=True,
    )
    for name in [name for name in table if str(name).startswith("param_")]:
        if len({type(value) for value in table[name]}) > 1:
            table[name] = table[name].map(str)
    return table
