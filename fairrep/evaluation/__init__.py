"""Evaluation: metrics with intervals, fresh heads on frozen representations, leakage."""

from fairrep.evaluation.bootstrap import gap_interval, ks_interval
from fairrep.evaluation.heads import HEADS
from fairrep.evaluation.leakage import leakage
from fairrep.evaluation.metrics import task_metrics
from fairrep.evaluation.representation import (
    Evaluation,
    Representation,
    evaluate_representation,
    principal_plane,
    represent,
)

__all__ = [
    "HEADS",
    "Evaluation",
    "Representation",
    "evaluate_representation",
    "gap_interval",
    "ks_interval",
    "leakage",
    "principal_plane",
    "represent",
    "task_metrics",
]
