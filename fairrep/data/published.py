"""A file as its publisher names it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PublishedFile:
    """One file of a data set.

    Attributes:
        name: its name in the cache and in a folder of the user's.
        url: where the publisher serves it.
        sha256: checksum of the served bytes; ``None`` where it is not known, then the one of the
            first download is recorded and holds from then on.
        embedded: whether the package ships it, xz-compressed.
        aliases: other names under which people keep it.
    """

    name: str
    url: str
    sha256: str | None = None
    embedded: bool = False
    aliases: tuple[str, ...] = ()
