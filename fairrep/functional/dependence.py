"""Dependence between a representation and a real-valued attribute, without binning."""

from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from fairrep.functional.inputs import WeightedRows, require_choice, weighted_rows
from fairrep.functional.kernel_sums import block_rows, pulled
from fairrep.functional.kernels import (
    RadialKernel,
    bandwidth_unit,
    pooled_mean,
    resolved_squared_distances,
    squared_distances,
)
from fairrep.functional.known_gradient import with_known_gradient

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

    The surprises: a second differentiation raises; "unbiased" needs four rows, and is 0 where
    there are fewer; with unequal weights it is the mean over tuples of different rows of the
    kernels less their value at 0.

    Ref: Gretton et al. (2008), NeurIPS 20; Song et al. (2012), JMLR 13.
    """
    require_choice(estimator, ESTIMATORS, name="estimator")
    rows, attribute = _paired_rows(z, s, weights)
    one, other = (
        _variable(
            part.points.to(rows.points.dtype),
            RadialKernel("gaussian", bandwidth_unit(bandwidth, part.points, part.weights)),
        )
        for part, bandwidth in ((rows, bandwidth_z), (attribute, bandwidth_s))
    )
    return _dependence(one, other, rows, attribute, estimator)


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

    The surprises: a second differentiation raises; "unbiased" needs four rows, and is 0 where
    there are fewer.

    Ref: Székely, Rizzo and Bakirov (2007), Ann. Statist. 35; Székely and Rizzo (2014),
    Ann. Statist. 42.
    """
    require_choice(estimator, ESTIMATORS, name="estimator")
    rows, attribute = _paired_rows(z, s, weights)
    dtype = rows.points.dtype
    one, other = (
        _variable(part.points.to(dtype), RadialKernel("energy")) for part in (rows, attribute)
    )
    return _dependence(one, other, rows, attribute, estimator)


class Variable(NamedTuple):
    """One of the two variables: centred rows in units of the bandwidth, and their kernel."""

    points: Float[Tensor, "*B n d"]
    kernel: RadialKernel

    def values(self, rows: slice) -> Float[Tensor, "*B b n"]:
        """Kernel between some rows and all, 0 on the diagonal."""
        value = self.kernel.value(self._distances(rows))
        return value * _off_diagonal(value, rows)

    def values_and_slopes(self, rows: slice) -> tuple[Tensor, Tensor]:
        """The same, and its slope in the squared distance."""
        value, slope, offset = self.kernel.value_and_slope(self._distances(rows))
        return value * _off_diagonal(value, rows), slope + offset

    def _distances(self, rows: slice) -> Float[Tensor, "*B b n"]:
        kinked = self.kernel.name == "energy"
        distances = resolved_squared_distances if kinked else squared_distances
        return distances(self.points[..., rows, :], self.points)


def _variable(points: Tensor, kernel: RadialKernel) -> Variable:
    points = points.detach()
    return Variable((points - pooled_mean(points, points)) / kernel.unit, kernel)


def _off_diagonal(block: Float[Tensor, "*B b n"], rows: slice) -> Float[Tensor, "b n"]:
    """1 but where a row meets itself: kernels are given less their value at distance 0."""
    numbers = torch.arange(block.shape[-1], device=block.device)
    return (numbers[rows, None] != numbers).to(block.dtype)


def _dependence(
    one: Variable,
    other: Variable,
    rows: WeightedRows,
    attribute: WeightedRows,
    estimator: Estimator,
) -> Float[Tensor, "*B"]:
    """The estimate, with its gradient with respect to either variable that asks for one."""
    enough = rows.some if estimator == "biased" else rows.size > 3
    w = rows.weights.to(one.points.dtype)
    with torch.no_grad():
        value, grad_one = _value_and_gradient(one, other, w, enough, estimator)
        grad_other = torch.zeros_like(attribute.points)
        if attribute.points.requires_grad:
            _, grad_other = _value_and_gradient(other, one, w, enough, estimator)
    points = rows.points, attribute.points
    grads = (grad.to(part.dtype) for grad, part in zip((grad_one, grad_other), points, strict=True))
    return with_known_gradient(value.to(rows.weights.dtype), *points, *grads)


