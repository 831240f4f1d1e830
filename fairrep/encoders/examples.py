"""A few made-up rows, on which a network is tried before anything is trained."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

EXAMPLES = 4


def example_rows(cardinalities: Sequence[int]) -> Float[Tensor, "n p"]:
    """Numbers between -1.5 and 1.5, the first codes of each category, and a row of unseen ones.

    Args:
        cardinalities: per column its number of categories, 0 for a numeric one.
    """
    rows = [
        [float((i + j) % size if size else (i + j) % EXAMPLES - 1.5) for i in range(EXAMPLES)]
        for j, size in enumerate(cardinalities)
    ]
    x = torch.tensor(rows).view(len(rows), EXAMPLES).T.contiguous()  # (n, p)
    x[-1, [j for j, size in enumerate(cardinalities) if size]] = -1.0
    return x
