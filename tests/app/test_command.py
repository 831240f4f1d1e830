"""The console command: its help, its mistakes, and that every command has one start."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import yaml

import fairrep
from fairrep.app.command import COMMANDS, OWN_ARGUMENTS, main
from fairrep.app.config_files import choices, settings
from tests.app.conftest import QUICK, ROOT

HYDRAS = [name for name in COMMANDS if name not in OWN_ARGUMENTS]
HEAVY = ("torch", "hydra", "omegaconf", "pandas", "numpy", "sklearn")
LIGHT = """
import sys
from fairrep.app.command import main
assert main(sys.argv[1:]) == 0
assert not set(sys.modules) & set({heavy}), set(sys.modules) & set({heavy})
"""


def python(*words, **options):
    environment = os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "120"}
    return subprocess.run(
        [sys.executable, *words], env=environment, capture_output=True, text=True, **options
    )


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["train", "--help"]])
def test_help_imports_nothing_heavy(words):
    done = python("-c", LIGHT.format(heavy=HEAVY), *words)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("fairrep")


def test_an_unknown_command_is_one_line_with_the_nearest_and_exit_code_2():
    done = python("-X", "importtime", "-m", "fairrep", "trian")
    assert done.returncode == 2
    assert not any(f"| {name}\n" in done.stderr.replace("  ", "") for name in HEAVY)
    (line,) = (line for line in done.stderr.splitlines() if not line.startswith("import time:"))
    assert line == (
        "error: fairrep has no command 'trian'; did you mean train? "
        f"Its commands: {', '.join(COMMANDS)}."
    )
    assert done.stdout == ""


def test_help_names_every_command_with_an_example(capsys):
    assert main([]) == main(["--help"]) == 0
    printed = capsys.readouterr().out
    for name, (about, example) in COMMANDS.items():
        assert printed.count(f"{about}\n") == 2
        assert printed.count(f"fairrep {name} {example}\n") == 2


def test_the_version_is_the_packages(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"fairrep {fairrep.__version__}\n"


@pytest.mark.parametrize("name", [n for n in HYDRAS if (ROOT / "conf" / f"{n}.yaml").exists()])
def test_help_of_a_command_shows_every_setting_and_choice(name, capsys):
    assert main([name, "--help"]) == 0
    printed = capsys.readouterr().out
    assert "hydra" not in settings(name)
    for key in yaml.safe_load((ROOT / "conf" / f"{name}.yaml").read_text()):
        assert key in ("defaults", "hydra") or f"\n  {key}:" in printed, key
    for group, (_, names) in choices(name).items():
        assert set(names) == {f.stem for f in (ROOT / "conf" / group).glob("[!_]*.yaml")}


def test_help_of_a_sweep_shows_the_settings_of_a_run_too():
    assert "twin: true # also train" in settings("sweep")
    assert set(choices("sweep")) == set(choices("train"))


def test_comments_that_go_on_in_a_second_line_stay_whole():
    assert "null = fit on training\n# rows, measure on validation rows\n" in settings("tune")


@pytest.mark.parametrize("file", sorted((ROOT / "scripts").glob("*.py")), ids=lambda f: f.stem)
def test_a_script_is_a_short_name_for_its_command(file):
    text = file.read_text()
    assert file.stem in COMMANDS
    assert f'sys.exit(run("{file.stem}", sys.argv[1:]))' in text
    assert len(text.splitlines()) <= 15


def test_the_data_command_takes_its_own_words(capsys):
    with pytest.raises(SystemExit) as end:
        main(["data", "fetch", "adulte"])
    assert end.value.code == 2
    assert capsys.readouterr().err.startswith("error: ")


@pytest.mark.slow
def test_a_run_by_the_command_writes_below_the_current_directory(finish, tmp_path):
    """Its own module is found there too; ``env.json`` keeps what was typed."""
    (tmp_path / "mine.py").write_text(
        "from torch import nn\ndef build(width):\n    return nn.Linear(width, 4)\n"
    )
    words = ("train", "data=german", "penalty=mmd", "epochs=1", "encoder=module", "twin=false")
    code, _, err = finish("fairrep", *words, "encoder.target=mine:build", *QUICK)
    assert code == 0, err
    (run,) = tmp_path.glob("outputs/german-mmd/*")
    assert (run / "metrics.json").is_file()
    command = json.loads((run / "env.json").read_text())["command"]
    assert command.startswith(f"fairrep {' '.join(words)} encoder.target=mine:build")
