"""The fair map of scores: fitted on calibration rows of every group, applied to any others."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from sklearn.utils import check_random_state
from torch import Tensor

from fairrep.errors import EstimatorError, listed
from fairrep.estimators.finite import check_finite
from fairrep.estimators.group_rows import share_of_every_group
from fairrep.estimators.groups import Groups
from fairrep.functional.barycenter import barycenter_map
from fairrep.functional.group_distributions import largest_ks_distance

TAUS = np.linspace(0, 1, 101)


@dataclass(frozen=True)
class MapOptions:
    """How scores are moved.

    Attributes:
        sigma: half the width of the jitter, in the scores' unit; None breaks ties alone.
        tau: how far, in [0, 1].
        max_ks: KS distance on validation rows that chooses τ, or None.
        halves: whether ranks and targets come from different rows.
    """

    sigma: float | None
    tau: float
    max_ks: float | None
    halves: bool

    def __post_init__(self) -> None:
        for name, value, fits, wanted in (
            ("tau", self.tau, 0 <= self.tau <= 1, "in [0, 1]"),
            ("sigma", self.sigma, self.sigma is None or self.sigma >= 0, "None, 0 or positive"),
            ("max_ks", self.max_ks, self.max_ks is None or 0 < self.max_ks <= 1, "in (0, 1]"),
        ):
            if not fits:
                raise EstimatorError(f"{name} must be {wanted}, got {value}.")

    @property
    def least_rows(self) -> int:
        """Calibration rows that every group needs: two for the map, one to validate on."""
        return 2 if self.max_ks is None else 3


@dataclass(frozen=True)
class ScoreMap:
    """Scores of every group, ascending, and the groups' shares.

    Attributes:
        distributions: (m_g,) a group: where a row's rank is read.
        targets: (m'_g,) a group: what stands at a rank.
        weights: (K,) the groups' shares.
        sigma: half the width of the jitter, in the scores' unit; None breaks ties alone.
        tau: how far scores are moved, in [0, 1].
        ks: if validation rows chose τ, their KS distance before and after.
    """

    distributions: Sequence[Tensor]
    targets: Sequence[Tensor]
    weights: Tensor
    sigma: float | None
    tau: float
    ks: tuple[float, float] | None = None

    def __call__(
        self, scores: np.ndarray, codes: np.ndarray, *, rng: np.random.Generator
    ) -> np.ndarray:
        """Move scores (n,) of groups ``codes`` (n,)."""
        scores = _finite(scores)
        ties = torch.from_numpy(rng.random(len(scores))) if self.sigma is None else None
        moved = barycenter_map(
            torch.from_numpy(_jittered(scores, self.sigma, rng)),
            torch.from_numpy(codes),
            distributions=self.distributions,
            targets=self.targets,
            weights=self.weights,
            ties=ties,
        ).numpy()
        return (1 - self.tau) * scores + self.tau * moved


def fit_score_map(
    scores: np.ndarray,
    codes: np.ndarray,
    groups: Groups,
    options: MapOptions,
    *,
    rng: np.random.Generator,
) -> ScoreMap:
    """Fit the map on calibration rows; with ``max_ks``, a third of them choose τ.

    Args:
        scores: (n,), in any unit.
        codes: (n,) positions in ``groups``.
        groups: all groups.
        options: how scores are moved.
        rng: draws halves, validation rows and jitter.

    Raises:
        EstimatorError: scores that are not finite, a group with too few rows.
    """
    scores = _finite(scores)
    _check_counts(codes, groups, options.least_rows)
    if options.max_ks is None:
        return _read_map(scores, codes, groups, options, rng)
    held = share_of_every_group(codes, 1 / 3, at_least=1, rng=rng)
    rest = np.setdiff1d(np.arange(len(codes)), held)
    whole = _read_map(scores[rest], codes[rest], groups, replace(options, tau=1.0), rng)
    return _least_change(whole, scores[held], codes[held], options.max_ks, rng)


def _read_map(
    scores: np.ndarray,
    codes: np.ndarray,
    groups: Groups,
    options: MapOptions,
    rng: np.random.Generator,
) -> ScoreMap:
    scores = _jittered(scores, options.sigma, rng)
    own = [rng.permutation(scores[codes == g]) for g in range(len(groups.values))]
    parts = [np.array_split(group, 2) if options.halves else [group, group] for group in own]
    targets, distributions = (
        [torch.from_numpy(np.sort(part[side])) for part in parts] for side in (0, 1)
    )
    shares = torch.tensor([len(group) / len(scores) for group in own], dtype=torch.double)
    return ScoreMap(distributions, targets, shares, options.sigma, options.tau)


def _least_change(
    whole: ScoreMap,
    scores: np.ndarray,
    codes: np.ndarray,
    max_ks: float,
    rng: np.random.Generator,
) -> ScoreMap:
    """The least τ of a grid with steps of 0.01 whose KS distance on these rows is in the bound."""
    moved = whole(scores, codes, rng=rng)
    group = torch.from_numpy(codes)
    ks = [
        float(
            largest_ks_distance(
                torch.from_numpy((1 - tau) * scores + tau * moved),
                group,
                groups=len(whole.distributions),
            )
        )
        for tau in TAUS
    ]
    within = np.flatnonzero(np.array(ks) <= max_ks)
    if not len(within):
        warnings.warn(
            f"max_ks={max_ks} is met by no tau: on {len(scores):,} validation rows the KS distance "
            f"is at least {min(ks):.3f}; tau=1 is used. Give more calibration rows or a larger "
            "max_ks.",
            stacklevel=4,
        )
    best = within[0] if len(within) else len(TAUS) - 1
    return replace(whole, tau=float(TAUS[best]), ks=(ks[0], ks[best]))


def _check_counts(codes: np.ndarray, groups: Groups, least: int) -> None:
    counts = np.bincount(codes, minlength=len(groups.values))
    small = [f"'{name}' {count}" for name, count in zip(groups.names, counts) if count < least]
    if small:
        raise EstimatorError(
            f"every group needs at least {least} calibration rows, got {listed(small)}; give more "
            "rows, merge small groups, or, where groups are predicted, a group_estimator that "
            "predicts all of them."
        )


def _jittered(scores: np.ndarray, sigma: float | None, rng: np.random.Generator) -> np.ndarray:
    """Add a uniform draw of [-σ, σ] to every score."""
    return scores + rng.uniform(-sigma, sigma, len(scores)) if sigma else scores


def _finite(scores: Any) -> np.ndarray:
    scores = np.array(scores, dtype=float)  # a copy: torch shares memory
    check_finite(scores, "scores")
    return scores


def as_generator(random_state: Any) -> np.random.Generator:
    """A generator of scikit-learn's ``random_state``: the same one for the same number."""
    return np.random.default_rng(check_random_state(random_state).randint(2**31))
