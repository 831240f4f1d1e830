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

import pytest

from fairrep.app.command import main

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
