"""What modules learn besides the labels: a teacher's predictions, first without a penalty."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from fairrep.app.build import build_module, build_settings
from fairrep.app.configs import plain
from fairrep.app.fitting import fit_module, fit_without_folder
from fairrep.data import PreparedData
from fairrep.encoders.saved import cardinalities
from fairrep.errors import ConfigError
from fairrep.seeds import derive_seed
from fairrep.training import (
    FairEncoderModule,
    SelectionRule,
    Teacher,
    TeacherSettings,
)
from fairrep.training.teacher import check_labels

TEACHERS = ("none", "boosting")
FOLDER = "teacher"
DECISIVE = (  # settings that the first part of training depends on; all else modules share
    "seed",
    "encoder",
    "heads",
    "optimizer",
    "task_weights",
    "batch_size",
    "allocation",
)


class Lessons:
    """The rows that modules are trained on, and where they start from.

    Without a teacher these are the rows as they are, and the initial weights. With one, encoder
    and joint heads first learn its predictions on rows and copies without a penalty; the training
    proper starts there, and its labels are predictions. Modules that differ in their penalty alone
    start from the same weights, which are trained once.

    Args:
        config: of a run; its ``teacher``, and what its modules share.
        data: its rows.

    Attributes:
        data: the rows for the training proper.
        trees: task → trees of its teacher; empty without one.

    Raises:
        ConfigError: a setting that is unknown or out of range.
        DataError: a task without labelled validation rows.
    """

    def __init__(self, config: DictConfig, data: PreparedData) -> None:
        self.data = data
        self.trees: Mapping[str, int] = {}
        self._rows: PreparedData | None = None
        self._epochs = 0
        self._states: dict[str, Mapping[str, Tensor]] = {}
        if (settings := build_teacher(config, data)) is None:
            return
        seed = derive_seed(config.split_seed, "teacher") % 2**32
        teacher = Teacher(data, cardinalities(data.schema), settings, seed=seed)
        self.data, self.trees = teacher.labelled(), teacher.trees
        self._rows, self._epochs = teacher.lessons(), settings.epochs

    def start(
        self, module: FairEncoderModule, config: DictConfig, folder: Path | None = None
    ) -> None:
        """Bring an untrained module to where its training proper starts.

        Args:
            module: as :func:`fairrep.app.build.build_module` makes it.
            config: its settings.
            folder: of the run, for checkpoints; what is finished there is not trained again.

        Raises:
            KeyboardInterrupt: it was interrupted.
        """
        if self._rows is None:
            return
        key = repr([plain(config)[name] for name in DECISIVE])
        if key not in self._states:
            place = None if folder is None else folder / FOLDER / str(len(self._states))
            self._states[key] = self._taught(config, self._rows, place)
        module.load_state_dict(self._states[key], strict=False)  # λ's own state stays

    def _taught(
        self, config: DictConfig, rows: PreparedData, folder: Path | None
    ) -> Mapping[str, Tensor]:
        module = build_module(config, self.data, twin=True)
        module.selection = SelectionRule("loss", 1.0)
        optimizer = {"epochs": self._epochs, "patience": 0}
        own = cast(DictConfig, OmegaConf.merge(config, {"epochs": None, "optimizer": optimizer}))
        if folder is None:
            fitted = fit_without_folder(module, rows, own, title=FOLDER)
        else:
            settings = build_settings(own, rows)
            fitted = fit_module(module, rows, own, settings, folder, title=FOLDER)
        if not fitted.finished:
            raise KeyboardInterrupt
        return copy.deepcopy(module.cpu().state_dict())


def build_teacher(config: DictConfig, data: PreparedData) -> TeacherSettings | None:
    """The teacher's settings, which the data allow; none for ``teacher=none``.

    Raises:
        ConfigError: a setting that is unknown or out of range.
        DataError: a task without labelled validation rows.
    """
    asked: dict[str, Any] = plain(config.teacher)
    name = asked.pop("name")
    if name not in TEACHERS:
        raise ConfigError(f"teacher must be one of {', '.join(TEACHERS)}, got '{name}'.")
    if name == "none":
        return None
    check_labels(data)
    return TeacherSettings(**asked)
