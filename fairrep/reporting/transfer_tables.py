"""The transfer report for the terminal, from saved results."""

from __future__ import annotations

from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from fairrep.reporting.certificate_tables import certificate_table
from fairrep.reporting.tables import TREATED
from fairrep.reporting.terminal import console_or_default, number

GAP = "demographic_parity_difference"
TASKS_SHOWN = 12
NOTES_SHOWN = 6


def print_transfer(content: dict[str, Any], folder: str, console: Console | None = None) -> None:
    """Figures per task and representation, leakage, the measure of transfer, where it all is."""
    console = console_or_default(console)
    console.print(f"[bold]{content['domain']['title']}[/bold]", highlight=False)
    _print_domain(content["domain"], console)
    names = _shown(content)
    console.print(_figure_table(content, names))
    _print_sizes(content, names, console)
    if (more := len(content["figures"]) - len(names)) > 0:
        console.print(f"… and {more} tasks more, in transfer.csv", highlight=False)
    console.print(_leakage_table(content))
    _print_measure(content, names, console)
    if content.get("distribution"):
        console.print(_distribution_table(content["distribution"]))
    _print_certificate(content, console)
    _print_notes(content, names, console)
    console.print(f"Results: {folder}", highlight=False, soft_wrap=True)


def _print_certificate(content: dict[str, Any], console: Console) -> None:
    """The run's certificate, and whether it reaches the rows at hand."""
    if not (certificate := content.get("certificate")):
        return
    console.print(certificate_table([("", certificate)]))
    distance = number(content.get("total_variation"))
    here = f"the cells' total variation on these test rows is {distance}."
    if content["domain"]["own"]:
        console.print(f"{certificate['promise']} Measured: {here}", highlight=False)
    else:
        console.print(
            f"The certificate is of the run's own people and void for these; {here}",
            highlight=False,
        )


def _shown(content: dict[str, Any]) -> list[str]:
    """Novel tasks first."""
    tasks = sorted(content["figures"], key=lambda task: content["tasks"][task]["seen"])
    return tasks[:TASKS_SHOWN]


def _print_domain(domain: dict[str, Any], console: Console) -> None:
    rows = ", ".join(f"{count:,} {name}" for name, count in domain["rows"].items())
    console.print(f"  rows: {rows}", highlight=False)
    for split, counts in domain["surprises"].items():
        for what, columns in counts.items():
            if columns:
                listed = ", ".join(f"{name} {count:,}" for name, count in columns.items())
                console.print(f"  {split} rows, {TREATED[what]}: {listed}", highlight=False)


def _figure_table(content: dict[str, Any], names: list[str]) -> Table:
    table = Table(
        title="Test rows: fresh heads on frozen representations, each the best on validation rows",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    for name in ("task", "input", "head", "accuracy", "AUC", "DP difference [95%]"):
        right = name in ("accuracy", "AUC")
        table.add_column(name, justify="right" if right else "left", no_wrap=name != "task")
    table.add_column("less the twin's [95%]", no_wrap=True)
    for task in names:
        kind = "seen" if content["tasks"][task]["seen"] else "novel"
        first = f"{task} ({kind})"
        for view in content["figures"][task]:
            head = content["selected"][task].get(view, "constant")
            table.add_row(first, view, head, *_cells(_headline(content, task, view)))
            first = ""
        table.add_section()
    return table


def _print_sizes(content: dict[str, Any], names: list[str], console: Console) -> None:
    """The groups' test rows, once for all tasks that have the same."""
    tasks: dict[str, list[str]] = {}
    for task in names:
        sizes = _headline(content, task, "trained").get("groups", {})
        listed = ", ".join(f"{group} {found['n']:,}" for group, found in sizes.items())
        tasks.setdefault(listed, []).append(task)
    for listed, having in tasks.items():
        console.print(f"  n ({', '.join(having)}): {listed}", highlight=False)


def _headline(content: dict[str, Any], task: str, view: str) -> dict[str, Any]:
    head = content["selected"][task].get(view, "constant")
    return content["figures"][task][view][head]


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    if not row.get("n"):
        return ("-", "-", "-", "-")
    utility = f"RMSE {row['rmse']:.4g}" if "rmse" in row else number(row["accuracy"])
    change = row.get("versus_twin")
    return (
        utility,
        f"R² {number(row['r2'])}" if "r2" in row else number(row["auc"]),
        _with_interval(row),
        _with_interval(change) if change else "",
    )


def _with_interval(row: dict[str, Any]) -> str:
    low, high = row[f"{GAP}_ci"]
    value = row[GAP]
    return "-" if value is None or value != value else f"{value:.3f} [{low:.3f}, {high:.3f}]"


def _leakage_table(content: dict[str, Any]) -> Table:
    table = Table(
        title="Leakage: how well the strongest of three fresh heads reads s "
        "(1/G and 0.5 are chance)",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    for name in ("attribute", "input", "head", "balanced accuracy", "AUC", "R²"):
        table.add_column(name)
    for attribute, by_view in content["leakage"].items():
        for view, found in by_view.items():
            scores = [number(found.get(key)) for key in ("balanced_accuracy", "auc", "r2")]
            table.add_row(attribute, view, found["strongest"], *scores)
            attribute = ""
        table.add_section()
    return table


def _print_measure(content: dict[str, Any], names: list[str], console: Console) -> None:
    """How much of the twin's gap and of its utility above chance is left."""
    seeds = (content.get("over_seeds") or {}).get("transfer", {})
    for task in names:
        measure = content["transfer"].get(task)
        if measure is None or content["tasks"][task]["seen"]:
            continue
        gap, margin = (_share(measure[key]) for key in ("gap_left", "margin_kept"))
        unclear = "" if measure["twin_gap_clear"] else " (itself not clearly above 0)"
        console.print(
            f"  {task} (novel): {gap} of the twin's gap{unclear} is left, {margin} of its "
            f"{'R²' if measure['utility'] == 'r2' else 'AUC above 0.5'} is kept",
            highlight=False,
        )
        if task in seeds:
            means = ", ".join(
                f"{key.replace('_', ' ')} {seeds[task][key][0]:.3f} ± {seeds[task][key][1]:.3f}"
                for key in ("gap_left", "margin_kept")
                if key in seeds[task]
            )
            console.print(
                f"    over {len(content['seeds'])} seeds, mean ± sd: {means}", highlight=False
            )


def _print_notes(content: dict[str, Any], names: list[str], console: Console) -> None:
    notes = [
        f"{task}: {note}"
        for task in names
        for note in _headline(content, task, "trained").get("notes", ())
    ]
    for note in notes[:NOTES_SHOWN]:
        console.print(f"  {note}", highlight=False)
    if (more := len(notes) - NOTES_SHOWN) > 0:
        console.print(f"  … and {more} notes more on small groups, in transfer.json")


def _share(value: float | None) -> str:
    return "-" if value is None or value != value else f"{value:.0%}"


def _distribution_table(distribution: dict[str, Any]) -> Table:
    table = Table(
        title="Over the left-out tasks: quartiles", title_justify="left", box=box.SIMPLE_HEAD
    )
    for name in ("input", "figure", "tasks", "25%", "50%", "75%"):
        table.add_column(name)
    rows = {**distribution["by_representation"], "trained / twin": distribution["transfer"]}
    for view, figures in rows.items():
        for name, found in figures.items():
            quartiles = [number(q) for q in found.get("quartiles", (None, None, None))]
            table.add_row(view, name.replace("_", " "), str(found["tasks"]), *quartiles)
            view = ""
        table.add_section()
    return table
