"""A scorer that also says how unfair the predictions are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sklearn import get_config
from sklearn.base import is_classifier
from sklearn.pipeline import Pipeline
from sklearn.utils.metadata_routing import (
    MetadataRequest,
    MetadataRouter,
    MethodMapping,
    get_routing_for_object,
)
from sklearn.utils.validation import has_fit_parameter

from fairrep.estimators.unfairness import prediction_difference

UNFAIRNESS = "unfairness"
GROUPS = "sensitive_features"


class ScorerWithUnfairness:
    """Scores of a scikit-learn scorer, and ``unfairness`` beside them.

    Args:
        scorer: (estimator, X, y) → a score, or several by name.
        unfairness: a notion's name, or (y_true, y_pred, sensitive_features) → number.
    """

    def __init__(self, scorer: Callable, unfairness: str | Callable) -> None:
        self.scorer, self.unfairness = scorer, unfairness

    def __call__(
        self, estimator: Any, X: Any, y: Any, *, sensitive_features: Any, **params: Any
    ) -> dict[str, float]:
        """All scores by name; a single one is called ``score``."""
        scores = self.scorer(estimator, X, y, **self._own(params, sensitive_features))
        scores = dict(scores) if isinstance(scores, dict) else {"score": scores}
        predicted = estimator.predict(X)
        if callable(self.unfairness):
            found = self.unfairness(y, predicted, sensitive_features)
        else:
            found = prediction_difference(
                y,
                predicted,
                sensitive_features=sensitive_features,
                notion=self.unfairness,
                classes=estimator.classes_ if is_classifier(estimator) else None,
            )
        return scores | {UNFAIRNESS: float(found)}

    def _accept_sample_weight(self) -> bool:
        return bool(getattr(self.scorer, "_accept_sample_weight", lambda: False)())

    def _own(self, params: dict[str, Any], sensitive_features: Any) -> dict[str, Any]:
        """The parameters that the scorer itself gets: all, or with routing what it asks for."""
        if not get_config()["enable_metadata_routing"]:
            return params
        given = params | {GROUPS: sensitive_features}
        asked = get_routing_for_object(self.scorer).consumes("score", given.keys())
        return {name: given[name] for name in asked}

    def get_metadata_routing(self) -> MetadataRouter:
        """What the scorer asks for, and the groups."""
        own = MetadataRequest(owner=self)
        own.score.add_request(param=GROUPS, alias=True)
        to_scorer = MethodMapping().add(caller="score", callee="score")
        router = MetadataRouter(owner=self).add_self_request(own)
        return router.add(scorer=self.scorer, method_mapping=to_scorer)


def fit_parameters(estimator: Any, sensitive_features: Any, prefix: str = "") -> dict[str, Any]:
    """Name the groups as an estimator's fit wants them; nothing where it takes none.

    A Pipeline's steps that take them get them as ``step__sensitive_features``.
    """
    if isinstance(estimator, Pipeline):
        found: dict[str, Any] = {}
        for name, step in estimator.steps:
            found |= fit_parameters(step, sensitive_features, f"{prefix}{name}__")
        return found
    if estimator in (None, "passthrough") or not has_fit_parameter(estimator, GROUPS):
        return {}
    return {prefix + GROUPS: sensitive_features}
