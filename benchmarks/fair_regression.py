"""Fair regression side by side: squared error against the distance between the groups.

    python benchmarks/fair_regression.py crime              # the published setting, one split
    python benchmarks/fair_regression.py study --splits 50  # four data sets, three regressors
    python benchmarks/fair_regression.py time               # 1,000,000 rows through the map
    python benchmarks/fair_regression.py show               # what is there already

The files must be at hand (FAIRREP_DATA); Crime.mat is the authors' own preparation of Communities
and Crime. In ``study`` a split is a random fifth for testing and the rest for fitting and
calibrating (at most 8,000 rows each); x holds the group, as published. Hyperparameters are chosen
by cross-validation on the first split's training rows. ``barycenter`` calibrates on predictions out
of fold (cv=5), ``halves`` on the same with ranks and quantiles from different halves (as
published), ``split`` on 30% of the training rows; ``unaware`` sees no groups at all when it
predicts, beside its own base; ``mean shift`` gives every group the mean of all (out of fold);
``CorrelationRemover`` is fairlearn's, before the base.
Writes benchmarks/results/fair-regression.json after every split, and runs none that it holds.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from fairlearn.preprocessing import CorrelationRemover
from scipy.io import loadmat
from scipy.stats import t
from sklearn.base import clone
from sklearn.ensemble import RandomForestRegressor
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fairrep.app.run_folder import environment
from fairrep.data import prepare_data
from fairrep.data.sources import data_folders
from fairrep.encoders import OneHotInput
from fairrep.encoders.saved import cardinalities
from fairrep.estimators import FairScoreTransformer, WassersteinBarycenterRegressor
from fairrep.estimators.score_map import MapOptions, fit_score_map
from fairrep.functional.group_distributions import largest_ks_distance

RESULTS = Path(__file__).resolve().parent / "results" / "fair-regression.json"
TRAIN, TEST = 8_000, 8_000
DATA = {  # data set → task, attribute
    "communities": ("violent_crime", "black_share"),
    "law_school": ("first_year_grade", "race"),
    "student": ("final_grade", "sex"),
    "adult": ("hours_per_week", "sex"),
}
BASES: dict[str, tuple[Any, dict[str, list[Any]]]] = {
    "ridge": (
        make_pipeline(StandardScaler(), Ridge()),
        {"ridge__alpha": [1, 10, 100, 1000]},
    ),
    # on 300 landmarks: the same for small and large tables
    "kernel ridge": (
        make_pipeline(StandardScaler(), Nystroem(n_components=300, random_state=0), Ridge()),
        {"nystroem__gamma": [1e-3, 3e-3, 1e-2], "ridge__alpha": [0.01, 0.1, 1, 10]},
    ),
    "forest": (
        RandomForestRegressor(100, max_features=1 / 3, random_state=0, n_jobs=1),
        {"min_samples_leaf": [1, 5, 20]},
    ),
}


def ks(values: np.ndarray, s: np.ndarray) -> float:
    return float(
        largest_ks_distance(torch.from_numpy(values), torch.from_numpy(s), groups=int(s.max()) + 1)
    )


def predictions(
    base: Any,
    x: np.ndarray,
    y: np.ndarray,
    s: np.ndarray,
    x_test: np.ndarray,
    s_test: np.ndarray,
) -> dict[str, np.ndarray]:
    """Method → predictions of the test rows; x is without the group, which aware ones append."""
    groups = int(s.max()) + 1
    with_s, with_s_test = (
        np.hstack([np.eye(groups)[g][:, 1:], rows]) for rows, g in ((x, s), (x_test, s_test))
    )
    fair = WassersteinBarycenterRegressor(base, cv=5, random_state=0)
    fair.fit(with_s, y, sensitive_features=s)
    f = fair.estimator_.predict(with_s_test)
    moved = fair.predict(with_s_test, sensitive_features=s_test)
    means = [float(own.mean()) for own in fair.map_.distributions]  # out of fold, by group
    shift = float(fair.map_.weights @ torch.tensor(means, dtype=torch.double)) - np.array(means)
    halved = fit_score_map(
        torch.cat(list(fair.map_.distributions)).numpy(),
        np.repeat(np.arange(groups), fair.groups_.counts),
        fair.groups_,
        MapOptions(sigma=None, tau=1.0, max_ks=None, halves=True),
        rng=np.random.default_rng(0),
    )
    split = WassersteinBarycenterRegressor(base, random_state=0)
    split.fit(with_s, y, sensitive_features=s)
    unaware = WassersteinBarycenterRegressor(base, cv=5, aware=False, random_state=0)
    unaware.fit(x, y, sensitive_features=s)
    remover = CorrelationRemover(sensitive_feature_ids=list(range(groups - 1))).fit(with_s)
    removed = clone(base).fit(remover.transform(with_s), y)
    return {
        "base": f,
        "mean shift": f + shift[s_test],
        "CorrelationRemover": removed.predict(remover.transform(with_s_test)),
        "barycenter": moved,
        "barycenter, halves": halved(f, s_test, rng=np.random.default_rng(0)),
        "barycenter, tau 0.5": (f + moved) / 2,
        "barycenter, split": split.predict(with_s_test, sensitive_features=s_test),
        "base without s": unaware.estimator_.predict(x_test),
        "barycenter, unaware": unaware.predict(x_test),
    }


def table(name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All labelled rows: one-hot x without the group's columns, y, s."""
    task, attribute = DATA[name]
    data = prepare_data(
        name,
        sensitive=[attribute],
        bins=2,
        seen=[task],
        novel=[],
        include_sensitive=False,
        test_fraction=0.2,
        calibration=0.0,
        val_fraction=0.2,
        split_seed=0,
        min_rows=10,
        offline=True,
        cache=False,
    )
    one_hot = OneHotInput(cardinalities(data.schema))
    splits = (data.train, data.val, data.test)
    x = torch.cat([one_hot(rows.x) for rows in splits]).double().numpy()
    y = torch.cat([rows.y[:, 0] for rows in splits]).double().numpy()
    s = torch.cat([rows.s for rows in splits]).numpy()
    return x, y, s


