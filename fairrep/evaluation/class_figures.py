"""Figures of decisions between classes: counts of cells → rates → gaps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from fairrep.evaluation.figures_of_task import Figures, Gap, Grouping, Metrics, Utility
from fairrep.evaluation.intervals import differences
from fairrep.functional import group_rates
from fairrep.types import TaskSpec

SCORE_GAP = "score_mean_difference"


def decide(prediction: np.ndarray) -> np.ndarray:
    """Class decisions: probability above one half, or the most probable class."""
    return (prediction > 0.5).astype(int) if prediction.ndim == 1 else prediction.argmax(1)


def class_columns(task: TaskSpec, prediction: np.ndarray, y: np.ndarray) -> np.ndarray:
    """What is summed over resampled rows: cells (true, decided), scores, ranks (n, k)."""
    cell = y.astype(int) * task.classes + decide(prediction)
    cells = cell[:, None] == np.arange(task.classes**2)
    scores = prediction if prediction.ndim == 2 else prediction[:, None]
    return np.concatenate([cells, scores, _placements(scores, y)], axis=1)


def class_figures(
    task: TaskSpec,
    columns: np.ndarray,
    s: np.ndarray,
    sums: np.ndarray,
    added: np.ndarray,
    ways: Sequence[Grouping],
    min_rows: int,
) -> Figures:
    """Figures of one prediction.

    Args:
        task: binary or multiclass.
        columns: of :func:`class_columns`.
        s: intersection codes (n,), -1 = unknown.
        sums: resampled sums of the columns (draws, strata, k), unknown groups last.
        added: resampled made-up rows (draws, strata, 2).
        ways: groupings of the strata.
        min_rows: smaller groups take no part in gaps.
    """
    strata = np.where(s < 0, sums.shape[1] - 1, s)
    observed = np.stack([columns[strata == g].sum(axis=0) for g in range(sums.shape[1])])
    drawn_cells, cells = (_cells(task, part) for part in (sums, observed))
    aucs = [_auc(task, part) for part in (observed, sums)]
    utilities = {
        "accuracy": _utility(group_rates.accuracy, cells, drawn_cells),
        "balanced_accuracy": _utility(group_rates.balanced_accuracy, cells, drawn_cells),
        "auc": Utility(float(aucs[0]), np.asarray(aucs[1])),
    }
    gaps, sizes, ratio = {}, {}, float("nan")
    for way in ways:
        part = _cells(task, way.add_up(observed))
        sizes[way.name] = _sizes(way, part)
        small = part.sum((1, 2)) < max(min_rows, 1)
        part = torch.where(small[:, None, None], 0, part)
        gaps[way.name] = _gaps(
            task, part, way.add_up(observed), way.add_up(sums), way.add_up(added)
        )
        if not way.name:
            ratio = float(group_rates.demographic_parity_ratio(part))
    return Figures(utilities, gaps, {"demographic_parity_ratio": ratio}, sizes)


def _gaps(
    task: TaskSpec, cells: Tensor, observed: np.ndarray, sums: np.ndarray, added: np.ndarray
) -> dict[str, Gap]:
    point = group_rates.compared_rates(cells)
    drawn = group_rates.compared_rates(_cells(task, sums), torch.from_numpy(added))
    gaps = {
        name: Gap(
            float(getattr(group_rates, name)(cells)),
            differences(rates.numpy(), drawn[name].numpy()),
        )
        for name, rates in point.items()
    }
    return gaps | {SCORE_GAP: _score_gap(task, cells, observed, sums)}


def _score_gap(task: TaskSpec, cells: Tensor, observed: np.ndarray, sums: np.ndarray) -> Gap:
    """Demographic parity of the scores themselves: their largest difference in mean."""
    known = cells.sum((1, 2)).numpy()[:, None] > 0
    rates = np.where(known, _mean_scores(task, observed), np.nan)
    gap = group_rates.largest_gap(torch.from_numpy(rates))
    return Gap(float(gap), differences(rates, _mean_scores(task, sums)))


def _mean_scores(task: TaskSpec, sums: np.ndarray) -> np.ndarray:
    start = task.classes**2
    width = 1 if task.classes == 2 else task.classes
    with np.errstate(invalid="ignore", divide="ignore"):
        return sums[..., start : start + width] / sums[..., :start].sum(-1, keepdims=True)


def _cells(task: TaskSpec, sums: np.ndarray) -> Tensor:
    shape = (*sums.shape[:-1], task.classes, task.classes)
    return torch.from_numpy(np.ascontiguousarray(sums[..., : task.classes**2])).reshape(shape)


def _utility(figure: object, cells: Tensor, drawn: Tensor) -> Utility:
    assert callable(figure)
    return Utility(float(figure(cells)), figure(drawn).numpy())


def _placements(scores: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Per class: a row's share of the other side that it is ranked right against (n, 2 K).

    In the first columns for rows of the class, in the second for the others. Either mean is the
    AUC; resampling both is the bootstrap of the AUC to first order (DeLong et al. 1988).
    """
    ones = [y == k for k in range(scores.shape[1])] if scores.shape[1] > 1 else [y == 1]
    columns = []
    for score, one in zip(scores.T, ones):
        inside, outside = np.sort(score[one]), np.sort(score[~one])
        above = _share_below(outside, score)  # of the others, below this row
        below = 1 - _share_below(inside, score)
        columns += [np.where(one, above, 0), np.where(one, 0, below)]
    return np.stack(columns, axis=1)


def _share_below(ordered: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Share of a sorted sample below each value, ties one half."""
    left = np.searchsorted(ordered, values, side="left")
    right = np.searchsorted(ordered, values, side="right")
    return (left + right) / 2 / max(len(ordered), 1)


def _auc(task: TaskSpec, sums: np.ndarray) -> np.ndarray:
    """AUC of pooled sums (…, strata, k); NaN where a class is absent; over classes, the mean."""
    total = sums.sum(axis=-2)
    counts = total[..., : task.classes**2].reshape(*total.shape[:-1], task.classes, -1).sum(-1)
    width = 1 if task.classes == 2 else task.classes
    places = total[..., task.classes**2 + width :].reshape(*total.shape[:-1], width, 2)
    inside = counts[..., 1:] if width == 1 else counts
    outside = counts.sum(-1, keepdims=True) - inside
    with np.errstate(invalid="ignore", divide="ignore"):
        first, second = places[..., 0] / inside, places[..., 1] / outside
        auc = first if sums.ndim == 2 else first + second - _centre(places, inside, outside)
    return auc.mean(-1)


def _centre(places: np.ndarray, inside: np.ndarray, outside: np.ndarray) -> np.ndarray:
    """The sample's AUC, as the mean of the resamples' two means."""
    return (np.nanmean(places[..., 0] / inside, 0) + np.nanmean(places[..., 1] / outside, 0)) / 2


def _sizes(way: Grouping, cells: Tensor) -> dict[str, Metrics]:
    rates = group_rates.decision_rates(cells)
    return {
        name: {"n": int(cells[g].sum()), "rates": rates[g].tolist()}
        for g, name in enumerate(way.groups)
        if cells[g].sum()
    }
