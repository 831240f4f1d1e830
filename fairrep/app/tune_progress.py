"""What a search shows while it runs: one line with the trial, the best, the time left."""

from __future__ import annotations

from rich.console import Console
from rich.status import Status

from fairrep.tuning import Progress

EVERY = 10  # trials between two lines where the output is no terminal


class TuneProgress:
    """A live line in a terminal, a line every ten trials elsewhere.

    Args:
        name: of the search.
        total: trials.
    """

    def __init__(self, name: str, total: int, *, console: Console | None = None) -> None:
        self.name, self.total = name, total
        self._console = console or Console()
        self._status = Status(f"{name} search: first trial", console=self._console)

    def __enter__(self) -> TuneProgress:
        if self._console.is_terminal:
            self._status.start()
        return self

    def __exit__(self, *problem: object) -> None:
        self._status.stop()

    def show(self, progress: Progress) -> None:
        """Say where the search stands."""
        line = describe(self.name, progress)
        if self._console.is_terminal:
            self._status.update(line)
        elif progress.done % EVERY == 0 or progress.done == progress.total:
            self._console.print(line, highlight=False, markup=False, soft_wrap=True)


def describe(name: str, progress: Progress) -> str:
    """The line."""
    best = "none" if progress.best is None else f"{progress.best:.4f}"
    word = "best feasible accuracy" if name == "constrained" else "best accuracy"
    return (
        f"{name} search: trial {progress.done} of {progress.total}, {word} {best}, "
        f"{progress.feasible} feasible, {progress.seconds_left:.0f} s left"
    )
