"""What the tabular encoder reads off the training rows: bins of numbers, rare categories."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from sklearn.tree import DecisionTreeRegressor
from torch import Tensor

from fairrep.errors import ConfigError
from fairrep.types import TaskSpec

BINS = ("tree", "quantile")


def fit_columns(
    x: Float[Tensor, "n p"],
    y: Float[Tensor, "n t"],
    tasks: Sequence[TaskSpec],
    cardinalities: Sequence[int],
    *,
    by: str,
    count: int,
    min_rows: int,
) -> list[list[float]]:
    """Per numeric column the edges of its bins; per categorical one the codes of its rare values.

    ``tree``: a regression tree on the one column, with all tasks' standardised labels as its
    targets (for labels 0 and 1 the squared error is half the Gini impurity), a missing label at
    its task's mean; the edges are its thresholds. ``quantile``: edges at equal shares of the rows.
    Edges start at the smallest and end at the largest value; equal ones count once.

    Args:
        x: preprocessed training rows.
        y: labels of the seen tasks, NaN = none.
        tasks: the seen tasks, in column order.
        cardinalities: per column its number of categories, 0 for a numeric one.
        by: ``tree`` or ``quantile``.
        count: most bins of a column.
        min_rows: fewest rows of a tree's bin; categories with fewer are rare.

    Raises:
        ConfigError: a value out of range.

    Ref: Gorishniy, Rubachev and Babenko (2022), NeurIPS, section 3.2.
    """
    if by not in BINS:
        raise ConfigError(f"encoder.bins.by must be one of {', '.join(BINS)}, got '{by}'.")
    for name, value in (("count", count), ("min_rows", min_rows)):
        if value < 1:
            raise ConfigError(f"encoder.bins.{name} must be at least 1, got {value}.")
    values = x.double().numpy()
    targets = standardised_labels(y, tasks)
    return [
        _rare(values[:, j], size, min_rows)
        if size
        else _tree_edges(values[:, j], targets, count, min_rows)
        if by == "tree"
        else _quantile_edges(values[:, j], count)
        for j, size in enumerate(cardinalities)
    ]


def standardised_labels(y: Tensor, tasks: Sequence[TaskSpec]) -> np.ndarray:
    """Standardised labels, one column a class where there are several; 0 where there is none."""
    columns: list[np.ndarray] = []
    for labels, task in zip(y.double().numpy().T, tasks):
        if task.kind == "multiclass":
            columns += [
                np.where(np.isnan(labels), np.nan, labels == k) for k in range(task.classes)
            ]
        else:
            columns.append(labels)
    table = np.stack(columns, axis=1)  # (n, targets)
    spread = np.nanstd(table, axis=0)
    return np.nan_to_num((table - np.nanmean(table, axis=0)) / np.where(spread > 0, spread, 1))


def _tree_edges(column: np.ndarray, targets: np.ndarray, count: int, least: int) -> list[float]:
    tree = DecisionTreeRegressor(
        max_leaf_nodes=max(2, count), min_samples_leaf=least, random_state=0
    ).fit(column[:, None], targets)
    inner = tree.tree_.threshold[tree.tree_.children_left >= 0] if count > 1 else np.empty(0)
    return _edges(np.concatenate([[column.min(), column.max()], inner]))


def _quantile_edges(column: np.ndarray, count: int) -> list[float]:
    return _edges(np.quantile(column, np.linspace(0, 1, count + 1)))


def _edges(values: np.ndarray) -> list[float]:
    """Different in single precision; a constant column has one bin that holds nothing else."""
    edges = np.unique(values.astype(np.float32))
    return [float(e) for e in (edges if len(edges) > 1 else [edges[0], edges[0] + 1])]


def _rare(codes: np.ndarray, size: int, least: int) -> list[float]:
    counts = np.bincount(codes[codes >= 0].astype(int), minlength=size)
    return [float(code) for code in np.flatnonzero(counts < least)]