def one_split(
    name: str, seed: int, chosen: dict[str, dict[str, Any]]
) -> dict[str, dict[str, list[float]]]:
    """Base → method → [mean squared error, KS distance] on test rows."""
    x, y, s = table(name)
    order = np.random.default_rng(seed).permutation(len(y))
    cut = len(y) // 5
    test, train = order[:cut][:TEST], order[cut:][:TRAIN]
    found: dict[str, dict[str, list[float]]] = {}
    for label, (base, grid) in BASES.items():
        if label not in chosen:
            search = GridSearchCV(base, grid, cv=5, scoring="neg_mean_squared_error")
            chosen[label] = search.fit(x[train], y[train]).best_params_
        own = clone(base).set_params(**chosen[label])
        predicted = predictions(own, x[train], y[train], s[train], x[test], s[test])
        found[label] = {
            method: [float(np.mean((values - y[test]) ** 2)), ks(values, s[test])]
            for method, values in predicted.items()
        }
    return found


def study(splits: int, saved: dict[str, Any]) -> None:
    for seed in range(splits):
        for name in DATA:
            own = saved.setdefault("study", {}).setdefault(name, {"chosen": {}, "splits": []})
            if len(own["splits"]) > seed:
                continue
            start = time.perf_counter()
            own["splits"].append(one_split(name, seed, own["chosen"]))
            own["summary"] = summary(own["splits"])
            print(f"{name} {seed}: {time.perf_counter() - start:.0f} s", flush=True)
            write(saved)


def summary(splits: list[dict[str, dict[str, list[float]]]]) -> dict[str, Any]:
    """Mean, standard deviation, and the mean's 95% interval (t) of both figures."""
    wide = float(t.ppf(0.975, max(1, len(splits) - 1))) / len(splits) ** 0.5
    found: dict[str, Any] = {}
    for base in splits[0]:
        found[base] = {}
        for method in splits[0][base]:
            values = np.array([one[base][method] for one in splits])
            mean, sd = values.mean(0), values.std(0, ddof=int(len(splits) > 1))
            found[base][method] = {
                key: {"mean": mean[k], "sd": sd[k], "half_width": wide * sd[k]}
                for k, key in enumerate(("mse", "ks"))
            }
    return found


