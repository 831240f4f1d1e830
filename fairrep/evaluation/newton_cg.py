r"""Newton's method for many wide linear models at once, its steps by conjugate gradients.

Problems share matrix products and nothing else: each has its own step length, and stands still
when its Newton decrement promises no more. On principal axes the curvature is nearly diagonal,
which makes a few conjugate-gradient steps enough.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from fairrep.types import Kind

Product = Callable[[Tensor], Tensor]
HALVINGS = 12
LEFT = 0.1  # of a Newton equation, in the preconditioned norm


def minimise(
    z: Float[Tensor, "r n d"],
    y: Float[Tensor, "n t"],
    kind: Kind,
    *,
    classes: int,
    ridge: Float[Tensor, "d t l 1"],
    tolerance: float,
    steps: int,
    cg_steps: int = 60,
) -> Float[Tensor, "r d t l k"]:
    """Weights of r · t · l problems; arguments as of :func:`fairrep.evaluation.newton.minimise`.

    Args:
        z: representations on principal axes.
        y: labels.
        kind: of the tasks.
        classes: outputs of a task.
        ridge: weight of w²/2 beside the mean loss.
        tolerance: relative distance from the minimum.
        steps: Newton steps at most.
        cg_steps: conjugate-gradient steps a Newton step, at most.
    """
    problem = _Problem(z, y, kind, classes, ridge)
    w = z.new_zeros(len(z), z.shape[2], *ridge.shape[1:3], classes)
    eta = problem.outputs(w)
    value = problem.value(eta, w)
    for _ in range(steps):
        residual, curvature = problem.at(eta)
        gradient = problem.pull(residual) + problem.ridge * w
        direction = _conjugate_gradients(
            partial(problem.bend, curvature),
            -gradient,
            problem.diagonal(eta),
            cg_steps,
        )
        decrement = -_dot(gradient, direction)  # twice what a full step promises
        running = decrement > 2 * tolerance * value.clamp_min(1e-12)
        if not running.any():
            break
        w, eta, value = problem.search(eta, w, direction, value, running)
    return w


class _Problem:
    """Values and derivatives for outputs η = z w, of shape (r, n, t, l, k)."""

    def __init__(self, z: Tensor, y: Tensor, kind: Kind, classes: int, ridge: Tensor) -> None:
        known = ~torch.isnan(y)
        rows = known.sum(0).clamp_min(1)
        self.z, self.kind = z, kind
        self.weight = (known / rows)[:, :, None, None].to(z.dtype)  # (n, t, 1, 1)
        target = y.nan_to_num().to(z.dtype)
        one_hot = target[..., None] == torch.arange(classes, device=z.device)
        self.target = (one_hot.to(z.dtype) if classes > 1 else target[..., None])[:, :, None]
        self.ridge = ridge
        self.squares = z.square().mean(1)[:, :, None, None, None]  # (r, d, 1, 1, 1)

    def outputs(self, w: Tensor) -> Tensor:
        return (self.z @ w.flatten(2)).unflatten(2, w.shape[2:])

    def pull(self, residual: Tensor) -> Tensor:
        return (self.z.mT @ residual.flatten(2)).unflatten(2, residual.shape[2:])

    def bend(self, curvature: Product, v: Tensor) -> Tensor:
        """Second derivative of the objective times v."""
        return self.pull(curvature(self.outputs(v))) + self.ridge * v

    def value(self, eta: Tensor, w: Tensor) -> Tensor:
        """Objective (r, 1, t, l, 1)."""
        if self.kind == "regression":
            losses = (eta - self.target).square().sum(-1, keepdim=True) / 2
        elif eta.shape[-1] == 1:
            losses = torch.nn.functional.softplus(eta) - eta * self.target
        else:
            losses = eta.logsumexp(-1, keepdim=True) - (eta * self.target).sum(-1, keepdim=True)
        penalty = (self.ridge * w.square()).sum((1, 4), keepdim=True) / 2
        return (losses * self.weight).sum(1, keepdim=True) + penalty

    def at(self, eta: Tensor) -> tuple[Tensor, Product]:
        """The objective's derivative in η, and the product of its curvature in η."""
        curvature: Product
        if self.kind == "regression":
            mean, curvature = eta, self._constant_curvature
        elif eta.shape[-1] == 1:
            mean = eta.sigmoid()
            weight = mean * (1 - mean) * self.weight
            curvature = weight.mul
        else:
            mean = eta.softmax(-1)
            curvature = self._softmax_curvature(mean)
        return (mean - self.target) * self.weight, curvature

    def diagonal(self, eta: Tensor) -> Tensor:
        """Roughly the curvature along each column of z, (r, d, t, l, k)."""
        if self.kind == "regression":
            return self.squares + self.ridge
        share = eta.sigmoid() if eta.shape[-1] == 1 else eta.softmax(-1)
        bend = (share * (1 - share) * self.weight).sum(1, keepdim=True)
        return self.squares * bend.clamp_min(1e-6) + self.ridge

    def search(
        self, eta: Tensor, w: Tensor, direction: Tensor, value: Tensor, running: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Halve each problem's step until its objective falls, none where it never does.

        Returns:
            Weights, outputs and objective after the step.
        """
        step = self.outputs(direction)
        length = running.to(eta.dtype)
        for _ in range(HALVINGS):
            there = w + length * direction, eta + length * step
            found = self.value(there[1], there[0])
            worse = found > value * (1 + 1e-7)
            if not worse.any():
                return *there, found
            length = torch.where(worse, length / 2, length)
        length = torch.where(worse, 0.0, length)
        return w + length * direction, eta + length * step, torch.where(worse, value, found)

    def _constant_curvature(self, v: Tensor) -> Tensor:
        return v * self.weight

    def _softmax_curvature(self, mean: Tensor) -> Product:
        return lambda v: mean * (v - (mean * v).sum(-1, keepdim=True)) * self.weight


def _dot(a: Tensor, b: Tensor) -> Tensor:
    """Inner product per problem: over features and outputs of (r, d, t, l, k)."""
    return (a * b).sum((1, 4), keepdim=True)


def _conjugate_gradients(product: Product, target: Tensor, diagonal: Tensor, steps: int) -> Tensor:
    """Solve product(v) = target per problem, preconditioned, until little of the target is left."""
    solution = torch.zeros_like(target)
    residual = target
    scaled = residual / diagonal
    direction, length = scaled, _dot(residual, scaled)
    enough = LEFT**2 * length
    for _ in range(steps):
        if (length <= enough).all():
            break
        image = product(direction)
        bend = _dot(direction, image)
        moves = (length > enough) & (bend > 0)
        alpha = torch.where(moves, length / bend.clamp_min(1e-30), 0.0)
        solution = solution + alpha * direction
        residual = residual - alpha * image
        scaled = residual / diagonal
        new = _dot(residual, scaled)
        direction = scaled + (new / length.clamp_min(1e-30)) * direction
        length = new
    return solution
