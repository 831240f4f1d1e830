"""The report's sections on one trained encoder: what went in, and what came out by group."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from fairrep.errors import listed
from fairrep.reporting import group_figures as draw
from fairrep.reporting import report_tables as tables
from fairrep.reporting.page import Section, group_legend
from fairrep.reporting.report_tables import NONE, Table, count
from fairrep.reporting.saved import SavedRun
from fairrep.reporting.style import GROUPS_DRAWN
from fairrep.reporting.svg import inline

TASKS_DRAWN = 4
FEATURES_SHOWN = 200  # more are embeddings' columns, of which the first and the last are named
VIEWS = ("raw", "twin", "trained")
Content = dict[str, Any]


def groups_of(run: SavedRun) -> list[str]:
    """The groups that are drawn: the largest, in the order of the data."""
    if run.predictions is None:
        known = (run.data or {}).get("groups") or (run.plane or {}).get("groups") or []
        return sorted({str(group) for group in known})[:GROUPS_DRAWN]
    sizes = run.predictions["group"].astype(str).value_counts()
    return sorted(sizes.index[:GROUPS_DRAWN])


def data_section(data: Content) -> Section:
    """Where the rows come from, who is in them, and what harm they may do."""
    facts = [("source", data.get("source", NONE)), ("licence", data.get("licence", NONE))]
    if features := data.get("features"):
        facts.append((f"x, {len(features)} features", listed(features, shown=FEATURES_SHOWN)))
    if data.get("dropped"):
        left_out = "; ".join(f"{column} ({why})" for column, why in data["dropped"].items())
        facts.append(("left out of x", left_out))
    if data.get("left_out"):
        facts.append(("rows left out", f"{data['left_out']:,}, without a label for any task"))
    return Section(
        "data",
        "The data",
        text=("What may go wrong with these rows:",) if data.get("harms") else (),
        notes=[*data.get("harms", ()), *data.get("notes", ())],
        facts=facts,
        tables=(tables.groups_table(data), tables.tasks_table(data)),
    )


def front_data_section(front: Content) -> Section:
    """The same from a ``front.json`` alone, which knows less."""
    facts = [(key, str(front[key])) for key in ("source", "licence") if front.get(key)]
    groups = tuple((str(group), count(rows)) for group, rows in (front.get("groups") or {}).items())
    heading = " & ".join(front.get("sensitive") or ["group"])
    return Section(
        "data",
        "The data",
        text=("What may go wrong with these rows:",) if front.get("harms") else (),
        notes=front.get("harms") or (),
        facts=facts,
        tables=(Table("Groups, rows of all splits", (heading, "rows"), groups),) if groups else (),
    )


def trained_facts(run: SavedRun) -> list[tuple[str, str]]:
    """What was trained: architecture, penalty, epochs."""
    metrics = run.metrics
    facts = [
        ("penalty", f"{metrics['penalty']}, λ = {metrics['weight']:g}"),
        ("notion", str(metrics.get("notion", NONE)).replace("_", " ")),
    ]
    if architecture := (run.encoder or {}).get("architecture"):
        of_cells = architecture.get("trunk")
        named = str(architecture.get("name"))
        if of_cells:
            named = (
                f"{architecture['cells']} cells ({architecture['release']}) on {of_cells['name']}"
            )
            architecture = of_cells
        hidden = architecture.get("hidden")
        layers = f", hidden layers {' – '.join(map(str, hidden))}" if hidden else ""
        target = f" {architecture['target']}" if "target" in architecture else ""
        dim = architecture.get("dim")
        outputs = f", {dim} outputs" if dim else ""
        facts.append(("encoder", f"{named}{target}{layers}{outputs}"))
    facts.append(("seed", f"{metrics.get('seed')}, split seed {metrics.get('split_seed')}"))
    facts.append(("training", f"{metrics.get('epochs')} epochs, {metrics.get('seconds')} s"))
    facts.append(("head that leads", f"fresh {metrics['head']}"))
    return facts


def tasks_section(run: SavedRun) -> Section:
    """The transfer table where there is one, else the run's own figures on test rows."""
    if run.transfer is None:
        return Section("tasks", "Tasks on test rows", tables=(tables.metrics_table(run.metrics),))
    text = [
        "Fresh heads trained on the frozen representation: fitted on training rows, chosen on "
        "validation rows, read once on test rows. Novel tasks were never read in training.",
    ]
    domain = run.transfer.get("domain") or {}
    if not domain.get("own", True):
        text.append(f"Rows of another domain: {domain.get('title')}.")
    return Section(
        "tasks", "Does it transfer?", text=text, tables=(tables.transfer_table(run.transfer),)
    )


def leakage_section(run: SavedRun) -> Section | None:
    """How much of s can still be read."""
    if run.transfer is not None and run.transfer.get("leakage"):
        table: Table | None = tables.transfer_leakage_table(run.transfer)
    else:
        table = tables.leakage_table(run.metrics)
    if table is None:
        return None
    chance = (run.metrics.get("leakage") or {}).get("chance")
    known = f"{chance:.3f} balanced accuracy and " if isinstance(chance, float) else ""
    return Section(
        "leakage",
        "What can still be read of s",
        text=(
            f"Probes trained to guess the group from the representation. {known}0.500 AUC are "
            "chance; a probe above it shows that the representation still holds something of s.",
        ),
        tables=(table,),
    )


