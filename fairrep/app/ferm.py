"""The FERM command: a learner before and after the constraint, and the front between."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import DictConfig
from scipy.special import expit

from fairrep.app.configs import compose_config, plain
from fairrep.app.console import in_run_folder, quieten
from fairrep.app.method_results import AFTER, BEFORE, Candidate, finish, start
from fairrep.app.method_rows import MethodRows, Split, load_rows
from fairrep.errors import ConfigError
from fairrep.estimators import FERMClassifier
from fairrep.estimators.nvp_search import least_unfair
from fairrep.estimators.unfairness import prediction_difference
from fairrep.seeds import derive_seed

OPTIONS = ("kernel", "gamma", "degree", "max_exact_rows", "n_components")


@dataclass(frozen=True)
class Fitted:
    """One model, and what validation rows say of it."""

    model: FERMClassifier
    share: float
    accuracy: float
    gap: float


def main(config: DictConfig) -> dict[str, Any]:
    """Run what ``fairrep ferm`` was asked for, in Hydra's run folder."""
    return in_run_folder(run_ferm, config)


def ferm(*overrides: str, folder: str | Path) -> dict[str, Any]:
    """Run from Python as from the shell: ``ferm("data=german", folder="out")``.

    Args:
        *overrides: in Hydra's syntax.
        folder: the run's folder.

    Returns:
        What ``method.json`` holds.

    Raises:
        FairrepError: a setting, a file or a table that cannot be used.
    """
    return run_ferm(compose_config("ferm", list(overrides)), Path(folder))


def run_ferm(config: DictConfig, path: Path) -> dict[str, Any]:
    """Fit, choose on validation rows, measure, write the run's folder; return the results."""
    quieten()
    _check(config)
    folder = start(config, path)
    rows = load_rows(config, "binary")
    rows = replace(rows, train=_thinned(rows.train, config.max_rows, seed=config.seed))
    begun = time.perf_counter()
    shares = sorted({*plain(config.shares), config.share, 1.0})
    chosen = _chosen(config, rows, shares)
    seconds = time.perf_counter() - begun
    found = {share: _candidate(own, rows) for share, own in chosen.items()}
    models = {BEFORE: found[1.0], AFTER: found[config.share]}
    models |= {f"share = {share:g}": found[share] for share in plain(config.shares)}
    about = {
        "method": "ferm",
        "notion": config.notion.name,
        "base": f"{config.kernel} {config.loss}",
        "parameter": "share",
        "seconds": round(seconds, 3),
    }
    return finish(about, rows, models, config, folder)


def _check(config: DictConfig) -> None:
    for name, values in (("shares", plain(config.shares)), ("share", [config.share])):
        if bad := [value for value in values if not 0 <= value <= 1]:
            raise ConfigError(f"{name} must be in [0, 1], got {bad[0]}.")
    if not plain(config.C) or min(plain(config.C)) <= 0:
        raise ConfigError(f"C must be a list of positive numbers, got {plain(config.C)}.")
    if not 0 < config.nvp <= 1:
        raise ConfigError(f"nvp must be in (0, 1], got {config.nvp}.")
    if config.loss not in ("svm", "logistic"):
        raise ConfigError(f"loss must be svm or logistic, got '{config.loss}'.")
    if config.max_rows is not None and config.max_rows < 2:
        raise ConfigError(f"max_rows must be at least 2, or null, got {config.max_rows}.")


def _thinned(split: Split, most: int | None, *, seed: int) -> Split:
    """At most so many rows, drawn at random."""
    if most is None or len(split.y) <= most:
        return split
    rng = np.random.default_rng(derive_seed(seed, "ferm rows"))
    kept = np.sort(rng.permutation(len(split.y))[:most])
    return Split(split.x[kept], split.y[kept], split.s[kept])


def _chosen(config: DictConfig, rows: MethodRows, shares: Sequence[float]) -> dict[float, Fitted]:
    """For every share the model that validation rows choose among the strengths (NVP)."""
    found: dict[float, list[Fitted]] = {share: [] for share in shares}
    for C in plain(config.C):
        own = _fit(config, rows, C, np.inf)
        difference = float(np.abs(own.mean_differences_).max())
        for share in shares:
            model = own if share == 1 else _fit(config, rows, C, share * difference)
            found[share].append(_judged(model, share, rows.val, config.notion.name))
    return {share: _best(models, config.nvp) for share, models in found.items()}


def _fit(config: DictConfig, rows: MethodRows, C: float, epsilon: float) -> FERMClassifier:
    model = FERMClassifier(
        config.loss,
        epsilon=epsilon,
        notion=config.notion.name,
        C=C,
        **{name: config[name] for name in OPTIONS},
        random_state=config.seed,
    )
    return model.fit(rows.train.x, rows.train.y, sensitive_features=rows.train.s)


def _judged(model: FERMClassifier, share: float, val: Split, notion: str) -> Fitted:
    predicted = model.predict(val.x)
    gap = prediction_difference(
        val.y, predicted, sensitive_features=val.s, notion=notion, classes=model.classes_
    )
    return Fitted(model, share, float((predicted == val.y).mean()), gap)


def _best(models: Sequence[Fitted], share: float) -> Fitted:
    """The least unfair of those with nearly the best accuracy; the best where no gap is known."""
    scores, gaps = (np.array([getattr(m, name) for m in models]) for name in ("accuracy", "gap"))
    best = least_unfair(scores, gaps, share=share)
    return models[int(scores.argmax()) if best is None else best]


def _candidate(own: Fitted, rows: MethodRows) -> Candidate:
    """Decision values as probabilities, exact for the logistic loss; 0.5 is the threshold."""
    val, test = (expit(own.model.decision_function(split.x)) for split in (rows.val, rows.test))
    return Candidate(val, test, own.share, {"C": own.model.C, "epsilon": own.model.epsilon})
