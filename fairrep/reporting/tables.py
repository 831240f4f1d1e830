"""Tables for the terminal, from saved results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from fairrep.reporting.certificate_tables import certificate_table, print_promise
from fairrep.reporting.terminal import console_or_default, number

TREATED = {
    "missing": "missing values (number: median; category: one of its own)",
    "unseen": "categories unseen in training (encoded as zeros)",
}
TASKS_SHOWN = 6  # of the tasks' base rates and definitions


def print_data(data: dict[str, Any], console: Console | None = None) -> None:
    """Say once what is being trained on (content of :func:`fairrep.data.describe`)."""
    console = console_or_default(console)
    rows = ", ".join(f"{count:,} {name}" for name, count in data["rows"].items())
    console.print(f"[bold]{data['title']}[/bold]: {rows} rows, {len(data['features'])} features")
    console.print(f"Source: {data['source']}. Licence: {data['licence']}.", highlight=False)
    console.print(_group_table(data))
    for name, task in _first_tasks(data):
        role = "seen" if task["seen"] else "novel, never read in training"
        console.print(f"  task {name}: {task['about']} ({task['kind']}, {role})", highlight=False)
    if (more := len(data["tasks"]) - TASKS_SHOWN) > 0:
        console.print(f"  … and {more} tasks more", highlight=False)
    _print_columns(data, console)
    for note in data["notes"]:
        console.print(f"  {note}", highlight=False)
    for harm in data["harms"]:
        console.print(f"  harm: {harm}", highlight=False)
    console.print()


def print_teacher(trees: Mapping[str, int], console: Console | None = None) -> None:
    """Say which teacher there is, if there is one: task → trees."""
    if trees:
        by_task = ", ".join(f"{name} {count} trees" for name, count in trees.items())
        console_or_default(console).print(f"Teacher: boosting, {by_task}\n", highlight=False)


def print_report(
    metrics: dict[str, Any],
    folder: str,
    console: Console | None = None,
    *,
    user_code: bool = False,
) -> None:
    """The end of a run: figures per task, leakage, where everything is, what to try next."""
    console = console_or_default(console)
    console.print()
    console.print(_task_table(metrics))
    _print_certificate(metrics, console)
    console.print(_leakage_table(metrics))
    console.print(f"Run folder: {folder}", highlight=False, soft_wrap=True)
    console.print("Next:", highlight=False)
    loaded = f"'{folder}', allow_code=True" if user_code else f"'{folder}'"
    for line in (
        f"tensorboard --logdir {folder}",
        f'python -c "import fairrep; print(fairrep.load_encoder({loaded}))"',
        f"fairrep train -m penalty={metrics['penalty']} penalty.weight=1,10,100",
    ):
        console.print(f"  {line}", highlight=False, soft_wrap=True, markup=False)


def _print_certificate(metrics: dict[str, Any], console: Console) -> None:
    """The certificate, the twin's beside it, and what it promises."""
    if not metrics.get("certificate"):
        return
    rows = [(f"λ = {metrics['weight']:g}", metrics["certificate"])]
    if (beside := (metrics["twin"] or {}).get("certificate")) is not None:
        rows.append(("λ = 0", beside))
    console.print(certificate_table(rows))
    print_promise(metrics["certificate"], console)


def _group_table(data: dict[str, Any]) -> Table:
    table = Table(title=None)
    table.add_column(" & ".join(data["sensitive"]))
    for name in data["rows"]:
        table.add_column(f"n {name}", justify="right")
    tasks = _first_tasks(data)
    for name, task in tasks:
        table.add_column(f"{_base_rate_name(task)}\n{name}", justify="right")
    for group, values in data["groups"].items():
        counts = [f"{values['rows'][name]:,}" for name in data["rows"]]
        rates = [f"{values['base_rates'][name]:.3g}" for name, _ in tasks]
        table.add_row(group, *counts, *rates)
    return table


