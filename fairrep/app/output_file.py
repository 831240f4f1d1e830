"""Where a command writes its one file."""

from __future__ import annotations

from pathlib import Path

from fairrep.errors import RunError


def require_free(output: Path, *, overwrite: bool) -> None:
    """Refuse a place that a file cannot take.

    Raises:
        RunError: its folder is not there, a folder has its name, or a file that may not be
            replaced.
    """
    if not output.parent.is_dir():
        raise RunError(f"output's folder '{output.parent}' does not exist; make it first.")
    if output.is_dir() or (output.exists() and not overwrite):
        raise RunError(f"'{output}' is there already; choose another, or give overwrite=true.")
