"""Maximum mean discrepancies: distances between kernel mean embeddings."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from fairrep.functional.inputs import TwoSamples, both_or_zero, require_choice, two_samples
from fairrep.functional.kernel_sums import cross_sum, self_sum
from fairrep.functional.kernels import (
    Bandwidth,
    KernelName,
    RadialKernel,
    pooled_mean,
    radial_kernel,
)
from fairrep.functional.known_gradient import with_known_gradient
from fairrep.functional.line_sums import line_sums

Estimator = Literal["unbiased", "biased"]
ESTIMATORS = ("unbiased", "biased")


def mean_difference2(
    x: Float[Tensor, "*B n d"],
    y: Float[Tensor, "*B m d"],
    *,
    a: Float[Tensor, "*B n"] | None = None,
    b: Float[Tensor, "*B m"] | None = None,
) -> Float[Tensor, "*B"]:
    r"""Squared distance between the means: :math:`\|\sum_i a_i x_i - \sum_j b_j y_j\|^2`.

    The MMD of the linear kernel, and the limit of ``sinkhorn_divergence`` (times two) for an
    infinite blur. In squared units of x. Blind to everything but the mean.

    Args:
        x: First sample.
        y: Second sample, as many columns.
        a: Weights of the rows of x, see ``fairrep.functional.inputs``; uniform by default.
        b: Weights of the rows of y.

    Raises:
        ValueError: Shapes that do not fit, or integers.

    Ref: Gretton et al. (2012), JMLR 13, Lemma 4 with k(u, v) = <u, v>.
    """
    s = two_samples(x, y, a, b)
    mean_x = (s.a[..., None] * s.x).sum(-2)  # (*B, d)
    mean_y = (s.b[..., None] * s.y).sum(-2)  # (*B, d)
    return both_or_zero((mean_x - mean_y).square().sum(-1), s.both)


def mmd2(
    x: Float[Tensor, "*B n d"],
    y: Float[Tensor, "*B m d"],
    *,
    kernel: KernelName = "gaussian",
    bandwidth: Bandwidth = "median",
    estimator: Estimator = "unbiased",
    a: Float[Tensor, "*B n"] | None = None,
    b: Float[Tensor, "*B m"] | None = None,
) -> Float[Tensor, "*B"]:
    r"""Squared maximum mean discrepancy.

    :math:`\mathbb E k(x, x') + \mathbb E k(y, y') - 2\,\mathbb E k(x, y)`; "biased" averages over
    all pairs of rows, "unbiased" over pairs of different rows. With :math:`r = \|u - v\|` and
    bandwidth :math:`\sigma` the kernel is

    - "gaussian": :math:`\exp(-r^2 / 2\sigma^2)`;
    - "gaussian_mixture": the sum of Gaussians over a sequence of bandwidths, or over
      :math:`\sigma \cdot (1/4, 1/2, 1, 2, 4)` for a number or the median;
    - "imq": :math:`(1 + r^2 / \sigma^2)^{-1/2}`;
    - "energy": :math:`-r`, without a bandwidth.

    Dimensionless, except the energy kernel (units of x). Memory grows like n + m: blocks of the
    kernel matrix and their gradient are formed and dropped.

    Args:
        x: First sample.
        y: Second sample, as many columns.
        kernel: Name of the kernel.
        bandwidth: Length in units of x, or "median": the median distance between pooled rows, a
            constant for the gradient.
        estimator: "unbiased" is negative on some batches and never clamped.
        a: Weights of the rows of x, see ``fairrep.functional.inputs``; uniform by default.
        b: Weights of the rows of y.

    Raises:
        ValueError: An unknown name, a bandwidth that is not positive, shapes that do not fit.

    The surprises: "unbiased" needs two rows a side, and is 0 where a side has fewer; weights are
    importances, not repetitions: doubling all of them changes nothing; a second differentiation
    raises.

    Ref: Gretton et al. (2012), JMLR 13, Lemma 6.
    """
    require_choice(estimator, ESTIMATORS, name="estimator")
    s, gradient = two_samples(x, y, a, b), torch.is_grad_enabled()
    with torch.no_grad():
        pooled = torch.cat([s.x, s.y], -2)
        family = radial_kernel(kernel, bandwidth, pooled, torch.cat([s.a, s.b], -1))
        value, grad_x, grad_y = _value_and_gradient(s, family, estimator, gradient)
    return with_known_gradient(value, s.x, s.y, grad_x, grad_y)


def energy_distance(
    x: Float[Tensor, "*B n d"],
    y: Float[Tensor, "*B m d"],
    *,
    estimator: Estimator = "biased",
    a: Float[Tensor, "*B n"] | None = None,
    b: Float[Tensor, "*B m"] | None = None,
) -> Float[Tensor, "*B"]:
    r"""Energy distance :math:`2\,\mathbb E\|x - y\| - \mathbb E\|x - x'\| - \mathbb E\|y - y'\|`.

    The squared MMD of the kernel :math:`-\|u - v\|`: no bandwidth to choose. In units of x. The
    "biased" estimator is non-negative and 0 only between equal samples. Of one column it is
    :math:`2 \int (F_x - F_y)^2`, twice Cramér's distance, and takes the time of sorting. Arguments,
    errors and surprises are those of ``mmd2``.

    Ref: Székely and Rizzo (2013), J. Stat. Plan. Inference 143.
    """
    return mmd2(x, y, kernel="energy", estimator=estimator, a=a, b=b)


def _value_and_gradient(
    s: TwoSamples, kernel: RadialKernel, estimator: Estimator, gradient: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """MMD^2 and its gradients from three weighted kernel sums.

    k(u, u) is subtracted from the kernel, so that diagonals add nothing and the two estimators
    differ by one factor a side.
    """
    exact = torch.float64 if kernel.name == "energy" else s.x.dtype  # a root wants more digits
    x, y = ((rows.to(exact) - pooled_mean(s.x, s.y)) / kernel.unit for rows in (s.x, s.y))
    a, b = s.a.to(exact), s.b.to(exact)
    if kernel.name == "energy" and x.shape[-1] == 1:
        (xx, xx_x), (yy, yy_y), (xy, xy_x, xy_y) = line_sums(x, y, a, b)
    else:
        xx, xx_x = self_sum(kernel, x, a, gradient=gradient)
        yy, yy_y = self_sum(kernel, y, b, gradient=gradient)
        xy, xy_x, xy_y = cross_sum(kernel, x, y, a, b, gradient=gradient)
    enough = s.both
    scale_x = scale_y = torch.ones_like(xx)
    if estimator == "unbiased":
        enough = (s.size_x > 1) & (s.size_y > 1)
        scale_x, scale_y = _unbiased_scale(a, enough), _unbiased_scale(b, enough)
    value = torch.where(enough, scale_x * xx + scale_y * yy - 2 * xy, 0)
    keep = enough[..., None, None]
    grad_x = torch.where(keep, scale_x[..., None, None] * xx_x - 2 * xy_x, 0) / kernel.unit
    grad_y = torch.where(keep, scale_y[..., None, None] * yy_y - 2 * xy_y, 0) / kernel.unit
    return value.to(s.x.dtype), grad_x.to(s.x.dtype), grad_y.to(s.x.dtype)


def _unbiased_scale(weights: Float[Tensor, "*B n"], enough: Tensor) -> Float[Tensor, "*B"]:
    """1 / (sum of w_i w_j over i != j), for weights that sum to 1."""
    return 1 / torch.where(enough, (weights * (1 - weights)).sum(-1), 1)
