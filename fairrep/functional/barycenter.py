r"""Wasserstein barycenters on the line: average the groups' quantile functions.

Of all predictions whose distribution is the same in every group, the nearest one to f in squared
error gives each row the average, over the groups, of what stands at the row's own rank.
Ref: Chzhen, Denis, Hebiri, Oneto, Pontil (2020), NeurIPS, theorem 2.3.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor


def ranks(
    t: Float[Tensor, "*B n"],
    sample: Float[Tensor, "*B m"],
    *,
    ties: Float[Tensor, "*B n"] | None = None,
) -> Float[Tensor, "*B n"]:
    r"""Rank of each t in a sample, as a share in [0, 1].

    The empirical distribution function made continuous: the i-th of m different values has the
    rank (i - 1/2)/m, the i-th to the j-th, if equal, stand between (i - 1)/m and j/m; between two
    values the rank is linear, beyond the extremes constant. It never falls. Without equal values it
    is within 1/m of the step function. Differentiable in t and in the sample almost everywhere.

    Args:
        t: any values.
        sample: ascending, m ≥ 1, in the unit of t.
        ties: where among equal values a t stands, in [0, 1]; None is the middle. Uniform draws
            give a uniform rank whatever the law of t (Ferguson 1967).
    """
    m = sample.shape[-1]
    t, sample = t.contiguous(), sample.contiguous()
    low, high = _edges(sample.detach(), middle=ties is None)
    above = torch.searchsorted(sample.detach(), t.detach(), right=True)  # how many are ≤ t
    left, right = (above - 1).clamp_min(0), above.clamp_max(m - 1)
    x, x_next = sample.gather(-1, left), sample.gather(-1, right)
    lowest, highest, lowest_next = (
        low.gather(-1, left),
        high.gather(-1, left),
        low.gather(-1, right),
    )
    inside = (x_next > x) & (t > x)
    share = torch.where(inside, t - x, 0.0) / torch.where(inside, x_next - x, 1.0)
    between = torch.where(inside, highest.lerp(lowest_next, share), highest)
    equal = lowest if ties is None else lowest.lerp(highest, ties)
    return torch.where(t > x, between, torch.where(t == x, equal, lowest)) / m


def _edges(sample: Float[Tensor, "*B m"], *, middle: bool) -> tuple[Tensor, Tensor]:
    """Lowest and highest rank of each value, times m; the middle of both where it stands once."""
    first, last = (
        torch.searchsorted(sample, sample, right=side).to(sample) for side in (False, True)
    )
    centre = (first + last) / 2
    if middle:
        return centre, centre
    once = last - first == 1
    return torch.where(once, centre, first), torch.where(once, centre, last)


def quantiles(u: Float[Tensor, "*B n"], sample: Float[Tensor, "*B m"]) -> Float[Tensor, "*B n"]:
    r"""Quantiles of a sample: linear through :math:`((i - 1/2)/m,\, x_{(i)})`, constant outside.

    The inverse of :func:`ranks` where no values are equal. Differentiable in u and in the sample.

    Args:
        u: levels in [0, 1].
        sample: ascending, m ≥ 1.
    """
    m = sample.shape[-1]
    position = (u * m - 0.5).clamp(0, m - 1)
    left = position.detach().floor().long()
    share = position - left
    return sample.gather(-1, left).lerp(sample.gather(-1, (left + 1).clamp_max(m - 1)), share)


def barycenter_quantiles(
    u: Float[Tensor, "*B n"],
    samples: Sequence[Float[Tensor, "*B _"]],
    weights: Float[Tensor, " K"],
) -> Float[Tensor, "*B n"]:
    r"""Quantile function of the W₂ barycenter of K samples, :math:`\sum_k w_k Q_k(u)`.

    Args:
        u: levels in [0, 1].
        samples: one a group, ascending; their sizes may differ.
        weights: of the groups, ≥ 0 with sum 1.
    """
    return torch.stack([w * quantiles(u, own) for w, own in zip(weights, samples)]).sum(0)


def barycenter_map(
    scores: Float[Tensor, "*B n"],
    group: Int[Tensor, " n"],
    *,
    distributions: Sequence[Float[Tensor, "*B _"]],
    targets: Sequence[Float[Tensor, "*B _"]],
    weights: Float[Tensor, " K"],
    tau: float | Float[Tensor, ""] = 1.0,
    ties: Float[Tensor, "*B n"] | None = None,
) -> Float[Tensor, "*B n"]:
    r"""Move scores to the barycenter of the groups' distributions.

    .. math:: (1 - \tau)\, f + \tau \sum_k w_k\, Q_k(F_g(f))

    With τ = 1 the result is distributed alike in all groups, with τ between 0 and 1 it lies on the
    geodesic between. Monotone within a group: the order of its rows stays. Differentiable in the
    scores and in the samples, so it may stand behind a network while it trains.

    Args:
        scores: f, in any unit.
        group: codes 0..K-1.
        distributions: scores of other rows of each group, ascending: F_g.
        targets: the same for Q_k, from the same rows or others.
        weights: of the groups, ≥ 0 with sum 1: their shares of the population.
        tau: τ in [0, 1].
        ties: as for :func:`ranks`; uniform draws for the guarantee where scores are equal.

    Raises:
        ValueError: a code without a distribution.

    Ref: Chzhen, Denis, Hebiri, Oneto, Pontil (2020), NeurIPS, equation 4; Chzhen and Schreuder
    (2022), Annals of Statistics 50, for τ < 1.
    """
    if len(group) and not 0 <= int(group.min()) <= int(group.max()) < len(distributions):
        raise ValueError(
            f"group codes must lie in 0..{len(distributions) - 1}, "
            f"got {int(group.min())}..{int(group.max())}."
        )
    moved = torch.empty_like(scores)
    for g, own in enumerate(distributions):
        rows = group == g
        level = ranks(scores[..., rows], own, ties=None if ties is None else ties[..., rows])
        moved[..., rows] = barycenter_quantiles(level, targets, weights)
    return scores.lerp(moved, torch.as_tensor(tau, dtype=scores.dtype, device=scores.device))
