"""Evaluation: metrics with intervals, fresh heads on frozen representations, leakage, transfer."""

from fairrep.evaluation.certificate import Certificate
from fairrep.evaluation.certify import certify, certify_rkhs, certify_score
from fairrep.evaluation.ferm_head import ferm_heads
from fairrep.evaluation.figures_of_task import Grouping, Metrics, groupings
from fairrep.evaluation.front import Choice, FrontRule, choose, hypervolume, non_dominated
from fairrep.evaluation.heads import HEADS
from fairrep.evaluation.metrics import task_metrics
from fairrep.evaluation.representation import (
    Evaluation,
    Representation,
    principal_plane,
    represent,
)
from fairrep.evaluation.sealed import Sealed, SealError
from fairrep.evaluation.several import (
    Several,
    evaluate_representation,
    evaluate_several,
    figure_names,
    validation_figures,
)
from fairrep.evaluation.transfer import transfer_figures
from fairrep.evaluation.view import View

__all__ = [
    "HEADS",
    "Certificate",
    "Choice",
    "Evaluation",
    "FrontRule",
    "Grouping",
    "Metrics",
    "Representation",
    "SealError",
    "Sealed",
    "Several",
    "View",
    "certify",
    "certify_rkhs",
    "certify_score",
    "choose",
    "evaluate_representation",
    "evaluate_several",
    "ferm_heads",
    "figure_names",
    "groupings",
    "hypervolume",
    "non_dominated",
    "principal_plane",
    "represent",
    "task_metrics",
    "transfer_figures",
    "validation_figures",
]
