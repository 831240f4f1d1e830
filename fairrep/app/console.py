"""A command's outer edge: one line for mistakes a user can mend, exit code 2."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from fairrep.errors import FairrepError

if TYPE_CHECKING:
    from omegaconf import DictConfig

USER_ERROR, INTERRUPTED = 2, 130
Result = TypeVar("Result")


@contextmanager
def user_errors(
    *, debug: bool, folder: Path | None = None, go_on: str | None = None
) -> Iterator[None]:
    """Print a :class:`FairrepError` as one line and exit with 2; ``debug`` lets it through.

    A run folder that is still empty is removed: nothing half-written is left behind. After an
    interruption ``go_on`` says with what the command continues; where it is not given, with
    ``resume`` and the folder, if there is one.
    """
    try:
        yield
    except FairrepError as mistake:
        _remove_if_empty(folder)
        if debug:
            raise
        print(f"error: {' '.join(str(mistake).split())}", file=sys.stderr)
        sys.exit(USER_ERROR)
    except KeyboardInterrupt:
        _remove_if_empty(folder)
        if go_on is None and folder is not None:
            go_on = f"resume={folder}"
        print(f"Interrupted{f'; continue with {go_on}' if go_on else ''}", file=sys.stderr)
        sys.exit(INTERRUPTED)


def in_run_folder(run: Callable[[DictConfig, Path], Result], config: DictConfig) -> Result:
    """Run a command in the folder that Hydra made for it, mistakes as one line."""
    from hydra.core.hydra_config import HydraConfig  # help needs none of it

    folder = Path(HydraConfig.get().runtime.output_dir)
    with user_errors(debug=config.debug, folder=folder):
        return run(config, folder)


def is_first_process() -> bool:
    """Whether this process is the one that prints and writes (rank 0, or the only one)."""
    return os.environ.get("LOCAL_RANK", "0") == "0" and os.environ.get("NODE_RANK", "0") == "0"


def quieten() -> None:
    """Keep Lightning's advice out of the terminal; its warnings stay."""
    for name in ("pytorch_lightning", "lightning_fabric"):
        for suffix in ("", ".utilities.rank_zero"):
            logging.getLogger(name + suffix).setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message=".*LeafSpec.*is deprecated.*")


def _remove_if_empty(folder: Path | None) -> None:
    """Remove the folder and the parents that were made for it, as far as they are empty."""
    if folder is None or not is_first_process():
        return
    with suppress(OSError):  # not empty, or never made
        for path in (folder, *folder.parents):
            if path == Path.cwd():
                break
            path.rmdir()
