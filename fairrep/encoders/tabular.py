"""A trunk for typed columns: embeddings, residual blocks, and an ensemble if one is asked for."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from fairrep.encoders.embeddings import ColumnEmbedding
from fairrep.errors import ConfigError


class Residual(nn.Module):
    """h + block(h)."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block = block

    def forward(self, h: Float[Tensor, "*B n w"]) -> Float[Tensor, "*B n w"]:
        """Add what the block makes of h."""
        return h + self.block(h)


class MemberScales(nn.Module):
    """Rows for every member of an ensemble: h times the member's own scales.

    Args:
        members: m.
        width: units w.

    Ref: Gorishniy, Kotelnikov and Babenko (2025), ICLR (TabM-mini, its scales one layer later).
    """

    def __init__(self, members: int, width: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(1 + torch.randn(members, width) / 2)

    def forward(self, h: Float[Tensor, "n w"]) -> Float[Tensor, "m n w"]:
        """Scale the rows, once for each member."""
        return h * self.scale.unsqueeze(-2)


class MemberLinear(nn.Module):
    """Each member's own linear map.

    Args:
        members: m.
        width: inputs.
        dim: outputs d.
    """

    def __init__(self, members: int, width: int, dim: int) -> None:
        super().__init__()
        bound = width**-0.5
        self.weight = nn.Parameter(torch.empty(members, width, dim).uniform_(-bound, bound))

    def forward(self, h: Float[Tensor, "m n width"]) -> Float[Tensor, "m n dim"]:
        """Map every member's rows."""
        return h @ self.weight


class TabularTrunk(nn.Module):
    """Column embeddings → a block → (members) → residual blocks → z.

    A block is linear, layer normalisation, ReLU, dropout. With an ensemble, the embeddings and the
    first linear layer are computed once; from there on every member has rows of its own, which
    pass through shared layers.

    Args:
        cardinalities: per column of x its number of categories, 0 for a numeric one.
        dim: outputs d.
        columns: what :func:`fairrep.encoders.fit_columns` read off the training rows.
        numeric: ``piecewise_linear`` or ``periodic``.
        embedding: length of each column's vector.
        width: units of a block.
        blocks: number of blocks, the first one included.
        dropout: probability that a hidden unit is zeroed in training, in [0, 1).
        ensemble: members m; 1 for a single network.
    """

    def __init__(
        self,
        cardinalities: Sequence[int],
        *,
        dim: int,
        columns: Sequence[Sequence[float]],
        numeric: str,
        embedding: int,
        width: int,
        blocks: int,
        dropout: float,
        ensemble: int,
    ) -> None:
        super().__init__()
        for name, value in (("width", width), ("blocks", blocks), ("ensemble", ensemble)):
            if value < 1:
                raise ConfigError(f"encoder.{name} must be at least 1, got {value}.")
        if not 0 <= dropout < 1:
            raise ConfigError(f"encoder.dropout must lie in [0, 1), got {dropout}.")
        self.embedding = ColumnEmbedding(cardinalities, columns, numeric=numeric, size=embedding)
        single = ensemble == 1
        split = [] if single else [MemberScales(ensemble, width)]
        first = [nn.Linear(self.embedding.width, width), nn.LayerNorm(width), *split]
        rest = [
            Residual(nn.Sequential(nn.Linear(width, width), nn.LayerNorm(width), *_end(dropout)))
            for _ in range(blocks - 1)
        ]
        self.blocks = nn.Sequential(*first, *_end(dropout), *rest)
        self.out = nn.Linear(width, dim) if single else MemberLinear(ensemble, width, dim)

    def forward(self, x: Float[Tensor, "n p"]) -> Float[Tensor, "*m n dim"]:
        """Run the layers; an ensemble's members come first."""
        return self.out(self.blocks(self.embedding(x)))


def _end(dropout: float) -> list[nn.Module]:
    return [nn.ReLU(), nn.Dropout(dropout)]
