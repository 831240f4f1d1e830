"""What an untried setting is worth: expected improvement times probability of feasibility."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from scipy.special import erfcx, log_ndtr, logsumexp, ndtri_exp
from scipy.stats import norm, qmc

from fairrep.tuning.process import Process, constant

DRAWS = 32
SHRUNK = 5.0  # trials without correlation that are added to the others
REPEATS = 3.0  # how much more repeating trials weigh than others, where nothing new is seen
SAME = 1e-9  # coordinates that differ by less are equal


class Acquisition:
    r"""log E[max(0, f(x) - f*) 1{c_1(x) <= 0, …}], and minus infinity where nothing new is seen.

    The expected improvement that keeps the constraints, over the best feasible trial's f*; while
    no trial is feasible, the probability of keeping them. Figures are those of untried settings,
    their ruggedness included. They are correlated as the leave-one-out residuals of their
    processes are: a more accurate model than foreseen is as a rule a more unfair one, and a search
    that takes them for independent hopes for both kinds of luck at once.

    Violations v enter as sign(v) log(1 + |v| / m), m being the median of their sizes: what happens
    at the bound matters, not far from it. A setting that was tried is worth nothing. Nor is one
    between two tried settings that differ in one parameter and have the same figures: as a rule
    that parameter does nothing there; nor one among trials most of which repeat the figures of
    others: beside a step it would fall on one side or the other.

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
        if self._best is not None and not constant(utility):
            self._utility = Process(points, utility, parameter)
        self._bounds = [
            Process(points, _near_bound(own), parameter) for own in violation.T if not constant(own)
        ]
        if len(running):
            for process in self._processes():
                process.also(running)
        self._root, self._shared = self._correlations()
        self._tried = np.concatenate([points, running])
        figures = np.column_stack([utility, violation])
        self._idle = _idle(points, parameter, figures)
        self._repeating = _repeating(figures)

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """(m,) of points (m, p)."""
        slack = np.zeros((len(points), len(self._bounds)))
        for k, bound in enumerate(self._bounds):
            mean, spread = bound.predict(points)
            slack[:, k] = -mean / spread
        if self._utility is None:
            worth = log_orthant(slack, self._root)
        else:
            mean, spread = self._utility.predict(points)
            lead = (mean - self._best) / spread
            worth = log_orthant(slack, self._root, self._shared, lead) + np.log(spread)
        return np.where(self._known(points), -np.inf, worth)

    def _correlations(self) -> tuple[np.ndarray, np.ndarray]:
        """Cholesky root (k, k) of the bounds' correlations; the utility's loadings (k,) on it."""
        k = len(self._bounds)
        correlation = _correlation([process.residuals for process in self._processes()])
        root = np.linalg.cholesky(correlation[:k, :k])
        shared = np.zeros(k) if self._utility is None else correlation[:k, k]
        return root, np.linalg.solve(root, shared)

    def _processes(self) -> list[Process]:
        return self._bounds + ([] if self._utility is None else [self._utility])

    def _known(self, points: np.ndarray) -> np.ndarray:
        known = (np.abs(points[:, None] - self._tried[None]).max(axis=2) < SAME).any(axis=1)
        for low, high in self._idle:
            known |= ((points >= low - SAME) & (points <= high + SAME)).all(axis=1)
        return known | self._among_repeats(points)

    def _among_repeats(self, points: np.ndarray) -> np.ndarray:
        if not self._processes():
            return np.zeros(len(points), dtype=bool)
        weights = np.min([process.local(points) for process in self._processes()], axis=0)
        others = 1 + weights @ ~self._repeating
        return weights @ self._repeating > REPEATS * others


def _correlation(residuals: Sequence[np.ndarray]) -> np.ndarray:
    """(r, r) of r figures' leave-one-out residuals (n,), drawn towards 0."""
    found = np.eye(len(residuals))
    for i, j in combinations(range(len(residuals)), 2):
        size = [np.sqrt(one @ one + SHRUNK) for one in (residuals[i], residuals[j])]
        found[i, j] = found[j, i] = residuals[i] @ residuals[j] / size[0] / size[1]
    return found


def log_expected_improvement(z: np.ndarray) -> np.ndarray:
    """log(φ(z) + z Φ(z)), exact also where the logarithm's argument underflows."""
    plain = np.log(norm.pdf(z) + z * norm.cdf(z), where=z > -5, out=np.zeros_like(z))
    far = np.minimum(z, -5)  # 1 + z Φ(z) / φ(z), with Φ(z) / φ(z) = sqrt(π / 2) erfcx(-z / √2)
    ratio = np.log1p(far * np.sqrt(np.pi / 2) * erfcx(-far / np.sqrt(2)))
    return np.where(z > -5, plain, norm.logpdf(far) + ratio)


def log_orthant(
    slack: np.ndarray,
    root: np.ndarray,
    shared: np.ndarray | None = None,
    lead: np.ndarray | None = None,
) -> np.ndarray:
    r"""Logarithm of E[max(0, f + lead) 1{c <= slack}], for standard normal f and c, as (m,).

    By separation of variables: the c are drawn one after another within their bounds, at
    quasi-random points, and the last expectation, of f given all c, is known.

    Ref: Genz (1992), Numerical computation of multivariate normal probabilities.

    Args:
        slack: (m, k) upper bounds of c.
        root: (k, k) Cholesky root of the correlations of c.
        shared: (k,) loadings of f on the same factors.
        lead: (m,); None, with ``shared``, for the probability of the bounds alone.
    """
    m, k = slack.shape
    uniform = qmc.Sobol(max(k, 1), scramble=False).random(DRAWS) + 0.5 / DRAWS
    factors = np.zeros((m, DRAWS, k))
    weight = np.zeros((m, DRAWS))
    for j in range(k):
        bound = (slack[:, j, None] - factors[..., :j] @ root[j, :j]) / root[j, j]
        inside = log_ndtr(bound)
        weight += inside
        factors[..., j] = ndtri_exp(np.log(uniform[None, :, j]) + inside)
    if lead is not None and shared is not None:
        rest = np.sqrt(1 - shared @ shared)
        own = (lead[:, None] + factors @ shared) / rest
        weight += log_expected_improvement(own) + np.log(rest)
    return logsumexp(weight, axis=1) - np.log(DRAWS)


def _near_bound(violation: np.ndarray) -> np.ndarray:
    scale = max(float(np.median(np.abs(violation))), SAME)
    return np.sign(violation) * np.log1p(np.abs(violation) / scale)


def _repeating(figures: np.ndarray) -> np.ndarray:
    """Whether each trial (n,) has the same figures (n, r) as another."""
    _, place, count = np.unique(figures, axis=0, return_inverse=True, return_counts=True)
    return count[place.ravel()] > 1


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
