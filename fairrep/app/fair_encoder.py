"""The training job as a scikit-learn transformer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from omegaconf import DictConfig
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import (
    _check_feature_names,
    _check_n_features,
    _get_feature_names,
    check_is_fitted,
    validate_data,
)

from fairrep.app.build import build_module
from fairrep.app.certificates import merge_cells
from fairrep.app.configs import compose_config, plain
from fairrep.app.console import quieten
from fairrep.app.estimator_rows import as_frame, join_rows, prepare_rows
from fairrep.app.fitting import fit_without_folder
from fairrep.app.lessons import Lessons
from fairrep.app.table_encoder import table_encoder
from fairrep.data import PreparedData
from fairrep.encoders import TableEncoder, save_encoder
from fairrep.errors import ConfigError, DataError, EstimatorError, listed

SETTINGS = {
    "penalty": "penalty",
    "weight": "penalty.weight",
    "dim": "encoder.dim",
    "encoder": "encoder",
    "ensemble": "encoder.ensemble",
    "notion": "notion",
    "max_epochs": "epochs",
    "batch_size": "batch_size",
    "lr": "optimizer.lr",
    "val_fraction": "data.val_fraction",
    "accelerator": "trainer.accelerator",
    "random_state": "seed",
}
"""Argument of the constructor → setting of ``conf/train.yaml``."""


class FairEncoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Learns a representation on which tasks can be predicted and groups look alike.

    ``fairrep train`` with ``data=csv``, on rows in memory: the same configs, preprocessing,
    training and selection of the best epoch on validation rows; the same rows, settings and seed
    give the same weights. Neither the λ = 0 twin (``weight=0`` trains one) nor heads are fitted,
    and no file is left behind. Groups are needed for fitting alone.

    ``None`` stands for the default in ``conf/``, which the setting in brackets names.

    Args:
        penalty: how the groups' representations are compared (``penalty``: sinkhorn).
        weight: λ ≥ 0, or ``"auto"`` (``penalty.weight``: each penalty has its own).
        dim: size d of the representation (``encoder.dim``: 4).
        encoder: architecture (``encoder``: tabular).
        ensemble: members of a tabular encoder (``encoder.ensemble``: 1).
        notion: which rows are compared (``notion``: demographic_parity).
        max_epochs: passes over the training rows at most (``epochs``: 30, more for small tables).
        batch_size: rows of a batch (``batch_size``: 2048).
        lr: peak learning rate (``optimizer.lr``: 0.003).
        val_fraction: share of the rows that select the epoch (``data.val_fraction``: 0.2).
        accelerator: kind of device (``trainer.accelerator``: auto, a GPU where there is one).
        random_state: integer for weights, batches and dropout (``seed``: 0, so that fits are
            repeatable unless told otherwise). Validation rows are drawn by ``split_seed``.
        sensitive_names: names of the columns of ``sensitive_features`` that have none.
        task_kinds: task → ``binary``, ``multiclass`` or ``regression`` where inference errs: two
            values are binary, more numbers a regression, more names multiclass.
        verbose: whether a progress bar moves.
        overrides: further settings in Hydra's syntax, such as ``("optimizer.patience=0",)``.

    Attributes:
        encoder_: a :class:`fairrep.TableEncoder`: the trained network with its preprocessing.
        groups_: names of the groups.
        tasks_: names of the tasks.
        dropped_: column of X → why it is not read.
        validation_rows_: positions of the rows that selected the epoch.
        n_epochs_: epochs that were trained.
        config_: all settings, as ``config.yaml`` of a run has them.
        n_features_in_: columns of X.
        feature_names_in_: their names, where X is a DataFrame.

    >>> import numpy as np
    >>> import pandas as pd
    >>> from fairrep import FairEncoder
    >>> draws = np.random.default_rng(0)
    >>> s = draws.choice(["f", "m"], 400)
    >>> X = pd.DataFrame({"pay": draws.normal(30, 5, 400) + 5 * (s == "m")})
    >>> X["city"] = draws.choice(["Genova", "London"], 400)
    >>> hired = pd.Series(X["pay"] > 32, name="hired")
    >>> encoder = FairEncoder(encoder="linear", dim=2, max_epochs=2)
    >>> encoder.fit_transform(X, hired, sensitive_features=s).shape
    (400, 2)
    >>> encoder.groups_, encoder.tasks_
    (['f', 'm'], ['hired'])
    """

    # a router hands these on unless told otherwise
    __metadata_request__fit: ClassVar = {"sensitive_features": True, "validation_rows": True}

    def __init__(
        self,
        penalty: str | None = None,
        weight: float | str | None = None,
        dim: int | None = None,
        *,
        encoder: str | None = None,
        ensemble: int | None = None,
        notion: str | None = None,
        max_epochs: int | None = None,
        batch_size: int | None = None,
        lr: float | None = None,
        val_fraction: float | None = None,
        accelerator: str | None = None,
        random_state: int | None = None,
        sensitive_names: Sequence[str] | None = None,
        task_kinds: Mapping[str, str] | None = None,
        verbose: bool = False,
        overrides: Sequence[str] = (),
    ) -> None:
        self.penalty = penalty
        self.weight = weight
        self.dim = dim
        self.encoder = encoder
        self.ensemble = ensemble
        self.notion = notion
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.lr = lr
        self.val_fraction = val_fraction
        self.accelerator = accelerator
        self.random_state = random_state
        self.sensitive_names = sensitive_names
        self.task_kinds = task_kinds
        self.verbose = verbose
        self.overrides = overrides

    def fit(
        self, X: Any, y: Any, *, sensitive_features: Any = None, validation_rows: Any = None
    ) -> FairEncoder:
        """Train the encoder.

        Columns of X that have the name of a task or of a sensitive attribute are not read.

        Args:
            X: (n, p) features: a DataFrame with columns of numbers and categories, or an array.
                Values may be missing.
            y: (n,) labels, or (n, T) of several tasks: array, Series or DataFrame. NaN or ``None``
                where a row has no label for a task; every row needs one for some task.
            sensitive_features: (n,) groups, or (n, k) whose intersections are compared.
            validation_rows: a mask (n,), or positions, of the rows that select the epoch; by
                default ``val_fraction`` of the rows, drawn within groups and labels.

        Raises:
            EstimatorError: settings, rows, labels or groups that cannot be used.
            NumericalError: training leaves the range of numbers.
        """
        with _as_estimator_errors():
            features = as_frame(X)
            validate_data(self, X, y, skip_check_array=True)
            self._columns = list(features.columns)
            rows = join_rows(features, y, sensitive_features, sensitive_names=self.sensitive_names)
            config = compose_config("train", self._overrides())
            _refuse_several_processes(config)
            data = prepare_rows(
                rows, config, task_kinds=self.task_kinds, validation_rows=validation_rows
            )
            _refuse_foreign_columns(data, self._columns)
            self._train(config, data)
        self.config_ = plain(config)
        self.groups_ = list(data.groups)
        self.tasks_ = rows.tasks
        self.dropped_ = {name: why for name, why in data.dropped.items() if name in features}
        self.validation_rows_ = data.val.index
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Represent rows (n, d) as float32; no groups are needed.

        Columns of a DataFrame are found by name, in any order; those of an array by position.

        Raises:
            EstimatorError: a column that is missing, was absent in fit, or is not of its type.
        """
        check_is_fitted(self)
        with _as_estimator_errors():
            return self.encoder_.transform(self._as_fitted(X))

    def save(self, folder: str | Path) -> None:
        """Write the folder that :func:`fairrep.load_encoder` reads; no pickle in it."""
        check_is_fitted(self)
        save_encoder(self.encoder_, folder)

    def _overrides(self) -> list[str]:
        if isinstance(self.overrides, str):
            raise EstimatorError(
                "overrides must be a sequence of settings, ('key=value', …), "
                f"got '{self.overrides}'."
            )
        given = {key: getattr(self, name) for name, key in SETTINGS.items()}
        own = [f"{key}={value}" for key, value in given.items() if value is not None]
        bar = f"trainer.enable_progress_bar={bool(self.verbose)}"
        return ["data=csv", bar, *own, *self.overrides]

    def _train(self, config: DictConfig, data: PreparedData) -> None:
        """Fit, with torch's random numbers left where they were."""
        quieten()
        with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
            module = build_module(config, data, twin=False)
            lessons = Lessons(config, data)
            lessons.start(module, config)
            fitted = fit_without_folder(module, lessons.data, config, title=type(self).__name__)
        if not fitted.finished:
            raise KeyboardInterrupt
        merge_cells(module.encoder, data, config)
        self.encoder_: TableEncoder = table_encoder(module.encoder, data).eval()
        self.n_epochs_ = fitted.epochs

    def _as_fitted(self, X: Any) -> Any:
        """Features with the names that the schema knows."""
        frame = as_frame(X)
        named = getattr(self, "feature_names_in_", None)
        if named is None or _get_feature_names(X) is None:
            _check_feature_names(self, X, reset=False)  # warns that names are on one side only
            _check_n_features(self, frame, reset=False)
            return frame.set_axis(self._columns, axis=1)
        if unseen := [name for name in frame.columns if name not in set(named)]:
            raise EstimatorError(
                f"X must hold columns seen in fit ({listed(list(named))}), got {listed(unseen)} "
                "besides; drop them, or fit again."
            )
        return frame

    @property
    def _n_features_out(self) -> int:
        return self.encoder_.dim

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.target_tags.required = True
        tags.target_tags.multi_output = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags


@contextmanager
def _as_estimator_errors() -> Iterator[None]:
    """Mistakes as ``ValueError`` too, which scikit-learn's tools expect, on one line."""
    try:
        yield
    except EstimatorError:
        raise
    except (ConfigError, DataError) as problem:
        raise EstimatorError(" ".join(str(problem).split())) from problem


def _refuse_several_processes(config: DictConfig) -> None:
    if "strategy" in config.trainer or config.trainer.devices != 1:
        raise EstimatorError(
            "FairEncoder trains in one process on one device, got "
            f"trainer.devices={config.trainer.devices}; fairrep train trains in several."
        )


def _refuse_foreign_columns(data: PreparedData, given: Sequence[str]) -> None:
    if foreign := sorted(set(data.schema.names) - set(given)):
        raise EstimatorError(
            "data.include_sensitive=true puts sensitive features into x, so X must hold them, but "
            f"lacks {listed(foreign)}."
        )
