"""Penalties: a divergence between samples → a penalty over groups, notions and processes."""

from fairrep.penalties.cells import CellPenalty
from fairrep.penalties.dependence import DependencePenalty
from fairrep.penalties.group import GroupPenalty
from fairrep.penalties.notion import Notion
from fairrep.penalties.penalty import Penalty, PenaltyValue
from fairrep.penalties.weight import DualAscent, warmup_weight

__all__ = [
    "CellPenalty",
    "DependencePenalty",
    "DualAscent",
    "GroupPenalty",
    "Notion",
    "Penalty",
    "PenaltyValue",
    "warmup_weight",
]
