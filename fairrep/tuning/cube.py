"""A search space as the unit cube: one coordinate a parameter, whatever its kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from fairrep.tuning.space import Space

Scale = Callable[[Any], Any]


class Cube:
    """Settings as rows of [0, 1]^q, and as the points that distances are taken between.

    Numbers keep their order, in logarithms where they are searched so; whole numbers, steps and
    choices have an interval each, all of a parameter's of the same length (in logarithms).

    Attributes:
        parameter: (p,) which parameter each coordinate of a point belongs to; a choice has one
            coordinate for every value, the others one.
    """

    def __init__(self, space: Space) -> None:
        self._axes = {name: _axis(own) for name, own in space.items()}
        widths = [axis.width for axis in self._axes.values()]
        self.parameter = np.repeat(np.arange(len(widths)), widths)

    def __len__(self) -> int:
        return len(self._axes)

    def rows(self, settings: Sequence[Mapping[str, Any]]) -> np.ndarray:
        """(n, q) of n settings."""
        columns = [axis.rows([one[name] for one in settings]) for name, axis in self._axes.items()]
        return np.stack(columns, axis=1)

    def snapped(self, rows: np.ndarray) -> np.ndarray:
        """The same rows, each moved to the middle of its interval."""
        axes = self._axes.values()
        columns = [axis.rows(axis.values(own)) for axis, own in zip(axes, rows.T)]
        return np.stack(columns, axis=1)

    def points(self, rows: np.ndarray) -> np.ndarray:
        """(n, p) of snapped rows: numbers as they are, choices as indicators."""
        columns = [axis.points(own) for axis, own in zip(self._axes.values(), rows.T)]
        return np.concatenate(columns, axis=1)

    def settings(self, row: np.ndarray) -> dict[str, Any]:
        """One row's setting, in plain Python types."""
        named = zip(self._axes.items(), row)
        return {name: axis.values(np.array([own]))[0] for (name, axis), own in named}


class _Number:
    """A whole number or a float, with or without a step, in logarithms or not."""

    width = 1

    def __init__(self, own: IntDistribution | FloatDistribution) -> None:
        self._own, self._step = own, own.step
        half = (own.step or 0) / 2
        self._scale: Scale = np.log if own.log else np.asarray
        self._back: Scale = np.exp if own.log else np.asarray
        self._from, self._to = (
            float(self._scale(bound)) for bound in (own.low - half, own.high + half)
        )

    def rows(self, values: Sequence[float]) -> np.ndarray:
        found = self._scale(np.array(values, dtype=float))
        return np.clip((found - self._from) / max(self._to - self._from, 1e-300), 0.0, 1.0)

    def values(self, rows: np.ndarray) -> list[float]:
        own = self._own
        found = self._back(self._from + rows * (self._to - self._from))
        if self._step:
            found = own.low + np.round((found - own.low) / self._step) * self._step
        found = np.clip(found, own.low, own.high)
        return [int(v) if isinstance(own, IntDistribution) else float(v) for v in found]

    def points(self, rows: np.ndarray) -> np.ndarray:
        return rows[:, None]


class _Choice:
    """One of several values."""

    def __init__(self, own: CategoricalDistribution) -> None:
        self._own, self.width = own, len(own.choices)

    def rows(self, values: Sequence[Any]) -> np.ndarray:
        codes = np.array([self._own.to_internal_repr(value) for value in values])
        return (codes + 0.5) / self.width

    def values(self, rows: np.ndarray) -> list[Any]:
        return [self._own.choices[code] for code in self._codes(rows)]

    def points(self, rows: np.ndarray) -> np.ndarray:
        return np.eye(self.width)[self._codes(rows)]

    def _codes(self, rows: np.ndarray) -> np.ndarray:
        return np.minimum((rows * self.width).astype(int), self.width - 1)


def _axis(own: BaseDistribution) -> _Number | _Choice:
    if isinstance(own, CategoricalDistribution):
        return _Choice(own)
    assert isinstance(own, (IntDistribution, FloatDistribution))
    return _Number(own)
