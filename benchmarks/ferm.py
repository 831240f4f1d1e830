"""FERM on the paper's data sets: accuracy against the difference of true positive rates.

    python benchmarks/ferm.py                     # everything, about half an hour on one core
    python benchmarks/ferm.py adult front rbf small cost    # parts

Adult as the authors prepare it: rows with missing values dropped (30,162 train, 15,060 test), sex
both s and a feature, categories as integers, standardised on train and test together. C (and γ)
are chosen on training rows alone by 5-fold NVP on (accuracy, TPR difference); ``each`` holds every
C of the grid besides. ``front`` multiplies the plain SVM's own |⟨w, u⟩| by ten factors. ``rbf`` is
the first 1/20 of the training rows. ``small``: COMPAS (African-American and Caucasian people),
German (sex) and Drug (gender; amphetamines) with 10-fold cross-validation and 5-fold NVP within;
figures are means and standard deviations over folds. ``cost``: one process a line.
Writes benchmarks/results/ferm.json, part by part. COMPAS and Drug need FAIRREP_DATA.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from fairrep.app.run_folder import environment
from fairrep.data.registry import open_dataset
from fairrep.estimators import FairProjection, FERMClassifier, NVPSearchCV
from fairrep.estimators.unfairness import prediction_difference

RESULTS = Path(__file__).resolve().parent / "results" / "ferm.json"
NOTION = "equal_opportunity"
PLAIN = np.inf
REFERENCE = {  # the authors' README: accuracy, TPR difference
    "linear SVM": (0.8084, 0.1090),
    "linear FERM": (0.7957, 0.0331),
    "RBF SVM on 1/20": (0.8322, 0.2203),
    "RBF FERM on 1/20": (0.8315, 0.1243),
}
C_LINEAR = [0.01, 0.1, 1.0]
RBF_GRID = {"C": [0.1, 1.0, 10.0], "gamma": [0.003, 0.01, 0.03, 0.1, 0.3]}
FACTORS = (0.0, 0.01, 0.03, 0.06, 0.1, 0.2, 0.35, 0.5, 0.7, 0.85, 1.0)
SMALL = {
    "compas": ("recidivism", "race", ("African-American", "Caucasian")),
    "german": ("credit", "sex", None),
    "drug": ("amphet", "gender", None),
}
COSTS = [
    ("svm", 0.0, 10_000),
    ("svm", 0.1, 10_000),
    ("logistic", 0.0, 10_000),
    ("logistic", 0.1, 10_000),
    ("svm", 0.0, 26_000),
    ("logistic", 0.1, 26_000),
]


def adult() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """X, y, s and the mask of test rows, as the authors prepare them."""
    raw = open_dataset("adult", None, offline=True).read()
    kept = raw.frame.notna().all(axis=1).to_numpy()
    frame, test = raw.frame[kept], raw.test_rows[kept]
    y = (frame["income"] == ">50K").to_numpy().astype(int)
    columns = [
        column if column.dtype.kind in "if" else column.astype("category").cat.codes
        for _, column in frame.drop(columns="income").items()
    ]
    X = StandardScaler().fit_transform(np.column_stack(columns).astype(float))
    return X, y, frame["sex"].to_numpy(), test


def figures(model: Any, X: np.ndarray, y: np.ndarray, s: np.ndarray) -> dict[str, float]:
    predicted = model.predict(X)
    found = {"accuracy": float((predicted == y).mean())}
    for notion in ("equal_opportunity", "demographic_parity", "equalized_odds"):
        gap = prediction_difference(
            y, predicted, sensitive_features=s, notion=notion, classes=np.array([0, 1])
        )
        found[f"{notion}_difference"] = round(gap, 5)
    return found


def selected(model: Any, grid: dict, X: np.ndarray, y: np.ndarray, s: np.ndarray) -> Any:
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    return NVPSearchCV(model, grid, cv=folds).fit(X, y, sensitive_features=s)


def on_adult(models: dict[str, Any], grid: dict, *, share: int = 1) -> dict[str, Any]:
    X, y, s, test = adult()
    train = np.flatnonzero(~test)[: (~test).sum() // share]
    rows, results = (X[train], y[train], s[train]), {}
    for name, (model, prefix) in models.items():
        named = {f"{prefix}{key}": values for key, values in grid.items()}
        search = selected(model, named, *rows)
        results[name] = {
            "chosen": {key.removeprefix(prefix): v for key, v in search.best_params_.items()},
            "validation": {
                "accuracy": float(search.best_score_),
                "equal_opportunity_difference": float(search.best_unfairness_),
            },
            "test": figures(search, X[test], y[test], s[test]),
        }
        if set(grid) == {"C"}:
            each = {}
            for C in grid["C"]:
                fitted = clone(model).set_params(**{f"{prefix}C": C})
                fit_on(fitted, *rows)
                each[str(C)] = figures(fitted, X[test], y[test], s[test])
            results[name]["each"] = each
        print(name, results[name]["chosen"], results[name]["test"], flush=True)
    return results


def fit_on(model: Any, X: np.ndarray, y: np.ndarray, s: np.ndarray) -> None:
    if hasattr(model, "steps"):
        model.fit(X, y, fairprojection__sensitive_features=s)
    elif isinstance(model, FERMClassifier):
        model.fit(X, y, sensitive_features=s)
    else:
        model.fit(X, y)


def linear_models() -> dict[str, Any]:
    plain = FERMClassifier(epsilon=PLAIN)
    liblinear = LinearSVC(loss="hinge", max_iter=20_000, random_state=0)
    coordinate = FairProjection(method="coordinate")
    ferm = "linear FERM, coordinate form, liblinear"
    return {
        "linear SVM": (plain, ""),
        "linear FERM": (FERMClassifier(), ""),
        "linear SVM, liblinear": (liblinear, ""),
        ferm: (make_pipeline(coordinate, liblinear), "linearsvc__"),
    }


def adult_linear() -> Any:
    return {"reference": REFERENCE} | on_adult(linear_models(), {"C": C_LINEAR})


def adult_rbf() -> Any:
    models = {
        "RBF SVM on 1/20": (FERMClassifier(kernel="rbf", epsilon=PLAIN), ""),
        "RBF FERM on 1/20": (FERMClassifier(kernel="rbf"), ""),
    }
    return on_adult(models, RBF_GRID, share=20)


def front() -> Any:
    X, y, s, test = adult()
    rows = X[~test], y[~test], s[~test]
    results: dict[str, Any] = {}
    for estimator in ("svm", "logistic"):
        plain = selected(FERMClassifier(estimator, epsilon=PLAIN), {"C": C_LINEAR}, *rows)
        C = plain.best_params_["C"]
        own = float(np.abs(plain.best_estimator_.mean_differences_).max())
        results[estimator] = {"C": C, "plain_difference": own, "points": []}
        for factor in FACTORS:
            epsilon = PLAIN if factor == 1 else factor * own
            model = FERMClassifier(estimator, C=C, epsilon=epsilon)
            model.fit(*rows[:2], sensitive_features=rows[2])
            point = {
                "factor": factor,
                "epsilon": factor * own,
                "difference_on_train": float(np.abs(model.mean_differences_).max()),
                "fits": model.n_solves_,
            } | figures(model, X[test], y[test], s[test])
            results[estimator]["points"].append(point)
            print(estimator, point, flush=True)
    return results


def table(name: str) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Features (s among them, categories one-hot), labels and groups."""
    task, attribute, groups = SMALL[name]
    raw = open_dataset(name, None, offline=True).read()
    s = raw.spec.sensitive[attribute].derive(raw.frame)
    kept = s.isin(groups) if groups else s.notna()
    frame, y = raw.frame[kept], raw.spec.tasks[task].derive(raw.frame)[kept]
    x = frame[[column for column in raw.spec.features if column != task]]
    named = [column for column, kind in raw.spec.kinds.items() if column in x]
    x = pd.get_dummies(x.astype(dict.fromkeys(named, str)), drop_first=True)
    return x.astype(float), y.to_numpy().astype(int), s[kept].to_numpy().astype(str)


