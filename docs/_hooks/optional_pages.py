"""Pages that join the menu where they exist."""

from __future__ import annotations

from pathlib import Path
from typing import Any

PAGES = {"export.md": "Export and score in batches", "encoder.md": "Encoders in Python"}
MENU = "How to"


def on_config(config: Any, **_: Any) -> Any:
    """Append them to their menu."""
    menu = next(entry[MENU] for entry in config.nav if MENU in entry)
    menu += [
        {title: page} for page, title in PAGES.items() if (Path(config.docs_dir) / page).exists()
    ]
    return config
