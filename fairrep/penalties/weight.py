"""How the penalty's weight λ moves over training."""

from __future__ import annotations


def warmup_weight(weight: float, epoch: float, warmup_epochs: float) -> float:
    """λ rises linearly from 0 to ``weight`` over ``warmup_epochs`` epochs, then stays.

    Args:
        weight: final λ.
        epoch: epochs done so far, fractional within an epoch.
        warmup_epochs: length of the rise in epochs; 0 starts at ``weight``.
    """
    return weight if warmup_epochs <= 0 else weight * min(1.0, epoch / warmup_epochs)
