"""Boosted trees as teachers: what they predict, on rows and on made-up ones, is learned for y."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from fairrep.data import PreparedData, TaughtRows
from fairrep.errors import ConfigError, DataError
from fairrep.types import TaskSpec

PATIENCE = 20  # trees without a lower validation loss before boosting stops
MOST_CATEGORIES = 255  # that scikit-learn's trees can tell apart


@dataclass(frozen=True)
class TeacherSettings:
    """Of the trees, and of the rows that they label.

    Attributes:
        learning_rate: of the trees, > 0.
        max_leaf_nodes: leaves of a tree, ≥ 2.
        max_iter: most trees; the validation rows' loss stops earlier.
        copies: of the training rows, ≥ 0, in which values are swapped between rows.
        swap: probability that a value of a copy is another row's, in [0, 1].
        epochs: passes over rows and copies.
    """

    learning_rate: float
    max_leaf_nodes: int
    max_iter: int
    copies: int
    swap: float
    epochs: int

    def __post_init__(self) -> None:
        for name, least in (("max_leaf_nodes", 2), ("max_iter", 1), ("copies", 0), ("epochs", 1)):
            value = getattr(self, name)
            if not isinstance(value, int) or value < least:
                raise ConfigError(f"teacher.{name} must be a whole number >= {least}, got {value}.")
        if not (isinstance(self.learning_rate, (int, float)) and self.learning_rate > 0):
            raise ConfigError(f"teacher.learning_rate must be > 0, got {self.learning_rate}.")
        if not (isinstance(self.swap, (int, float)) and 0 <= self.swap <= 1):
            raise ConfigError(f"teacher.swap must lie in [0, 1], got {self.swap}.")


class Teacher:
    """Histogram gradient boosting on x, a model for every seen task.

    What it predicts says more of a row than the row's own label, which is one draw; and it can
    label rows that nobody saw. A network that learns from both comes nearer to the trees than
    one that learns the labels.

    Ref: Hinton, Vinyals, Dean (2015), Distilling the knowledge in a neural network; Bucilă,
    Caruana, Niculescu-Mizil (2006), Model compression, KDD (labels for made-up rows).

    Args:
        data: rows and tasks; training rows are fitted, validation rows stop.
        cardinalities: per column of x its number of categories, 0 for a numeric one.
        settings: of the trees and the copies.
        seed: of the trees' binning and of the copies.

    Attributes:
        trees: task → number of them (rounds of boosting).

    Raises:
        DataError: a task without labelled validation rows.
    """

    def __init__(
        self,
        data: PreparedData,
        cardinalities: Sequence[int],
        settings: TeacherSettings,
        *,
        seed: int,
    ) -> None:
        check_labels(data)
        self._data, self._settings, self._seed = data, settings, seed
        self._categorical = [0 < size <= MOST_CATEGORIES for size in cardinalities]
        self._models = [self._fitted(t, task) for t, task in enumerate(data.seen)]
        self.trees = {task.name: int(m.n_iter_) for task, m in zip(data.seen, self._models)}

    def labelled(self) -> PreparedData:
        """The data, its training rows with predictions as targets.

        Where a task has more than two classes, known labels stay; the trees fill in others.
        """
        return replace(self._data, train=self._taught)

    def lessons(self) -> PreparedData:
        """The data, its training rows followed by their copies, all of them with targets."""
        taught = self._taught
        parts = [taught]
        for k in range(1, 1 + self._settings.copies):
            random = np.random.default_rng((self._seed, k))
            made = swapped(taught.x.numpy(), self._settings.swap, random)
            said = self._predict(made, k)
            parts.append(replace(taught, x=torch.from_numpy(made), said=said))
        return replace(self._data, train=_together(parts))

    @cached_property
    def _taught(self) -> TaughtRows:
        train = self._data.train
        said = self._predict(train.x.numpy(), 0)
        for t, task in enumerate(self._data.seen):
            if task.kind == "multiclass":
                known = ~torch.isnan(train.y[:, t])
                said[known, t] = train.y[known, t]
        return TaughtRows(**vars(train), said=said)

    def _fitted(self, t: int, task: TaskSpec) -> Any:
        (x, y), (x_val, y_val) = _labelled(self._data, t)
        regression = task.kind == "regression"
        kind = HistGradientBoostingRegressor if regression else HistGradientBoostingClassifier
        return kind(
            learning_rate=self._settings.learning_rate,
            max_leaf_nodes=self._settings.max_leaf_nodes,
            max_iter=self._settings.max_iter,
            early_stopping=True,
            n_iter_no_change=PATIENCE,
            categorical_features=self._categorical,
            random_state=self._seed,
        ).fit(x, y, X_val=x_val, y_val=y_val)

    def _predict(self, x: np.ndarray, part: int) -> torch.Tensor:
        """Targets (n, T): probabilities, means; of several classes one, drawn."""
        random = np.random.default_rng((self._seed, part, 1))
        columns = []
        for task, model in zip(self._data.seen, self._models):
            if task.kind == "regression":
                columns.append(model.predict(x))
            elif task.kind == "binary":
                columns.append(model.predict_proba(x) @ model.classes_)
            else:
                below = model.predict_proba(x).cumsum(axis=1)[:, :-1]
                drawn = (below < random.random((len(x), 1))).sum(axis=1)
                columns.append(model.classes_[drawn])
        return torch.from_numpy(np.stack(columns, axis=1).astype(np.float32))


def swapped(x: np.ndarray, probability: float, random: np.random.Generator) -> np.ndarray:
    """Rows (n, p) in which each value is, with this probability, that of a row drawn at random."""
    swaps = random.random(x.shape) < probability
    others = random.integers(len(x), size=x.shape)
    return np.where(swaps, np.take_along_axis(x, others, axis=0), x)


def check_labels(data: PreparedData) -> None:
    """Whether validation rows can stop the trees of every task.

    Raises:
        DataError: a task without validation rows of a label that training rows have.
    """
    for t, task in enumerate(data.seen):
        if len(_labelled(data, t)[1][1]) == 0:
            raise DataError(
                f"teacher=boosting needs validation rows with a label of '{task.name}', got none; "
                "choose another split_seed, or teacher=none."
            )


def _labelled(data: PreparedData, t: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """X and y of training and of validation rows with a label, no class in the latter alone."""
    found = []
    for rows in (data.train, data.val):
        known = ~torch.isnan(rows.y[:, t])
        found.append((rows.x[known].numpy(), rows.y[known, t].numpy()))
    if data.seen[t].kind != "regression":
        x, y = found[1]
        there = np.isin(y, found[0][1])
        found[1] = x[there], y[there]
    return found


def _together(parts: Sequence[TaughtRows]) -> TaughtRows:
    return TaughtRows(
        x=torch.cat([part.x for part in parts]),
        y=torch.cat([part.y for part in parts]),
        s=torch.cat([part.s for part in parts]),
        a=torch.cat([part.a for part in parts]),
        index=np.concatenate([part.index for part in parts]),
        said=torch.cat([part.said for part in parts]),
    )
