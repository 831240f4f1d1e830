"""Running the commands as a user does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
QUICK = (
    "logger=none",
    "trainer=cpu",
    "evaluation.heads=[logistic]",
    "evaluation.headline=logistic",
)
Command = Callable[..., subprocess.Popen[str]]


def _heed_ctrl_c() -> None:
    """Shells start background jobs with Ctrl-C ignored; a user's command is no such job."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture
def start(tmp_path) -> Command:
    """Start ``python scripts/NAME.py …`` in an empty folder; the test waits for it."""

    def run(script: str, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, str(ROOT / "scripts" / script), *arguments],
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
