"""Rows that an encoder was trained or selected on, known again when a certificate is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from scipy.stats import hypergeom

from fairrep.encoders.row_hashes import Hashes, HashSketch, row_hashes
from fairrep.errors import CertificateError, RunError

KEPT = 65_536  # hashes of training rows, and as many of validation rows
TAIL = 1e-6  # chance with which a count may exceed what chance explains

Rows = Float[np.ndarray, "n p"]


@dataclass(frozen=True)
class FittedPart:
    """Training or validation rows, and how often other rows match them by chance.

    Attributes:
        role: what they were read for.
        sketch: of their hashes.
        alike: how many of the other part's rows match them, and of how many.
    """

    role: str
    sketch: HashSketch
    alike: tuple[int, int]

    def explained(self, looked_at: int) -> int:
        """The most matches among so many rows that chance explains."""
        low, high = 0, looked_at
        while low < high:
            middle = (low + high + 1) // 2
            likely = at_least_by_chance(middle, looked_at, *self.alike) >= TAIL
            low, high = (middle, high) if likely else (low, middle - 1)
        return low


@dataclass(frozen=True)
class FittedRows:
    """What is kept of the training and validation rows, so that a certificate can refuse them.

    Rows are known by their preprocessed content, as tables come without row numbers. People may be
    alike, so a match proves nothing; too many do. Given the training rows, validation rows are
    draws from the same population that match them by chance alone, and the other way round: how
    many do is counted when this is made.

    This finds mistakes, not forgeries: a row that is changed in its last digit is another row. In
    another population people may be alike more often, and then new people may be refused.

    Attributes:
        train: the training rows.
        val: the validation rows.
        columns: p.
    """

    train: FittedPart
    val: FittedPart
    columns: int

    @classmethod
    def of(cls, train_x: Rows, val_x: Rows) -> FittedRows:
        """Sketch preprocessed training and validation rows, both (n, p)."""
        train, val = row_hashes(train_x), row_hashes(val_x)
        return cls(_part("trained", train, val), _part("selected", val, train), train_x.shape[1])

    def matches(self, x: Rows) -> tuple[int, int]:
        """Count rows that are training or validation rows by their content.

        Args:
            x: preprocessed rows (n, p).

        Returns:
            How many match, and how many rows were looked at: all of them, or a random part if the
            sketch holds only a part.
        """
        return (self.train.sketch | self.val.sketch).matches(self._hashes(x))

    def refuse(self, x: Rows) -> None:
        """Refuse rows among which more training or validation rows are than chance explains.

        Fisher's exact test compares their matches with those of rows that match by chance alone:
        training rows with validation rows, and validation rows with training rows. New people of
        the same population are refused with a probability of 2 · 10⁻⁶ at most.

        Args:
            x: preprocessed rows (n, p).

        Raises:
            CertificateError: too many of them are training or validation rows.
        """
        hashes = self._hashes(x)
        for part in (self.train, self.val):
            found, looked_at = part.sketch.matches(hashes)
            explained = part.explained(looked_at)
            if found > explained:
                raise CertificateError(
                    "a certificate needs rows that the encoder has not seen, but of "
                    f"{looked_at:,} rows looked at {found:,} are rows that it was {part.role} on "
                    f"(people who are alike explain {explained:,} at most); use the rows that "
                    "data.calibration keeps, or new people."
                )

    def save(self, path: str | Path) -> None:
        """Write one safetensors file, at most about a megabyte."""
        tensors = {"columns": np.array([self.columns], dtype=np.int64)}
        for name, part in (("train", self.train), ("val", self.val)):
            tensors[f"{name}.hashes"] = part.sketch.hashes
            tensors[f"{name}.counts"] = np.array([part.sketch.complete, *part.alike], np.int64)
        file = Path(path)
        unfinished = file.with_name(f"{file.name}.part")
        save_file(tensors, unfinished)
        unfinished.replace(file)

    @classmethod
    def load(cls, path: str | Path) -> FittedRows:
        """Read what :meth:`save` wrote.

        Raises:
            RunError: the file is absent, damaged or something else.
        """
        try:
            saved = load_file(path)
            parts = {}
            for name, role in (("train", "trained"), ("val", "selected")):
                complete, matching, of = map(int, saved[f"{name}.counts"])
                sketch = HashSketch(saved[f"{name}.hashes"], bool(complete))
                parts[name] = FittedPart(role, sketch, (matching, of))
            return cls(**parts, columns=int(saved["columns"][0]))
        except (OSError, SafetensorError, KeyError, ValueError, IndexError) as problem:
            raise RunError(
                f"'{path}' does not hold which rows an encoder was trained on: "
                f"{' '.join(str(problem).split())}"
            ) from problem

    def _hashes(self, x: Rows) -> Hashes:
        if x.shape[1:] != (self.columns,):
            raise ValueError(f"rows must be (n, {self.columns}), got {tuple(x.shape)}.")
        return row_hashes(x)


def at_least_by_chance(found: int, rows: int, alike: int, others: int) -> float:
    """One-sided p-value of Fisher's exact test, small where rows match more often than others.

    The probability that of all ``found + alike`` matches at least ``found`` fall on ``rows`` of the
    ``rows + others`` rows, if each row is as likely to match as any other. It falls in ``found``.

    Args:
        found: matches among the rows in question.
        rows: how many these are.
        alike: matches among rows that match by chance alone.
        others: how many those are.
    """
    return float(hypergeom.sf(found - 1, rows + others, found + alike, rows))


def _part(role: str, own: Hashes, others: Hashes) -> FittedPart:
    sketch = HashSketch.of(own, kept=KEPT)
    return FittedPart(role, sketch, sketch.matches(others))
