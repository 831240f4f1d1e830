"""What every penalty is to the trainer, and what it does to rows before it compares them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Literal, NamedTuple, Protocol

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from fairrep.errors import NumericalError
from fairrep.penalties.notion import Notion
from fairrep.types import AttributeSpec, GroupCounts

Combine = Literal["intersections", "sum"]


class PenaltyValue(NamedTuple):
    """The penalty of a batch, or of one batch a model, and what it had to leave out."""

    value: Float[Tensor, "*B"]
    absent: Int[Tensor, "*B"]
    """Comparisons with fewer than ``min_rows`` rows on a side."""
    nonfinite: Int[Tensor, "*B"]
    """Rows whose representation holds NaN or Inf."""


class Penalty(Protocol):
    """A penalty on the dependence between a representation and the sensitive attributes."""

    min_rows: int
    """Rows that a comparison needs; batches hold at least so many of each group."""
    reads: Literal["s", "a"]
    """Group codes ``Batch.s``, or the attributes as numbers ``Batch.a``."""
    notion: Notion
    """Which rows are compared."""

    @property
    def random(self) -> bool:
        """Whether it draws random directions or frequencies, from a stream of its own."""
        ...

    def evaluate(
        self, z: Tensor, s: Tensor, y: Tensor | None = None, *, counts: GroupCounts | None = None
    ) -> PenaltyValue:
        """Return the penalty of a batch; with ``counts``, of one batch for each leading index."""
        ...

    def reseed(self, seed: int) -> None:
        """Start the stream of random directions or frequencies anew."""
        ...


def fingerprint(penalty: Penalty | None) -> str:
    """Equal for penalties of equal settings, whatever their streams and averages."""

    def plain(value: object) -> object:
        if isinstance(value, partial):
            return value.func, value.args, sorted(value.keywords.items())
        return value

    settings = {} if penalty is None else vars(penalty)
    return repr(
        (type(penalty),)
        + tuple((name, plain(value)) for name, value in settings.items() if name[0] != "_")
    )


def usable_rows(
    z: Float[Tensor, "*B n d"], *, check_finite: bool
) -> tuple[Float[Tensor, "*B n d"], Bool[Tensor, "*B n"]]:
    """Return z in at least single precision with 0 in rows that are not finite, and which are.

    Raises:
        NumericalError: there are such rows and ``check_finite`` is set (it waits for the device).
    """
    z = z.float() if z.dtype in (torch.float16, torch.bfloat16) else z
    finite = torch.isfinite(z).all(dim=-1)  # (*B, n)
    if check_finite and not bool(finite.all()):
        broken, rows = int((~finite).sum()), finite.numel()
        raise NumericalError(
            f"the representation z must be finite, but {broken} of {rows} rows "
            "hold NaN or Inf; lower optimizer.lr or penalty.weight, or look for infinite features."
        )
    return torch.where(finite[..., None], z, 0.0), finite


def condition_weights(
    notion: Notion,
    y: Float[Tensor, "*B n t"] | None,
    finite: Bool[Tensor, "*B n"],
    dtype: torch.dtype,
) -> list[Float[Tensor, "*B n"]]:
    """0/1 weights of the finite rows that meet each of the notion's conditions."""
    masks = notion.conditions(y)
    return [(finite if mask is None else mask & finite).to(dtype) for mask in masks]


def in_full_precision(z: Tensor) -> AbstractContextManager[None]:
    """Keep autocast from rounding the factors of squared distances to half precision."""
    return torch.autocast(z.device.type, enabled=False)


def require_attributes(combine: str, attributes: Sequence[AttributeSpec]) -> None:
    """Raise unless the attributes can be combined as asked."""
    if combine not in ("intersections", "sum"):
        raise ValueError(f"combine must be intersections or sum, got '{combine}'.")
    if combine == "sum" and not attributes:
        raise ValueError("combine='sum' adds up over attributes: give `attributes`.")


def require_min_rows(min_rows: int, *, least: int = 1) -> None:
    """Raise unless enough rows are asked for."""
    if min_rows < least:
        raise ValueError(f"min_rows must be at least {least}, got {min_rows}.")
