"""The fair-regression command: a regressor before and after the barycenter, and the way between."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from hydra.utils import instantiate
from omegaconf import DictConfig

from fairrep.app.configs import compose_config, plain
from fairrep.app.console import in_run_folder, quieten
from fairrep.app.method_results import AFTER, BEFORE, Candidate, finish, start
from fairrep.app.method_rows import MethodRows, load_rows
from fairrep.errors import ConfigError
from fairrep.estimators import WassersteinBarycenterRegressor
from fairrep.estimators.score_map import as_generator
from fairrep.seeds import derive_seed

OPTIONS = ("calibration_size", "sigma", "tau", "max_ks", "halves", "aware")
SHIFT = "mean shift"


def main(config: DictConfig) -> dict[str, Any]:
    """Run what ``fairrep fair_regression`` was asked for, in Hydra's run folder."""
    return in_run_folder(run_fair_regression, config)


def fair_regression(*overrides: str, folder: str | Path) -> dict[str, Any]:
    """Run from Python as from the shell: ``fair_regression("base=forest", folder="out")``.

    Args:
        *overrides: in Hydra's syntax.
        folder: the run's folder.

    Returns:
        What ``method.json`` holds.

    Raises:
        FairrepError: a setting, a file or a table that cannot be used.
    """
    return run_fair_regression(compose_config("fair_regression", list(overrides)), Path(folder))


def run_fair_regression(config: DictConfig, path: Path) -> dict[str, Any]:
    """Fit, calibrate, measure, write the run's folder, print the table; return the results."""
    quieten()
    model = _model(config)
    folder = start(config, path)
    rows = load_rows(config, "regression")
    begun = time.perf_counter()
    model.fit(rows.train.x, rows.train.y, sensitive_features=rows.train.s)
    seconds = time.perf_counter() - begun
    about = {
        "method": "fair_regression",
        "notion": "demographic_parity",
        "base": config.base.name,
        "parameter": "tau",
        "validated_ks": model.map_.ks,
        "seconds": round(seconds, 3),
    }
    return finish(about, rows, _candidates(model, rows, plain(config.taus)), config, folder)


def _model(config: DictConfig) -> WassersteinBarycenterRegressor:
    """The estimator that was asked for.

    Raises:
        ConfigError: a front outside [0, 1], a base that would have to be fitted already, the
            group in x of a model that must guess it.
        EstimatorError: a parameter out of its range.
    """
    if bad := [tau for tau in plain(config.taus) if not 0 <= tau <= 1]:
        raise ConfigError(f"taus must be in [0, 1], got {bad[0]}.")
    if config.cv == "prefit":
        raise ConfigError("cv=prefit needs a fitted base, which only Python can hand over: cv=5.")
    if not config.aware and config.group_in_x:
        raise ConfigError(
            "aware=false guesses the groups from x, which holds them: set group_in_x=false."
        )
    model = WassersteinBarycenterRegressor(
        instantiate(config.base.model, _convert_="all"),
        cv=config.cv,
        **{name: config[name] for name in OPTIONS},
        random_state=derive_seed(config.seed, "barycenter") % 2**32,
    )
    model.check_parameters()
    return model


def _candidates(
    model: WassersteinBarycenterRegressor, rows: MethodRows, taus: list[float]
) -> dict[str, Candidate]:
    """Predictions before, after, with the groups' means shifted, and along the geodesic."""
    whole = replace(model.map_, tau=1.0)
    samples = [float(sample.mean()) for sample in model.map_.distributions]
    shift = float(model.map_.weights.numpy() @ samples) - np.array(samples)
    found: dict[str, tuple[np.ndarray, ...]] = {}
    for name in ("val", "test"):
        split = getattr(rows, name)
        f = np.asarray(model.estimator_.predict(split.x), dtype=float)
        codes = split.s if model.aware else model.group_estimator_.predict(split.x)
        moved = whole(f, codes, rng=as_generator(model.random_state))
        found[name] = f, moved, f + shift[codes]
    (f, moved, shifted), (f_test, moved_test, shifted_test) = found["val"], found["test"]

    def at(tau: float) -> Candidate:
        return Candidate((1 - tau) * f + tau * moved, (1 - tau) * f_test + tau * moved_test, tau)

    models = {BEFORE: at(0.0), AFTER: at(model.map_.tau), SHIFT: Candidate(shifted, shifted_test)}
    return models | {f"tau = {tau:g}": at(tau) for tau in taus}
