"""Stratified bootstrap of everything at once: resampled sums of columns.

A figure is a function of sums over rows. Resampling the rows within each stratum once, and
summing all columns over the same resamples, makes every comparison between heads and
representations a paired one.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

DRAWS = 1000
ENTRIES = 4_000_000  # of the weight matrix held at a time
ADDED = 2


def resampled_sums(
    columns: Float[np.ndarray, "n k"],
    stratum: Int[np.ndarray, " n"],
    *,
    strata: int,
    seed: int,
    draws: int = DRAWS,
) -> tuple[Float[np.ndarray, "draws s k"], Float[np.ndarray, "draws s 2"]]:
    """Sums over rows drawn with replacement within each stratum.

    Two made-up rows take part in every stratum, one that counts as a hit of every rate and one as
    a miss (Agresti and Caffo 2000): a rate that was 0 or 1 in the sample still varies. Their
    resampled numbers come second. A stratum without rows stays empty.
    """
    sums = np.zeros((draws, strata, columns.shape[1]))
    added = np.zeros((draws, strata, ADDED))
    rng = np.random.default_rng(seed)
    values = columns.astype(np.float32)
    for g in range(strata):
        own = values[stratum == g]
        n = len(own) + ADDED
        if n == ADDED:
            continue
        chunk = max(1, ENTRIES // n)
        for start in range(0, draws, chunk):
            weights = _weights(rng, min(chunk, draws - start), n)
            rows = slice(start, start + len(weights))
            sums[rows, g] = weights[:, ADDED:] @ own
            added[rows, g] = weights[:, :ADDED]
    return sums, added


def _weights(rng: np.random.Generator, draws: int, n: int) -> Float[np.ndarray, "draws n"]:
    """How often each of n rows is drawn, in samples of n rows."""
    drawn = rng.integers(0, n, (draws, n), dtype=np.int32)
    weights = np.empty((draws, n), dtype=np.float32)
    for row, chosen in zip(weights, drawn):  # one at a time: counts that stay in the cache
        row[:] = np.bincount(chosen, minlength=n)
    return weights
