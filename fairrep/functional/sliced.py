"""Sliced Wasserstein distance: optimal transport along random lines."""

import torch
from jaxtyping import Float
from torch import Tensor

from fairrep.functional.inputs import both_or_zero, require_count, two_samples
from fairrep.functional.random_features import normal_draws


def sliced_wasserstein2(
    x: Float[Tensor, "*B n d"],
    y: Float[Tensor, "*B m d"],
    *,
    projections: int = 64,
    generator: torch.Generator | None = None,
    a: Float[Tensor, "*B n"] | None = None,
    b: Float[Tensor, "*B m"] | None = None,
) -> Float[Tensor, "*B"]:
    r"""Mean over random directions of the squared 1-D Wasserstein distance of the projections.

    :math:`\frac1L \sum_l \int_0^1 |F^{-1}_{x\theta_l}(t) - F^{-1}_{y\theta_l}(t)|^2 dt`, the
    quantile functions being those of the weighted empirical laws: exact for unequal sizes and
    weights. In squared units of x; of the order of the squared Wasserstein distance over d.

    Args:
        x: First sample.
        y: Second sample, as many columns.
        projections: Number L of directions, uniform on the sphere, shared by the whole batch; of
            one column there is one line alone, and the value is the squared distance itself.
        generator: Source of the directions; the global one by default.
        a: Weights of the rows of x, see ``fairrep.functional.inputs``; uniform by default.
        b: Weights of the rows of y.

    Raises:
        ValueError: projections below 1, shapes that do not fit.

    The surprise: each call draws new directions, so the value is random unless the generator is
    reset; ``torch.func.vmap`` must be told ``randomness="same"``.

    Ref: Bonneel et al. (2015), J. Math. Imaging Vision 51; Peyré and Cuturi (2019),
    Computational Optimal Transport, section 2.6.
    """
    require_count(projections, name="projections")
    s = two_samples(x, y, a, b)
    lines = 1 if s.x.shape[-1] == 1 else projections
    directions = normal_draws(s.x, (lines, s.x.shape[-1]), generator)  # (L, d)
    directions = directions / directions.norm(dim=-1, keepdim=True)
    lines_x, lines_y = directions @ s.x.mT, directions @ s.y.mT  # (*B, L, n) and (*B, L, m)
    if 0 in (s.x.shape[-2], s.y.shape[-2]):
        return lines_x.sum((-2, -1)) * 0 + lines_y.sum((-2, -1)) * 0
    if a is None and b is None and s.x.shape[-2] == s.y.shape[-2]:
        gaps = lines_x.sort(-1).values - lines_y.sort(-1).values  # (*B, L, n)
        return gaps.square().mean((-2, -1))
    per_line = _wasserstein2_1d(lines_x, lines_y, s.a[..., None, :], s.b[..., None, :])
    return both_or_zero(per_line.mean(-1), s.both)


def _wasserstein2_1d(
    x: Float[Tensor, "*L n"], y: Float[Tensor, "*L m"], a: Tensor, b: Tensor
) -> Float[Tensor, "*L"]:
    """Integral of the squared gap of two quantile functions, both of them steps.

    Between consecutive jumps of either, both are constant: the jumps of x before an interval
    are counted to find the order statistic that x has there.
    """
    x, levels_x = _quantile_steps(x, a)  # (*L, n) twice
    y, levels_y = _quantile_steps(y, b)  # (*L, m) twice
    levels, order = torch.cat([levels_x, levels_y], -1).sort(-1)  # (*L, n + m)
    widths = levels.diff(dim=-1, prepend=torch.zeros_like(levels[..., :1]))
    from_x = (order < x.shape[-1]).long()
    before_x = (from_x.cumsum(-1) - from_x).clamp(max=x.shape[-1] - 1)
    before_y = ((1 - from_x).cumsum(-1) - (1 - from_x)).clamp(max=y.shape[-1] - 1)
    gaps = x.gather(-1, before_x) - y.gather(-1, before_y)  # (*L, n + m)
    return (widths * gaps.square()).sum(-1)


def _quantile_steps(points: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Order statistics and the levels at which the quantile function leaves each."""
    points, order = points.sort(-1)
    levels = weights.expand_as(points).gather(-1, order).cumsum(-1)
    last = levels[..., -1:]
    return points, levels / torch.where(last > 0, last, 1)  # ends at exactly 1
