"""Where trials are kept: in memory, in a journal file, in any database; one line for its faults."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage, InMemoryStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock
from optuna.storages.journal._file import get_lock_file
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError, SQLAlchemyError

from fairrep.errors import SearchError

JOURNAL = "trials.journal"
FIRST = b'{"op_code"'  # of every line that Optuna writes
SETTLED_SECONDS = 2.0  # for another worker to make a database's tables
LOCK_SECONDS = 10  # after so long the lock of a journal belongs to a worker that is dead


def open_storage(storage: Any) -> BaseStorage:
    """Open a storage of trials.

    Args:
        storage: None: in memory. A folder, or a file: a journal file (in a folder
            ``trials.journal``), which processes on one file system share. A URL
            (``sqlite:///trials.db``, ``postgresql://…``): a database. Or Optuna's own object.

    Raises:
        SearchError: it cannot be read.
    """
    if storage is None:
        return InMemoryStorage()
    if isinstance(storage, BaseStorage):
        return storage
    with storage_errors(storage):
        return _database(str(storage)) if "://" in str(storage) else _journal(Path(storage))


@contextmanager
def storage_errors(storage: Any) -> Iterator[None]:
    """Turn what a storage raises into one line."""
    try:
        yield
    except (StorageInternalError, SQLAlchemyError, OSError, ImportError) as problem:
        raise _unusable(storage, problem) from problem


def _database(url: str) -> RDBStorage:
    """A database; of workers that make its tables at once, one is told that they exist."""
    try:
        return RDBStorage(url)
    except (IntegrityError, OperationalError, ProgrammingError):
        time.sleep(SETTLED_SECONDS)
        return RDBStorage(url)


def _journal(path: Path) -> JournalStorage:
    """A journal file; what a killed worker wrote of its last line is cut off."""
    file = path / JOURNAL if path.is_dir() or not path.suffix else path
    file.parent.mkdir(parents=True, exist_ok=True)
    lock = JournalFileSymlinkLock(str(file), grace_period=LOCK_SECONDS)
    if file.exists():
        with get_lock_file(lock):
            _cut_unfinished_line(file)
    try:
        return JournalStorage(JournalFileBackend(str(file), lock_obj=lock))
    except (ValueError, KeyError, TypeError, AttributeError) as problem:
        raise _unusable(file, problem) from problem


def _cut_unfinished_line(file: Path) -> None:
    """Only of a journal: any other file is refused, and stays as it is."""
    content = file.read_bytes()
    if content and not content.startswith(FIRST):
        raise _unusable(file, ValueError("not a journal"))
    if not content.endswith(b"\n"):
        os.truncate(file, content.rfind(b"\n") + 1)


def _unusable(storage: Any, problem: Exception) -> SearchError:
    origin = problem.__cause__ or problem
    lines = str(origin).strip().splitlines() or [type(origin).__name__]
    return SearchError(
        f"storage must be a journal file, a folder or a database that can be read and written, "
        f"got '{storage}' ({type(origin).__name__}: {lines[0]}); choose another, or end what "
        "locks it."
    )
