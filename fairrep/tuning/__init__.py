"""Tuning under constraints: search spaces, constraints, Bayesian optimisation with workers."""

from fairrep.tuning.constraints import Constraint, parse_constraint, parse_constraints
from fairrep.tuning.fair_bo import FairBO, Progress
from fairrep.tuning.results import SearchResult
from fairrep.tuning.space import search_space

__all__ = [
    "Constraint",
    "FairBO",
    "Progress",
    "SearchResult",
    "parse_constraint",
    "parse_constraints",
    "search_space",
]
