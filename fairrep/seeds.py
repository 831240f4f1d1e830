"""One seed, many independent streams: initialisation, batches, dropout, evaluation."""

from __future__ import annotations

import zlib

import numpy as np
import torch


def derive_seed(seed: int, *stream: str | int) -> int:
    """Return a 63-bit seed for a named stream, e.g. ``derive_seed(0, "batches", epoch)``.

    Streams of one seed are statistically independent (NumPy's ``SeedSequence`` hashes the words),
    so drawing more from one never moves another.
    """
    words = [zlib.crc32(str(word).encode()) for word in stream]
    state = np.random.SeedSequence([seed, *words]).generate_state(1, np.uint64)
    return int(state[0] >> np.uint64(1))


def generator(seed: int, *stream: str | int) -> torch.Generator:
    """Return a CPU generator at the start of a named stream of ``seed``."""
    return torch.Generator().manual_seed(derive_seed(seed, *stream))
