r"""Many L2-regularised linear models at once, by Newton's method.

Each problem minimises mean loss + α/(2n)·‖w‖² over its own labelled rows, the intercept free
(scikit-learn's minimiser with C = 1/α). Where the second derivatives are small matrices they are
formed and solved, rows a piece at a time, so that a pass over the data stays in the cache; wide
problems take conjugate gradients (``newton_cg``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from fairrep.evaluation import newton_cg
from fairrep.types import Kind

WIDEST = 96  # unknowns of a problem whose second derivatives are formed
PIECE = {"cpu": 2**18, "cuda": 2**26}  # numbers in the largest array of a pass over some rows
DAMPINGS = (1e-6, 1e-4, 1e-2, 1.0)  # of the mean curvature; tried in turn
SAMPLE = 4096  # rows that the first guess is made from


def minimise(
    z: Float[Tensor, "r n d"],
    y: Float[Tensor, "n t"],
    kind: Kind,
    *,
    classes: int,
    strengths: Float[Tensor, " l"],
    tolerance: float = 1e-5,
    steps: int = 40,
) -> Float[Tensor, "r d t l k"]:
    """Weights of r · t · l problems.

    Args:
        z: r representations of the same n rows, their columns uncorrelated, the last all ones
            (the intercept's).
        y: labels of t tasks of one kind, NaN = none; class codes or real numbers.
        kind: of the tasks.
        classes: K, the number of outputs of a task; 1 unless multiclass.
        strengths: α of every problem's copies.
        tolerance: largest relative distance from the minimum that a Newton decrement may promise.
        steps: Newton steps at most.
    """
    rows = (~torch.isnan(y)).sum(0).clamp_min(1)
    free = torch.ones(z.shape[2], device=z.device, dtype=z.dtype)
    free[-1] = 0  # the intercept
    ridge = free[:, None, None, None] * (strengths.to(z) / rows[:, None])[..., None]  # (d, t, l, 1)
    if z.shape[2] * classes > WIDEST:
        return newton_cg.minimise(
            z, y, kind, classes=classes, ridge=ridge, tolerance=tolerance, steps=steps
        )
    w = z.new_zeros(len(z), z.shape[2], y.shape[1], len(strengths), classes)
    stride = z.shape[1] // SAMPLE
    if stride > 1:
        few = _Problem(z[:, ::stride], y[::stride], kind, classes, ridge)
        w = _newton(few, w, tolerance, steps)
    return _newton(_Problem(z, y, kind, classes, ridge), w, tolerance, steps)


@dataclass(frozen=True)
class _Point:
    """Objective (r, 1, t, l, 1), its gradient (r, d, t, l, k) and curvature (r, t, l, dk, dk)."""

    value: Tensor
    gradient: Tensor
    curvature: Tensor

    def where(self, chosen: Tensor, other: _Point) -> _Point:
        """This point where ``chosen`` (r, 1, t, l, 1), else the other."""
        return _Point(
            torch.where(chosen, self.value, other.value),
            torch.where(chosen, self.gradient, other.gradient),
            torch.where(chosen.squeeze(1)[..., None], self.curvature, other.curvature),
        )


def _newton(problem: _Problem, w: Tensor, tolerance: float, steps: int) -> Tensor:
    """Full steps from w, or from 0 where that is better, halved where the objective would rise."""
    here, length = problem.at(w), torch.ones(())
    far = here.value > problem.value_at_zero() * (1 + 1e-6)
    if far.any():
        w = torch.where(far, 0.0, w)
        here = problem.at(w)
    for _ in range(steps):
        direction = _solve(here.curvature, -here.gradient)
        decrement = -(here.gradient * direction).sum((1, 4), keepdim=True)
        running = decrement > 2 * tolerance * here.value.clamp_min(1e-12)
        if not running.any():
            break
        trial = torch.where(running, w + length * direction, w)
        there = problem.at(trial)
        falls = there.value <= here.value * (1 + 1e-7)
        w, here = torch.where(falls, trial, w), there.where(falls, here)
        length = torch.where(falls, 1.0, length / 2)
    return w


def _solve(curvature: Tensor, target: Tensor) -> Tensor:
    """Newton's equations, damped where rounding has left the curvature indefinite."""
    size = curvature.shape[-1]
    matrix = curvature.double()
    scale = matrix.diagonal(dim1=-2, dim2=-1).mean(-1).clamp_min(1e-12)
    eye = torch.eye(size, device=matrix.device, dtype=matrix.dtype)
    for damping in DAMPINGS:
        factor, failed = torch.linalg.cholesky_ex(matrix + damping * scale[..., None, None] * eye)
        if not failed.any():
            break
    right = target.permute(0, 2, 3, 1, 4)  # (r, t, l, d, k)
    solved = torch.cholesky_solve(right.reshape(*right.shape[:3], size, 1).double(), factor)
    return solved.view(right.shape).permute(0, 3, 1, 2, 4).to(target)


class _Problem:
    """Objective and derivatives at given weights, summed over pieces of rows.

    Rows are the last dimension: elementwise work then runs along memory.
    """

    def __init__(self, z: Tensor, y: Tensor, kind: Kind, classes: int, ridge: Tensor) -> None:
        known = ~torch.isnan(y)
        self.z, self.kind, self.ridge = z.mT.contiguous(), kind, ridge
        weight = known / known.sum(0).clamp_min(1)
        self.weight = weight.mT.to(z.dtype).contiguous()  # (t, n)
        self.target = y.nan_to_num().mT.to(z.dtype).contiguous()
        self.classes = torch.arange(classes, device=z.device)[:, None]
        self.i, self.j = torch.triu_indices(z.shape[2], z.shape[2], device=z.device)
        self.a, self.b = torch.triu_indices(classes, classes, device=z.device)

    def at(self, w: Tensor) -> _Point:
        """Objective, gradient and curvature at weights (r, d, t, l, k)."""
        r, d, t, l, k = w.shape  # noqa: E741
        pairs, width = len(self.i), t * l * len(self.a)
        piece = max(64, PIECE[self.z.device.type] // (r * max(pairs, width)))
        value = w.new_zeros(r, t, l)
        gradient = w.new_zeros(r, t * l * k, d)
        curvature = w.new_zeros(r, width, pairs)
        slopes = w.flatten(2).mT  # (r, t·l·k, d)
        for z, y, weight in zip(
            self.z.split(piece, 2), self.target.split(piece, 1), self.weight.split(piece, 1)
        ):
            eta = (slopes @ z).view(r, t, l, k, -1)
            losses, residual, bend = self._rows(eta, y[:, None, None])
            share = weight[:, None, None]
            value += losses.mul_(share).sum((3, 4))
            gradient += residual.mul_(share).flatten(1, 3) @ z.mT
            products = z.index_select(1, self.i).mul_(z.index_select(1, self.j))
            curvature += bend.mul_(share).flatten(1, 3) @ products.mT
        value = value[:, None, ..., None] + (self.ridge * w.square()).sum((1, 4), keepdim=True) / 2
        gradient = gradient.mT.reshape(w.shape) + self.ridge * w
        return _Point(value, gradient, self._square(curvature.view(r, t, l, -1, pairs), d, k))

    def value_at_zero(self) -> Tensor:
        """Objective (t, 1, 1) at weights of 0."""
        if self.kind == "regression":
            losses = self.target.square() / 2
        else:
            losses = torch.full_like(self.target, math.log(max(2, len(self.classes))))
        return (losses * self.weight).sum(1)[:, None, None]

    def _rows(self, eta: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Loss of every row, its first derivative in η, its second for pairs of outputs."""
        if self.kind == "regression":
            off = eta - y
            return off.square() / 2, off, torch.ones_like(off)
        if len(self.classes) == 1:
            mean = eta.sigmoid()
            bend = torch.addcmul(mean, mean, mean, value=-1)
            return F.softplus(eta).sub_(eta * y), mean.sub_(y), bend
        mean = eta.softmax(-2)
        own = (y == self.classes).to(eta.dtype)
        losses = eta.logsumexp(-2, keepdim=True) - (eta * own).sum(-2, keepdim=True)
        same = (self.a == self.b).to(eta.dtype)[:, None]
        bend = mean[..., self.a, :] * (same - mean[..., self.b, :])
        return losses, mean - own, bend

    def _square(self, packed: Tensor, d: int, k: int) -> Tensor:
        """Fill symmetric matrices (r, t, l, dk, dk) from their pairs, and add the ridge."""
        full = packed.new_zeros(*packed.shape[:3], k, k, d, d)
        for i, j in ((self.i, self.j), (self.j, self.i)):
            for a, b in ((self.a, self.b), (self.b, self.a)):
                full[:, :, :, a[:, None], b[:, None], i, j] = packed
        full = full.permute(0, 1, 2, 5, 3, 6, 4).flatten(5).flatten(3, 4)
        ridge = self.ridge.expand(-1, -1, -1, k).permute(1, 2, 0, 3).flatten(2)  # (t, l, dk)
        full.diagonal(dim1=-2, dim2=-1).add_(ridge)
        return full
