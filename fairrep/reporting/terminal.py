"""What every table of the terminal shares: its console and its numbers."""

from __future__ import annotations

from rich.console import Console

WIDTH = 110  # where the output is no terminal


def number(value: float | None) -> str:
    """Three decimals, or a dash where there is no number."""
    return "-" if value is None or value != value else f"{value:.3f}"


def console_or_default(console: Console | None) -> Console:
    """Return the given console, or one of the terminal's width (wide where there is none)."""
    if console is not None:
        return console
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH)
