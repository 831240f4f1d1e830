"""The report on a search for hyperparameters under a fairness constraint."""

from __future__ import annotations

from typing import Any

import pandas as pd

from fairrep.reporting import tune_figure as pictures
from fairrep.reporting.metric_names import metric_name
from fairrep.reporting.page import Section, Tile
from fairrep.reporting.report_tables import Table, number, with_interval
from fairrep.reporting.saved import SavedTune
from fairrep.reporting.svg import inline
from fairrep.reporting.tune_tables import bound_text

Content = dict[str, Any]
LISTED = 20  # trials in the table
ABOUT = (
    "Two searches of the same space with the same first random trials: a plain one for accuracy, "
    "and one that also models the constraint and looks where both are likely. Trials are measured "
    "on rows that they were not fitted on; the two chosen models then meet the test rows, once."
)


def title(saved: SavedTune) -> str:
    """The data set's."""
    return str(saved.content["title"])


def subtitle(saved: SavedTune) -> str:
    """Learner, bounds and attributes."""
    content = saved.content
    bounds = " and ".join(bound_text(one) for one in content["constraints"])
    return f"search for {content['learner']} · {bounds} · {' × '.join(content['sensitive'])}"


def lede(saved: SavedTune) -> str:
    """What came out, the verdicts first."""
    chosen = saved.content["searches"]["constrained"]
    return f"The constrained search's model: {' '.join(chosen['verdicts'])}"


def tiles(saved: SavedTune) -> list[Tile]:
    """Accuracy and the first constraint's metric on test rows, beside the plain search's."""
    content = saved.content
    metric = content["constraints"][0]["metric"]
    fair, plain = (content["searches"][name]["test"] for name in ("constrained", "plain"))
    found = []
    for key, name in (("accuracy", "accuracy"), (metric, metric_name(metric))):
        low, high = fair.get(f"{key}_ci") or (None, None)
        beside = f"95%: {number(low)} to {number(high)} · plain: {number(plain.get(key))}"
        found.append(Tile(f"{name} on test rows", number(fair.get(key)), beside))
    return found


def fitted_section(saved: SavedTune) -> Section:
    """What was searched, and how."""
    content = saved.content
    facts = [
        ("data", title(saved)),
        ("rows", ", ".join(f"{count:,} {what}" for what, count in content["rows"].items())),
        ("sensitive", " × ".join(content["sensitive"])),
        ("task", content["task"]["name"]),
        ("x", content["features"]),
        ("learner", content["learner"]),
        ("constraints", ", ".join(bound_text(one) for one in content["constraints"])),
        ("trials", f"{content['n_trials']} a search, measured on {content['measured']}"),
        ("sampler", content["sampler"]),
        ("chosen by", f"{content.get('choose', 'observed')} figures"),
        ("seed", f"{content['seed']}, split seed {content['split_seed']}"),
    ]
    return Section("trained", "What was searched", text=(ABOUT,), facts=facts)


def sections(saved: SavedTune) -> list[Section]:
    """The trials, and the two models on test rows."""
    found = [] if saved.trials is None else [_trials_section(saved.content, saved.trials)]
    return [*found, _models_section(saved.content)]


def _trials_section(content: Content, trials: pd.DataFrame) -> Section:
    metric = metric_name(content["constraints"][0]["metric"])
    figures = [
        inline(
            pictures.search_panel(content, trials, name),
            name=f"trials-{name}",
            title=f"Trials of the {name} search",
            description=f"Accuracy against {metric} of every trial, later ones darker; the bound "
            "is a line, the chosen trial has a ring.",
        )
        for name in content["searches"]
    ]
    curve = inline(
        pictures.curve_panel(content, trials),
        name="curve",
        title="Best feasible accuracy after each trial",
        description="One line a search.",
    )
    return Section(
        "trials",
        "The trials",
        figures=[*figures, curve],
        layout="two",
        caption="Later trials are darker. What is chosen among many trials looks better here than "
        "it is: only test rows are to be quoted.",
        tables=(_best_trials(content, trials),),
    )


def _best_trials(content: Content, trials: pd.DataFrame) -> Table:
    metric = content["constraints"][0]["metric"]
    names = [str(name) for name in trials if str(name).startswith("param_")]
    own = trials[(trials["search"] == "constrained") & (trials["state"] == "complete")]
    own = own.sort_values(["feasible", "score"], ascending=False).head(LISTED)
    rows = tuple(
        (
            str(row["number"] + 1),
            "yes" if row["feasible"] else "no",
            number(row["score"]),
            number(row[metric]),
            *(_value(row[name]) for name in names),
        )
        for row in own.to_dict("records")
    )
    columns = (
        *("trial", "feasible", "accuracy", metric_name(metric)),
        *(name.removeprefix("param_") for name in names),
    )
    return Table("Best trials of the constrained search", columns, rows, folded=True)


def _value(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _models_section(content: Content) -> Section:
    metric = content["constraints"][0]["metric"]
    rows = tuple(
        (
            name,
            f"{search['feasible_count']} of {content['n_trials']}",
            number(search["accuracy"]),
            number(search["figures"][metric]),
            with_interval(search["test"], "accuracy"),
            with_interval(search["test"], metric),
        )
        for name, search in content["searches"].items()
    )
    columns = (
        *("search", "feasible", "accuracy, searched", f"{metric_name(metric)}, searched"),
        *("accuracy, test [95%]", f"{metric_name(metric)}, test [95%]"),
    )
    notes = [
        f"{name}: {verdict}"
        for name, search in content["searches"].items()
        for verdict in search["verdicts"]
    ]
    settings = [
        (f"settings, {name}", ", ".join(f"{k}={_value(v)}" for k, v in search["params"].items()))
        for name, search in content["searches"].items()
    ]
    return Section(
        "tasks",
        "The two models on test rows",
        facts=settings,
        tables=(Table("Chosen models", columns, rows),),
        notes=notes,
    )
