"""Sinkhorn's iterations, in units where the target temperature is 1.

A plan is exp(f_i + g_j + affinity_ij), the affinity being minus a cost. The kernel absorbs the
potentials known so far, so that one exponential pass serves many sweeps of matrix-vector products
whose scalings u, v stay close to 1 (stabilised Sinkhorn: Schmitzer 2019, SIAM J. Sci. Comput. 41).
"""

import math
import warnings
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from fairrep.functional.sinkhorn_cost import Cost, Exponent

RELAXATION = 1.7  # over-relaxation, once a few plain sweeps have not been enough
COOLING = 8.0  # ratio of successive temperatures
STAGES = 4  # temperatures of the fixed schedule
LOOK = 5  # sweeps between two looks at the error
ABSORB = 20  # sweeps between two exponential passes
FIXED_SWEEPS = 40  # where nobody looks
MOST_SWEEPS = 1000  # where the error is looked at
DAMPING = 2 / 3  # of the symmetric updates: errors shrink by 3 where the kernel is positive
LOWEST, HIGHEST = -60.0, 40.0  # exponents: no entry is denormal, no product overflows
FLOOR = 1e-30  # sums between this and its inverse are inverted
EXTENT = math.exp(20.0)  # largest scaling within a kernel


class Plan(NamedTuple):
    """The transport plan a_i u_i kernel_ij v_j b_j; its columns sum to b."""

    kernel: Float[Tensor, "*B n m"]  # exp(f + g + affinity)
    f: Float[Tensor, "*B n"]
    g: Float[Tensor, "*B m"]
    u: Float[Tensor, "*B n"]
    v: Float[Tensor, "*B m"]
    mass: Float[Tensor, "*B n"]  # row sums over a: all 1 at convergence

    def potentials(self) -> tuple[Float[Tensor, "*B n"], Float[Tensor, "*B m"]]:
        """The potentials with the scalings absorbed."""
        return self.f + self.u.log(), self.g + self.v.log()


def cross_plan(
    cost: Cost,
    a: Float[Tensor, "*B n"],
    b: Float[Tensor, "*B m"],
    *,
    max_iter: int | None,
    tol: float,
    wait: bool,
) -> Plan:
    """Cool down, then sweep at temperature 1 until the rows sum to a within tol.

    Where the host may not wait for the device, the schedule is fixed.
    """
    most = max_iter or (MOST_SWEEPS if wait else FIXED_SWEEPS)
    f, g = _cooled(cost.exponent, a, b, wait=wait)
    return _relaxed(cost, f, g, a, b, done=0, most=most, tol=tol, wait=wait)


def _relaxed(
    cost: Cost,
    f: Tensor,
    g: Tensor,
    a: Tensor,
    b: Tensor,
    *,
    done: int,
    most: int,
    tol: float,
    wait: bool,
) -> Plan:
    """Sweeps, with a new kernel every now and then.

    A problem that is within tol rests from then on, so that its solution is the one it would
    have alone; the others of a batch go on without it.
    """
    while True:
        plan = _absorbed(cost.exponent, f, g, b)
        stop = min(done + ABSORB, most)
        rest = torch.ones(a.shape[:-1], dtype=torch.bool, device=a.device)  # not within tol
        for start in range(done, stop, LOOK):
            omega = RELAXATION if start else 1.0
            swept = _swept(plan, a, b, sweeps=min(LOOK, stop - start), omega=omega)
            plan = swept if a.dim() == 1 else _where(rest, swept, plan)
            if wait:
                rest = _row_error(plan, a, b) > tol  # (*B,)
                if not bool(rest.any()):
                    return plan
        done, (f, g) = stop, plan.potentials()
        if done == most:
            break
        if wait and a.dim() == 2 and not bool(rest.all()):
            late = _relaxed(
                cost.select(rest),
                *(part[rest] for part in (f, g, a, b)),
                done=done,
                most=most,
                tol=tol,
                wait=wait,
            )
            pairs = zip(plan, late, strict=True)
            return Plan(*(whole.index_put((rest,), part) for whole, part in pairs))
    if wait:
        _warn(float(_row_error(plan, a, b).max()), tol, most)
    return plan


