"""Held-out rows behind a seal: read once, when everything else is settled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, NoReturn, TypeVar

Content = TypeVar("Content")


class SealError(RuntimeError):
    """Test rows were touched before the final report, or a second time."""


class Sealed(Generic[Content]):
    """Content that does not exist until it is opened, and is handed out once.

    Anything else that is asked of it raises :class:`SealError`: a protocol that received sealed
    rows cannot have looked at them.

    Args:
        make: returns the content; called by :meth:`open`, never before.
    """

    def __init__(self, make: Callable[[], Content]) -> None:
        self._make: Callable[[], Content] | None = make

    def open(self) -> Content:
        """Return the content, this one time."""
        if self._make is None:
            raise SealError("test rows are read once; they were opened before.")
        make, self._make = self._make, None
        return make()

    def __getattr__(self, name: str) -> NoReturn:
        raise SealError(f"test rows stay sealed until the final report, but '{name}' was asked.")

    def __len__(self) -> int:
        raise SealError("test rows stay sealed until the final report, but len() was asked.")

    def __getitem__(self, key: Any) -> NoReturn:
        raise SealError("test rows stay sealed until the final report, but rows were asked.")

    def __iter__(self) -> NoReturn:
        raise SealError("test rows stay sealed until the final report, but rows were asked.")
