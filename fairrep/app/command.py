"""The console command ``fairrep NAME …``, and the one start that it shares with ``scripts/``.

Nothing heavy is imported before a command is known: help and mistakes answer at once.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import fairrep
from fairrep.app import command_help
from fairrep.app.config_files import config_dir
from fairrep.app.console import user_errors
from fairrep.errors import ConfigError

COMMANDS = {  # name: what it does, an example of its arguments
    "train": ("train a fair encoder and its λ = 0 twin", "penalty=mmd data=german"),
    "sweep": ("train a whole front of λ and seeds at once", "penalty=sinkhorn sweep.seeds=5"),
    "transfer": ("does fairness persist on novel tasks and domains?", "run=RUN"),
    "certify": ("bound the unfairness of any model on released cells", "run=RUN"),
    "encode": ("the representation of the rows of a table", "run=RUN input=FILE output=FILE"),
    "export": ("a trained encoder for other tools", "run=RUN format=onnx output=FILE"),
    "report": ("one page about a run or a sweep", "run=RUN"),
    "tune": ("tune a learner under a fairness constraint", "tune=german_rf"),
    "ferm": ("empirical risk minimisation under fairness constraints", "data=german"),
    "fair_regression": ("fair regression by Wasserstein barycenters", "base=forest"),
    "data": ("data sets by name; check a table of your own", "check people.csv"),
}
OWN_ARGUMENTS = {"data": "fairrep.app.data_command"}  # argparse reads them, not Hydra


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``fairrep ARGUMENTS``, by default those of this process; return the exit code."""
    name, *rest = (sys.argv[1:] if arguments is None else arguments) or ["--help"]
    if name in ("-h", "--help", "help"):
        print(command_help.of_all(COMMANDS))
        return 0
    if name == "--version":
        print(f"fairrep {fairrep.__version__}")
        return 0
    with user_errors(debug=False):
        _refuse_unknown(name)
    return run(name, rest)


def run(name: str, arguments: Sequence[str]) -> int:
    """Run one command with its arguments; return the exit code."""
    if name in OWN_ARGUMENTS:
        return import_module(OWN_ARGUMENTS[name]).main(arguments)
    if {"-h", "--help"} & set(arguments):
        print(command_help.of_one(name, *COMMANDS[name]))
        return 0
    return _run_hydra(name, arguments)


def _refuse_unknown(name: str) -> None:
    if name in COMMANDS:
        return
    near = difflib.get_close_matches(name, COMMANDS, n=1)
    guess = f" did you mean {near[0]}?" if near else ""
    raise ConfigError(
        f"fairrep has no command '{name}';{guess} Its commands: {', '.join(COMMANDS)}."
    )


def _run_hydra(name: str, arguments: Sequence[str]) -> int:
    """Let Hydra compose ``conf/NAME.yaml`` and hand it to ``fairrep.app.NAME.main``."""
    import hydra

    from fairrep.app.configs import register_resolvers

    typed = sys.argv

    def start(config: Any) -> None:
        sys.argv = typed  # Lightning starts its further processes with these words
        import_module(start.__module__).main(config)

    start.__module__ = f"fairrep.app.{name}"  # Hydra names the job after it
    register_resolvers()
    sys.argv = [typed[0], *arguments]  # what Hydra reads
    hydra.main(version_base="1.3", config_path=str(config_dir()), config_name=name)(start)()
    return 0
