"""The encode command: a run's encoder on a file larger than memory, piece by piece."""

from __future__ import annotations

import hashlib
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import torch
from omegaconf import DictConfig
from rich.console import Console
from rich.progress import Progress

import fairrep
from fairrep.app.configs import compose_config, plain
from fairrep.app.console import quieten, user_errors
from fairrep.app.encode_pieces import Pieces
from fairrep.app.encode_rows import RowEncoder
from fairrep.app.run_heads import heads_folder, run_heads
from fairrep.app.transfer_data import saved_config
from fairrep.app.transfer_encoders import run_encoder
from fairrep.data.streams import TableStream, open_table
from fairrep.errors import ConfigError, FairrepError

Item = TypeVar("Item")
Result = TypeVar("Result")


def main(config: DictConfig) -> None:
    """Run what ``fairrep encode`` was asked for."""
    with user_errors(debug=config.debug, go_on="the same command"):
        run_encode(config)


def encode(*overrides: str) -> int:
    """Encode from Python as from the shell: ``encode("run=…", "input=a.csv", "output=z.csv")``.

    Args:
        *overrides: in Hydra's syntax.

    Returns:
        The number of rows written.

    Raises:
        FairrepError: a setting, a run or a table that cannot be used.
    """
    return run_encode(compose_config("encode", list(overrides)))


def run_encode(config: DictConfig) -> int:
    """Check everything, encode what is not done yet, put the output in its place."""
    quieten()
    _check(config)
    saved = saved_config(config.run)
    encoder = run_encoder(Path(config.run), saved)
    heads = run_heads(Path(config.run), config.head, dim=encoder.dim)
    table = open_table(config.input, encoder.schema, plain(config.keep))
    rows = RowEncoder(encoder, heads, z=config.z, kept=table.kept)
    pieces = Pieces(Path(config.output), _settings(config), overwrite=config.overwrite)
    start = time.perf_counter()
    before, written = _encode(config, table, rows, pieces)
    seconds = time.perf_counter() - start
    again = f", {before:,} of them from before" if before else ""
    print(
        f"{written:,} rows in {config.output}{again}: {seconds:.1f} s, "
        f"{(written - before) / seconds:,.0f} rows/s"
    )
    return written


def _encode(
    config: DictConfig, table: TableStream, rows: RowEncoder, pieces: Pieces
) -> tuple[int, int]:
    """Rows that were done before, and rows in all."""
    count = pieces.start()
    before = written = pieces.rows(count)
    threads = config.threads or torch.get_num_threads()
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("rows", total=table.rows, completed=before)
        try:
            for part in in_order(rows, table.pieces(config.rows, skip=before), threads=threads):
                pieces.write(count, part)
                count, written = count + 1, written + len(part)
                progress.update(bar, completed=written)
            pieces.join(count, rows.schema)
        except FairrepError:
            pieces.remove()
            raise
    return before, written


def in_order(
    work: Callable[[Item], Result], items: Iterable[Item], *, threads: int
) -> Iterator[Result]:
    """Results in the items' order; a thread an item, and no more items at hand than that and one.

    A thread an item needs no meeting of threads within an operation, which would cost more than
    the operation.
    """
    one_each = partial(torch.set_num_threads, 1)
    before = torch.get_num_threads()
    with ThreadPoolExecutor(threads, initializer=one_each) as pool:
        waiting: deque[Future[Result]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) > threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            torch.set_num_threads(before)
            pool.shutdown(cancel_futures=True)


def _check(config: DictConfig) -> None:
    for key in ("input", "output"):
        if config[key] is None:
            raise ConfigError(f"{key} is needed: {key}=FILE.")
    for key in ("rows", "threads"):
        asked = config[key]
        if (asked is not None or key == "rows") and (not isinstance(asked, int) or asked < 1):
            raise ConfigError(f"{key} must be an integer >= 1, got '{asked}'.")
    for key in ("z", "overwrite"):
        if not isinstance(config[key], bool):
            raise ConfigError(f"{key} must be true or false, got '{config[key]}'.")
    if Path(config.output).resolve() == Path(config.input).resolve():
        raise ConfigError(f"output must be another file than input, got '{config.output}' twice.")
    keep = plain(config.keep)
    if not isinstance(keep, list) or not all(isinstance(name, str) for name in keep):
        raise ConfigError(f"keep must be a list of columns, such as [id], got '{keep}'.")


def _settings(config: DictConfig) -> dict[str, Any]:
    """All that the rows of the output depend on."""
    source = Path(config.input).resolve()
    stat = source.stat()
    run = Path(config.run)
    networks = [run / "encoder"] + ([] if config.head is None else [heads_folder(run, config.head)])
    return {
        "fairrep": fairrep.__version__,
        "networks": [_digest(folder) for folder in networks],
        "input": [str(source), stat.st_size, stat.st_mtime_ns],
        **{key: plain(config[key]) for key in ("keep", "z", "rows")},
    }


def _digest(folder: Path) -> str:
    """Of a folder's weights and description."""
    found = hashlib.sha256()
    for file in sorted([*folder.glob("encoder.*"), *folder.glob("heads.*")]):
        found.update(file.read_bytes())
    return found.hexdigest()
