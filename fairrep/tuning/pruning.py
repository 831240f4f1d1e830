"""Which trials are hopeless: those that even the largest catch-up seen so far would not save."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

LEAST_TRIALS = 10  # complete ones, before any is given up


@dataclass(frozen=True)
class Course:
    """A trial step by step.

    Attributes:
        utility: after each step, more is better.
        violation: of the constraints, the largest; 0 or less where all hold.
    """

    utility: Sequence[float]
    violation: Sequence[float]

    @property
    def feasible(self) -> bool:
        """Whether it ended within every constraint."""
        return self.violation[-1] <= 0


def hopeless(own: Course, complete: Sequence[Course]) -> bool:
    r"""Whether a trial that has come so far can be given up.

    With k steps done, it trails the best feasible trial * by :math:`u^*_k - u_k`. It is given up if
    no complete trial i ever made up so much, :math:`(u_i - u^*) - (u_{ik} - u^*_k)` from step k to
    the end; or if it breaks a constraint by more than any complete trial's violation has fallen
    from step k. Without a feasible trial, or with fewer than ten complete ones, none is.

    Args:
        own: the trial's course so far.
        complete: courses of complete trials that went beyond this step.
    """
    k = len(own.utility) - 1
    feasible = [one for one in complete if one.feasible]
    if len(complete) < LEAST_TRIALS or not feasible:
        return False
    best = max(feasible, key=lambda one: one.utility[-1])
    trails = best.utility[k] - own.utility[k]
    made_up = [
        (one.utility[-1] - best.utility[-1]) - (one.utility[k] - best.utility[k])
        for one in complete
    ]
    fallen = [one.violation[k] - one.violation[-1] for one in complete]
    return trails > max(made_up) or own.violation[k] > max(0.0, *fallen)


def carried(
    steps: Sequence[Mapping[str, float]], complete: Sequence[Sequence[Mapping[str, float]]]
) -> dict[str, float]:
    """Figures at the end, expected after k steps: those so far, moved as complete trials' did.

    Args:
        steps: figures of the trial after each step.
        complete: the same of complete trials that went beyond this step.
    """
    k = len(steps) - 1
    return {
        name: value + float(np.mean([one[-1][name] - one[k][name] for one in complete]))
        for name, value in steps[-1].items()
    }
