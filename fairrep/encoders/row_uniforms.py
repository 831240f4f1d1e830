"""One number in [0, 1) for every row, always the same one: a draw that cannot be repeated."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

KEY = 0x5EEDCE11
"""Start of the multipliers' stream: fixed before anybody's row was seen."""


def row_uniforms(rows: Float[Tensor, "*B n w"]) -> Float[Tensor, "*B n"]:
    """A pseudo-random number of each row, uniform on [0, 1), in double precision.

    A hash of the row's single-precision bits: a sum of odd multiples modulo 2⁶⁴, then
    SplitMix64's finaliser. Equal rows have equal numbers, on every device and machine; rows that
    differ in one bit have unrelated ones.

    Args:
        rows: finite or not; -0 counts as 0.

    Ref: Lemire and Kaser (2014), Computer Journal 57 (multilinear hashing); Steele, Lea and Flood
    (2014), OOPSLA (SplitMix).
    """
    bits = (rows.float() + 0.0).contiguous().view(torch.int32).long()  # (*B, n, w)
    state = (bits * _multipliers(rows.shape[-1]).to(rows.device)).sum(-1)
    state = _scrambled(state + KEY)
    return _shifted(state, 11).double() * 2.0**-53


def _multipliers(width: int) -> Tensor:
    words = np.random.SeedSequence(KEY).generate_state(width, np.uint64) | np.uint64(1)
    return torch.from_numpy(words.view(np.int64))


def _scrambled(state: Tensor) -> Tensor:
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        state = (state ^ _shifted(state, shift)) * (factor - 2**64)
    return state ^ _shifted(state, 31)


def _shifted(state: Tensor, bits: int) -> Tensor:
    """Logical shift to the right of 64-bit words, which are signed here."""
    return (state >> bits) & (2 ** (64 - bits) - 1)
