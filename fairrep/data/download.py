"""Downloads that end with the publisher's bytes or with an error: resumed, checked, atomic."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pooch
import requests
from filelock import FileLock

from fairrep.data.published import PublishedFile
from fairrep.errors import DataError

ATTEMPTS = 5
CONNECT_SECONDS, SILENCE_SECONDS = 10, 30
LATER = (408, 416, 425, 429)  # timeout, nothing to continue, too early, too many requests
CHUNK = 1 << 16  # bytes; at most this much is fetched again


def fetch(file: PublishedFile, folder: Path, *, offline: bool) -> Path:
    """Return the cached file, downloading it if it is absent or no longer what it was.

    One process downloads, others wait for it. The checksum is the pinned one, or the one recorded
    beside the file (``NAME.sha256``) at its first download.

    Raises:
        DataError: offline and not there; the server refuses, breaks off again and again, or
            serves other bytes; the folder cannot be written.
    """
    target = folder / file.name
    if _is_whole(file, target):
        return target
    if offline:
        raise DataError(
            f"'{file.name}' is not in the cache (or is damaged) and offline=true forbids the "
            f"network: download {file.url} and place it as {target}."
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / f"{file.name}.lock"):
            if not _is_whole(file, target):
                _download(file, target)
                _checksum_file(target).write_text(pooch.file_hash(str(target)) + "\n")
    except OSError as problem:
        raise DataError(
            f"the cache must be a folder that can be written, but '{folder}' is not ({problem}); "
            "set FAIRREP_CACHE to one that is."
        ) from problem
    return target


def _is_whole(file: PublishedFile, target: Path) -> bool:
    expected = _expected(file, target)
    return target.is_file() and (expected is None or pooch.file_hash(str(target)) == expected)


def _expected(file: PublishedFile, target: Path) -> str | None:
    record = _checksum_file(target)
    return file.sha256 or (record.read_text().strip() if record.is_file() else "") or None


def _checksum_file(target: Path) -> Path:
    return target.with_name(f"{target.name}.sha256")


def _download(file: PublishedFile, target: Path) -> None:
    """Let pooch check the bytes and rename; a wrong checksum is tried once more from nothing."""
    expected = _expected(file, target)
    target.unlink(missing_ok=True)  # damaged
    pooch.get_logger().setLevel("WARNING")
    store = pooch.create(target.parent, "", registry={file.name: expected})
    store.urls = {file.name: file.url}
    try:
        try:
            store.fetch(file.name, downloader=download_resuming)
        except ValueError:  # pooch's word for a wrong checksum
            store.fetch(file.name, downloader=download_resuming)
    except ValueError as problem:
        raise DataError(
            f"{file.url} does not serve the bytes that are known as '{file.name}' (SHA-256 "
            f"{expected}); if the publisher has changed the file, give yours with data.path"
            + ("." if file.sha256 else f", or delete {_checksum_file(target)}.")
        ) from problem
    except (requests.RequestException, OSError) as problem:
        raise DataError(
            f"'{file.name}' could not be fetched from {file.url}: "
            f"{' '.join(str(problem).split())}; place it as {target}."
        ) from problem


def download_resuming(url: str, output: str, store: Any) -> None:
    """Download for pooch: what has come stays in ``NAME.part`` and is continued from there."""
    part = Path(store.path) / f"{next(n for n, u in store.urls.items() if u == url)}.part"
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _continue(url, part)
            break
        except requests.RequestException as problem:
            if attempt == ATTEMPTS or _is_final(problem):
                raise
            _wait(2 ** (attempt - 1))
    _version_file(part).unlink(missing_ok=True)
    part.replace(output)


def _wait(seconds: float) -> None:
    time.sleep(seconds)


def _is_final(problem: requests.RequestException) -> bool:
    """Whether trying again is useless: the server has said no (4xx), and not "later"."""
    if problem.response is None or problem.response.status_code in LATER:
        return False
    return 400 <= problem.response.status_code < 500


def _continue(url: str, part: Path) -> None:
    """Append what is missing; start over where the server cannot or the file has changed."""
    version, have = _version_file(part), part.stat().st_size if part.is_file() else 0
    headers = {"Accept-Encoding": "identity"}
    if have and version.is_file():
        headers |= {"Range": f"bytes={have}-", "If-Range": version.read_text()}
    timeout = (CONNECT_SECONDS, SILENCE_SECONDS)
    with requests.get(url, headers=headers, stream=True, timeout=timeout) as answer:
        if answer.status_code == 416:  # nothing is missing, or the part is of another file
            part.unlink()
            raise requests.ConnectionError("the server cannot continue the file")
        answer.raise_for_status()
        resumed = answer.status_code == 206
        _remember_version(answer, version)
        with open(part, "ab" if resumed else "wb") as stream:
            _copy(answer, stream, have if resumed else 0, part.stem)


def _copy(answer: requests.Response, stream: Any, have: int, name: str) -> None:
    """Write the answer's bytes, showing how far they are."""
    from rich.console import Console
    from rich.progress import DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    length = answer.headers.get("Content-Length")
    columns = (TextColumn("{task.description}"), DownloadColumn(), TransferSpeedColumn())
    screen = Console(stderr=True)
    hidden = not screen.is_terminal
    with Progress(*columns, console=screen, transient=True, disable=hidden) as progress:
        total = have + int(length) if length else None
        task = progress.add_task(name, total=total, completed=have)
        for chunk in answer.iter_content(CHUNK):
            stream.write(chunk)
            progress.advance(task, len(chunk))


def _version_file(part: Path) -> Path:
    return part.with_name(f"{part.name}.version")


def _remember_version(answer: requests.Response, version: Path) -> None:
    """Keep what identifies the file's version: a continuation must be of the same one."""
    tag = answer.headers.get("ETag") or answer.headers.get("Last-Modified")
    if tag and not tag.startswith("W/"):  # a weak tag does not promise equal bytes
        version.write_text(tag)
    else:
        version.unlink(missing_ok=True)
