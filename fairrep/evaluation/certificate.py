"""A certificate: the bound, what it was computed from, what it promises and what it does not."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

About = Literal["cell", "rkhs", "score"]

LIMITS = (
    "It speaks of people drawn as the calibration rows were: another place or year voids it.",
    "It speaks of what is computed from the released {thing} alone: not beside the features, the "
    "group, or a second release of the same person.",
    "It is void if the calibration rows were used to train, select or change the encoder.",
    "It bounds a difference of rates between groups; it says nothing about errors, other "
    "definitions of fairness, or any one person.",
)


@dataclass(frozen=True)
class Certificate:
    """An upper bound that holds with probability 1 - δ over the draw of the calibration rows.

    Attributes:
        about: ``cell``: any model on a released cell; ``rkhs``: heads of bounded norm on a
            continuous representation; ``score``: one given score, at every threshold.
        bound: of the demographic-parity difference, or of the difference in mean scores (``rkhs``);
            the largest over pairs of groups, all of which hold at once.
        distance: what was measured between that pair: total variation, MMD times the norm, or the
            KS distance.
        delta: probability with which the bound may fail.
        candidates: certificates that were computed on the same rows and hold at once.
        groups: group → its calibration rows.
        pairs: "one | other" → ``distance`` and ``bound``.
        notion: ``demographic_parity`` (all rows) or ``equal_opportunity`` (those with label 1).
        task: whose label that is.
        release: how the cell is released: ``argmax`` or ``draw``; of ``cell`` alone.
        cells: cells K, and of them in use on the calibration rows.
        method: of the bound.
        norm: B, of ``rkhs`` alone.
    """

    about: About
    bound: float
    distance: float
    delta: float
    candidates: int
    groups: dict[str, int]
    pairs: dict[str, dict[str, float]]
    notion: str = "demographic_parity"
    task: str | None = None
    release: str | None = None
    cells: tuple[int, int] | None = None
    method: str = "exact"
    norm: float | None = None

    @property
    def slack(self) -> float:
        """What was added to the measured distance."""
        return self.bound - self.distance

    @property
    def promise(self) -> str:
        """What holds, in words."""
        sure = f"With probability {1 - self.delta:.4g} over the draw of the calibration rows"
        together = (
            f" (this and {self.candidates - 1} other certificates on them at once)"
            if self.candidates > 1
            else ""
        )
        who = {
            "cell": "no model that sees only the released cell of a person, for any task",
            "rkhs": f"no head of norm at most {self.norm} in the kernel's space",
            "score": "no threshold on this score",
        }[self.about]
        what = "demographic-parity difference"
        if self.about == "rkhs":
            what = "difference in mean score"
        if self.notion == "equal_opportunity":
            what = f"difference in positive rates among people with {self.task} = 1"
        above = math.ceil(self.bound * 1000 - 1e-9) / 1000  # a bound is rounded up
        return f"{sure}{together}, {who}, has a {what} above {above:.3f} between two groups."

    @property
    def limits(self) -> tuple[str, ...]:
        """What does not follow, in words."""
        thing = {"cell": "cell", "rkhs": "representation", "score": "score"}[self.about]
        return tuple(limit.format(thing=thing) for limit in LIMITS)

    def to_json(self) -> dict[str, Any]:
        """As a JSON-ready dictionary, words included."""
        words = {"slack": self.slack, "promise": self.promise, "limits": list(self.limits)}
        cells = None if self.cells is None else list(self.cells)
        return asdict(self) | words | {"cells": cells}

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> Certificate:
        """The inverse of :meth:`to_json`."""
        own = {k: v for k, v in saved.items() if k not in ("slack", "promise", "limits")}
        if own.get("cells") is not None:
            own["cells"] = tuple(own["cells"])
        return cls(**own)
