"""The shared encoder: input layer, trunk, standardised output; cells where it is certified."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from jaxtyping import Float
from torch import Tensor, nn

from fairrep.encoders.cells import Cells
from fairrep.encoders.examples import example_rows
from fairrep.encoders.inputs import AsIs, InputLayer, OneHotInput
from fairrep.encoders.linear import LinearTrunk
from fairrep.encoders.mlp import MLPTrunk
from fairrep.encoders.normalise import BatchStandardise
from fairrep.encoders.recall import Recall
from fairrep.encoders.tabular import TabularTrunk
from fairrep.encoders.user_module import UserTrunk, build_user_trunk
from fairrep.errors import ConfigError

Parts = tuple[InputLayer, nn.Module]
Options = TypeVar("Options", bound=Mapping[str, Any])
USER_MODULE = "module"
"""Name of the encoder that is made of code of the user's own."""
CELLS = "cells"
"""Name of the encoder that releases nothing but the number of a cell."""
USER_INPUTS: dict[str, tuple[Callable[[Sequence[int]], InputLayer], str]] = {
    "one_hot": (OneHotInput, "columns (numbers, one-hot categories)"),
    "as_is": (
        lambda sizes: AsIs(len(sizes)),
        "columns (numbers, codes of categories, -1 for one never seen)",
    ),
}
"""Name → (cardinalities) → input layer, and what its columns are."""


def _on_one_hot(trunk: Callable[..., nn.Module]) -> Callable[..., Parts]:
    def build(cardinalities: Sequence[int], **options: Any) -> Parts:
        inputs = OneHotInput(cardinalities)
        return inputs, trunk(inputs.width, **options)

    return build


def _tabular(cardinalities: Sequence[int], **options: Any) -> Parts:
    return AsIs(len(cardinalities)), TabularTrunk(cardinalities, **options)


def _user_module(cardinalities: Sequence[int], *, input: str, **options: Any) -> Parts:
    if input not in USER_INPUTS:
        raise ConfigError(f"encoder.input must be one of {', '.join(USER_INPUTS)}, got '{input}'.")
    layer, columns = USER_INPUTS[input]
    inputs = layer(cardinalities)
    rows = inputs(example_rows(cardinalities))
    return inputs, build_user_trunk(rows, columns=columns, **options)


ENCODERS: dict[str, Callable[..., Parts]] = {
    "tabular": _tabular,
    "mlp": _on_one_hot(MLPTrunk),
    "linear": _on_one_hot(LinearTrunk),
    USER_MODULE: _user_module,
}
"""Name → (cardinalities, dim and the trunk's options) → input layer and trunk."""


class Encoder(nn.Module):
    """z = standardise(trunk(input(x))): the representation that heads and penalty share.

    An ensemble's representation is the mean of its members', which are standardised by the
    moments of that mean: a linear head on z averages its outputs on the members. With ``cells``
    the representation is the indicator of z's cell instead (in training, its probabilities).

    Attributes:
        architecture: what :func:`build_encoder` needs to build it again; primitives only.
        dim: size d of the representation; K with cells.
        cells: the last layer of a certified encoder, if it is one.
    """

    def __init__(
        self,
        inputs: InputLayer,
        trunk: nn.Module,
        dim: int,
        architecture: dict[str, Any],
        cells: Cells | None = None,
    ) -> None:
        super().__init__()
        self.inputs = inputs
        self.trunk = trunk
        self.normalise = BatchStandardise(dim)
        self.cells = cells
        self.dim = dim if cells is None else cells.count
        self.architecture = architecture

    def forward(self, x: Float[Tensor, "n p"]) -> Float[Tensor, "n d"]:
        """Represent preprocessed rows."""
        return self.members(x).mean(dim=0)

    def members(self, x: Float[Tensor, "n p"]) -> Float[Tensor, "m n d"]:
        """Represent preprocessed rows by each member of an ensemble.

        m = 1 for a single network, and with cells, which are the whole ensemble's.
        """
        rows = self.inputs(x)
        h = self.trunk(rows)  # ([m,] n, d)
        z = self.normalise(h if h.dim() == 3 else h.unsqueeze(0))
        return z if self.cells is None else self.cells(z.mean(dim=0), rows).unsqueeze(0)


