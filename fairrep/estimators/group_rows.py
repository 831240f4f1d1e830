"""Random rows of every group."""

from __future__ import annotations

import numpy as np


def share_of_every_group(
    codes: np.ndarray, share: float, *, at_least: int, rng: np.random.Generator
) -> np.ndarray:
    """Draw a share of every group's rows, rounded, and no fewer than ``at_least``.

    Within a group the rows are a simple random sample: how many are drawn depends on no value.

    Args:
        codes: (n,) groups 0..K-1.
        share: of every group's rows, in (0, 1).
        at_least: rows of a group; a group with fewer gives all.
        rng: draws them.

    Returns:
        Their positions, ascending.
    """
    drawn = [
        rng.permutation(rows)[: max(at_least, round(share * len(rows)))]
        for g in range(codes.max() + 1)
        if len(rows := np.flatnonzero(codes == g))
    ]
    return np.sort(np.concatenate(drawn))
