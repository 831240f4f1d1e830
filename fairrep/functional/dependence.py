"""Dependence between a representation and a real-valued attribute, without binning."""

from collections.abc import Callable
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from fairrep.functional.inputs import WeightedRows, require_choice, weighted_rows
from fairrep.functional.kernels import (
    RadialKernel,
    bandwidth_unit,
    pairwise_distances,
    pooled_mean,
    squared_distances,
)

Estimator = Literal["unbiased", "biased"]
ESTIMATORS = ("unbiased", "biased")


def hsic(
    z: Float[Tensor, "*B n d"],
    s: Float[Tensor, "*B n"] | Float[Tensor, "*B n k"],
    *,
    bandwidth_z: float | Literal["median"] = "median",
    bandwidth_s: float | Literal["median"] = "median",
    estimator: Estimator = "unbiased",
    weights: Float[Tensor, "*B n"] | None = None,
) -> Float[Tensor, "*B"]:
    r"""Hilbert-Schmidt independence criterion with Gaussian kernels on z and s.

    :math:`\mathbb E[kl] + \mathbb E[k]\,\mathbb E[l] - 2\,\mathbb E[\mathbb E[k|z]\,\mathbb
    E[l|s]]`, the squared MMD between the joint law of (z, s) and the product of its marginals;
    0 in the population exactly when z and s are independent. "biased" averages over all tuples
    of rows, "unbiased" over tuples of different rows. Dimensionless.

    Args:
        z: Representation.
        s: Attribute, one row for each row of z; one or k real columns.
        bandwidth_z: Sigma of the kernel on z in units of z, or "median" (see
            ``fairrep.functional.kernels.median_distance``), a constant for the gradient.
        bandwidth_s: The same for s, in units of s.
        estimator: "unbiased" is negative on some batches and never clamped.
        weights: Weights of the rows, see ``fairrep.functional.inputs``; uniform by default.

    Raises:
        ValueError: A bandwidth that is not positive, shapes that do not fit.

    The surprises: "unbiased" needs four rows, and is 0 where there are fewer; with unequal
    weights it is the mean over tuples of different rows of the kernels less their value at 0.

    Ref: Gretton et al. (2008), NeurIPS 20; Song et al. (2012), JMLR 13.
    """

    def gaussian(bandwidth: float | str) -> Callable[[Tensor, Tensor], Tensor]:
        def gram(points: Tensor, present: Tensor) -> Tensor:
            kernel = RadialKernel("gaussian", bandwidth_unit(bandwidth, points, present))
            points = (points - pooled_mean(points, points)) / kernel.unit
            return kernel.value(squared_distances(points, points))

        return gram

    return _dependence(z, s, gaussian(bandwidth_z), gaussian(bandwidth_s), estimator, weights)


def distance_covariance2(
    z: Float[Tensor, "*B n d"],
    s: Float[Tensor, "*B n"] | Float[Tensor, "*B n k"],
    *,
    estimator: Estimator = "unbiased",
    weights: Float[Tensor, "*B n"] | None = None,
) -> Float[Tensor, "*B"]:
    r"""Squared distance covariance of z and s: ``hsic`` with the kernels -|u - v|.

    No bandwidth to choose; 0 in the population exactly when z and s are independent (finite
    means). In units of z times units of s: linear in the scale of each.

    Args:
        z: Representation.
        s: Attribute, one row for each row of z; one or k real columns.
        estimator: "unbiased" is negative on some batches and never clamped.
        weights: Weights of the rows, see ``fairrep.functional.inputs``; uniform by default.

    Raises:
        ValueError: An unknown estimator, shapes that do not fit.

    The surprise: "unbiased" needs four rows, and is 0 where there are fewer.

    Ref: Székely, Rizzo and Bakirov (2007), Ann. Statist. 35; Székely and Rizzo (2014),
    Ann. Statist. 42.
    """

    def gram(points: Tensor, present: Tensor) -> Tensor:
        return -pairwise_distances(points, points)

    return _dependence(z, s, gram, gram, estimator, weights)


