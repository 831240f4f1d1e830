"""Two-step model selection: nearly the best score first, then the least unfair."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.model_selection import GridSearchCV
from sklearn.utils import get_tags
from sklearn.utils.validation import _num_samples

from fairrep.errors import EstimatorError
from fairrep.estimators.groups import fit_groups
from fairrep.estimators.mean_differences import check_notion
from fairrep.estimators.nvp_scorer import (
    GROUPS,
    UNFAIRNESS,
    ScorerWithUnfairness,
    fit_parameters,
)


def shortlist(scores: np.ndarray, *, share: float) -> np.ndarray:
    """Mask of the scores within ``share`` of the best.

    Scores are better when larger. Negative ones, such as ``neg_mean_squared_error``, may be worse
    than the best by (1 - share) of its absolute value. NaN is never on the list.
    """
    if np.isnan(scores).all():
        return np.zeros(len(scores), dtype=bool)
    best = np.nanmax(scores)
    return np.asarray(scores >= best - (1 - share) * abs(best))


def least_unfair(scores: np.ndarray, unfairness: np.ndarray, *, share: float) -> int | None:
    """Position of the least unfair on the shortlist, of equals the better score.

    None where the unfairness (NaN is unknown) of nobody on the list is known.
    """
    candidates = np.flatnonzero(shortlist(scores, share=share) & ~np.isnan(unfairness))
    order = np.lexsort((-scores[candidates], unfairness[candidates]))
    return int(candidates[order[0]]) if len(order) else None


class NVPSearchCV(GridSearchCV):
    """``GridSearchCV`` that takes the least unfair of the settings with nearly the best score.

    NVP, the novel validation procedure of the paper: shortlist all settings whose validation score
    is at least ``share`` of the best, then take the least unfair among them (of equals, the one
    with the higher score). Everything else is ``GridSearchCV``'s: ``refit``, ``scoring``, ``cv``,
    ``n_jobs``, ``cv_results_``. A callable ``refit`` replaces the rule; a string names the score
    that is shortlisted on, where ``scoring`` has several.

    The groups reach the validation scores always, and ``fit`` of the estimator, or of a
    Pipeline's steps, where it takes ``sensitive_features``; no metadata routing is needed. With
    routing enabled, the estimators' own requests decide.

    Args:
        estimator: any estimator with ``predict``.
        param_grid: settings to try.
        unfairness: what is measured on validation rows: ``"equal_opportunity"`` (difference of
            true positive rates), ``"demographic_parity"`` (of positive rates; of mean predictions
            for a regressor), ``"equalized_odds"``, or a function (y_true, y_pred,
            sensitive_features) → number, 0 the fairest.
        share: part of the best score that is near enough, .97 in the paper.
        scoring, n_jobs, refit, cv, verbose, pre_dispatch, error_score, return_train_score:
            as in ``GridSearchCV``.

    Attributes:
        cv_results_: also ``mean_test_unfairness``, ``std_test_unfairness``,
            ``rank_test_unfairness`` (1 is the fairest), ``split0_test_unfairness``, … and
            ``shortlisted``. The mean is over the folds in which two groups can be compared.
        best_unfairness_: mean validation unfairness of the selected setting.
        best_index_, best_params_, best_score_, best_estimator_: of the selected setting.

    A figure of validation folds that the selection saw is optimistic: report test rows.
    Ref: Donini, Oneto, Ben-David, Shawe-Taylor, Pontil (2018), NeurIPS, section 5.

    >>> import numpy as np
    >>> from fairrep.estimators import FERMClassifier, NVPSearchCV
    >>> rng = np.random.default_rng(0)
    >>> s = rng.integers(0, 2, 400)
    >>> X = rng.normal(size=(400, 3)) + s[:, None] * [0, 1, 1]
    >>> y = (X.sum(1) + rng.normal(size=400) > 1).astype(int)
    >>> search = NVPSearchCV(FERMClassifier("logistic"), {"epsilon": [0, 0.5, 1, np.inf]}, cv=3)
    >>> search = search.fit(X, y, sensitive_features=s)
    >>> search.best_params_, bool(search.cv_results_["shortlisted"][0])
    ({'epsilon': 0.5}, False)
    """

    def __init__(
        self,
        estimator: Any,
        param_grid: Any,
        *,
        unfairness: Any = "equal_opportunity",
        share: float = 0.97,
        scoring: Any = None,
        n_jobs: int | None = None,
        refit: Any = True,
        cv: Any = None,
        verbose: int = 0,
        pre_dispatch: Any = "2*n_jobs",
        error_score: Any = np.nan,
        return_train_score: bool = False,
    ) -> None:
        super().__init__(
            estimator,
            param_grid,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            pre_dispatch=pre_dispatch,
            error_score=error_score,
            return_train_score=return_train_score,
        )
        self.unfairness = unfairness
        self.share = share

    def fit(
        self, X: Any, y: Any = None, *, sensitive_features: Any = None, **params: Any
    ) -> NVPSearchCV:
        """Try all settings, select one by the two steps, and refit it on all rows.

        Args:
            X: (n, d) features.
            y: (n,) labels or targets.
            sensitive_features: (n,) or (n, k) groups.
            params: further parameters of the estimator's fit, ``groups`` of the splitter.

        Raises:
            EstimatorError: a setting out of its range, groups that cannot be used, or no fold
                with rows of two groups to compare.
        """
        if not callable(self.unfairness):
            check_notion(self.unfairness)
        if not 0 < self.share <= 1:
            raise EstimatorError(f"share must lie in (0, 1], got {self.share!r}.")
        if y is None and get_tags(self).target_tags.required:
            raise EstimatorError("requires y to be passed, but the target y is None.")
        rows = _num_samples(X)
        if rows > 1 or sensitive_features is None:  # else the splitter says what is wrong
            fit_groups(sensitive_features, rows=rows)
        super().fit(X, y, sensitive_features=sensitive_features, **params)
        self.scorer_ = super()._get_scorers()[0]
        self.scorer_ = getattr(self.scorer_, "_scorers", self.scorer_)
        if hasattr(self, "best_index_"):
            self.best_unfairness_ = self.cv_results_[f"mean_test_{UNFAIRNESS}"][self.best_index_]
        return self

    def _get_scorers(self) -> tuple[Any, Any]:
        scorer, refit_metric = super()._get_scorers()
        return ScorerWithUnfairness(scorer, self.unfairness), refit_metric

    def _get_routed_params_for_fit(self, params: dict[str, Any]) -> Any:
        routed = super()._get_routed_params_for_fit(params)
        if GROUPS not in routed.scorer.score:  # without routing, all went to the estimator's fit
            given = dict(routed.estimator.fit)
            groups = given.pop(GROUPS)
            routed.estimator.fit = given | fit_parameters(self.estimator, groups)
            routed.scorer.score = dict(routed.scorer.score) | {GROUPS: groups}
        return routed

    def _format_results(
        self, candidate_params: Any, n_splits: int, out: Any, more_results: Any = None
    ) -> dict[str, Any]:
        """``GridSearchCV``'s columns of the scores, and those of the unfairness."""
        for each in out:
            for part in ("test", "train"):
                scores = each.get(f"{part}_scores")
                if isinstance(scores, dict):
                    each[f"{part}_{UNFAIRNESS}"] = scores.pop(UNFAIRNESS)
                    each[f"{part}_scores"] = scores.get("score", scores)
                elif scores is not None:
                    each.setdefault(f"{part}_{UNFAIRNESS}", np.nan)  # the fit failed
        results = super()._format_results(candidate_params, n_splits, out, more_results)
        for part in ("test", "train") if self.return_train_score else ("test",):
            table = np.array([each[f"{part}_{UNFAIRNESS}"] for each in out], dtype=float)
            results |= _columns(table.reshape(-1, n_splits), part)
        return results

    def _select_best_index(self, refit: Any, refit_metric: str, results: dict[str, Any]) -> int:
        unfairness = results[f"mean_test_{UNFAIRNESS}"]
        scores = np.asarray(results[f"mean_test_{refit_metric}"])
        results["shortlisted"] = shortlist(scores, share=self.share)
        if callable(refit) or np.isnan(scores).all():  # refitting then says what is wrong
            return GridSearchCV._select_best_index(refit, refit_metric, results)
        best = least_unfair(scores, unfairness, share=self.share)
        if best is None:
            raise EstimatorError(
                "no setting with nearly the best score has a validation fold with rows of two "
                "groups to compare; use fewer folds or merge groups."
            )
        return best


def _columns(table: np.ndarray, part: str) -> dict[str, np.ndarray]:
    """Columns of (settings, folds) unfairness; folds without a value are left out of means."""
    name = f"{part}_{UNFAIRNESS}"
    columns = {f"split{fold}_{name}": table[:, fold] for fold in range(table.shape[1])}
    known = ~np.isnan(table)
    count = np.where(known.any(1), known.sum(1), np.nan)
    filled = np.where(known, table, 0.0)
    mean = filled.sum(1) / count
    columns[f"mean_{name}"] = mean
    columns[f"std_{name}"] = np.sqrt((known * (filled - mean[:, None]) ** 2).sum(1) / count)
    if part == "test":
        worst_last = np.where(np.isnan(mean), np.inf, mean)
        columns[f"rank_{name}"] = (worst_last[:, None] > worst_last).sum(1).astype(np.int32) + 1
    return columns
