"""Figures of real-valued predictions: errors, and how differently the groups' laws lie."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from fairrep.evaluation.figures_of_task import Figures, Gap, Grouping, Metrics, Utility
from fairrep.evaluation.intervals import differences
from fairrep.functional.group_distributions import largest_ks_distance, largest_wasserstein1
from fairrep.functional.group_rates import largest_gap

THRESHOLDS = 64  # at which the distribution functions are compared in resamples


def regression_columns(prediction: np.ndarray, y: np.ndarray) -> np.ndarray:
    """What is summed over resampled rows (n, k), centred so that single precision is enough."""
    centre, scale = y.mean(), y.std() or 1.0
    unit_y, unit = (y - centre) / scale, (prediction - centre) / scale
    base = [np.ones_like(y), np.square(unit - unit_y), unit_y, np.square(unit_y), unit]
    below = unit[:, None] <= _thresholds(unit)
    return np.concatenate([np.stack(base, axis=1), below], axis=1)


def regression_figures(
    prediction: np.ndarray,
    y: np.ndarray,
    s: np.ndarray,
    sums: np.ndarray,
    ways: Sequence[Grouping],
    min_rows: int,
) -> Figures:
    """Figures of one prediction; ``sums`` as for class figures, of :func:`regression_columns`."""
    residual = float(np.square(prediction - y).mean())
    scale = y.std() or 1.0
    pooled = sums.sum(axis=1)  # (draws, k)
    n, squares, total, total2 = (pooled[:, k] for k in range(4))
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = total2 / n - np.square(total / n)
        r2 = 1 - residual / float(y.var()) if y.var() > 0 else float("nan")
        utilities = {
            "rmse": Utility(residual**0.5, np.sqrt(squares / n) * scale),
            "r2": Utility(r2, _finite(1 - squares / n / spread)),
        }
    gaps, plain, sizes = {}, {}, {}
    for way in ways:
        codes = way.codes(s)
        counts = np.bincount(codes[codes >= 0], minlength=len(way.groups))
        small = counts < max(min_rows, 1)
        codes = np.where(small[codes], -1, codes)
        gaps[way.name] = _gaps(prediction, codes, way.add_up(sums), scale)
        sizes[way.name] = _sizes(way, prediction, way.codes(s))
        if not way.name:
            tensors = torch.from_numpy(prediction), torch.from_numpy(codes)
            distance = largest_wasserstein1(*tensors, groups=len(way.groups))
            plain["wasserstein_distance"] = float(distance)
    return Figures(utilities, gaps, plain, sizes)


def _finite(values: np.ndarray) -> np.ndarray:
    """A resample whose labels are all the same has no R²."""
    return np.where(np.isfinite(values), values, np.nan)


def _gaps(
    prediction: np.ndarray, codes: np.ndarray, sums: np.ndarray, scale: float
) -> dict[str, Gap]:
    groups = sums.shape[1]
    values, group = torch.from_numpy(prediction), torch.from_numpy(codes)
    present = [(prediction[codes == g] if (codes == g).any() else None) for g in range(groups)]
    means = np.array([[np.nan if part is None else part.mean()] for part in present])
    points = _thresholds(prediction)
    below = np.stack(
        [
            np.full(len(points), np.nan) if part is None else (part[:, None] <= points).mean(axis=0)
            for part in present
        ]
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = sums[..., 5:] / sums[..., :1]
        drawn_means = sums[..., 4:5] / sums[..., :1] * scale
    return {
        # the gap of the worst threshold on the prediction: the KS distance
        "demographic_parity_difference": Gap(
            float(largest_ks_distance(values, group, groups=groups)),
            differences(below, shares),
        ),
        "mean_difference": Gap(
            float(largest_gap(torch.from_numpy(means))), differences(means, drawn_means)
        ),
    }


def _thresholds(values: np.ndarray) -> np.ndarray:
    return np.quantile(values, (np.arange(THRESHOLDS) + 0.5) / THRESHOLDS, method="lower")


def _sizes(way: Grouping, prediction: np.ndarray, codes: np.ndarray) -> dict[str, Metrics]:
    return {
        name: {"n": int((codes == g).sum()), "mean": float(prediction[codes == g].mean())}
        for g, name in enumerate(way.groups)
        if (codes == g).any()
    }
