"""Rows known again by their content: 64-bit hashes, and a sketch of the distinct ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt64

GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # 2⁶⁴ over the golden ratio
MIXERS = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))
Hashes = UInt64[np.ndarray, " n"]


def row_hashes(x: Float[np.ndarray, "n p"]) -> Hashes:
    """Hash every row's values in single precision; equal rows, and they alone, hash alike.

    The same on every machine and in every process. Two given rows that differ share a hash with a
    chance of about 2⁻⁶⁴. -0.0 is 0.0.

    Args:
        x: finite numbers of any type, (n, p).

    Ref: Steele, Lea and Flood (2014), OOPSLA (SplitMix64's finaliser).
    """
    rows = np.asarray(x)
    found = np.full(len(rows), rows.shape[1], dtype=np.uint64)
    for column in rows.T:
        single = column.astype(np.float32) + np.float32(0)  # -0.0 + 0.0 is 0.0
        found = _mixed((found ^ single.view(np.uint32)) + GOLDEN)
    return found


def _mixed(values: Hashes) -> Hashes:
    """A bijection after which every bit depends on all of them."""
    for shift, factor in MIXERS:
        values = (values ^ (values >> np.uint64(shift))) * np.uint64(factor)
    return values ^ (values >> np.uint64(31))


@dataclass(frozen=True)
class HashSketch:
    """The smallest of some rows' distinct hashes: a random sample of the distinct rows.

    Attributes:
        hashes: ascending.
        complete: whether all are here.
    """

    hashes: Hashes
    complete: bool

    @classmethod
    def of(cls, hashes: Hashes, *, kept: int) -> HashSketch:
        """Keep ``kept`` of the distinct hashes, or all of them if they are no more."""
        distinct = np.unique(hashes)
        return cls(distinct[:kept], len(distinct) <= kept)

    def __or__(self, other: HashSketch) -> HashSketch:
        """The sketch of both together, as far as both reach."""
        both = np.union1d(self.hashes, other.hashes)
        ends = [one.hashes[-1] for one in (self, other) if not one.complete]
        return HashSketch(both[both <= min(ends)] if ends else both, not ends)

    def matches(self, hashes: Hashes) -> tuple[int, int]:
        """Count the rows in here, and those that would be if they were among the sketched ones."""
        looked_at = hashes if self.complete else hashes[hashes <= self.hashes[-1]]
        return int(np.isin(looked_at, self.hashes).sum()), len(looked_at)
