"""Estimators in scikit-learn's manner: FERM, fair regression, fair scores."""

from fairrep.estimators.fair_projection import FairProjection
from fairrep.estimators.fair_regression import WassersteinBarycenterRegressor
from fairrep.estimators.fair_scores import FairScoreTransformer
from fairrep.estimators.fair_search import FairSearchCV
from fairrep.estimators.ferm import FERMClassifier, FERMRegressor
from fairrep.estimators.nvp_search import NVPSearchCV

__all__ = [
    "FERMClassifier",
    "FERMRegressor",
    "FairProjection",
    "FairScoreTransformer",
    "FairSearchCV",
    "NVPSearchCV",
    "WassersteinBarycenterRegressor",
]
