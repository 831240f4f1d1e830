"""Which cells to merge after training: those that differ most by group and least by label."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from fairrep.encoders.columns import standardised_labels
from fairrep.types import TaskSpec


def merge_plan(
    cells: Float[Tensor, "n K"],
    labels: Float[Tensor, "n t"],
    tasks: Sequence[TaskSpec],
    shares: Float[Tensor, "G K"],
    *,
    at_most: float,
) -> Int[Tensor, " K"]:
    r"""Merge cells until no two groups' total variation is above a bound.

    A function of the cell has no larger total variation than the cell (data processing). Each
    step merges the pair that loses least for what it removes: the loss is Ward's, the rise in the
    squared error of all tasks' standardised labels,
    :math:`\frac{n_i n_j}{n_i + n_j}\|m_i - m_j\|^2`; what is removed is the fall in the largest
    total variation. It ends where no pair removes anything.

    Args:
        cells: the released cells of training rows, as indicators.
        labels: their labels of the seen tasks, NaN = none (counted at the task's mean).
        tasks: the seen tasks.
        shares: of the cells in each group, on rows for selection.
        at_most: the bound on the total variation between these shares.

    Returns:
        For each cell the one that it becomes part of; itself if it stays.

    Ref: Ward (1963), JASA 58.
    """
    targets = standardised_labels(labels, tasks)  # (n, t)
    indicators = cells.double().numpy()
    sizes, sums = indicators.sum(0), indicators.T @ targets
    laws = shares.double().numpy().copy()
    into = np.arange(len(sizes))
    while (distance := _largest(laws)) > at_most:
        alive = [k for k in np.unique(into) if sizes[k] + laws[:, k].sum() > 0]
        options = [
            (_loss(sizes, sums, i, j) / removed, i, j)
            for i, j in combinations(alive, 2)
            if (removed := distance - _largest(_merged(laws, i, j))) > 1e-12
        ]
        if not options:
            break
        _, i, j = min(options)
        kept, gone = (i, j) if sizes[i] >= sizes[j] else (j, i)
        laws = _merged(laws, kept, gone)
        for totals in (sizes, sums):
            totals[kept] += totals[gone]
            totals[gone] = 0
        into[into == gone] = kept
    return torch.from_numpy(into)


def _largest(laws: np.ndarray) -> float:
    pairs = combinations(laws, 2)
    return max(0.5 * float(np.abs(p - q).sum()) for p, q in pairs)


def _merged(laws: np.ndarray, kept: int, gone: int) -> np.ndarray:
    laws = laws.copy()
    laws[:, kept] += laws[:, gone]
    laws[:, gone] = 0
    return laws


def _loss(sizes: np.ndarray, sums: np.ndarray, i: int, j: int) -> float:
    if min(sizes[i], sizes[j]) == 0:
        return 0.0
    apart = sums[i] / sizes[i] - sums[j] / sizes[j]
    return float(sizes[i] * sizes[j] / (sizes[i] + sizes[j]) * (apart**2).sum())
