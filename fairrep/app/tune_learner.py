"""Searching a scikit-learn learner: rows in folds, both searches, their models on test rows."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import StratifiedKFold

from fairrep.app.configs import plain
from fairrep.app.method_rows import MethodRows, Split, load_rows
from fairrep.app.tune_search import CONSTRAINED, PLAIN, Found, Listener, check_searched
from fairrep.errors import ConfigError
from fairrep.estimators import FairSearchCV
from fairrep.estimators.prediction_metrics import class_metrics, probability_metrics
from fairrep.evaluation import groupings, task_metrics
from fairrep.seeds import derive_seed

Content = dict[str, Any]


class LearnerSearch:
    """Any scikit-learn classifier of ``config.model``.

    Raises:
        ConfigError: a setting out of its range.
        DataError: rows that cannot be used.
    """

    def __init__(self, config: DictConfig) -> None:
        known = [*class_metrics(np.array([0, 1])), *probability_metrics()]
        self.constraints = check_searched(config, known)
        _check_folds(config)
        self._config, self._learner = config, build_learner(config)
        self._rows = load_rows(config, "binary")
        self._fitted, self._splits = folded_rows(config, self._rows)
        self.data, self.task, self.features = self._rows.data, self._rows.task, self._rows.features
        self.learner = config.model._target_.rsplit(".", 1)[-1]
        self.rows = {"searched": len(self._fitted.y), "test": len(self._rows.test.y)}
        self.measured = f"{config.cv} folds" if config.cv else "validation rows"
        self._make(None, True, None).check_parameters()

    def search(self, name: str, folder: Path, *, enforce: bool, listener: Listener) -> Found:
        """Search, with the trials kept in the folder, and fit the best setting."""
        search = self._make(folder, enforce, listener).set_params(name=name)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # of one trial among many
            search.fit(self._fitted.x, self._fitted.y, sensitive_features=self._fitted.s)
        row, own = search.cv_results_, search.best_index_
        return Found(
            search.best_params_,
            search.best_score_,
            {one.metric: float(row[one.metric][own]) for one in self.constraints},
            search.feasible_,
            search.feasible_count_,
            search.trials_dataframe(),
            search,
        )

    def test(self, found: Mapping[str, Found], folder: Path) -> dict[str, Content]:
        """Figures of both models on test rows, with intervals of the same resamples."""
        rows, seed = self._rows, derive_seed(self._config.seed, "bootstrap", self.task.name)
        predicted = {name: _probabilities(one.model, rows.test.x) for name, one in found.items()}
        ways = groupings(self.data.groups, self.data.attributes)
        return task_metrics(
            self.task,
            predicted,
            rows.test.y,
            rows.test.s,
            ways,
            seed=seed,
            twins={CONSTRAINED: PLAIN},
        )

    def _make(self, folder: Path | None, enforce: bool, listener: Listener | None) -> FairSearchCV:
        config = self._config
        return FairSearchCV(
            self._learner,
            plain(config.space),
            constraint=plain(config.constraint),
            n_trials=config.n_trials,
            cv=self._splits,
            sampler=config.sampler,
            n_startup=config.n_startup,
            enforce=enforce,
            storage=folder,
            n_jobs=config.n_jobs,
            prune=config.prune,
            choose=config.choose,
            max_failures=config.max_failures,
            random_state=derive_seed(config.seed, "search") % 2**32,
            listener=listener,
        )


def _check_folds(config: DictConfig) -> None:
    if config.cv is not None and (not isinstance(config.cv, int) or config.cv < 2):
        raise ConfigError(f"cv must be at least 2 folds, or null, got {config.cv}.")
    if config.max_rows is not None and config.max_rows < 2:
        raise ConfigError(f"max_rows must be at least 2, or null, got {config.max_rows}.")


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


def build_learner(config: DictConfig) -> Any:
    """The learner with its fixed settings.

    Raises:
        ConfigError: settings that its class does not take.
    """
    try:
        return instantiate(config.model, _convert_="all")
    except InstantiationException as problem:
        raise ConfigError(f"model: {str(problem).splitlines()[0]}") from problem


def _probabilities(model: FairSearchCV, x: np.ndarray) -> np.ndarray:
    """Of class 1; of a learner without probabilities, its decisions."""
    if not hasattr(model, "predict_proba"):
        return model.predict(x).astype(float)
    return model.predict_proba(x)[:, 1]
