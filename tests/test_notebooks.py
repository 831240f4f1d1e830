"""Notebooks run from top to bottom, and are kept without their outputs."""

import json
from pathlib import Path

import matplotlib as mpl
import pytest

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def code_cells(notebook):
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_outputs_are_stripped(notebook):
    for cell in code_cells(notebook):
        assert cell["outputs"] == []
        assert cell["execution_count"] is None


@pytest.mark.slow
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_cells_run_in_order(notebook, monkeypatch, tmp_path):
    """In a fresh namespace, without a window, in an empty folder."""
    mpl.use("Agg", force=True)
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "__main__"}
    for number, cell in enumerate(code_cells(notebook)):
        source = "".join(cell["source"])
        exec(compile(source, f"{notebook.name}, code cell {number}", "exec"), namespace)
    mpl.pyplot.close("all")
