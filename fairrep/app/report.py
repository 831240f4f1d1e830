"""The report command: a folder's saved results → report.html and the front's figure."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from fairrep.app.configs import compose_config
from fairrep.app.console import user_errors
from fairrep.errors import ConfigError
from fairrep.reporting import html
from fairrep.reporting.front_figure import write_front
from fairrep.reporting.saved import read_folder


def main(config: DictConfig) -> None:
    """Run what ``fairrep report`` was asked for."""
    with user_errors(debug=config.debug):
        for file in run_report(config):
            print(f"written: {file}")


def report(*overrides: str) -> list[Path]:
    """Write a report from Python as from the shell: ``report("run=outputs/…")``.

    Args:
        *overrides: in Hydra's syntax.

    Returns:
        The files written: ``report.html``, and for a sweep ``front.png`` and ``front.svg``.

    Raises:
        FairrepError: a folder that is no finished run or sweep, or a file that cannot be read.
    """
    return run_report(compose_config("report", list(overrides)))


def run_report(config: DictConfig) -> list[Path]:
    """Read the folder, write the files into it; return their paths."""
    if config.run is None:
        raise ConfigError("report needs a folder: run=FOLDER of a finished run or sweep.")
    return write_report(Path(config.run))


def write_report(folder: Path) -> list[Path]:
    """Write a folder's report, and for a sweep the front's figure; return their paths."""
    saved = read_folder(folder)
    pictures = [] if saved.front is None else write_front(saved.front, folder)
    return [*pictures, html.write(saved, folder)]
