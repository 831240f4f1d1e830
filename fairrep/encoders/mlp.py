"""A multilayer perceptron as trunk."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn

from fairrep.errors import ConfigError

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
}


class MLPTrunk(nn.Module):
    """Linear, activation, dropout for each hidden layer, then a linear map to the output.

    Args:
        width: inputs.
        dim: outputs d.
        hidden: units of each hidden layer.
        activation: ``relu``, ``gelu``, ``silu`` or ``tanh``.
        dropout: probability that a hidden unit is zeroed in training, in [0, 1).
    """

    def __init__(
        self,
        width: int,
        *,
        dim: int,
        hidden: Sequence[int],
        activation: str,
        dropout: float,
    ) -> None:
        super().__init__()
        if activation not in ACTIVATIONS:
            raise ConfigError(
                f"encoder.activation must be one of {', '.join(ACTIVATIONS)}, got '{activation}'."
            )
        if not 0 <= dropout < 1:
            raise ConfigError(f"encoder.dropout must lie in [0, 1), got {dropout}.")
        layers: list[nn.Module] = []
        for before, after in pairwise([width, *hidden]):
            layers += [nn.Linear(before, after), ACTIVATIONS[activation](), nn.Dropout(dropout)]
        self.layers = nn.Sequential(*layers, nn.Linear([width, *hidden][-1], dim))

    def forward(self, x: Float[Tensor, "n width"]) -> Float[Tensor, "n dim"]:
        """Run the layers."""
        return self.layers(x)
