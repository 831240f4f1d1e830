"""What every test may use; threads wait without spinning, as in the commands."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

BESIDE_CHECKOUT = Path(__file__).resolve().parents[2] / "shared" / "data" / "local"


@pytest.fixture(scope="session")
def publishers_files() -> Path:
    """Folder with the publishers' files that are not ours to ship; skips where there is none."""
    named = os.environ.get("FAIRREP_DATA")
    folder = Path(named) if named else BESIDE_CHECKOUT
    if not folder.is_dir():
        pytest.skip(f"no data files: set FAIRREP_DATA, or place them in {folder}")
    return folder


@pytest.fixture
def publishers_file(publishers_files: Path):
    """Path of one of the publishers' files by name; skips where it is absent."""

    def find(name: str) -> Path:
        file = publishers_files / name
        if not file.exists():
            pytest.skip(f"the file {file} is absent")
        return file

    return find