def scores_section(run: SavedRun) -> Section | None:
    """Score distributions by group, a panel per task and representation."""
    groups = groups_of(run)
    figures: list[Markup] = []
    more = 0
    tasks = sorted(run.metrics["tasks"], key=lambda name: run.metrics["tasks"][name]["seen"])
    for t, task in enumerate(tasks):
        views = _scores(run, task, groups)
        if not views:
            continue
        if len(figures) >= TASKS_DRAWN * len(VIEWS):
            more += 1
            continue
        edges = [edge for found in views.values() for edge in found["edges"]]
        limits = min(edges), max(edges) + 1e-9
        for view, found in views.items():
            name = f"{task}: {tables.INPUTS[view]}"
            figures.append(
                inline(
                    draw.score_panel(found, groups, name, limits),
                    name=f"scores-{t}-{view}",
                    title=f"Scores by group, {name}",
                    description=f"Density of the predicted score on test rows, a line for each of "
                    f"{', '.join(groups)}.",
                )
            )
    if not figures:
        return None
    rest = f" {more} tasks more are not drawn." if more else ""
    return Section(
        "scores",
        "Scores by group",
        text=("The same threshold treats groups alike only as far as these curves agree.",),
        figures=figures,
        legend=group_legend(groups),
        caption=f"Test rows; areas are 1.{rest}{_others(run, groups)}",
        layout="three" if run.transfer is not None else "two",
    )


def plane_section(run: SavedRun) -> Section | None:
    """The representation's first two principal components, without and with the penalty."""
    before = run.twin.plane if run.twin is not None else None
    both = (
        ("twin", "before: λ = 0", before),
        ("trained", f"after: λ = {run.metrics['weight']:g}", run.plane),
    )
    groups = groups_of(run)
    limit = draw.plane_limit([plane for *_, plane in both if plane is not None])
    figures = [
        inline(
            draw.plane_panel(plane, groups, label, limit),
            name=f"plane-{name}",
            title=f"Principal plane of the representation, {label}",
            description=f"Test rows as dots by group ({', '.join(groups)}), large marks at the "
            "groups' means.",
        )
        for name, label, plane in both
        if plane is not None
    ]
    if not figures:
        return None
    return Section(
        "plane",
        "The representation",
        text=(
            "Test rows on the first two principal components of each representation, which are "
            "not the same two directions. Groups that overlap here may still differ elsewhere.",
        ),
        figures=figures,
        legend=group_legend(groups),
        caption=f"At most {draw.POINTS} rows of a group are drawn; large marks are group means."
        f"{_others(run, groups)}",
        layout="two",
    )


def calibration_section(run: SavedRun) -> Section | None:
    """Reliability of the leading head's probabilities by group, with counts."""
    if run.predictions is None:
        return None
    groups, head = groups_of(run), run.metrics["head"]
    figures: list[Markup] = []
    listed = []
    for t, (task, about) in enumerate(run.metrics["tasks"].items()):
        if about["kind"] != "binary" or f"{task}/{head}" not in run.predictions:
            continue
        bins = draw.reliability(run.predictions, task, head, groups)
        if not bins:
            continue
        errors = ", ".join(f"{group} {found.error:.3f}" for group, found in bins.items())
        if len(figures) < TASKS_DRAWN:
            figures.append(
                inline(
                    draw.calibration_panel(bins, groups, f"{task}: fresh {head} head"),
                    name=f"calibration-{t}",
                    title=f"Calibration by group, {task}",
                    description=f"Observed share against predicted probability in bins of 0.1. "
                    f"Expected calibration error: {errors}.",
                )
            )
            listed.append(_bins_table(task, bins))
    if not figures:
        return None
    return Section(
        "calibration",
        "Calibration by group",
        text=(
            "On the dotted diagonal a predicted probability is what happens. Where base rates "
            "differ, scores that are calibrated in every group cannot be distributed alike.",
        ),
        figures=figures,
        legend=group_legend(groups),
        caption="Test rows in bins of 0.1; areas are rows, bars Wilson's 95% intervals. "
        f"Bins of fewer than {draw.LEAST} rows are in the tables alone.{_others(run, groups)}",
        tables=listed,
    )


def _others(run: SavedRun, groups: list[str]) -> str:
    """Says so where not all groups are drawn."""
    all_groups = set() if run.predictions is None else set(run.predictions["group"].astype(str))
    if len(all_groups) <= len(groups):
        return ""
    return f" Drawn are the {len(groups)} largest of {len(all_groups)} groups."


def _scores(run: SavedRun, task: str, groups: list[str]) -> dict[str, Content]:
    """Histograms by representation: the transfer protocol's, else those of the predictions."""
    saved = ((run.transfer or {}).get("scores") or {}).get(task) or {}
    if saved:
        return {view: saved[view] for view in VIEWS if saved.get(view)}
    found = {}
    for view, source in (("twin", run.twin), ("trained", run)):
        table = None if source is None else source.predictions
        column = f"{task}/{run.metrics['head']}"
        if table is not None and column in table:
            histogram = draw.histograms(table, column, groups)
            if histogram is not None:
                found[view] = histogram
    return found


def _bins_table(task: str, bins: dict[str, draw.Reliability]) -> Table:
    rows = []
    for group, found in bins.items():
        for low, n, predicted, observed in zip(
            found.low, found.rows, found.predicted, found.observed
        ):
            cells = f"{n:,.0f}", f"{predicted:.3f}", f"{observed:.3f}"
            rows.append((group, f"{low:.1f}–{low + 1 / draw.BINS:.1f}", *cells))
    columns = ("group", "bin", "rows", "mean predicted", "observed share")
    return Table(
        f"Counts behind the figure, {task}", columns, tuple(rows), text_columns=2, folded=True
    )
