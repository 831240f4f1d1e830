"""What of a ``front.json`` is drawn and listed: points with seeds aggregated, and references."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

GAP = "demographic_parity_difference"
LOWER_IS_BETTER = ("rmse",)
NAMES = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "auc": "AUC",
    "rmse": "RMSE",
    "r2": "R²",
}
UNITS = {
    "accuracy": "share of rows",
    "balanced_accuracy": "mean share over classes",
    "auc": "1/2 is chance",
    "rmse": "units of the label",
    "r2": "1 is perfect",
}
Front = dict[str, Any]


@dataclass(frozen=True)
class Axes:
    """Which figures of which task the front compares."""

    task: str
    utility: str
    gap: str
    kind: str = "binary"

    @property
    def utility_label(self) -> str:
        """Name and unit of the utility."""
        unit = UNITS.get(self.utility)
        return f"{name(self.utility)} on {self.task}" + (f" ({unit})" if unit else "")

    @property
    def gap_label(self) -> str:
        """Name and unit of the gap."""
        unit = "KS distance" if self.kind == "regression" else "difference of rates"
        return f"{name(self.gap)} ({f'{unit}, ' if self.gap == GAP else ''}0–1)"

    @property
    def utility_direction(self) -> str:
        """Which way is better."""
        return "↓ more accurate" if self.utility in LOWER_IS_BETTER else "↑ more accurate"


@dataclass(frozen=True)
class Value:
    """A mean over seeds with its standard deviation (0 where one seed has none to show)."""

    mean: float
    sd: float


@dataclass(frozen=True)
class Point:
    """One setting on one split.

    Attributes:
        index: its number in ``points``; None for a reference.
        label: for people, e.g. ``λ = 0.1``.
        kind: ``front``, ``dominated``, ``twin`` (λ = 0) or ``reference``.
        on_front: non-dominated on validation rows.
    """

    index: int | None
    label: str
    kind: str
    on_front: bool
    gap: Value
    utility: Value


@dataclass(frozen=True)
class CertifiedPoint:
    """One setting with its certificate, and its utility on test rows.

    Attributes:
        label: for people.
        kind: as of :class:`Point`.
        bound: the certificate, which holds for all settings and seeds at once.
        measured: the total variation that it was computed from.
        utility: on test rows.
    """

    label: str
    kind: str
    bound: Value
    measured: Value
    utility: Value


def name(metric: str) -> str:
    """A metric's name in words."""
    return NAMES.get(metric) or metric.replace("_", " ").replace(
        "demographic parity", "demographic-parity"
    )


def axes_of(front: Front) -> Axes:
    """The selection's task and figures, or those of the first seen task."""
    chosen = front.get("selection") or {}
    tasks = front.get("tasks") or {}
    first = next((t for t, about in tasks.items() if about.get("seen")), next(iter(tasks), ""))
    task = chosen.get("task") or first
    kind = str((tasks.get(task) or {}).get("kind", "binary"))
    utility = chosen.get("maximize") or ("r2" if kind == "regression" else "accuracy")
    return Axes(task, utility, chosen.get("metric") or GAP, kind)


def points(front: Front, axes: Axes, split: str) -> list[Point]:
    """The settings that have both figures on a split (``val`` or ``test``), in the file's order."""
    found = []
    for index, entry in enumerate(front.get("points") or []):
        gap, utility = (value_of(entry, split, axes.task, m) for m in (axes.gap, axes.utility))
        if gap is None or utility is None:
            continue
        on_front = bool(entry.get("on_front"))
        kind = "twin" if entry.get("twin") else "front" if on_front else "dominated"
        label = str(entry.get("label") or f"λ = {entry.get('weight')}")
        found.append(Point(index, label, kind, on_front, gap, utility))
    return found


def references(front: Front, axes: Axes, split: str) -> list[Point]:
    """Raw features and their like: one figure each, no seeds."""
    found = []
    for label, entry in (front.get("references") or {}).items():
        figures = ((entry or {}).get(split) or {}).get(axes.task) or {}
        gap, utility = figures.get(axes.gap), figures.get(axes.utility)
        if gap is not None and utility is not None:
            values = Value(float(gap), 0.0), Value(float(utility), 0.0)
            found.append(Point(None, reference_name(label), "reference", False, *values))
    return found


def certified_points(front: Front, axes: Axes) -> list[CertifiedPoint]:
    """The settings that have a certificate and a utility on test rows."""
    found = []
    for entry, point in _with_entries(front, points(front, axes, "test")):
        bound = certificate_of(entry)
        measured = _value((entry.get("certificate") or {}).get("distance"))
        if bound is not None and measured is not None:
            found.append(CertifiedPoint(point.label, point.kind, bound, measured, point.utility))
    return found


def certificate_of(entry: dict[str, Any]) -> Value | None:
    """A setting's bound over seeds, if it has one."""
    return _value((entry.get("certificate") or {}).get("bound"))


def is_certified(front: Front) -> bool:
    """Whether any setting has a certificate to be drawn."""
    return bool(certified_points(front, axes_of(front)))


def _with_entries(front: Front, found: list[Point]) -> list[tuple[dict[str, Any], Point]]:
    entries = front.get("points") or []
    return [(entries[point.index], point) for point in found if point.index is not None]


def reference_name(label: str) -> str:
    """The name of what stands beside the front, for people."""
    return {"raw": "raw features"}.get(label, label)


def value_of(entry: dict[str, Any], split: str, task: str, metric: str) -> Value | None:
    """Mean and sd of one figure, or nothing where no seed has it."""
    return _value(((entry.get(split) or {}).get(task) or {}).get(metric))


def _value(figure: Any) -> Value | None:
    if not isinstance(figure, dict) or figure.get("mean") is None:
        return None
    return Value(float(figure["mean"]), float(figure.get("sd") or 0.0))


def has_test(front: Front) -> bool:
    """Whether test rows were read for any setting."""
    return any(entry.get("test") for entry in front.get("points") or [])


def bound_of(front: Front) -> float | None:
    """The bound that the selected point had to meet."""
    bound = (front.get("selection") or {}).get("at_most")
    return None if bound is None else float(bound)


def selected_index(front: Front) -> int | None:
    """Number of the selected setting; also the closest one where none is feasible."""
    index = (front.get("selection") or {}).get("point")
    return index if isinstance(index, int) and 0 <= index < len(front.get("points") or []) else None


def selected_model(front: Front) -> dict[str, Any] | None:
    """The selected seed of the selected setting, as ``models`` lists it."""
    index, models = (front.get("selection") or {}).get("model"), front.get("models") or []
    return models[index] if isinstance(index, int) and 0 <= index < len(models) else None


def is_feasible(front: Front) -> bool:
    """Whether the selected setting meets its bound on validation rows."""
    return bool((front.get("selection") or {}).get("feasible", True))
