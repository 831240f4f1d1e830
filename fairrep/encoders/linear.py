"""A linear trunk: the representation is a linear map of the inputs."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn


class LinearTrunk(nn.Module):
    """z = Wx + b.

    Args:
        width: inputs.
        dim: outputs d.
    """

    def __init__(self, width: int, *, dim: int) -> None:
        super().__init__()
        self.map = nn.Linear(width, dim)

    def forward(self, x: Float[Tensor, "n width"]) -> Float[Tensor, "n dim"]:
        """Map the inputs."""
        return self.map(x)