def trunk_options(architecture: Options) -> Options:
    """Name and options of the network itself, which cells may stand upon."""
    return architecture["trunk"] if architecture["name"] == CELLS else architecture


def runs_user_code(architecture: Mapping[str, Any]) -> bool:
    """Whether :func:`build_encoder` imports and calls code of the user's own for it."""
    return trunk_options(architecture)["name"] == USER_MODULE


def build_encoder(
    cardinalities: Sequence[int], *, name: str, dim: int | None = None, **options: Any
) -> Encoder:
    """Build an untrained encoder.

    Args:
        cardinalities: per column of x its number of categories, 0 for a numeric column.
        name: ``tabular``, ``mlp``, ``linear``, ``module`` or ``cells``.
        dim: size d of the representation; ``None`` for what the user's module gives (``module``
            alone). Not of ``cells``, which has ``cells`` K, ``release``, ``usage``, ``recall``
            (``None``, or ``weight`` and ``columns`` of :class:`fairrep.encoders.recall.Recall`)
            and, as ``trunk``, name and options of one of the others.
        **options: the trunk's own, e.g. ``hidden`` and ``dropout`` for ``mlp``; ``columns`` for
            ``tabular``, see :func:`fairrep.encoders.fit_columns`; ``target``, ``input``,
            ``frozen`` and ``options`` for ``module``, whose code is imported and called.

    Raises:
        ConfigError: unknown name or option, or a value out of range.
    """
    if name == CELLS:
        if dim is not None:
            raise ConfigError(f"encoder.dim is not of cells, got {dim}; give encoder.trunk.dim.")
        return _with_cells(cardinalities, **options)
    if name not in ENCODERS:
        known = ", ".join([*ENCODERS, CELLS])
        raise ConfigError(f"encoder must be one of {known}, got '{name}'.")
    if dim is None and name != USER_MODULE:
        raise ConfigError(f"encoder.dim must be given for encoder '{name}', got null.")
    if dim is not None and dim < 1:
        raise ConfigError(f"encoder.dim must be at least 1, got {dim}.")
    try:
        inputs, trunk = ENCODERS[name](cardinalities, dim=dim, **options)
    except TypeError as problem:
        raise ConfigError(f"encoder '{name}': {problem}.") from problem
    architecture = {"name": name, "dim": dim, "cardinalities": list(cardinalities), **options}
    if isinstance(trunk, UserTrunk):
        dim = trunk.dim
    assert dim is not None  # only a user's module may leave it open
    return Encoder(inputs, trunk, dim, architecture)


def _with_cells(
    cardinalities: Sequence[int],
    *,
    trunk: Mapping[str, Any],
    cells: int,
    release: str,
    usage: float,
    recall: Mapping[str, Any] | None,
) -> Encoder:
    if trunk["name"] == CELLS:
        raise ConfigError("encoder.trunk must be an encoder without cells, got 'cells'.")
    base = build_encoder(cardinalities, **trunk)
    told = None if recall is None else Recall(cardinalities, **recall)
    layer = Cells(base.dim, cells, release=release, usage=usage, recall=told)
    options = {"cells": cells, "release": release, "usage": usage, "recall": recall}
    architecture = cells_architecture(base.architecture, **options)
    return Encoder(base.inputs, base.trunk, base.dim, architecture, layer)


def cells_architecture(base: Mapping[str, Any], **options: Any) -> dict[str, Any]:
    """What builds the encoder of ``base``'s architecture with cells of these options on top."""
    trunk = {key: value for key, value in base.items() if key != "cardinalities"}
    return {"name": CELLS, **options, "trunk": trunk, "cardinalities": base["cardinalities"]}
