"""The pages of docs/ whose code runs from top to bottom."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

FOLDER = Path(__file__).resolve().parents[1] / "docs"


def run(page: str) -> dict:
    """Run a page's blocks in order, in one namespace; returns it."""
    namespace = {"__name__": "__main__"}
    blocks = re.findall(r"^```python\n(.*?)^```$", (FOLDER / page).read_text(), re.M | re.S)
    assert blocks
    for number, block in enumerate(blocks):
        exec(compile(block, f"{page}, block {number}", "exec"), namespace)
    return namespace


@pytest.mark.slow
def test_the_page_on_encoders(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = run("encoder.md")
    assert found["z"].shape == (4000, 4)
    kept, tuned = found["frozen"].state_dict(), found["encoder"].state_dict()
    first = found["fairrep"].load_encoder("encoder").state_dict()
    assert all(torch.equal(kept[name], first[name]) for name in first)
    assert not torch.equal(tuned["encoder.normalise.mean"], first["encoder.normalise.mean"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["encoder", "fine-tuned"]
