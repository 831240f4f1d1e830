"""The shared encoder: input layer, trunk, standardised output."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from fairrep.encoders.inputs import AsIs, InputLayer, OneHotInput
from fairrep.encoders.linear import LinearTrunk
from fairrep.encoders.mlp import MLPTrunk
from fairrep.encoders.normalise import BatchStandardise
from fairrep.encoders.tabular import TabularTrunk
from fairrep.errors import ConfigError

Parts = tuple[InputLayer, nn.Module]


def _on_one_hot(trunk: Callable[..., nn.Module]) -> Callable[..., Parts]:
    def build(cardinalities: Sequence[int], **options: Any) -> Parts:
        inputs = OneHotInput(cardinalities)
        return inputs, trunk(inputs.width, **options)

    return build


def _tabular(cardinalities: Sequence[int], **options: Any) -> Parts:
    return AsIs(len(cardinalities)), TabularTrunk(cardinalities, **options)


ENCODERS: dict[str, Callable[..., Parts]] = {
    "tabular": _tabular,
    "mlp": _on_one_hot(MLPTrunk),
    "linear": _on_one_hot(LinearTrunk),
}
"""Name → (cardinalities, dim and the trunk's options) → input layer and trunk."""


class Encoder(nn.Module):
    """z = standardise(trunk(input(x))): the representation that heads and penalty share.

    An ensemble's representation is the mean of its members', which are standardised by the
    moments of that mean: a linear head on z averages its outputs on the members.

    Attributes:
        architecture: what :func:`build_encoder` needs to build it again; primitives only.
        dim: size d of the representation.
    """

    def __init__(
        self, inputs: InputLayer, trunk: nn.Module, dim: int, architecture: dict[str, Any]
    ) -> None:
        super().__init__()
        self.inputs = inputs
        self.trunk = trunk
        self.normalise = BatchStandardise(dim)
        self.dim = dim
        self.architecture = architecture

    def forward(self, x: Float[Tensor, "n p"]) -> Float[Tensor, "n d"]:
        """Represent preprocessed rows."""
        return self.members(x).mean(dim=0)

    def members(self, x: Float[Tensor, "n p"]) -> Float[Tensor, "m n d"]:
        """Represent preprocessed rows by each member of an ensemble; m = 1 for a single network."""
        h = self.trunk(self.inputs(x))  # ([m,] n, d)
        return self.normalise(h if h.dim() == 3 else h.unsqueeze(0))


def build_encoder(cardinalities: Sequence[int], *, name: str, dim: int, **options: Any) -> Encoder:
    """Build an untrained encoder.

    Args:
        cardinalities: per column of x its number of categories, 0 for a numeric column.
        name: ``tabular``, ``mlp`` or ``linear``.
        dim: size d of the representation.
        **options: the trunk's own, e.g. ``hidden`` and ``dropout`` for ``mlp``; ``columns`` for
            ``tabular``, see :func:`fairrep.encoders.fit_columns`.

    Raises:
        ConfigError: unknown name or option, or a value out of range.
    """
    if name not in ENCODERS:
        raise ConfigError(f"encoder must be one of {', '.join(ENCODERS)}, got '{name}'.")
    if dim < 1:
        raise ConfigError(f"encoder.dim must be at least 1, got {dim}.")
    try:
        inputs, trunk = ENCODERS[name](cardinalities, dim=dim, **options)
    except TypeError as problem:
        raise ConfigError(f"encoder '{name}': {problem}.") from problem
    architecture = {"name": name, "dim": dim, "cardinalities": list(cardinalities), **options}
    return Encoder(inputs, trunk, dim, architecture)
