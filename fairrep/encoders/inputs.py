"""The first layer: category codes become one-hot on the device, or all of x passes as it is."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn


class InputLayer(nn.Module):
    """What comes before the trunk; without parameters.

    Attributes:
        width: columns that it returns.
    """

    width: int


class OneHotInput(InputLayer):
    """Map the preprocessed matrix to numbers followed by one 0/1 column per category.

    The one-hot matrix exists for one batch at a time only. A code outside 0..K-1 (an unseen
    category is -1) gives a row of zeros for its column. One gather and one comparison: no
    data-dependent shapes, so it runs under ``vmap`` and exports.

    Args:
        cardinalities: per column of x its number of categories, 0 for a numeric column.
    """

    numeric: Tensor
    column: Tensor
    code: Tensor

    def __init__(self, cardinalities: Sequence[int]) -> None:
        super().__init__()
        numeric = [j for j, size in enumerate(cardinalities) if size == 0]
        one_hot = [(j, k) for j, size in enumerate(cardinalities) for k in range(size)]
        pairs = torch.tensor(one_hot, dtype=torch.int64).view(-1, 2)
        # not parameters of the model: rebuilt from the architecture, never saved
        self.register_buffer("numeric", torch.tensor(numeric, dtype=torch.int64), persistent=False)
        self.register_buffer("column", pairs[:, 0].clone(), persistent=False)
        self.register_buffer("code", pairs[:, 1].float(), persistent=False)
        self.width = len(numeric) + len(one_hot)

    def forward(self, x: Float[Tensor, "n p"]) -> Float[Tensor, "n width"]:
        """Numbers and one-hot categories, in this order."""
        one_hot = x[..., self.column] == self.code  # (n, categories)
        return torch.cat([x[..., self.numeric], one_hot.to(x.dtype)], dim=-1)


class AsIs(InputLayer):
    """Standardised numbers and category codes as they are, for trunks that embed them.

    Args:
        width: columns of x.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(self, x: Float[Tensor, "n p"]) -> Float[Tensor, "n p"]:
        """Return x."""
        return x
