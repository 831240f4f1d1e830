"""What tables and figures call a metric where room is scarce."""

from __future__ import annotations

SHORT = {
    "demographic_parity_difference": "DP difference",
    "equal_opportunity_difference": "TPR difference",
    "equalized_odds_difference": "EO difference",
    "demographic_parity_ratio": "DP ratio",
}


def metric_name(metric: str) -> str:
    """A metric's short name."""
    return SHORT.get(metric, metric.replace("_", " "))
