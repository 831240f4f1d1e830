"""People whom a file brings to a certificate: their rows and groups, no labels."""

from __future__ import annotations

import pandas as pd
import torch
from torch import Tensor

from fairrep.data import PreparedData, TableSchema
from fairrep.data.attributes import encode_groups, intersections
from fairrep.data.schema import as_categories
from fairrep.data.tables import read_table
from fairrep.encoders import FittedRows
from fairrep.encoders.row_hashes import row_hashes
from fairrep.errors import CertificateError, ConfigError, DataError, listed


def extra_rows(path: str, data: PreparedData, schema: TableSchema) -> tuple[Tensor, Tensor]:
    """Preprocessed rows (n, p) and group codes (n,) of a table; -1 for a group of no concern.

    Args:
        path: CSV or parquet with the encoder's columns and the run's sensitive attributes.
        data: the run's, which names attributes and groups.
        schema: the encoder's.

    Raises:
        ConfigError: a real-valued attribute, whose bins are of the run's own rows.
        DataError: columns that are missing or cannot be used, or no row of a known group.
    """
    real = [attribute.name for attribute in data.attributes if attribute.real]
    if real:
        raise ConfigError(
            f"extra rows need groups by name, but '{real[0]}' is a number that the run cut at "
            "quantiles; certify its own calibration rows alone."
        )
    table = read_table(path)
    if lacking := [name for name in data.sensitive if name not in table.columns]:
        raise DataError(
            f"'{path}' must have a column for every sensitive attribute, but lacks "
            f"{listed(lacking)}; its values are the run's groups ({listed(data.groups)})."
        )
    named = pd.DataFrame({name: as_categories(table[name]) for name in data.sensitive})
    codes = encode_groups(intersections(named), data.groups)
    if not (codes >= 0).any():
        found = sorted(set(intersections(named).dropna().astype(str)))
        raise DataError(
            f"'{path}' has no row of the run's groups ({listed(data.groups)}); it has "
            f"{listed(found, shown=5)}."
        )
    return torch.from_numpy(schema.encode(table)), torch.from_numpy(codes)


def refuse_known(x: Tensor, data: PreparedData) -> None:
    """Refuse rows that are the run's calibration rows again: nobody counts twice.

    Raises:
        CertificateError: more of them than people who are alike explain.
    """
    known = FittedRows.of(data.calibration.x.numpy(), data.val.x.numpy())
    found, looked_at = known.train.sketch.matches(row_hashes(x.numpy()))
    if found > known.train.explained(looked_at):
        raise CertificateError(
            f"extra must hold other people than the run's calibration rows, but {found:,} of "
            f"{looked_at:,} rows looked at are calibration rows; leave them out of the file."
        )
