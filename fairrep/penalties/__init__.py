"""Penalties: a divergence between samples → a penalty over groups, notions and processes."""

from fairrep.penalties.group import GroupPenalty, PenaltyValue
from fairrep.penalties.notion import Notion
from fairrep.penalties.weight import warmup_weight

__all__ = ["GroupPenalty", "Notion", "PenaltyValue", "warmup_weight"]