def crime(saved: dict[str, Any]) -> None:
    """Forest of 500 trees on X and s, 1,795 and 199 rows, several splits of that size."""
    folder = next(f for f in data_folders("communities") if (f / "Crime.mat").is_file())
    content = loadmat(folder / "Crime.mat")
    y, s = content["Y"].ravel().astype(float), content["Scat"].ravel().astype(int)
    x = np.column_stack([content["X"].astype(float), s])
    rows = []
    for seed in range(10):
        order = np.random.default_rng(seed).permutation(len(y))
        test, train = order[:199], order[199:]
        forest = RandomForestRegressor(500, max_features=1 / 3, random_state=seed, n_jobs=1)
        forest.fit(x[train], y[train])
        base = forest.predict(x[test])
        found = {"base": [float(np.mean((base - y[test]) ** 2)), ks(base, s[test])]}
        for label, options in (
            ("calibrated on training predictions", {"cv": "prefit"}),
            ("the same in halves", {"cv": "prefit", "halves": True}),
            ("calibrated out of fold", {"cv": 5}),
        ):
            own = forest if options["cv"] == "prefit" else clone(forest)
            model = WassersteinBarycenterRegressor(own, random_state=seed, **options)
            model.fit(x[train], y[train], sensitive_features=s[train])
            moved = model.predict(x[test], sensitive_features=s[test])
            found[label] = [float(np.mean((moved - y[test]) ** 2)), ks(moved, s[test])]
        rows.append(found)
        print(seed, {k: [round(v, 4) for v in pair] for k, pair in found.items()}, flush=True)
        saved["crime"] = {"splits": rows, "summary": summary([{"forest": one} for one in rows])}
        write(saved)


def timing(saved: dict[str, Any]) -> None:
    """Median seconds of five calls; 1,000,000 rows of two groups, fitted on as many."""
    rng = np.random.default_rng(0)
    n = 1_000_000
    s = rng.integers(2, size=n)
    scores = (rng.normal(size=n) * (1 + s) + s)[:, None]
    found: dict[str, Any] = {"rows": n, "threads": torch.get_num_threads()}
    for calibration in (10_000, n):
        fair = FairScoreTransformer(random_state=0)
        fair.fit(scores[:calibration], sensitive_features=s[:calibration])
        codes = fair.groups_.codes(s, rows=n)
        whole, alone = [], []
        for _ in range(5):
            start = time.perf_counter()
            fair.transform(scores, sensitive_features=s)
            whole.append(time.perf_counter() - start)
            start = time.perf_counter()
            fair.maps_[0](scores[:, 0], codes, rng=rng)
            alone.append(time.perf_counter() - start)
        found[f"calibrated on {calibration:,}"] = {
            "transform_seconds": float(np.median(whole)),
            "map_seconds": float(np.median(alone)),
        }
    saved["time"] = found
    print(json.dumps(found, indent=1))
    write(saved)


def write(saved: dict[str, Any]) -> None:
    saved["environment"] = environment()
    RESULTS.write_text(json.dumps(saved, indent=1) + "\n")


def show(saved: dict[str, Any]) -> None:
    parts = {"crime": saved["crime"]} if "crime" in saved else {}
    for name, own in (parts | saved.get("study", {})).items():
        print(f"{name}, {len(own['splits'])} splits")
        for base, methods in own["summary"].items():
            for method, row in methods.items():
                print(
                    f"  {base:12s} {method:36s} MSE {row['mse']['mean']:.5g} ± "
                    f"{row['mse']['half_width']:.2g}  KS {row['ks']['mean']:.3f} ± "
                    f"{row['ks']['half_width']:.3f}"
                )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=["crime", "study", "time", "show"])
    parser.add_argument("--splits", type=int, default=50)
    asked = parser.parse_args()
    warnings.filterwarnings("ignore")
    saved = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    if asked.part == "study":
        study(asked.splits, saved)
    elif asked.part == "crime":
        crime(saved)
    elif asked.part == "time":
        timing(saved)
    show(saved)


if __name__ == "__main__":
    main()
