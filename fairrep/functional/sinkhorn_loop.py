"""Sinkhorn's iterations on costs in units of the target temperature.

The kernel exp(f + g - C) absorbs the potentials (Schmitzer 2019), so that one exponential pass
serves many sweeps of matrix-vector products and the scalings stay close to 1.
"""

import warnings

import torch
from jaxtyping import Float
from torch import Tensor

RELAXATION = 1.7  # over-relaxation of the sweeps at the target temperature
SWEEPS = 10  # matrix-vector sweeps for one exponential pass
CEILING = 40.0  # largest exponent, so that a product of two exponentials stays finite
FLOOR = 1e-30  # smallest marginal that is still inverted


def cross_potentials(
    cost: Float[Tensor, "*B n m"],
    a: Float[Tensor, "*B n"],
    b: Float[Tensor, "*B m"],
    *,
    max_iter: int,
    tol: float,
    wait: bool,
) -> tuple[Float[Tensor, "*B n"], Float[Tensor, "*B m"]]:
    """Potentials f, g with exp(f + g - cost) of marginals 1 under the weights."""
    f, g = _annealed(cost, a, b)
    error = torch.full_like(f[..., 0], torch.inf)
    for _ in range(0, max_iter, SWEEPS):
        kernel = torch.exp((f[..., None] + g[..., None, :] - cost).clamp(max=CEILING))
        u, v, error = _sweeps(kernel, a, b)
        f, g = f + u, g + v
        if wait and not bool((error > tol).any()):
            return f, g
    if wait and bool((error > tol).any()):
        warnings.warn(
            f"sinkhorn_divergence stopped after max_iter={max_iter} sweeps with a marginal error "
            f"of {float(error.max()):.1e}, above tol={tol:.1e}. Raise max_iter, tol or blur.",
            stacklevel=4,
        )
    return f, g


def _annealed(cost: Tensor, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Potentials after a geometric cooling from the largest cost to temperature 1."""
    f = (cost @ b[..., None])[..., 0]  # the limit of infinite temperature
    g = (a[..., None, :] @ cost)[..., 0, :] - (a * f).sum(-1, keepdim=True)
    hottest = cost.amax((-2, -1)).clamp(min=1)[..., None]  # (*B, 1)
    for stage in range(8):
        t = hottest ** (1 - (stage + 1) / 8)
        kernel = ((f[..., None] + g[..., None, :] - cost) / t[..., None]).clamp(max=CEILING).exp()
        u = -_log_marginal((kernel @ b[..., None])[..., 0])
        v = -_log_marginal(((a * u.exp())[..., None, :] @ kernel)[..., 0, :])
        f, g = f + t * u, g + t * v
    return f, g


def _sweeps(kernel: Tensor, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Over-relaxed sweeps on the logarithms of the scalings; the last one is plain."""
    u, v = torch.zeros_like(a), torch.zeros_like(b)
    error = torch.zeros_like(a[..., 0])
    for sweep in range(SWEEPS):
        omega = RELAXATION if sweep < SWEEPS - 1 else 1.0
        row = u + _log_marginal((kernel @ (b * v.exp())[..., None])[..., 0])
        error = (a * torch.expm1(row).abs()).sum(-1)
        u = (u - omega * row).clamp(-CEILING, CEILING)
        column = v + _log_marginal(((a * u.exp())[..., None, :] @ kernel)[..., 0, :])
        v = (v - omega * column).clamp(-CEILING, CEILING)
    return u, v, error


def _log_marginal(mass: Tensor) -> Tensor:
    return mass.clamp(min=FLOOR).log()


def self_potential(
    cost: Float[Tensor, "*B n n"], a: Float[Tensor, "*B n"]
) -> Float[Tensor, "*B n"]:
    """The potential f = g of a sample against itself, by symmetric averaging.

    exp(-cost) is positive definite, so that each average at least halves the error.
    """
    f = 0.5 * (cost @ a[..., None])[..., 0]
    hottest = cost.amax((-2, -1)).clamp(min=1)[..., None]
    for stage in range(8):
        t = hottest ** (1 - (stage + 1) / 8)
        kernel = ((f[..., None] + f[..., None, :] - cost) / t[..., None]).clamp(max=CEILING).exp()
        f = f - 0.5 * t * _log_marginal((kernel @ a[..., None])[..., 0])
    for _ in range(3):
        kernel = torch.exp((f[..., None] + f[..., None, :] - cost).clamp(max=CEILING))
        u = torch.zeros_like(f)
        for _ in range(8):
            u = 0.5 * (u - _log_marginal((kernel @ (a * u.exp())[..., None])[..., 0]))
        f = f + u
    return f