def _cooled(exponent: Exponent, a: Tensor, b: Tensor, *, wait: bool) -> tuple[Tensor, Tensor]:
    """Potentials after a geometric cooling from the range of the affinity to temperature 1."""
    f, g = torch.zeros_like(a), torch.zeros_like(b)
    widest = exponent(f, g, 1.0).amax((-2, -1))[..., None]  # (*B, 1)
    hottest = (widest / COOLING).clamp(min=1)
    most, stages = STAGES, torch.full_like(hottest, STAGES)
    if wait:  # each problem from its own temperature
        stages = (hottest.nan_to_num(nan=1.0, posinf=1.0).log() / math.log(COOLING)).ceil()
        most = int(stages.max())
    for stage in range(most):
        t = hottest ** (1 - stage / stages.clamp(min=stage + 1))
        kernel = _bounded_exp(exponent(f, g, t[..., None]))
        u = _inverse(_rows(kernel, b))
        v = _inverse(_columns(kernel, a * u))  # of an absent point it may overflow
        ongoing = stage < stages  # (*B, 1)
        f = torch.where(ongoing, f + t * u.log(), f)
        g = torch.where(ongoing, g + t * v.log(), g)
    return f, g


def _absorbed(exponent: Exponent, f: Tensor, g: Tensor, b: Tensor) -> Plan:
    """A kernel at temperature 1 that starts from these potentials, with scalings 1."""
    kernel = _bounded_exp(exponent(f, g, 1.0))
    return Plan(kernel, f, g, torch.ones_like(f), torch.ones_like(g), _rows(kernel, b))


def _swept(plan: Plan, a: Tensor, b: Tensor, *, sweeps: int, omega: float) -> Plan:
    """Over-relaxed alternating updates of the scalings; the last columns are exact."""
    kernel, u, v, mass = plan.kernel, plan.u, plan.v, plan.mass
    for sweep in range(sweeps):
        power = -omega if sweep < sweeps - 1 else -1.0
        u = (u * mass.pow(power)).clamp(1 / EXTENT, EXTENT)
        v = (v * (v * _columns(kernel, a * u)).pow(power)).clamp(1 / EXTENT, EXTENT)
        mass = u * _rows(kernel, b * v)
    return plan._replace(u=u, v=v, mass=mass)


def self_plan(exponent: Exponent, f: Tensor, a: Float[Tensor, "*B n"], *, tol: float) -> Plan:
    """The plan of a sample with itself, from an f whose kernel has ones on the diagonal.

    The kernel is positive definite, so that the log-linearised update has eigenvalues between
    1 - 2/3 and 1 - 4/3, and the scalings stay between 1 and a^(-1/2): no cooling is needed.
    """
    kernel = _bounded_exp(exponent(f, f, 1.0), highest=0.0)
    u = _rows(kernel, a).rsqrt()
    mass = u * _rows(kernel, a * u)
    for _ in range(3 + math.ceil(math.log(1 / tol, 3))):
        u = u * mass.pow(-DAMPING)
        mass = u * _rows(kernel, a * u)
    return Plan(kernel, f, f, u, u, mass)


def _where(rest: Tensor, swept: Plan, plan: Plan) -> Plan:
    """The new scalings of the problems that are not done."""
    pairs = ((swept.u, plan.u), (swept.v, plan.v), (swept.mass, plan.mass))
    u, v, mass = (torch.where(rest[..., None], new, old) for new, old in pairs)
    return plan._replace(u=u, v=v, mass=mass)


def _row_error(plan: Plan, a: Tensor, b: Tensor) -> Float[Tensor, "*B"]:
    """L1 distance of the row sums to a, 0 where a side is empty."""
    return (a * (plan.mass - 1).abs()).sum(-1) * (b.sum(-1) > 0)


def _warn(error: float, tol: float, sweeps: int) -> None:
    warnings.warn(
        f"sinkhorn_divergence stopped after {sweeps} sweeps with a marginal error of {error:.1e}, "
        f"above tol={tol:.1e}. Raise max_iter, tol or blur.",
        stacklevel=2,
    )


def _bounded_exp(exponents: Tensor, *, highest: float = HIGHEST) -> Tensor:
    """Exponential in place; hardtanh is a clamp that torch.func.vmap can do in place."""
    return torch.nn.functional.hardtanh_(exponents, LOWEST, highest).exp_()


def _inverse(sums: Tensor) -> Tensor:
    return 1 / sums.clamp(FLOOR, 1 / FLOOR)


def _rows(kernel: Float[Tensor, "*B n m"], weights: Float[Tensor, "*B m"]) -> Tensor:
    if kernel.dim() == 2:
        return kernel @ weights  # a matrix-vector product is faster than a thin matrix product
    return (kernel @ weights[..., None])[..., 0]


def _columns(kernel: Float[Tensor, "*B n m"], weights: Float[Tensor, "*B n"]) -> Tensor:
    if kernel.dim() == 2:
        return weights @ kernel
    return (weights[..., None, :] @ kernel)[..., 0, :]
