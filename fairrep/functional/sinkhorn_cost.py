"""The two transport costs, as affinities: minus the cost, up to a function of each point.

What depends on one point alone changes its potential, not the plan. Leaving it out keeps the
digits that a cost far larger than its variation would lose.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from fairrep.functional.kernels import pairwise_distances
from fairrep.functional.thin import thin_product

Exponent = Callable[[Tensor, Tensor, Tensor | float], Tensor]  # f, g, t -> (f + g + affinity) / t


class SquaredCost(NamedTuple):
    """<x, y> for |x - y|^2 / 2: one matrix product forms the affinity and adds the potentials."""

    x: Float[Tensor, "*B n d"]
    y: Float[Tensor, "*B m d"]

    def exponent(self, f: Tensor, g: Tensor, t: Tensor | float) -> Float[Tensor, "*B n m"]:
        """(f_i + g_j + affinity_ij) / t."""
        one_x, one_y = torch.ones_like(self.x[..., :1]), torch.ones_like(self.y[..., :1])
        left = torch.cat([self.x, f[..., None], one_x], -1)  # (*B, n, d + 2)
        right = torch.cat([self.y, one_y, g[..., None]], -1)  # (*B, m, d + 2)
        return (left / t) @ right.mT

    def pull(self, kernel: Tensor, weights: Tensor) -> Float[Tensor, "*B n d"]:
        """Gradient of the cost in x, averaged over each row of kernel * weights."""
        one = torch.ones_like(self.y[..., :1])
        weighted = weights[..., None] * torch.cat([self.y, one], -1)  # (*B, m, d + 1)
        sums = thin_product(kernel, weighted)  # (*B, n, d + 1)
        return -sums[..., :-1] / sums[..., -1:]

    def transposed(self) -> "SquaredCost":
        """The same cost seen from y."""
        return SquaredCost(self.y, self.x)

    def select(self, problems: Tensor) -> "SquaredCost":
        """Some problems of a batch."""
        return SquaredCost(self.x[problems], self.y[problems])


class EuclideanCost(NamedTuple):
    """-|x - y| + start for the cost |x - y|."""

    x: Float[Tensor, "*B n d"]
    y: Float[Tensor, "*B m d"]
    distance: Float[Tensor, "*B n m"]
    start: Float[Tensor, "*B n m"]

    def exponent(self, f: Tensor, g: Tensor, t: Tensor | float) -> Float[Tensor, "*B n m"]:
        """(f_i + g_j + affinity_ij) / t."""
        return (f[..., None] + g[..., None, :] + (self.start - self.distance)) / t

    def pull(self, kernel: Tensor, weights: Tensor) -> Float[Tensor, "*B n d"]:
        """Gradient of the cost in x, averaged over each row of kernel * weights."""
        mass = kernel @ weights[..., None]  # (*B, n, 1)
        apart = self.distance != 0
        slope = torch.where(apart, kernel / torch.where(apart, self.distance, 1), 0)
        one = torch.ones_like(self.y[..., :1])
        weighted = weights[..., None] * torch.cat([self.y, one], -1)  # (*B, m, d + 1)
        sums = thin_product(slope, weighted)  # (*B, n, d + 1)
        return (sums[..., -1:] * self.x - sums[..., :-1]) / mass

    def transposed(self) -> "EuclideanCost":
        """The same cost seen from y."""
        return EuclideanCost(self.y, self.x, self.distance.mT, self.start.mT)

    def select(self, problems: Tensor) -> "EuclideanCost":
        """Some problems of a batch."""
        return EuclideanCost(*(part[problems] for part in self))


def euclidean_cost(x: Tensor, y: Tensor, a: Tensor, b: Tensor) -> tuple[EuclideanCost, Tensor]:
    """The cost between two samples, less its means over each side, and the mean taken out."""
    distance = pairwise_distances(x, y)
    row = distance @ b[..., None]  # (*B, n, 1)
    column = a[..., None, :] @ distance  # (*B, 1, m)
    mean = a[..., None, :] @ row  # (*B, 1, 1)
    return EuclideanCost(x, y, distance, row + column - mean), mean[..., 0, 0]


def own_euclidean_cost(x: Tensor) -> EuclideanCost:
    """The cost of a sample with itself."""
    distance = pairwise_distances(x, x)
    return EuclideanCost(x, x, distance, torch.zeros_like(distance))


Cost = SquaredCost | EuclideanCost
