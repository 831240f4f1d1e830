"""Where a file is: the user's path, the package, FAIRREP_DATA, the cache, or the publisher."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pooch

from fairrep.data.download import fetch
from fairrep.data.published import PublishedFile
from fairrep.errors import ConfigError, DataError

EMBEDDED = Path(__file__).parent / "files"
COMPRESSED = ("", ".xz", ".gz", ".bz2", ".zip")


def locate_all(
    dataset: str, files: Sequence[PublishedFile], path: str | None, *, offline: bool
) -> list[Path]:
    """Find all files of a data set; see :func:`locate`."""
    if path is not None and len(files) > 1 and not Path(path).is_dir():
        names = ", ".join(file.name for file in files)
        raise DataError(f"data.path must be the folder that holds {names}, but is '{path}'.")
    return [locate(dataset, file, path, offline=offline) for file in files]


def locate(dataset: str, file: PublishedFile, path: str | None, *, offline: bool) -> Path:
    """Find a data set's file, downloading it where that is the last resort.

    Args:
        dataset: the data set's name, a folder of the cache.
        file: the file.
        path: the user's folder, or the file itself; nothing else is tried then.
        offline: never touch the network.

    Raises:
        ConfigError: FAIRREP_DATA names no folder.
        DataError: the file is nowhere, cannot be fetched, or is not the publisher's.
    """
    if path is not None:
        return _of_user(Path(path), file)
    if file.embedded:
        return EMBEDDED / f"{file.name}.xz"
    for folder in data_folders(dataset):
        if found := find_in(folder, file):
            return found
    return fetch(file, cache_folder() / dataset, offline=offline)


def cache_folder() -> Path:
    """Folder of downloads and prepared copies: FAIRREP_CACHE, or the system's cache."""
    return Path(os.environ.get("FAIRREP_CACHE") or pooch.os_cache("fairrep"))


def data_folders(dataset: str) -> Iterator[Path]:
    """Folders of the user's that may hold a data set: FAIRREP_DATA/NAME, then FAIRREP_DATA."""
    named = os.environ.get("FAIRREP_DATA")
    if not named:
        return
    root = Path(named)
    if not root.is_dir():
        raise ConfigError(f"FAIRREP_DATA must name a folder, but '{named}' is none.")
    yield root / dataset
    yield root


def find_in(folder: Path, file: PublishedFile) -> Path | None:
    """Return the file in a folder under any of its names, plain or compressed."""
    for name in (file.name, *file.aliases):
        for suffix in COMPRESSED:
            if (candidate := folder / f"{name}{suffix}").is_file():
                return existing_file(candidate)
    return None


def existing_file(path: Path, *, setting: str = "data.path") -> Path:
    """Return ``path`` if it is a non-empty file, else raise with the reason."""
    if not path.exists():
        raise DataError(f"a data file is needed, but '{path}' does not exist; check {setting}.")
    if path.is_dir():
        raise DataError(f"a data file is needed, but '{path}' is a folder; name the file itself.")
    if path.stat().st_size == 0:
        raise DataError(f"'{path}' is empty (0 bytes); give a CSV with a header, or a parquet.")
    return path


def whereabouts(dataset: str, files: Sequence[PublishedFile]) -> str:
    """Say where a data set's files are at hand, or "-"."""
    if files and all(file.embedded for file in files):
        return "embedded"
    for folder in data_folders(dataset):
        if files and all(find_in(folder, file) for file in files):
            return str(folder)
    if files and all((cache_folder() / dataset / file.name).is_file() for file in files):
        return "cached"
    return "-"


def _of_user(path: Path, file: PublishedFile) -> Path:
    if not path.is_dir():
        return existing_file(path)
    if found := find_in(path, file):
        return found
    raise DataError(f"the folder '{path}' has no file '{file.name}' (from {file.url}).")
