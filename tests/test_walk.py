"""What is shipped: the wheel and the source distribution, and a walk with the installed command."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
import venv
import zipfile
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import fairrep

ROOT = Path(__file__).resolve().parents[1]
LARGE = ("torch", "triton", "nvidia", "cuda")  # gigabytes: the running environment's will do
SETTINGS = (
    *("data=csv", "data.path=people.csv", "data.sensitive=[sex]", "data.tasks.seen=[hired]"),
    *("data.tasks.novel=[]", "experiment=certified", "data.calibration=0.3", "batch_size=256"),
    *("epochs=3", "logger=none", "evaluation.heads=[logistic]", "evaluation.headline=logistic"),
)
SCORE = """
import json, sys
import numpy, onnxruntime, pandas
session = onnxruntime.InferenceSession("encoder.onnx")
about = json.loads(session.get_modelmeta().custom_metadata_map["fairrep"])
table = pandas.read_csv("people.csv")
lists = {column["name"]: column.get("categories") for column in about["columns"]}
numbers = [table[name] for name, names in lists.items() if names is None]
codes = [table[name].map(names.index) for name, names in lists.items() if names is not None]
feeds = {"numeric": numpy.stack(numbers, 1).astype(float), "categories": numpy.stack(codes, 1)}
cell, score = session.run(["cell", "hired/probability"], feeds)
pandas.DataFrame({"cell": cell, "hired": score}).to_csv("onnx.csv", index=False)
assert "fairrep" not in sys.modules and "torch" not in sys.modules
"""
pytestmark = pytest.mark.slow


def run(*words: object, cwd: Path, seconds: float = 600) -> str:
    """Run a command without anything of the checkout in its environment; return what it prints."""
    ours = ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE")
    environment = {key: value for key, value in os.environ.items() if key not in ours}
    done = subprocess.run(
        [str(word) for word in words],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=seconds,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def tracked(*folders: str) -> set[str]:
    """Files of the checkout below the folders, without what Python leaves there."""
    found = (file for folder in folders for file in (ROOT / folder).rglob("*") if file.is_file())
    return {str(file.relative_to(ROOT)) for file in found if "__pycache__" not in file.parts}


@pytest.fixture(scope="module")
def dist(tmp_path_factory) -> Path:
    """The folder with the wheel and the source distribution that it was built from."""
    folder = tmp_path_factory.mktemp("dist")
    pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--dest", folder / "index"]
    reached = subprocess.run([*pip, "hatchling"], capture_output=True, text=True)
    if reached.returncode:
        pytest.skip(f"pip cannot reach an index: {reached.stderr.strip().splitlines()[-1]}")
    run(sys.executable, "-m", "build", "--outdir", folder, ROOT, cwd=folder)
    return folder


@pytest.fixture(scope="module")
def wheel(dist) -> Path:
    (file,) = dist.glob("*.whl")
    return file


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """Programs of a fresh environment that holds the wheel and what it asks for."""
    folder = tmp_path_factory.mktemp("fresh")
    venv.create(folder, with_pip=True, symlinks=True)
    programs = folder / ("Scripts" if os.name == "nt" else "bin")
    site = run(
        programs / "python", "-c", "import site; print(site.getsitepackages()[0])", cwd=folder
    )
    link_large(Path(site.strip()))
    torch = f"torch=={distribution('torch').version.split('+')[0]}"
    run(programs / "pip", "install", "--quiet", "--no-compile", f"{wheel}[onnx]", torch, cwd=folder)
    return programs


def link_large(site: Path) -> None:
    """Link PyTorch, and the large ones of what it requires, into another environment."""
    asked, seen = ["torch"], set()
    while asked:
        name = asked.pop()
        try:
            found = distribution(name)
        except PackageNotFoundError:  # for another platform
            continue
        if name in seen or not name.startswith(LARGE):
            continue
        seen.add(name)
        asked += [re.split(r"[^\w.-]", line)[0] for line in found.requires or []]
        for top in {file.parts[0] for file in found.files or []} - {"..", "__pycache__"}:
            if not (site / top).exists():
                (site / top).symlink_to(Path(str(found.locate_file(top))))


def test_the_wheel_holds_the_package_its_configs_and_nothing_else(wheel):
    names = {n for n in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in n}
    configs = {f"fairrep/{name}" for name in tracked("conf")}
    assert names == tracked("fairrep") | configs
    suffixes = {Path(name).suffix for name in names}
    assert {".py", ".yaml", ".xz", ".j2", ".css", ".typed"} <= suffixes


def test_the_source_distribution_holds_what_the_wheel_is_built_from(dist):
    (file,) = dist.glob("*.tar.gz")
    with tarfile.open(file) as content:
        names = {name.split("/", 1)[1] for name in content.getnames()}
    beside = {"CHANGELOG.md", "CITATION.cff", "LICENSE", "README.md", "pyproject.toml"}
    assert names == tracked("fairrep", "conf") | beside | {"PKG-INFO", ".gitignore"}


def test_the_metadata_say_version_licence_types_and_the_command(wheel):
    content = zipfile.ZipFile(wheel)
    name = f"fairrep-{fairrep.__version__}.dist-info"
    metadata = content.read(f"{name}/METADATA").decode()
    for line in (f"Version: {fairrep.__version__}", "License-Expression: Apache-2.0"):
        assert f"\n{line}\n" in metadata
    assert "\nClassifier: Typing :: Typed\n" in metadata
    entries = content.read(f"{name}/entry_points.txt").decode()
    assert entries.strip() == "[console_scripts]\nfairrep = fairrep.app.command:main"


def people(rows: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    woman = rng.random(rows) < 0.5
    age = rng.normal(40, 10, rows) + 3 * woman
    hired = rng.random(rows) < 0.01 * age.clip(0, 90)
    columns = {"age": age, "city": rng.choice(list("ABC"), rows)}
    return pd.DataFrame(
        {**columns, "sex": np.where(woman, "f", "m"), "hired": np.where(hired, "yes", "no")}
    )


@pytest.fixture(scope="module")
def walk(installed, tmp_path_factory) -> Path:
    """A folder far from the checkout, with a table and a run trained by the installed command."""
    folder = tmp_path_factory.mktemp("walk")
    people(2000, 0).to_csv(folder / "people.csv", index=False)
    out = run(installed / "fairrep", "train", *SETTINGS, "hydra.run.dir=run", cwd=folder)
    assert "Run folder: " in out
    return folder


def test_the_installed_package_is_the_wheels(installed, tmp_path):
    place = run(installed / "python", "-c", "import fairrep; print(fairrep.__file__)", cwd=tmp_path)
    assert Path(place.strip()).is_relative_to(installed.parent)
    version = run(installed / "fairrep", "--version", cwd=tmp_path)
    assert version == f"fairrep {fairrep.__version__}\n"
    assert "adult" in run(installed / "fairrep", "data", "list", cwd=tmp_path)
    assert "fairrep train penalty=mmd" in run(installed / "fairrep", "--help", cwd=tmp_path)
    assert run(installed / "pip", "check", cwd=tmp_path) == "No broken requirements found.\n"


def test_a_run_is_certified_and_reported(installed, walk):
    run(installed / "fairrep", "certify", "run=run", cwd=walk)
    found = json.loads((walk / "run" / "certificate.json").read_text())
    metrics = json.loads((walk / "run" / "metrics.json").read_text())
    assert found["certificate"] == metrics["certificate"]
    assert 0 < found["certificate"]["distance"] < found["certificate"]["bound"] <= 1
    run(installed / "fairrep", "report", "run=run", cwd=walk)
    assert "certificate" in (walk / "run" / "report.html").read_text().lower()


def test_an_exported_run_gives_without_python_what_the_command_gives(installed, walk):
    """ONNX Runtime's cells are those of ``fairrep encode``, its scores the same to rounding."""
    run(installed / "fairrep", "export", "run=run", "head=joint", "output=encoder.onnx", cwd=walk)
    run(installed / "python", "-c", SCORE, cwd=walk)
    words = ("run=run", "input=people.csv", "output=python.csv", "head=joint")
    run(installed / "fairrep", "encode", *words, cwd=walk)
    onnx, python = (pd.read_csv(walk / name) for name in ("onnx.csv", "python.csv"))
    assert len(onnx) == len(python) == 2000
    assert onnx["cell"].equals(python["cell"])
    assert len(set(python["cell"])) > 1
    np.testing.assert_allclose(onnx["hired"], python["hired"], rtol=0, atol=1e-5)
