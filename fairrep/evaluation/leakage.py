"""How well the sensitive group can be read from a representation."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def leakage(
    z_train: np.ndarray, s_train: np.ndarray, z_test: np.ndarray, s_test: np.ndarray, *, seed: int
) -> dict[str, dict[str, float]]:
    """Train probes for s on training rows, score them on test rows of known groups.

    Classes are weighted equally, so chance is balanced accuracy 1/G and AUC 0.5. A boosting probe
    sees what a linear one misses.

    Returns:
        probe (``logistic``, ``boosting``) → ``balanced_accuracy`` and ``auc`` (one group against
        the rest, averaged).
    """
    known = s_test >= 0
    z_test, s_test = z_test[known], s_test[known]
    return {
        name: _score(probe.fit(z_train, s_train), z_test, s_test)
        for name, probe in _probes(seed).items()
    }


def _probes(seed: int) -> dict[str, Any]:
    return {
        "logistic": make_pipeline(
            StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=2000)
        ),
        "boosting": HistGradientBoostingClassifier(
            class_weight="balanced", early_stopping=False, random_state=seed % 2**32
        ),
    }


def _score(probe: Any, z: np.ndarray, s: np.ndarray) -> dict[str, float]:
    probabilities = probe.predict_proba(z)
    groups = probabilities.shape[1]
    scores = probabilities[:, 1] if groups == 2 else probabilities
    complete = len(np.unique(s)) == groups
    auc = roc_auc_score(s, scores, multi_class="ovr") if complete else float("nan")
    return {
        "balanced_accuracy": float(balanced_accuracy_score(s, probabilities.argmax(1))),
        "auc": float(auc),
    }
