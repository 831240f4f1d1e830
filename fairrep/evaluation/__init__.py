"""Evaluation: metrics with intervals, fresh heads on frozen representations, leakage, transfer."""

from fairrep.evaluation.figures_of_task import Grouping, Metrics, groupings
from fairrep.evaluation.heads import HEADS
from fairrep.evaluation.metrics import task_metrics
from fairrep.evaluation.representation import (
    Evaluation,
    Representation,
    evaluate_representation,
    principal_plane,
    represent,
)
from fairrep.evaluation.sealed import Sealed, SealError
from fairrep.evaluation.transfer import transfer_figures
from fairrep.evaluation.view import View

__all__ = [
    "HEADS",
    "Evaluation",
    "Grouping",
    "Metrics",
    "Representation",
    "SealError",
    "Sealed",
    "View",
    "evaluate_representation",
    "groupings",
    "principal_plane",
    "represent",
    "task_metrics",
    "transfer_figures",
]
