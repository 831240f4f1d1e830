"""What a method's run (``method.json``) is called, and which of its figures lead."""

from __future__ import annotations

from typing import Any

from fairrep.reporting.metric_names import metric_name
from fairrep.reporting.report_tables import NOTION_GAPS

Content = dict[str, Any]
METHODS = {"fair_regression": "Wasserstein barycenter", "ferm": "FERM"}
SYMBOLS = {"tau": "τ", "share": "ε/ε₀"}  # ε₀: the plain learner's own


def gap_key(content: Content) -> str:
    """The figure that the method bounds."""
    return NOTION_GAPS[content["notion"]]


def gap_name(content: Content) -> str:
    """Its name: of a regression it is the distance at the worst threshold."""
    if content["task"]["kind"] == "regression":
        return "KS distance"
    return metric_name(gap_key(content))


def utility_key(content: Content) -> str:
    """RMSE or accuracy."""
    return "rmse" if content["task"]["kind"] == "regression" else "accuracy"


def utility_name(content: Content) -> str:
    """Its name, with the way that is better."""
    return "RMSE" if utility_key(content) == "rmse" else "accuracy"


def model_name(content: Content, key: str) -> str:
    """A model's name: before and after with the parameter's value."""
    value = content["models"][key]["value"]
    if value is None or key not in ("before", "after"):
        return key
    return f"{key} ({SYMBOLS[content['parameter']]} = {value:g})"


def heading(content: Content) -> str:
    """The method, what it stands on, and the task."""
    return (
        f"{METHODS[content['method']]} on {content['base'].replace('_', ' ')}, "
        f"{content['dataset']} {content['task']['name']}"
    )
