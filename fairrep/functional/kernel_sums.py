"""Weighted sums of a radial kernel over pairs of rows, with their gradients, block by block.

A block is formed, used for the value and the gradient, and dropped: memory grows like the number
of rows, not of pairs, and a block stays in the cache between the passes over it.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from fairrep.functional.kernels import (
    RadialKernel,
    resolved_squared_distances,
    squared_distances,
)
from fairrep.functional.thin import thin_product

BLOCK_ENTRIES = 1 << 19  # kernel entries formed at a time

Sum = tuple[Float[Tensor, "*B"], Float[Tensor, "*B n d"]]
CrossSum = tuple[Float[Tensor, "*B"], Float[Tensor, "*B n d"], Float[Tensor, "*B m d"]]


def cross_sum(
    kernel: RadialKernel,
    x: Float[Tensor, "*B n d"],
    y: Float[Tensor, "*B m d"],
    a: Float[Tensor, "*B n"],
    b: Float[Tensor, "*B m"],
    *,
    gradient: bool = True,
) -> CrossSum:
    """sum_ij a_i b_j k(x_i, y_j) and its gradients in x and y (zeros if they are not asked for)."""
    value, grad_y, grads_x = torch.zeros_like(a[..., :0]).sum(-1), torch.zeros_like(y), []
    step = block_rows(y.shape[-2], a.shape[:-1].numel())
    for start in range(0, x.shape[-2], step):
        rows = slice(start, start + step)
        part, part_x, part_y = _block(
            kernel, x[..., rows, :], y, a[..., rows], b, gradient=gradient
        )
        value, grad_y = value + part, grad_y + part_y
        grads_x.append(part_x)
    return value, torch.cat([x[..., :0, :], *grads_x], -2), grad_y


def self_sum(
    kernel: RadialKernel,
    x: Float[Tensor, "*B n d"],
    a: Float[Tensor, "*B n"],
    *,
    gradient: bool = True,
) -> Sum:
    """sum_ij a_i a_j k(x_i, x_j) and its gradient: every pair of blocks is visited once."""
    n = x.shape[-2]
    step = max(64, block_rows(n, a.shape[:-1].numel()))
    if n <= step:
        own, own_x, _ = _block(kernel, x, x, a, a, gradient=gradient, diagonal=True)
        return own, 2 * own_x
    value, grads = torch.zeros_like(a[..., :0]).sum(-1), torch.zeros_like(x)
    for start in range(0, n, step):
        rows, rest = slice(start, start + step), slice(start + step, n)
        own, own_x = self_sum(kernel, x[..., rows, :], a[..., rows], gradient=gradient)
        other, other_x, other_rest = cross_sum(
            kernel,
            *(x[..., rows, :], x[..., rest, :], a[..., rows], a[..., rest]),
            gradient=gradient,
        )
        value = value + own + 2 * other
        grads = grads + torch.cat(
            [torch.zeros_like(x[..., :start, :]), own_x + 2 * other_x, 2 * other_rest], -2
        )
    return value, grads


def _block(
    kernel: RadialKernel,
    x: Tensor,
    y: Tensor,
    a: Tensor,
    b: Tensor,
    *,
    gradient: bool,
    diagonal: bool = False,
) -> CrossSum:
    """One block: distances once, one exponential, and two matrix products for the gradients."""
    distances = resolved_squared_distances if kernel.name == "energy" else squared_distances
    r2 = distances(x, y)  # (*B, n, m)
    if diagonal:  # a point's distance to itself, where rounding must not enter
        r2 = r2 * (1 - torch.eye(r2.shape[-1], dtype=r2.dtype, device=r2.device))
    if not gradient:
        value = (a * (kernel.value(r2) @ b[..., None])[..., 0]).sum(-1)
        return value, torch.zeros_like(x), torch.zeros_like(y)
    k, slope, offset = kernel.value_and_slope(r2)  # (*B, n, m) twice
    value = (a * (k @ b[..., None])[..., 0]).sum(-1)
    grad_x = pulled(slope, x, y, a, b, offset)
    if diagonal:
        return value, grad_x, torch.zeros_like(x)
    return value, grad_x, pulled(slope.mT, y, x, b, a, offset)


def pulled(
    slope: Float[Tensor, "*B n m"], x: Tensor, y: Tensor, a: Tensor, b: Tensor, offset: float = 0.0
) -> Float[Tensor, "*B n d"]:
    """2 a_i sum_j (slope_ij + offset) b_j (x_i - y_j)."""
    weighted = b[..., None] * torch.cat([y, torch.ones_like(y[..., :1])], -1)  # (*B, m, d + 1)
    pull = thin_product(slope, weighted)  # (*B, n, d + 1)
    if offset:
        pull = pull + offset * weighted.sum(-2, keepdim=True)
    return 2 * a[..., None] * (x * pull[..., -1:] - pull[..., :-1])


def block_rows(columns: int, problems: int) -> int:
    """Rows of a kernel matrix to form at a time."""
    return max(1, BLOCK_ENTRIES // max(1, columns * problems))
