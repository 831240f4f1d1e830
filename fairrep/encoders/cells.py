"""The last layer of a certified encoder: nothing but the number of a cell leaves it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from fairrep.encoders.recall import Recall
from fairrep.encoders.row_uniforms import row_uniforms
from fairrep.errors import ConfigError

RELEASES = ("argmax", "draw")


class Cells(nn.Module):
    """Map z to one of K cells.

    In training the output is q(·|x), the softmax of a linear map of z, so that heads and penalty
    have gradients. In evaluation it is the one released cell as a row of zeros with a single 1:
    the most probable one (``argmax``), or one draw from q (``draw``). The draw of a person is a
    function of the person's row (:func:`fairrep.encoders.row_uniforms.row_uniforms`): whoever asks
    again gets the same cell, so that several draws cannot be put together.

    Args:
        dim: size d of z.
        count: cells K, at least 2.
        release: ``argmax`` or ``draw``.
        usage: weight of :func:`fairrep.functional.cell_usage` in training, ≥ 0: the reward for
            keeping cells in use.
        recall: reward in training for what the cells tell of columns of x, if any.

    Raises:
        ConfigError: a value out of range.
    """

    merged: Tensor

    def __init__(
        self, dim: int, count: int, *, release: str, usage: float, recall: Recall | None
    ) -> None:
        super().__init__()
        if count < 2:
            raise ConfigError(f"encoder.cells must be at least 2, got {count}.")
        if release not in RELEASES:
            raise ConfigError(
                f"encoder.release must be one of {', '.join(RELEASES)}, got '{release}'."
            )
        if not 0 <= usage < float("inf"):
            raise ConfigError(f"encoder.usage must be >= 0 and finite, got {usage}.")
        self.map = nn.Linear(dim, count)
        self.count = count
        self.release = release
        self.usage = usage
        self.recall = recall
        self.register_buffer("merged", torch.arange(count))

    def forward(self, z: Float[Tensor, "n d"], rows: Float[Tensor, "n w"]) -> Float[Tensor, "n K"]:
        """Probabilities in training, the released cell's indicator in evaluation.

        Args:
            z: the standardised output of the trunk.
            rows: what the input layer returned, which a draw depends on.
        """
        logits = self.map(z)
        if self.training:
            return logits.softmax(-1)
        return release_cells(logits, rows, release=self.release, merged=self.merged)

    @torch.no_grad()
    def merge(self, into: Int[Tensor, " K"]) -> None:
        """Release ``into[k]`` wherever k was released.

        Raises:
            ValueError: a cell that does not exist, or another length than K.
        """
        if into.shape != (self.count,) or bool(((into < 0) | (into >= self.count)).any()):
            raise ValueError(f"into must hold {self.count} cells in 0..{self.count - 1}.")
        self.merged.copy_(into[self.merged])


def release_cells(
    logits: Float[Tensor, "*B n K"],
    rows: Float[Tensor, "*B n w"],
    *,
    release: str,
    merged: Int[Tensor, " K"],
) -> Float[Tensor, "*B n K"]:
    """Each row's released cell as an indicator row; arguments as in :class:`Cells`."""
    if release == "argmax":
        cell = logits.argmax(-1)
    else:
        below = logits.softmax(-1).cumsum(-1)  # (*B, n, K)
        u = row_uniforms(rows).to(below.dtype).unsqueeze(-1)
        cell = (below[..., :-1] <= u * below[..., -1:]).sum(-1)
    return F.one_hot(merged[cell], logits.shape[-1]).to(logits.dtype)
