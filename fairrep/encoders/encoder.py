"""The shared encoder: input layer, trunk, standardised output."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from fairrep.encoders.inputs import OneHotInput
from fairrep.encoders.linear import LinearTrunk
from fairrep.encoders.mlp import MLPTrunk
from fairrep.encoders.normalise import BatchStandardise
from fairrep.errors import ConfigError

ENCODERS: dict[str, type[nn.Module]] = {"linear": LinearTrunk, "mlp": MLPTrunk}


class Encoder(nn.Module):
    """z = standardise(trunk(input(x))): the representation that heads and penalty share.

    Attributes:
        architecture: what :func:`build_encoder` needs to build it again; primitives only.
        dim: size d of the representation.
    """

    def __init__(
        self, inputs: OneHotInput, trunk: nn.Module, dim: int, architecture: dict[str, Any]
    ) -> None:
        super().__init__()
        self.inputs = inputs
        self.trunk = trunk
        self.normalise = BatchStandardise(dim)
        self.dim = dim
        self.architecture = architecture

    def forward(self, x: Float[Tensor, "n p"]) -> Float[Tensor, "n d"]:
        """Represent preprocessed rows."""
        return self.normalise(self.trunk(self.inputs(x)))


def build_encoder(cardinalities: Sequence[int], *, name: str, dim: int, **options: Any) -> Encoder:
    """Build an untrained encoder.

    Args:
        cardinalities: per column of x its number of categories, 0 for a numeric column.
        name: ``mlp`` or ``linear``.
        dim: size d of the representation.
        **options: the trunk's own, e.g. ``hidden`` and ``dropout`` for ``mlp``.

    Raises:
        ConfigError: unknown name or option, or a value out of range.
    """
    if name not in ENCODERS:
        raise ConfigError(f"encoder must be one of {', '.join(ENCODERS)}, got '{name}'.")
    if dim < 1:
        raise ConfigError(f"encoder.dim must be at least 1, got {dim}.")
    inputs = OneHotInput(cardinalities)
    try:
        trunk = ENCODERS[name](inputs.width, dim=dim, **options)
    except TypeError as problem:
        raise ConfigError(f"encoder '{name}': {problem}.") from problem
    architecture = {"name": name, "dim": dim, "cardinalities": list(cardinalities), **options}
    return Encoder(inputs, trunk, dim, architecture)
