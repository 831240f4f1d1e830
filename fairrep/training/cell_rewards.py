"""What cells are rewarded for in training, beside the seen tasks."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from fairrep.encoders.cells import Cells
from fairrep.functional import cell_usage


def cell_rewards(
    cells: Cells, q: Float[Tensor, "*B n K"], x: Float[Tensor, "*B n p"]
) -> dict[str, Float[Tensor, "*B"]]:
    """The weighted rewards that are switched on: ``usage`` and ``recall``.

    Args:
        cells: the layer, which holds the weights.
        q: the rows' probabilities of its cells.
        x: the rows, preprocessed.
    """
    rewards = {}
    if cells.usage > 0:
        rewards["usage"] = cells.usage * cell_usage(q)
    if cells.recall is not None and cells.recall.weight > 0:
        rewards["recall"] = cells.recall(q, x)
    return rewards