def _first_tasks(data: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return list(data["tasks"].items())[:TASKS_SHOWN]


def _base_rate_name(task: dict[str, Any]) -> str:
    return {"binary": "base rate", "multiclass": "commonest", "regression": "mean"}[task["kind"]]


def _print_columns(data: dict[str, Any], console: Console) -> None:
    for column, why in data["dropped"].items():
        console.print(f"  left out of x: {column} ({why})", highlight=False)
    for split, counts in data["surprises"].items():
        for what, columns in counts.items():
            if columns:
                listed = ", ".join(f"{name} {count:,}" for name, count in columns.items())
                console.print(f"  {split} rows, {TREATED[what]}: {listed}", highlight=False)
    if data["left_out"]:
        console.print(f"  rows left out, without a label for any task: {data['left_out']:,}")
    for split, count in data["unknown_group"].items():
        if count:
            console.print(f"  {split} rows of a group unseen in training: {count:,}")


def _task_table(metrics: dict[str, Any]) -> Table:
    table = Table(
        title=f"Test rows: fresh {metrics['head']} heads on the frozen representation",
        title_justify="left",
    )
    for name, justify in (
        ("task", "left"),
        ("encoder", "left"),
        ("accuracy", "right"),
        ("AUC", "right"),
        ("DP difference [95%]", "left"),
        ("joint head", "left"),
        ("n", "left"),
    ):
        table.add_column(name, justify=justify, no_wrap=name != "n")  # type: ignore[arg-type]
    for task, heads in metrics["test"].items():
        kind = "seen" if metrics["tasks"][task]["seen"] else "novel"
        groups = _headline(metrics, heads)["groups"]
        sizes = [f"{name} {group['n']:,}" for name, group in groups.items()]
        half = (len(sizes) + 1) // 2  # two lines: the encoder's and its twin's
        first, second = ", ".join(sizes[:half]), ", ".join(sizes[half:])
        if metrics["twin"] is None:
            first, second = ", ".join(sizes), ""
        table.add_row(f"{task} ({kind})", *_encoder_row(metrics, heads, metrics["weight"]), first)
        if metrics["twin"] is not None:
            table.add_row("", *_encoder_row(metrics, metrics["twin"]["test"][task], 0.0), second)
        table.add_section()
    return table


def _encoder_row(metrics: dict[str, Any], heads: dict[str, Any], weight: float) -> tuple[str, ...]:
    row, joint = _headline(metrics, heads), heads.get("joint")
    low, high = row["demographic_parity_difference_ci"]
    gap = row["demographic_parity_difference"]
    beside = (
        f"{_utility(joint)}, {number(joint['demographic_parity_difference'])}" if joint else "-"
    )
    return (
        f"λ = {weight:g}",
        _utility(row),
        f"R² {number(row['r2'])}" if "r2" in row else number(row["auc"]),
        f"{number(gap)} [{number(low)}, {number(high)}]",
        beside,
    )


def _headline(metrics: dict[str, Any], heads: dict[str, Any]) -> dict[str, Any]:
    return heads[metrics["head"]]


def _utility(row: dict[str, Any]) -> str:
    return f"RMSE {row['rmse']:.4g}" if "rmse" in row else number(row["accuracy"])


def _leakage_table(metrics: dict[str, Any]) -> Table:
    leakage = metrics["leakage"]
    table = Table(
        title=f"Leakage: how well a probe reads {' & '.join(metrics['sensitive'])} "
        f"(chance: balanced accuracy {leakage['chance']:.3f}, AUC 0.500)",
        title_justify="left",
    )
    for column in ("probe", "encoder", "balanced accuracy", "AUC"):
        table.add_column(column)
    for probe, values in leakage["trained"].items():
        table.add_row(probe, f"λ = {metrics['weight']:g}", *_leakage_cells(values))
        if leakage["twin"]:
            table.add_row("", "λ = 0", *_leakage_cells(leakage["twin"][probe]))
    return table


def _leakage_cells(values: dict[str, float]) -> tuple[str, str]:
    return number(values["balanced_accuracy"]), number(values["auc"])