def small() -> Any:
    results: dict[str, Any] = {}
    for name in SMALL:
        x, y, s = table(name)
        strata = np.char.add(s, y.astype(str))
        results[name] = {"rows": len(y), "features": x.shape[1], "task": SMALL[name][0]}
        for kernel in ("linear", "rbf"):
            grid = (
                {"C": C_LINEAR} if kernel == "linear" else {"C": [0.1, 1, 10], "gamma": [0.01, 0.1]}
            )
            for method, epsilon in (("SVM", PLAIN), ("FERM", 0.0)):
                folds = StratifiedKFold(10, shuffle=True, random_state=0).split(x, strata)
                found = []
                for train, test in folds:
                    scaler = StandardScaler().fit(x.iloc[train].to_numpy())
                    X = scaler.transform(x.to_numpy())
                    model = FERMClassifier(kernel=kernel, epsilon=epsilon)
                    search = selected(model, grid, X[train], y[train], s[train])
                    found.append(figures(search, X[test], y[test], s[test]))
                summary = pd.DataFrame(found).agg(["mean", "std"]).round(4)
                results[name][f"{kernel} {method}"] = summary.to_dict()
                print(name, kernel, method, summary.to_dict(), flush=True)
    return results


def cost() -> Any:
    lines = []
    for setting in COSTS:
        command = [sys.executable, __file__, "one", *map(str, setting)]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        lines.append(json.loads(output.splitlines()[-1]))
        print(lines[-1], flush=True)
    return lines


def one(estimator: str, epsilon: float, rows: int) -> None:
    X, y, s, test = adult()
    train = np.flatnonzero(~test)[:rows]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    model = FERMClassifier(estimator, kernel="rbf", epsilon=epsilon, random_state=0)
    start = time.perf_counter()
    model.fit(X[train], y[train], sensitive_features=s[train])
    fitted = time.perf_counter() - start
    found = {
        "estimator": estimator,
        "epsilon": epsilon,
        "rows": rows,
        "kernel": "exact" if hasattr(model, "dual_coef_") else f"{model.n_components} Nyström",
        "seconds": round(fitted, 2),
        "fits": model.n_solves_,
        "peak_gib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 3),
        "before_gib": round(before / 2**20, 3),
        "difference_on_train": float(np.abs(model.mean_differences_).max()),
    } | figures(model, X[test], y[test], s[test])
    print(json.dumps(found))


PARTS = {"adult": adult_linear, "front": front, "rbf": adult_rbf, "small": small, "cost": cost}


def main(names: list[str]) -> None:
    for name in names or PARTS:
        saved = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
        start = time.perf_counter()
        saved[name] = PARTS[name]()
        saved.setdefault("seconds", {})[name] = round(time.perf_counter() - start, 1)
        saved["environment"] = environment()
        RESULTS.write_text(json.dumps(saved, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    if sys.argv[1:2] == ["one"]:
        one(sys.argv[2], float(sys.argv[3]), int(sys.argv[4]))
    else:
        main(sys.argv[1:])
