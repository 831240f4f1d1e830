"""Sinkhorn divergence: entropic optimal transport, debiased."""

import torch
from jaxtyping import Float
from torch import Tensor

from fairrep.functional.inputs import (
    TwoSamples,
    require_choice,
    require_count,
    require_positive,
    two_samples,
)
from fairrep.functional.kernels import pairwise_distances, pooled_mean, squared_distances
from fairrep.functional.known_gradient import with_known_gradient
from fairrep.functional.sinkhorn_loop import cross_potentials, self_potential

CHUNK_ENTRIES = 1 << 18  # cost entries of the problems solved side by side


def sinkhorn_divergence(
    x: Float[Tensor, "*B n d"],
    y: Float[Tensor, "*B m d"],
    *,
    blur: float,
    p: int = 2,
    a: Float[Tensor, "*B n"] | None = None,
    b: Float[Tensor, "*B m"] | None = None,
    max_iter: int = 200,
    tol: float = 1e-3,
) -> Float[Tensor, "*B"]:
    r"""Debiased entropic optimal transport between two weighted samples.

    :math:`S_\varepsilon(\alpha, \beta) = OT_\varepsilon(\alpha, \beta) - \tfrac12
    OT_\varepsilon(\alpha, \alpha) - \tfrac12 OT_\varepsilon(\beta, \beta)` with
    :math:`OT_\varepsilon = \min_P \langle P, C \rangle + \varepsilon\,KL(P \| \alpha \otimes
    \beta)`. For p = 2: :math:`C = \tfrac12 \|u - v\|^2`, :math:`\varepsilon = blur^2`; for p = 1:
    :math:`C = \|u - v\|`, :math:`\varepsilon = blur` (the conventions of GeomLoss). In units of
    x to the power p. Non-negative up to the tolerance, 0 only between equal samples; a small blur
    gives optimal transport, a large one half the squared distance of the means (p = 2).

    The gradient is that of the envelope theorem: the potentials are constants, no graph of the
    iterations is kept.

    Args:
        x: First sample.
        y: Second sample, as many columns.
        blur: Length in units of x below which differences are blurred.
        p: Exponent of the cost, 1 or 2.
        a: Weights of the rows of x, see ``fairrep.functional.inputs``; uniform by default.
        b: Weights of the rows of y.
        max_iter: Largest number of sweeps at the target temperature.
        tol: Largest L1 error of a marginal of the transport plan. Reached in eager mode, or a
            warning tells what was reached; under ``torch.func.vmap`` and ``torch.compile`` all
            ``max_iter`` sweeps run instead, because looking at the error makes the host wait.

    Raises:
        ValueError: A blur or a tolerance that is not positive, another p, shapes that do not fit.

    The surprise: the cost of a call grows as blur falls below the spacing of the points; a second
    differentiation raises.

    Ref: Feydy et al. (2019), AISTATS, equations 3 and 8.
    """
    require_positive(blur, name="blur")
    require_positive(tol, name="tol")
    require_choice(p, (1, 2), name="p")
    require_count(max_iter, name="max_iter")
    s = two_samples(x, y, a, b)
    with torch.no_grad():
        value, grad_x, grad_y = _value_and_gradient(s, blur, p, max_iter, tol, wait=_may_wait())
    return with_known_gradient(value, s.x, s.y, grad_x, grad_y)


def _value_and_gradient(
    s: TwoSamples, blur: float, p: int, max_iter: int, tol: float, *, wait: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Everything in units where the target temperature is 1."""
    if 0 in (s.x.shape[-2], s.y.shape[-2]):
        return torch.zeros_like(s.count_x), torch.zeros_like(s.x), torch.zeros_like(s.y)
    centre = pooled_mean(s.x, s.y)
    x, y = (s.x - centre) / blur, (s.y - centre) / blur
    xy, xx, yy = _cost(x, y, p), _cost(x, x, p), _cost(y, y, p)
    f, g = cross_potentials(xy, s.a, s.b, max_iter=max_iter, tol=tol, wait=wait)
    f_x, g_y = self_potential(xx, s.a), self_potential(yy, s.b)
    f_new, pull_x = _last_step(xy, g, s.b, x, y, p)
    g_new, pull_y = _last_step(xy.mT, f, s.a, y, x, p)
    fx_new, own_x = _last_step(xx, f_x, s.a, x, x, p)
    gy_new, own_y = _last_step(yy, g_y, s.b, y, y, p)
    value = _dot(s.a, 0.5 * (f + f_new) - 0.5 * (f_x + fx_new))
    value = value + _dot(s.b, 0.5 * (g + g_new) - 0.5 * (g_y + gy_new))
    units = blur**p
    both = s.both[..., None, None]
    grad_x = torch.where(both, s.a[..., None] * (pull_x - own_x), 0) * (units / blur)
    grad_y = torch.where(both, s.b[..., None] * (pull_y - own_y), 0) * (units / blur)
    return torch.where(s.both, value * units, 0), grad_x, grad_y


def _last_step(
    cost: Float[Tensor, "*B n m"], g: Tensor, b: Tensor, x: Tensor, y: Tensor, p: int
) -> tuple[Float[Tensor, "*B n"], Float[Tensor, "*B n d"]]:
    """One exact update f = -log sum_j b_j exp(g_j - C_ij), and the gradient of each f_i in x_i.

    The gradient averages that of the cost over the row of the plan, whose mass is exactly 1.
    """
    logits = g[..., None, :] + b.log()[..., None, :] - cost  # (*B, n, m)
    f = -logits.logsumexp(-1)
    plan = (logits + f[..., None]).exp()
    if p == 2:
        return f, x - plan @ y
    distance = torch.where(cost > 0, cost, torch.inf)
    pull = plan / distance
    return f, pull.sum(-1, keepdim=True) * x - pull @ y


def _dot(weights: Tensor, potential: Tensor) -> Tensor:
    """Weighted sum in which absent rows count nothing, whatever their potential."""
    return torch.where(weights > 0, weights * potential, 0).sum(-1)


def _cost(x: Tensor, y: Tensor, p: int) -> Tensor:
    return squared_distances(x, y) / 2 if p == 2 else pairwise_distances(x, y)


def _may_wait() -> bool:
    """Whether the host may look at numbers: not while they are traced or mapped."""
    return not (torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active())
