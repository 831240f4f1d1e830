"""What an untried setting is worth: expected improvement times probability of feasibility."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import erfcx, log_ndtr
from scipy.stats import norm

from fairrep.tuning.process import Process

CONSTANT = 1e-9  # a figure with less spread says nothing


class Acquisition:
    r"""Logarithm of EI(x) · Π P(c_i(x) ≤ 0), and minus infinity where nothing new is to be seen.

    While no trial is feasible it is the probability of feasibility alone. Figures are those of
    untried settings, their ruggedness included. Violations v enter as sign(v) log(1 + |v| / m), m
    being the median of their sizes: what happens at the bound matters, not far from it. A setting
    that was tried is worth nothing; nor is one between two tried settings that differ in one
    parameter and have the same figures: as a rule that parameter does nothing there.

    Ref: Gardner et al. (2014), ICML; Ament et al. (2023), NeurIPS (the logarithm); Eriksson,
    Poloczek (2021), AISTATS (violations).

    Args:
        points: (n, p) complete trials in the cube.
        running: (m, p) trials that are being evaluated.
        parameter: (p,) parameter of each coordinate.
        utility: (n,) more is better.
        violation: (n, k) of each constraint, 0 or less where it holds.
    """

    def __init__(
        self,
        points: np.ndarray,
        running: np.ndarray,
        parameter: np.ndarray,
        utility: np.ndarray,
        violation: np.ndarray,
    ) -> None:
        feasible = (violation <= 0).all(axis=1)
        self._best = utility[feasible].max() if feasible.any() else None
        self._utility = None
        if self._best is not None and utility.std() > CONSTANT:
            self._utility = Process(points, utility, parameter)
        self._bounds = [
            Process(points, _near_bound(own), parameter)
            for own in violation.T
            if own.std() > CONSTANT
        ]
        if len(running):
            for process in self._processes():
                process.also(running)
        self._tried = np.concatenate([points, running])
        self._idle = _idle(points, parameter, np.column_stack([utility, violation]))

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """(m,) of points (m, p)."""
        worth = np.zeros(len(points))
        if self._utility is not None and self._best is not None:
            mean, spread = self._utility.predict(points)
            worth += log_expected_improvement((mean - self._best) / spread) + np.log(spread)
        for bound in self._bounds:
            mean, spread = bound.predict(points)
            worth += log_ndtr(-mean / spread)
        return np.where(self._known(points), -np.inf, worth)

    def _processes(self) -> list[Process]:
        return self._bounds + ([] if self._utility is None else [self._utility])

    def _known(self, points: np.ndarray) -> np.ndarray:
        known = (np.abs(points[:, None] - self._tried[None]).max(axis=2) < CONSTANT).any(axis=1)
        for low, high in self._idle:
            known |= ((points >= low - CONSTANT) & (points <= high + CONSTANT)).all(axis=1)
        return known


def log_expected_improvement(z: np.ndarray) -> np.ndarray:
    """log(φ(z) + z Φ(z)), exact also where the logarithm's argument underflows."""
    plain = np.log(norm.pdf(z) + z * norm.cdf(z), where=z > -5, out=np.zeros_like(z))
    far = np.minimum(z, -5)  # 1 + z Φ(z) / φ(z), with Φ(z) / φ(z) = sqrt(π / 2) erfcx(-z / √2)
    ratio = np.log1p(far * np.sqrt(np.pi / 2) * erfcx(-far / np.sqrt(2)))
    return np.where(z > -5, plain, norm.logpdf(far) + ratio)


def _near_bound(violation: np.ndarray) -> np.ndarray:
    scale = max(float(np.median(np.abs(violation))), CONSTANT)
    return np.sign(violation) * np.log1p(np.abs(violation) / scale)


def _idle(
    points: np.ndarray, parameter: np.ndarray, figures: np.ndarray
) -> Sequence[tuple[np.ndarray, np.ndarray]]:
    """Corners of the segments between equal trials that differ in one parameter."""
    found = []
    for i, j in zip(*np.triu_indices(len(points), 1)):
        differing = set(parameter[points[i] != points[j]])
        if len(differing) == 1 and (figures[i] == figures[j]).all():
            found.append((np.minimum(points[i], points[j]), np.maximum(points[i], points[j])))
    return found
