"""Errors a user can mend: the requirement, what was received, what to do."""

from collections.abc import Sequence


class FairrepError(Exception):
    """Base of all errors that a user can mend; commands print it as one line and exit with 2."""


class ConfigError(FairrepError):
    """A setting is out of its range or contradicts another."""


class DataError(FairrepError):
    """A table, a column or a row cannot be used as asked."""


class SchemaError(DataError):
    """A table does not fit the saved preprocessing."""


class NumericalError(FairrepError):
    """Numbers left the range of their type while training."""


class RunError(FairrepError):
    """A run folder, a checkpoint or an encoder folder cannot be used as asked."""


class CertificateError(FairrepError):
    """Rows that a certificate cannot be computed on."""


class SearchError(FairrepError):
    """A search that cannot go on: its storage, or an objective that only fails."""


class EstimatorError(DataError, ValueError):
    """Data that a scikit-learn style estimator cannot use; a ``ValueError``, as theirs are."""


def listed(names: Sequence[str], *, shown: int = 20) -> str:
    """Join names for one line: all of them, or the first, the last and how many there are."""
    if len(names) <= shown:
        return ", ".join(names)
    return f"{names[0]}, {names[1]}, …, {names[-1]} ({len(names)} in all)"
