"""Running the commands as a user does."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fairrep.app.command import main
from fairrep.app.train import train

ROOT = Path(__file__).resolve().parents[2]
QUICK = (
    "logger=none",
    "trainer=cpu",
    "evaluation.heads=[logistic]",
    "evaluation.headline=logistic",
)
Command = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def command(tmp_path, monkeypatch) -> Callable[..., tuple[int, str, str]]:
    """Run ``fairrep …`` in an empty folder, in this process: libraries are imported once.

    Returns exit code, standard output, standard error. A process of its own (``finish``) is for
    what only a process shows; every command is run as one somewhere.
    """
    monkeypatch.setenv("COLUMNS", "120")

    def run(*arguments: str) -> tuple[int, str, str]:
        out, err = io.StringIO(), io.StringIO()
        monkeypatch.setattr(sys, "argv", ["fairrep", *arguments])
        with chdir(tmp_path), redirect_stdout(out), redirect_stderr(err):
            try:
                code = main()
            except SystemExit as end:
                code = end.code
        return code, out.getvalue(), err.getvalue()

    return run


def _heed_ctrl_c() -> None:
    """Shells start background jobs with Ctrl-C ignored; a user's command is no such job."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture
def start(tmp_path) -> Command:
    """Start ``python scripts/NAME.py …``, or ``python -m fairrep …``, in an empty folder."""

    def run(script: str, *arguments: str) -> subprocess.Popen[str]:
        program = ["-m", script] if script == "fairrep" else [str(ROOT / "scripts" / script)]
        return subprocess.Popen(
            [sys.executable, *program, *arguments],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "120"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=_heed_ctrl_c,
        )

    return run


@pytest.fixture
def finish(start) -> Callable[..., tuple[int, str, str]]:
    """Run a script to its end; returns exit code, standard output, standard error."""

    def run(script: str, *arguments: str) -> tuple[int, str, str]:
        process = start(script, *arguments)
        out, err = process.communicate(timeout=400)
        return process.returncode, out, err

    return run


def adults(n: int, seed: int) -> pd.DataFrame:
    """Made-up people: missing numbers and categories, a large number, a category that is a code."""
    rng = np.random.default_rng(seed)
    woman = rng.random(n) < 0.5
    age = rng.normal(40, 10, n).round(1)
    table = pd.DataFrame(
        {
            "id": [f"00{k}" for k in range(n)],
            "age": np.where(rng.random(n) < 0.1, np.nan, age),
            "wealth": (1e9 + 2e4 * age + rng.normal(0, 1e5, n)).astype(np.int64),
            "code": rng.choice([1.0, 2.0, 3.5], n),
            "city": rng.choice(["Aachen", "Bonn", "01"], n).astype(object),
            "sex": np.where(woman, "f", "m"),
            "hired": np.where(rng.random(n) < 0.01 * age.clip(0, 90), "yes", "no"),
            "field": rng.choice(["arts", "law", "physics"], n),
            "score": age + rng.normal(0, 5, n),
        }
    )
    table.loc[rng.random(n) < 0.1, "city"] = None
    return table


def newcomers(n: int, seed: int) -> pd.DataFrame:
    """People of whom training knows nothing, some with categories that it never saw."""
    table = adults(n, seed)
    table.loc[table.index % 7 == 3, "city"] = "Ulm"
    table.loc[table.index % 11 == 5, "code"] = np.nan
    return table


def small_run(folder: Path, *overrides: str) -> Path:
    """Train on made-up people for an epoch."""
    if not (folder.parent / "people.csv").exists():
        adults(600, 0).to_csv(folder.parent / "people.csv", index=False)
    train(
        "data=csv",
        f"data.path={folder.parent / 'people.csv'}",
        "data.sensitive=[sex]",
        "data.drop=[id]",
        "data.types={code: categorical}",
        "data.tasks.seen=[hired,field,score]",
        "data.tasks.novel=[]",
        "penalty=mmd",
        "batch_size=256",
        "epochs=1",
        "twin=false",
        *QUICK,
        *overrides,
        folder=folder,
    )
    return folder


@pytest.fixture(scope="session")
def run_of_people(tmp_path_factory) -> Path:
    """A run with the default encoder, made small."""
    return small_run(
        tmp_path_factory.mktemp("people") / "run", "encoder.width=16", "encoder.blocks=2"
    )
