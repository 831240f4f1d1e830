"""Which tasks and which columns: what was asked for, or the data set's default."""

from __future__ import annotations

from collections.abc import Sequence

from fairrep.data.registry import DatasetSpec, RawData, unknown
from fairrep.errors import ConfigError


def choose_tasks(
    spec: DatasetSpec, seen: Sequence[str] | None, novel: Sequence[str] | None
) -> tuple[list[str], list[str]]:
    """Return the seen and the novel tasks: those asked for, or the data set's default.

    Raises:
        ConfigError: none, unknown, or listed twice.
    """
    chosen_seen = list(spec.default_seen if seen is None else seen)
    default_novel = [task for task in spec.default_novel if task not in chosen_seen]
    chosen_novel = default_novel if novel is None else list(novel)
    if not chosen_seen:
        raise ConfigError("at least one task to train on is needed: set data.tasks.seen=[NAME].")
    for name in [*chosen_seen, *chosen_novel]:
        if name not in spec.tasks:
            raise ConfigError(unknown("task", name, spec.tasks))
    twice = sorted(
        {t for t in [*chosen_seen, *chosen_novel] if [*chosen_seen, *chosen_novel].count(t) > 1}
    )
    if twice:
        raise ConfigError(f"a task is seen or novel, once; listed more than once: {twice}.")
    return chosen_seen, chosen_novel


def choose_features(
    raw: RawData,
    tasks: Sequence[str],
    attributes: Sequence[str],
    features: Sequence[str] | None,
    *,
    include_sensitive: bool,
) -> tuple[list[str], dict[str, str]]:
    """Take the tasks' own columns and proxies, and the sensitive columns, out of x.

    Columns of embeddings are in x whatever ``features`` are asked for, and stand first.
    """
    wanted = list(raw.spec.features)
    if features is not None:
        _require_features(raw, features)
        wanted = list(dict.fromkeys([*raw.spec.embeddings, *features]))
    reasons = {
        column: f"sensitive attribute {name}"
        for name in attributes
        for column in raw.spec.sensitive[name].uses
    }
    if include_sensitive:
        wanted += [column for column in reasons if column not in wanted]
        reasons = {}
    reasons |= {
        column: f"task {name} or its proxy"
        for name in tasks
        for column in raw.spec.tasks[name].uses
    }
    kept = [column for column in wanted if column not in reasons]
    if not kept:
        raise ConfigError("no feature column is left in x after the tasks' and sensitive ones.")
    return kept, {column: why for column, why in reasons.items() if column in wanted}


def _require_features(raw: RawData, features: Sequence[str]) -> None:
    for column in features:
        if column == raw.spec.key:
            raise ConfigError(
                f"data.features must hold what x may know of a person, but '{column}' is "
                "data.embeddings_key, which only names rows; leave it out."
            )
        if column not in raw.frame.columns:
            embedded = set(raw.spec.embeddings)
            known = [str(name) for name in raw.frame.columns if name not in embedded]
            raise ConfigError(unknown("feature column", column, known))
