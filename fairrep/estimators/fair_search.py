"""Hyperparameters of any estimator by Bayesian optimisation under a fairness constraint."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import joblib
import numpy as np
import pandas as pd
from joblib import effective_n_jobs
from sklearn.base import clone, is_classifier
from sklearn.metrics import check_scoring
from sklearn.model_selection import check_cv
from sklearn.model_selection._search import BaseSearchCV
from sklearn.utils import check_random_state, column_or_1d, get_tags, indexable
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _num_samples

from fairrep.errors import ConfigError, EstimatorError, SearchError, listed
from fairrep.estimators.groups import fit_groups
from fairrep.estimators.measured import SCORE, kinds_of_rows, read_measured
from fairrep.estimators.nvp_scorer import fit_parameters
from fairrep.estimators.out_of_fold import out_of_fold
from fairrep.tuning import Constraint, FairBO, Progress, SearchResult


class FairSearchCV(BaseSearchCV):
    """The best cross-validated score among settings that keep a fairness constraint.

    Constrained Bayesian optimisation takes the place of ``GridSearchCV``'s grid: a Gaussian process
    of the score and one of every constraint say which setting to try next. Unfairness is measured
    once on all predictions out of fold: means over folds would see differences of small groups
    that are noise of the folds.

    Args:
        estimator: any estimator with ``predict``; give it a ``random_state``.
        space: parameter → Optuna distribution, list of choices, or dictionary, as
            :func:`fairrep.tuning.search_space` reads it; ``step__parameter`` in a Pipeline.
        constraint: ``"metric<=epsilon"`` or ``"metric>=bound"``, a pair (callable, ε) of a
            function (y_true, y_pred, sensitive_features) → number, a list of these, or a dictionary
            metric → ε. Metrics of
            labels: ``demographic_parity_difference``, ``equal_opportunity_difference``,
            ``equalized_odds_difference``, ``demographic_parity_ratio``, ``accuracy``,
            ``balanced_accuracy``; of the probabilities of two classes: ``auc``,
            ``score_mean_difference``; of numbers: ``demographic_parity_difference`` (KS distance),
            ``mean_difference``, ``rmse``, ``r2``.
        n_trials: settings to try.
        cv: folds, as in ``GridSearchCV``; the same for all settings.
        scoring: one score, as in ``GridSearchCV``.
        sampler: ``"gp"``, ``"tpe"`` or ``"random"``.
        n_startup: settings spread over the space (``tpe``: at random) before the sampler learns.
        enforce: False for a plain search that only watches the constraint.
        storage: folder, journal file or URL of a database to keep the trials in; the same search
            of the same data goes on with them.
        name: of the search in its storage.
        n_jobs: folds at once.
        prune: whether settings are given up after a fold that leaves them hopeless
            (:func:`fairrep.tuning.pruning.hopeless`); needs folds one after another.
        choose: the best by ``"observed"`` figures or by the ``"posterior"`` of all settings.
        max_failures: the search stops after so many failed settings in a row.
        refit: whether the best setting is fitted on all rows.
        random_state: seed of the sampler.
        listener: called with :class:`fairrep.tuning.Progress` after every trial.

    Attributes:
        best_estimator_, best_params_, best_score_, best_index_: of the best feasible setting; if
            none is feasible, of the one nearest to it.
        feasible_: whether that setting keeps the constraint on the predictions out of fold.
        best_unfairness_: its figure of the first constraint's metric.
        feasible_count_: settings that keep the constraint.
        cv_results_: ``params``, ``mean_test_score``, ``std_test_score``, ``rank_test_score``,
            the constraints' metrics and ``feasible``, of settings that could be fitted.

    Folds that the search saw are optimistic: test the constraint on held-out rows.
    Ref: Perrone, Donini, Zafar, Schmucker, Kenthapadi, Archambeau (2021), AIES.

    >>> from sklearn.datasets import make_classification
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from fairrep.estimators import FairSearchCV
    >>> X, y = make_classification(400, random_state=0)
    >>> s = X[:, 0] > 0
    >>> forest = RandomForestClassifier(10, random_state=0)
    >>> space = {"min_samples_leaf": {"low": 1, "high": 99}, "criterion": ["gini", "entropy"]}
    >>> search = FairSearchCV(forest, space, n_trials=12, cv=3, random_state=0)
    >>> search = search.fit(X, y, sensitive_features=s)
    >>> search.feasible_, bool(search.best_unfairness_ <= 0.05), len(search.trials_dataframe())
    (True, True, 12)
    """

    def __init__(
        self,
        estimator: Any,
        space: Any,
        *,
        constraint: Any = "demographic_parity_difference<=0.05",
        n_trials: int = 50,
        cv: Any = None,
        scoring: Any = None,
        sampler: str = "gp",
        n_startup: int = 10,
        enforce: bool = True,
        storage: Any = None,
        name: str = "search",
        n_jobs: int | None = None,
        prune: bool = False,
        choose: str = "observed",
        max_failures: int = 5,
        refit: bool = True,
        random_state: Any = None,
        listener: Callable[[Progress], None] | None = None,
    ) -> None:
        super().__init__(estimator, scoring=scoring, n_jobs=n_jobs, refit=refit, cv=cv)
        self.space = space
        self.constraint = constraint
        self.n_trials = n_trials
        self.sampler = sampler
        self.n_startup = n_startup
        self.enforce = enforce
        self.storage = storage
        self.name = name
        self.prune = prune
        self.choose = choose
        self.max_failures = max_failures
        self.random_state = random_state
        self.listener = listener

    def fit(
        self, X: Any, y: Any = None, *, sensitive_features: Any = None, **params: Any
    ) -> FairSearchCV:
        """Search, and refit the best setting on all rows.

        Args:
            X: (n, p), whatever the estimator takes.
            y: (n,) labels or targets.
            sensitive_features: (n,) or (n, k) groups; the estimator's ``fit`` gets them where it
                takes them.
            params: further arguments of the estimator's ``fit``; ``groups`` of the splitter.

        Raises:
            EstimatorError: a setting out of its range, groups that cannot be used, a constraint
                that names no metric, settings that cannot be fitted.
        """
        self.check_parameters()
        X, y = self._checked(X, y, sensitive_features)
        groups = np.asarray(sensitive_features)
        splitter = check_cv(self.cv, y, classifier=is_classifier(self.estimator))
        splits = list(splitter.split(X, y, params.pop("groups", None)))
        self.n_splits_, self.multimetric_ = len(splits), False
        self.scorer_ = check_scoring(self.estimator, self.scoring)
        fit_params = params | fit_parameters(self.estimator, sensitive_features)
        measured = read_measured(self.estimator, y, self.constraint)
        kinds = kinds_of_rows(groups, y if is_classifier(self.estimator) else None)

        def objective(settings: dict[str, Any]) -> Iterator[dict[str, float]]:
            folds = out_of_fold(
                self.estimator,
                settings,
                X,
                y,
                fit_params=fit_params,
                splits=splits,
                scorer=self.scorer_,
                n_jobs=self.n_jobs,
                chances=bool(measured.of_chances),
                stepwise=self.prune,
            )
            for found in folds:  # until a row of every kind is predicted, nothing can be said
                if len(found.scores) == len(splits) or set(kinds[found.rows]) == set(kinds):
                    yield measured.figures(found, y, groups)

        about = self._about(X, y, groups, splitter) if self.storage is not None else {}
        self._adopt(self._search(objective, measured.constraints, about), measured.constraints)
        if self.refit:
            best = clone(self.estimator).set_params(**clone(self.best_params_, safe=False))
            self.best_estimator_ = best.fit(X, y, **fit_params)
            if hasattr(best, "feature_names_in_"):
                self.feature_names_in_ = best.feature_names_in_
        return self

    def trials_dataframe(self) -> pd.DataFrame:
        """One row a trial: settings, score, metrics, ``violation``, ``feasible``, ``problem``."""
        if not hasattr(self, "trials_"):
            raise EstimatorError("trials_dataframe needs a search that was fitted.")
        return self.trials_.copy()

    def check_parameters(self) -> None:
        """Refuse what can be refused without data.

        Raises:
            EstimatorError: a space, a sampler or a number out of its range.
        """
        known = self.estimator.get_params()
        if not isinstance(self.space, dict):
            raise EstimatorError(f"space must be a dictionary of parameters, got {self.space!r}.")
        if unknown := [name for name in self.space if name not in known]:
            raise EstimatorError(
                f"space must name parameters of {type(self.estimator).__name__} "
                f"({listed(sorted(known))}), got {listed(unknown)}."
            )
        if self.n_trials < 1:
            raise EstimatorError(f"n_trials must be at least 1, got {self.n_trials}.")
        if self.prune and effective_n_jobs(self.n_jobs) > 1:
            raise EstimatorError(
                f"prune needs folds one after another, got n_jobs={self.n_jobs}; use n_jobs=1."
            )
        self._make_search(lambda settings: {}, (), {}, seed=0)

    def _checked(self, X: Any, y: Any, sensitive_features: Any) -> tuple[Any, Any]:
        if y is None and get_tags(self).target_tags.required:
            raise EstimatorError("requires y to be passed, but the target y is None.")
        X, y = indexable(X, column_or_1d(y, warn=True))
        if is_classifier(self.estimator):
            check_classification_targets(y)
        rows = _num_samples(X)
        if rows > 1 or sensitive_features is None:  # else the splitter says what is wrong
            fit_groups(sensitive_features, rows=rows)
        return X, y

    def _search(
        self, objective: Callable, constraints: tuple[Constraint, ...], about: dict[str, Any]
    ) -> SearchResult:
        seed = self.random_state
        if not isinstance(seed, int):
            seed = int(check_random_state(seed).randint(2**31))
        try:
            search = self._make_search(objective, constraints, about, seed=seed)
            return search.run(self.n_trials)
        except (ConfigError, SearchError) as problem:
            raise EstimatorError(str(problem)) from problem

    def _make_search(
        self,
        objective: Callable,
        constraints: tuple[Constraint, ...],
        about: dict[str, Any],
        *,
        seed: int,
    ) -> FairBO:
        try:
            return FairBO(
                objective,
                self.space,
                constraints=constraints,
                utility=SCORE,
                enforce=self.enforce,
                sampler=self.sampler,
                n_startup=self.n_startup,
                storage=self.storage,
                name=self.name,
                about=about,
                seed=seed,
                prune=self.prune,
                choose=self.choose,
                max_failures=self.max_failures,
                listener=self.listener,
            )
        except ConfigError as problem:
            raise EstimatorError(str(problem)) from problem

    def _about(self, X: Any, y: Any, groups: np.ndarray, splitter: Any) -> dict[str, Any]:
        """What a stored trial depends on besides its settings."""
        return {
            "estimator": repr(self.estimator),
            "scoring": repr(self.scoring),
            "cv": repr(splitter),
            "data": joblib.hash((X, y, groups)),
        }

    def _adopt(self, found: SearchResult, constraints: tuple[Constraint, ...]) -> None:
        self.trials_ = found.trials
        self.best_params_, self.best_score_ = found.params, found.figures[SCORE]
        self.feasible_, self.feasible_count_ = found.feasible, found.feasible_count
        if constraints:
            self.best_unfairness_ = found.figures[constraints[0].metric]
        complete = self.trials_[self.trials_["state"] == "complete"]
        self.best_index_ = int(np.flatnonzero(complete["number"] == found.number)[0])
        names = [str(name) for name in self.space]
        settings = complete[[f"param_{name}" for name in names]].to_numpy(dtype=object)
        self.cv_results_ = {
            "params": [dict(zip(names, row)) for row in settings],
            "mean_test_score": complete[SCORE].to_numpy(),
            "std_test_score": complete[f"{SCORE}_std"].to_numpy(),
            "rank_test_score": complete[SCORE].rank(ascending=False, method="min").to_numpy(int),
            "feasible": complete["feasible"].to_numpy(),
            **{one.metric: complete[one.metric].to_numpy() for one in constraints},
        }
