"""Heads that score a run's representation: its own, or a folder of fitted ones."""

from __future__ import annotations

from pathlib import Path

from fairrep.app.table_encoder import JOINT
from fairrep.encoders import SavedHeads, load_heads
from fairrep.errors import RunError


def run_heads(run: Path, head: str | None, *, dim: int) -> SavedHeads | None:
    """Load the heads that a setting asks for; nothing where it asks for none.

    Args:
        run: the run's folder.
        head: ``joint``, a folder of saved heads, or None.
        dim: size d of the run's representation.

    Raises:
        RunError: none there, or heads of another representation.
    """
    if head is None:
        return None
    folder = heads_folder(run, head)
    if head == "joint" and not folder.is_dir():
        raise RunError(
            f"'{run}' has no {JOINT}: it is of an earlier version, which did not keep the heads "
            "that were trained with the encoder; train again, or give head=FOLDER."
        )
    heads = load_heads(folder)
    if heads.network.dim != dim:
        raise RunError(
            f"head must read a representation of size {dim}, but those of '{folder}' read "
            f"{heads.network.dim}; they are of another encoder."
        )
    return heads


def heads_folder(run: Path, head: str) -> Path:
    """Where the heads lie."""
    return run / JOINT if head == "joint" else Path(head)
