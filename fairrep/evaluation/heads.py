"""Heads by name: fit on training rows, select on validation rows; predictions come later.

Fitting and predicting are apart, so that everything is settled before test rows are read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from fairrep.encoders import MultitaskHeads, task_predictions
from fairrep.evaluation.boosting_head import fit_boosting_head
from fairrep.evaluation.linear_head import fit_linear_heads, moments
from fairrep.evaluation.mlp_head import MLPHeads, fit_mlp_heads
from fairrep.evaluation.view import View, stacks
from fairrep.seeds import derive_seed
from fairrep.types import TaskSpec


class Rows(NamedTuple):
    """The same rows in every representation, with labels and groups."""

    views: Sequence[View]
    y: Tensor  # (n, T), NaN = none
    s: Tensor  # (n,) group codes, -1 = unknown


Predictions = list[list[np.ndarray]]
"""By representation, by task: probability of class 1 (n,), of every class (n, K), or values."""
Predict = Callable[[Sequence[View]], Predictions]
Fit = Callable[[Rows, Rows, Sequence[TaskSpec], int], Predict]
"""(train, val, tasks, seed) → predictions for the same representations of other rows."""


def logistic_heads(train: Rows, val: Rows, tasks: Sequence[TaskSpec], seed: int) -> Predict:
    """Logistic regression (ridge for regression); the penalty's strength chosen on ``val``."""
    return _stacked(
        train, val, tasks, lambda z, y, z_val, y_val: fit_linear_heads(z, y, z_val, y_val, tasks)
    )


def mlp_heads(train: Rows, val: Rows, tasks: Sequence[TaskSpec], seed: int) -> Predict:
    """MLPs with one hidden layer of 50 units, stopped on ``val``."""

    def fit(z: Tensor, y: Tensor, z_val: Tensor, y_val: Tensor) -> Standardised:
        mean, scale = moments(z)
        heads = fit_mlp_heads(
            (z - mean) / scale, y, (z_val - mean) / scale, y_val, tasks, seed=seed
        )
        return Standardised(mean, scale, heads)

    return _stacked(train, val, tasks, fit)


def boosting_heads(train: Rows, val: Rows, tasks: Sequence[TaskSpec], seed: int) -> Predict:
    """Histogram gradient boosting, the number of trees chosen on ``val``."""
    y, y_val = (part.y.double().cpu().numpy() for part in (train, val))
    heads = [
        [
            fit_boosting_head(view, y[:, t], view_val, y_val[:, t], task, seed=seed)
            for t, task in enumerate(tasks)
        ]
        for view, view_val in zip(train.views, val.views)
    ]
    return lambda views: [[head.predict(v) for head in row] for v, row in zip(views, heads)]


# these predict the tasks, where they are asked to, and always probe for s
HEADS: dict[str, Fit] = {
    "logistic": logistic_heads,
    "mlp": mlp_heads,
    "boosting": boosting_heads,
}


def fit_heads(
    heads: Mapping[str, Fit], train: Rows, val: Rows, tasks: Sequence[TaskSpec], *, seed: int
) -> dict[str, Predict]:
    """Fit heads of all tasks on all representations."""
    return {
        name: fit(train, val, tasks, derive_seed(seed, "head", name)) for name, fit in heads.items()
    }


def predictions(outputs: Tensor, tasks: Sequence[TaskSpec]) -> list[np.ndarray]:
    """Turn heads' outputs (n, o) into probabilities, or regression values in the labels' units."""
    return [p.numpy() for p in task_predictions(outputs.detach().cpu().double(), tasks)]


class Network(Protocol):
    """Heads that are layers: of r representations of equal width."""

    def __call__(self, z: Float[Tensor, "r n d"]) -> Float[Tensor, "r n o"]:
        """Outputs of all heads side by side."""

    def network(self, representation: int, tasks: Sequence[TaskSpec]) -> MultitaskHeads:
        """The heads of one representation and of the first tasks, which these are, as layers."""


@dataclass(frozen=True)
class Standardised:
    """Heads on standardised representations."""

    mean: Float[Tensor, "r 1 d"]
    scale: Float[Tensor, "r 1 d"]
    heads: MLPHeads

    def __call__(self, z: Float[Tensor, "r n d"]) -> Float[Tensor, "r n o"]:
        """Outputs of all heads side by side."""
        return self.heads((z - self.mean) / self.scale)

    def network(self, representation: int, tasks: Sequence[TaskSpec]) -> MultitaskHeads:
        """The heads of one representation and of the first tasks, which these are, as layers."""
        heads = self.heads.network(representation, tasks)
        heads.absorb(*(part[representation, 0].cpu().double() for part in (self.mean, self.scale)))
        return heads.float()


@dataclass(frozen=True)
class Stacked:
    """Heads of any representations, those of equal width fitted together."""

    fitted: list[tuple[list[int], Network]]
    tasks: Sequence[TaskSpec]

    @torch.no_grad()
    def __call__(self, views: Sequence[View]) -> Predictions:
        """Predict other rows."""
        found: dict[int, list[np.ndarray]] = {}
        for positions, heads in self.fitted:
            outputs = heads(torch.stack([views[p].matrix for p in positions]))
            found |= {p: predictions(o, self.tasks) for p, o in zip(positions, outputs)}
        return [found[p] for p in range(len(views))]

    def network(self, view: int, tasks: Sequence[TaskSpec]) -> MultitaskHeads:
        """The heads of one representation and of the first tasks, which these are, as layers."""
        positions, heads = next(one for one in self.fitted if view in one[0])
        return heads.network(positions.index(view), tasks)


def _stacked(
    train: Rows,
    val: Rows,
    tasks: Sequence[TaskSpec],
    fit: Callable[[Tensor, Tensor, Tensor, Tensor], Network],
) -> Stacked:
    """Fit the representations of equal width together."""
    vals = dict(enumerate(val.views))
    fitted = []
    for positions, z in stacks(train.views):
        z_val = torch.stack([vals[p].matrix for p in positions])
        y, y_val = (part.y.to(z) for part in (train, val))
        fitted.append((positions, fit(z, y, z_val, y_val)))
    return Stacked(fitted, tasks)
