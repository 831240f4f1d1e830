"""How the penalty's weight λ moves over training."""

from __future__ import annotations

from dataclasses import dataclass


def warmup_weight(weight: float, epoch: float, warmup_epochs: float) -> float:
    """λ rises linearly from 0 to ``weight`` over ``warmup_epochs`` epochs, then stays.

    Args:
        weight: final λ.
        epoch: epochs done so far, fractional within an epoch.
        warmup_epochs: length of the rise in epochs; 0 starts at ``weight``.
    """
    return weight if warmup_epochs <= 0 else weight * min(1.0, epoch / warmup_epochs)


@dataclass(frozen=True)
class DualAscent:
    r"""λ as the multiplier of a constraint: the gap of a task on validation rows ≤ target.

    After each epoch :math:`\lambda \leftarrow \max(0, \lambda + \eta\,(gap - target))`: it rises
    while the constraint is violated and falls otherwise. The gap is the demographic-parity
    difference of the joint head's decisions (for a regression, the KS distance).

    Attributes:
        task: name of a seen task, or ``total_variation`` for the cells' gap.
        target: bound on its gap, in [0, 1].
        rate: η, λ per unit of gap and epoch, > 0.
        start: λ of the first epoch, >= 0.
    """

    task: str
    target: float
    rate: float
    start: float

    def __post_init__(self) -> None:
        if not 0 <= self.target <= 1:
            raise ValueError(f"target must lie in [0, 1], got {self.target}.")
        if not 0 < self.rate < float("inf"):
            raise ValueError(f"rate must be positive and finite, got {self.rate}.")
        if not 0 <= self.start < float("inf"):
            raise ValueError(f"start must be >= 0 and finite, got {self.start}.")

    def next_weight(self, weight: float, gap: float) -> float:
        """λ after an epoch that ended with this gap."""
        return max(0.0, weight + self.rate * (gap - self.target))
