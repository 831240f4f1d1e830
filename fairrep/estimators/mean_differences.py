"""What FERM constrains: differences of the groups' means, as weights of rows."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from fairrep.errors import EstimatorError, listed
from fairrep.estimators.groups import Groups
from fairrep.penalties.notion import NOTIONS


@dataclass(frozen=True)
class Condition:
    """Rows within which the groups are compared.

    Attributes:
        name: what to call them in messages.
        rows: (n,) mask.
    """

    name: str
    rows: np.ndarray


def check_notion(notion: str) -> None:
    """Raise where a notion's name is unknown."""
    if notion not in NOTIONS:
        raise EstimatorError(f"notion must be one of {', '.join(NOTIONS)}, got {notion!r}.")


def conditions(notion: str, classes: Any, codes: np.ndarray) -> list[Condition]:
    """Rows that a notion is about, one condition per comparison.

    ``equal_opportunity`` compares the positives, the rows of the larger of two classes; with more
    classes each is the positive one in turn, and the notion equals ``equalized_odds``.

    Args:
        notion: one of ``NOTIONS``.
        classes: the labels' values, sorted; unused by demographic parity.
        codes: (n,) position of each row's label in ``classes``.
    """
    check_notion(notion)
    if notion == "demographic_parity":
        return [Condition("", np.ones(len(codes), dtype=bool))]
    first = 1 if notion == "equal_opportunity" and len(classes) == 2 else 0
    return [Condition(f" with y = {classes[k]}", codes == k) for k in range(first, len(classes))]


def difference_weights(
    compared: list[Condition], groups: Groups, codes: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Weights A (n, m) of rows: Aᵀ f are all differences of two groups' mean values of f.

    One column for every condition and pair of groups; a group's rows of a condition have weights
    that sum to 1, its partner's to -1.

    Args:
        compared: the conditions.
        groups: the groups.
        codes: (n,) each row's group.
        weights: (n,) weight of each row, not negative.

    Raises:
        EstimatorError: a group without rows of positive weight in some condition.
    """
    columns = []
    for condition in compared:
        mass = np.where(condition.rows, weights, 0.0)
        totals = np.bincount(codes, mass, minlength=len(groups.values))
        if not (totals > 0).all():
            empty = [name for name, total in zip(groups.names, totals) if not total > 0]
            raise EstimatorError(
                f"every group needs rows{condition.name} to have a mean, got none of "
                f"{listed(empty)}; merge groups, or use notion='demographic_parity'."
            )
        share = mass / totals[codes]
        columns += [
            np.where(codes == a, share, 0.0) - np.where(codes == b, share, 0.0)
            for a, b in combinations(range(len(totals)), 2)
        ]
    return np.column_stack(columns)


def orthonormal_basis(gram: np.ndarray, *, scale: float) -> np.ndarray:
    """Coefficients C (m, r) such that U C are orthonormal and span the columns of U.

    Args:
        gram: (m, m) inner products UᵀU.
        scale: mean squared length of a row; differences that are rounding beside it span nothing.
    """
    sizes, vectors = np.linalg.eigh(gram)
    kept = sizes > max(1e-12 * sizes[-1], 1e-14 * scale)
    return vectors[:, kept] / np.sqrt(sizes[kept])