def _value_and_gradient(
    one: Variable, other: Variable, w: Tensor, enough: Tensor, estimator: Estimator
) -> tuple[Float[Tensor, "*B"], Float[Tensor, "*B n d"]]:
    r"""The statistic and its gradient in the rows of ``one``, block by block.

    It is linear in either kernel matrix: :math:`\sum_{ij} w_i w_j k_{ij} m_{ij}` with m made of
    the other kernel alone. A block of rows is formed, used for both, and dropped: memory grows
    like the number of rows, and a block stays in the cache between the passes over it.
    """
    step = block_rows(w.shape[-1], w.shape[:-1].numel())
    blocks = [slice(start, start + step) for start in range(0, w.shape[-1], step)]
    means = [_row_means(other.values(rows), w) for rows in blocks]
    row = torch.cat([torch.zeros_like(w[..., :0]), *means], -1)  # (*B, n) mean of l with each row
    value, grads = torch.zeros_like(w[..., :0]).sum(-1), [one.points[..., :0, :]]
    for rows in blocks:
        factor = _v_factor if estimator == "biased" else _u_factor
        m = factor(other.values(rows), row, w, rows, enough) * w[..., rows, None]  # (*B, b, n)
        k, slope = one.values_and_slopes(rows)  # (*B, b, n) twice
        value = value + ((k * m) @ w[..., None])[..., 0].sum(-1)
        ones = torch.ones_like(w[..., rows])
        grads.append(2 * pulled(slope * m, one.points[..., rows, :], one.points, ones, w))
    grad = torch.where(enough[..., None, None], torch.cat(grads, -2), 0) / one.kernel.unit
    return torch.where(enough, value, 0), grad


def _paired_rows(z: Tensor, s: Tensor, weights: Tensor | None) -> tuple[WeightedRows, WeightedRows]:
    s = s if s.is_floating_point() else s.to(z.dtype)
    s = s[..., None] if s.dim() == z.dim() - 1 else s  # (*B, n, k)
    if s.shape[:-1] != z.shape[:-1]:
        raise ValueError(
            f"s must have one row for each row of z, got s of shape {tuple(s.shape)} beside z of "
            f"shape {tuple(z.shape)}. Give (*B, n) or (*B, n, k)."
        )
    return weighted_rows(z, weights, name="z"), weighted_rows(s, weights, name="s")


def _v_factor(
    ell: Tensor, row: Tensor, w: Tensor, rows: slice, enough: Tensor
) -> Float[Tensor, "*B b n"]:
    """What w_i w_j k_ij is multiplied by in E[kl] + E[k]E[l] - 2 E[E[k|i] E[l|i]]: centred l."""
    mean = (w * row).sum(-1)[..., None, None]  # (*B, 1, 1)
    return ell - row[..., rows, None] - row[..., None, :] + mean


def _u_factor(
    ell: Tensor, row: Tensor, w: Tensor, rows: slice, enough: Tensor
) -> Float[Tensor, "*B b n"]:
    """The same over tuples of different rows, by inclusion and exclusion.

    Pairs: l_ij. Triples: (l_i + l_j) / 2 less the tuples that repeat a row, (w_i + w_j) l_ij / 2.
    Quadruples: l - 2 (w_i l_i + w_j l_j) + 2 w_i w_j l_ij. Each is divided by the total weight
    of the tuples that remain; l_i and l are weighted means of l_ij.
    """
    of_2, of_3, of_4 = (
        torch.where(enough, mass, 1)[..., None, None] for mass in _distinct_tuples(w)
    )
    mean = (w * row).sum(-1)[..., None, None]  # (*B, 1, 1)
    w_j = w[..., None, :]  # (*B, 1, n)
    slope_j = 1 / of_3 + 2 * w_j / of_4
    from_j = slope_j * row[..., None, :]
    w_i, from_i = w[..., rows, None], from_j.mT[..., rows, :]  # (*B, b, 1) twice
    share = 1 / of_2 + w_j / of_3 + w_i * slope_j
    return ell * share - from_i - from_j + mean / of_4


def _row_means(k: Float[Tensor, "*B n n"], w: Float[Tensor, "*B n"]) -> Float[Tensor, "*B n"]:
    return (k @ w[..., None])[..., 0]


def _distinct_tuples(w: Float[Tensor, "*B n"]) -> tuple[Tensor, Tensor, Tensor]:
    """Total weight of pairs, triples and quadruples of different rows (Newton's identities)."""
    p2, p3, p4 = (w.pow(power).sum(-1) for power in (2, 3, 4))
    return 1 - p2, 1 - 3 * p2 + 2 * p3, 1 - 6 * p2 + 3 * p2.square() + 8 * p3 - 6 * p4
