"""A run's networks with all that their users need: preprocessing, tasks, groups, fitted rows."""

from __future__ import annotations

from fairrep.data import PreparedData
from fairrep.encoders import Encoder, FittedRows, SavedHeads, TableEncoder
from fairrep.training import FairEncoderModule

JOINT = "heads/joint"
"""Where in its folder a run keeps the heads that were trained with the encoder."""


def table_encoder(
    network: Encoder, data: PreparedData, fitted: FittedRows | None = None
) -> TableEncoder:
    """Put a network together with what its data say; ``fitted`` where it is known already."""
    return TableEncoder(
        network,
        data.schema,
        tasks=data.seen,
        groups=data.groups,
        fitted=fitted_rows(data) if fitted is None else fitted,
    )


def fitted_rows(data: PreparedData) -> FittedRows:
    """The rows that training and selection read."""
    return FittedRows.of(data.train.x.numpy(), data.val.x.numpy())


def joint_heads(module: FairEncoderModule) -> SavedHeads:
    """The heads that were trained with the encoder."""
    return SavedHeads(module.heads.cpu().eval(), module.tasks)