def _dependence(
    z: Tensor,
    s: Tensor,
    gram_z: Callable[[Tensor, Tensor], Tensor],
    gram_s: Callable[[Tensor, Tensor], Tensor],
    estimator: Estimator,
    weights: Tensor | None,
) -> Float[Tensor, "*B"]:
    """Check the inputs, form the two kernel matrices and estimate."""
    require_choice(estimator, ESTIMATORS, name="estimator")
    rows, attribute = _paired_rows(z, s, weights)
    w = rows.weights  # (*B, n)
    hollow = 1 - torch.eye(w.shape[-1], dtype=w.dtype, device=w.device)
    k = gram_z(rows.points, w) * hollow  # (*B, n, n)
    ell = gram_s(attribute.points, w).to(w.dtype) * hollow  # (*B, n, n)
    if estimator == "biased":
        return torch.where(rows.some, _v_statistic(k, ell, w), 0)
    enough = rows.size > 3
    return torch.where(enough, _u_statistic(k, ell, w, enough), 0)


def _paired_rows(z: Tensor, s: Tensor, weights: Tensor | None) -> tuple[WeightedRows, WeightedRows]:
    s = s if s.is_floating_point() else s.to(z.dtype)
    s = s[..., None] if s.dim() == z.dim() - 1 else s  # (*B, n, k)
    if s.shape[:-1] != z.shape[:-1]:
        raise ValueError(
            f"s must have one row for each row of z, got s of shape {tuple(s.shape)} beside z of "
            f"shape {tuple(z.shape)}. Give (*B, n) or (*B, n, k)."
        )
    return weighted_rows(z, weights, name="z"), weighted_rows(s, weights, name="s")


def _v_statistic(k: Tensor, ell: Tensor, w: Tensor) -> Float[Tensor, "*B"]:
    """E[kl] + E[k]E[l] - 2 E[E[k|i] E[l|i]] over all tuples of rows; the diagonals are 0."""
    k_row, l_row = _row_means(k, w), _row_means(ell, w)  # (*B, n) twice
    joint = (w * _row_means(k * ell, w)).sum(-1)
    return joint + (w * k_row).sum(-1) * (w * l_row).sum(-1) - 2 * (w * k_row * l_row).sum(-1)


def _u_statistic(k: Tensor, ell: Tensor, w: Tensor, enough: Tensor) -> Float[Tensor, "*B"]:
    """The same over tuples of different rows, by inclusion and exclusion.

    Tuples that repeat a row are subtracted from the full sums; the normalisers are the total
    weights of the pairs, triples and quadruples that remain.
    """
    k_row, l_row = _row_means(k, w), _row_means(ell, w)  # (*B, n) twice
    w2 = w.square()
    pairs = (w * _row_means(k * ell, w)).sum(-1)
    twice = (w2 * _row_means(k * ell, w2)).sum(-1)  # both rows shared
    once = (w2 * k_row * l_row).sum(-1)  # one row shared
    triples = (w * k_row * l_row).sum(-1) - (w * _row_means(k * ell, w2)).sum(-1)
    quadruples = (w * k_row).sum(-1) * (w * l_row).sum(-1) - 4 * once + 2 * twice
    of_2, of_3, of_4 = (torch.where(enough, mass, 1) for mass in _distinct_tuples(w))
    return pairs / of_2 + quadruples / of_4 - 2 * triples / of_3


def _row_means(k: Float[Tensor, "*B n n"], w: Float[Tensor, "*B n"]) -> Float[Tensor, "*B n"]:
    return (k @ w[..., None])[..., 0]


def _distinct_tuples(w: Float[Tensor, "*B n"]) -> tuple[Tensor, Tensor, Tensor]:
    """Total weight of pairs, triples and quadruples of different rows (Newton's identities)."""
    p2, p3, p4 = (w.pow(power).sum(-1) for power in (2, 3, 4))
    return 1 - p2, 1 - 3 * p2 + 2 * p3, 1 - 6 * p2 + 3 * p2.square() + 8 * p3 - 6 * p4
