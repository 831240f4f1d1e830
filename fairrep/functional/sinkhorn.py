"""Sinkhorn divergence: entropic optimal transport, debiased."""

import functools

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
from fairrep.functional.known_gradient import with_known_gradient
from fairrep.functional.sinkhorn_cost import Cost, SquaredCost, euclidean_cost, own_euclidean_cost
from fairrep.functional.sinkhorn_loop import Plan, cross_plan, self_plan

CHUNK_ENTRIES = 1 << 18  # cost entries of the problems solved side by side


def sinkhorn_divergence(
    x: Float[Tensor, "*B n d"],
    y: Float[Tensor, "*B m d"],
    *,
    blur: float,
    p: int = 2,
    a: Float[Tensor, "*B n"] | None = None,
    b: Float[Tensor, "*B m"] | None = None,
    max_iter: int | None = None,
    tol: float = 3e-3,
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
        max_iter: Largest number of sweeps at the target temperature; by default 1000 where the
            error can be looked at, 40 where it cannot.
        tol: Largest L1 error of a marginal of the transport plan. Reached in eager mode, or a
            warning tells what was reached; under ``torch.func.vmap`` and ``torch.compile`` all
            ``max_iter`` sweeps run instead, because looking at the error makes the host wait.
            The relative error of the gradient is of the order of twice this tolerance.

    Raises:
        ValueError: A blur or a tolerance that is not positive, another p, shapes that do not fit.

    The surprises: the number of sweeps grows as blur falls below the spacing of the points, and
    at a tenth of it ``max_iter`` is reached; rounding is relative to blur^p, not to the value; a
    second differentiation raises.

    Ref: Feydy et al. (2019), AISTATS, "Interpolating between optimal transport and MMD using
    Sinkhorn divergences"; over-relaxation: Thibault et al. (2021), Algorithms 14.
    """
    require_positive(blur, name="blur")
    require_positive(tol, name="tol")
    require_choice(p, (1, 2), name="p")
    if max_iter is not None:
        require_count(max_iter, name="max_iter")
    s, gradient = two_samples(x, y, a, b), torch.is_grad_enabled()
    with torch.no_grad():
        value, grad_x, grad_y = _value_and_gradient(s, blur, p, max_iter, tol, gradient)
    return with_known_gradient(value, s.x, s.y, grad_x, grad_y)


def _value_and_gradient(
    s: TwoSamples, blur: float, p: int, max_iter: int | None, tol: float, gradient: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Value and gradients; small problems are solved side by side, large ones in turn."""
    n, m = s.x.shape[-2], s.y.shape[-2]
    problems = s.size_x.numel()
    if 0 in (n, m, problems):
        return torch.zeros_like(s.size_x), torch.zeros_like(s.x), torch.zeros_like(s.y)
    solve = functools.partial(
        _solve, blur=blur, p=p, max_iter=max_iter, tol=tol, wait=_may_wait(), gradient=gradient
    )
    step = max(1, CHUNK_ENTRIES // (n * m))
    if s.size_x.dim() == 0:
        return solve(s)
    flat = [part.reshape(problems, *part.shape[s.size_x.dim() :]) for part in s]
    if step == 1:  # matrix-vector products beat batches of one
        singles = zip(*(part.unbind() for part in flat), strict=True)
        solved = [solve(TwoSamples(*single)) for single in singles]
        joined = [torch.stack(part) for part in zip(*solved, strict=True)]
    else:
        groups = zip(*(part.split(step) for part in flat), strict=True)
        solved = [solve(TwoSamples(*group)) for group in groups]
        joined = [torch.cat(part) for part in zip(*solved, strict=True)]
    value, grad_x, grad_y = (part.reshape(*s.size_x.shape, *part.shape[1:]) for part in joined)
    return value, grad_x, grad_y


def _solve(
    s: TwoSamples,
    *,
    blur: float,
    p: int,
    max_iter: int | None,
    tol: float,
    wait: bool,
    gradient: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Everything in units of blur, where the target temperature is 1."""
    a, b = s.a[..., None], s.b[..., None]  # (*B, n, 1) and (*B, m, 1)
    mean_x, mean_y = (a * s.x).sum(-2, keepdim=True), (b * s.y).sum(-2, keepdim=True)
    xy: Cost
    xx: Cost
    yy: Cost
    if p == 2:  # a translation adds half its squared length, whatever the samples
        x, y, shift = (s.x - mean_x) / blur, (s.y - mean_y) / blur, (mean_x - mean_y) / blur
        xy, xx, yy = SquaredCost(x, y), SquaredCost(x, x), SquaredCost(y, y)
        f, g = -x.square().sum(-1) / 2, -y.square().sum(-1) / 2
        value = shift.square().sum((-2, -1)) / 2
    else:
        x, y, shift = (s.x - mean_x) / blur, (s.y - mean_x) / blur, torch.zeros_like(mean_x)
        xy, value = euclidean_cost(x, y, s.a, s.b)
        xx, yy = (own_euclidean_cost(z) for z in (x, y))
        f, g = torch.zeros_like(s.a), torch.zeros_like(s.b)
    plan = cross_plan(xy, s.a, s.b, max_iter=max_iter, tol=tol, wait=wait)
    own_x = self_plan(xx.exponent, f, s.a, tol=tol)
    own_y = self_plan(yy.exponent, g, s.b, tol=tol)
    value = value + _dual(plan, s.a, s.b)
    value = value - _dual(own_x, s.a, s.a) / 2 - _dual(own_y, s.b, s.b) / 2
    value = torch.where(s.both, value, 0) * blur**p
    if not gradient:
        return value, torch.zeros_like(s.x), torch.zeros_like(s.y)
    pull_x = xy.pull(plan.kernel, s.b * plan.v) - xx.pull(own_x.kernel, s.a * own_x.v)
    pull_y = xy.transposed().pull(plan.kernel.mT, s.a * plan.u)
    pull_y = pull_y - yy.pull(own_y.kernel, s.b * own_y.v)
    both = s.both[..., None, None]
    grad_x = torch.where(both, a * (pull_x + shift), 0) * blur ** (p - 1)
    grad_y = torch.where(both, b * (pull_y - shift), 0) * blur ** (p - 1)
    return value, grad_x, grad_y


def _dual(plan: Plan, a: Tensor, b: Tensor) -> Float[Tensor, "*B"]:
    """The dual objective, halfway between the last two updates of f: its error is of order two."""
    f, g = plan.potentials()
    return (a * (f - plan.mass.clamp(min=1e-30).log() / 2)).sum(-1) + (b * g).sum(-1)


def _may_wait() -> bool:
    """Whether the host may look at numbers: not while they are traced or mapped."""
    return not (torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active())
