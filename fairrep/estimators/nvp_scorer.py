"""A scorer that also says how unfair the predictions are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sklearn.base import is_classifier
from sklearn.pipeline import Pipeline
from sklearn.utils.metadata_routing import MetadataRequest
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
        scores = self.scorer(estimator, X, y, **params)
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

    def get_metadata_routing(self) -> MetadataRequest:
        """What the scorer asks for, and the groups."""
        request = MetadataRequest(owner=self)
        own = getattr(self.scorer, "get_metadata_routing", None)
        if own is not None:
            asked = own()
            for name, alias in getattr(asked, "score", asked).requests.items():
                request.score.add_request(param=name, alias=alias)
        request.score.add_request(param=GROUPS, alias=True)
        return request


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
