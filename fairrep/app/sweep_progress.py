"""What a sweep shows while it trains: λ × accuracy × gap, a progress bar, the time left."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from fairrep.app.sweep_plan import Model, Point
from fairrep.reporting.terminal import number
from fairrep.training import StackEpoch, StackListener

ROWS = 24  # of the live table: a terminal's height


class SweepProgress(StackListener):
    """A live table of the joint heads on validation rows; silent where there is no terminal.

    Args:
        points: a row each.
        models: whose figures are averaged over seeds.
        task: whose figures are shown.
    """

    def __init__(
        self,
        points: Sequence[Point],
        models: Sequence[Model],
        task: str,
        *,
        console: Console | None = None,
    ) -> None:
        self.points, self.models, self.task = points, models, task
        self._figures: dict[int, dict[str, float]] = {}
        self._diverged: tuple[int, ...] = ()
        self._console = console or Console()
        self._progress = Progress(
            TextColumn(f"{len(models)} models"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("steps, time left"),
            TimeRemainingColumn(),
        )
        self._bar = self._progress.add_task("", total=None)
        self._live = Live(console=self._console, refresh_per_second=4, transient=True)

    def __enter__(self) -> SweepProgress:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *problem: object) -> None:
        self._live.stop()

    def on_start(self, steps: int, done: int) -> None:
        """Show where the sweep stands."""
        self._progress.update(self._bar, total=steps, completed=done)
        self._show()

    def on_step(self) -> None:
        """Move on."""
        self._progress.advance(self._bar)

    def on_epoch(self, epoch: StackEpoch) -> None:
        """Show the epoch's figures; a model that has stopped keeps its last ones."""
        self._figures |= {model: tasks[self.task] for model, tasks in epoch.figures.items()}
        self._diverged = epoch.diverged
        self._show()

    def _show(self) -> None:
        self._live.update(Group(self.table(), self._progress))

    def table(self) -> Table:
        """The points with their figures so far, means over seeds."""
        table = Table(title=f"Joint heads on validation rows: {self.task}", title_justify="left")
        table.add_column("λ")
        for name in ("accuracy or R²", "DP difference", "seeds"):
            table.add_column(name, justify="right")
        for position, point in enumerate(self.points[:ROWS]):
            own = [k for k, model in enumerate(self.models) if model.point == position]
            sound = [
                self._figures[k] for k in own if k in self._figures and k not in self._diverged
            ]
            lost = sum(k in self._diverged for k in own)
            seeds = f"{len(own)}" + (f", {lost} diverged" if lost else "")
            table.add_row(
                point.label,
                number(_mean(sound, "utility")),
                number(_mean(sound, "demographic_parity_difference")),
                seeds,
            )
        return table


def _mean(figures: Sequence[dict[str, float]], name: str) -> float | None:
    return sum(one[name] for one in figures) / len(figures) if figures else None
