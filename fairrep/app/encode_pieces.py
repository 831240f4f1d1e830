"""An output that is made piece by piece: what is done survives a kill, and is joined at the end."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv

from fairrep.app.output_file import require_free
from fairrep.errors import ConfigError, RunError

OUTPUTS = (".parquet", ".pq", ".csv", ".csv.gz")
SETTINGS, UNFINISHED = "settings.json", "unfinished"


class Pieces:
    """The folder ``OUTPUT.part`` with finished pieces of an output, in order.

    Args:
        output: the file that they become.
        settings: all that the output's rows depend on; pieces of other settings are never used.
        overwrite: whether ``output`` and pieces of other settings may be replaced.

    Raises:
        ConfigError: ``output`` has another ending.
        RunError: ``output`` is there, its folder is not, or pieces are of other settings.
    """

    def __init__(self, output: Path, settings: dict[str, Any], *, overwrite: bool) -> None:
        self.output, self.folder = output, output.with_name(f"{output.name}.part")
        if not output.name.endswith(OUTPUTS):
            raise ConfigError(f"output must end with {', '.join(OUTPUTS)}, got '{output}'.")
        require_free(output, overwrite=overwrite)
        self._settings = json.dumps(settings, sort_keys=True)
        if self._holds_others():
            if not overwrite:
                raise RunError(
                    f"'{self.folder}' holds pieces of other settings, of another run or another "
                    "input; delete it, or give overwrite=true."
                )
            self.remove()

    def start(self) -> int:
        """Make the folder where there is none; return the number of finished pieces."""
        self.folder.mkdir(exist_ok=True)
        if not self._is_ours():
            self._replace(SETTINGS, lambda file: file.write_text(self._settings))
        return next(
            k for k in range(len(os.listdir(self.folder)) + 1) if not self._file(k).exists()
        )

    def write(self, number: int, rows: pa.Table) -> None:
        """Keep a finished piece."""

        def write(file: Path) -> None:
            with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_file(sink, rows.schema) as writer:
                writer.write_table(rows)

        self._replace(self._file(number).name, write)

    def join(self, count: int, schema: pa.Schema) -> None:
        """Make the output of the first ``count`` pieces, and remove them."""
        whole = self.folder / "joined"
        write = _write_parquet if self.output.suffix in (".parquet", ".pq") else _write_csv
        write(whole, self._tables(count), schema, packed=self.output.suffix == ".gz")
        whole.replace(self.output)
        self.remove()

    def remove(self) -> None:
        """Throw the pieces away."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def rows(self, count: int) -> int:
        """Rows of the first ``count`` pieces."""
        return sum(len(table) for table in self._tables(count))

    def _tables(self, count: int) -> Iterator[pa.Table]:
        for number in range(count):
            with pa.memory_map(str(self._file(number))) as source:
                yield pa.ipc.open_file(source).read_all()

    def _holds_others(self) -> bool:
        """Whether the folder has a content that is not ours; settings are the first that is."""
        if not self.folder.exists() or self._is_ours():
            return False
        return any(file.name != UNFINISHED for file in self.folder.iterdir())

    def _is_ours(self) -> bool:
        file = self.folder / SETTINGS
        return file.is_file() and file.read_text() == self._settings

    def _file(self, number: int) -> Path:
        return self.folder / f"{number:06d}.arrow"

    def _replace(self, name: str, write: Any) -> None:
        unfinished = self.folder / UNFINISHED
        write(unfinished)
        unfinished.replace(self.folder / name)


def _write_parquet(
    file: Path, tables: Iterator[pa.Table], schema: pa.Schema, *, packed: bool
) -> None:
    """A row group a piece; numbers of a representation hardly ever repeat, so they stay plain."""
    plain = [field.name for field in schema if not pa.types.is_floating(field.type)]
    with pq.ParquetWriter(file, schema, use_dictionary=plain) as writer:
        for table in tables:
            writer.write_table(table, row_group_size=len(table))


def _write_csv(file: Path, tables: Iterator[pa.Table], schema: pa.Schema, *, packed: bool) -> None:
    options = csv.WriteOptions(quoting_style="needed", quoting_header="needed")
    with (
        pa.output_stream(str(file), compression="gzip" if packed else None) as sink,
        csv.CSVWriter(sink, schema, write_options=options) as writer,
    ):
        for table in tables:
            writer.write_table(table)
