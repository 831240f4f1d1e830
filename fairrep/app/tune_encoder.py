"""Searching an encoder's own settings: candidates trained as stacks, the chosen ones as runs."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import joblib
import torch
from omegaconf import DictConfig, OmegaConf

from fairrep.app.build import build_data, build_heads, build_module, build_settings
from fairrep.app.configs import plain
from fairrep.app.lessons import Lessons
from fairrep.app.results import plain_figures
from fairrep.app.run_folder import RunFolder
from fairrep.app.sweep_plan import build_device, check_swept
from fairrep.app.train import carry_out, plan_run
from fairrep.app.transfer_views import Views
from fairrep.app.tune_search import Found, Listener, check_searched
from fairrep.data import PreparedData
from fairrep.errors import ConfigError, listed
from fairrep.evaluation import figure_names, groupings, validation_figures
from fairrep.evaluation.protocol import Questions, part
from fairrep.seeds import derive_seed
from fairrep.training import FairEncoderModule, FitSettings, fit_stack
from fairrep.training.stack_chunks import shapes
from fairrep.tuning import FairBO
from fairrep.types import TaskSpec

# settings of the command that an ordinary run does not have
ASKED = ("name", "constraint", "space", "settings", "task", "run", "group_in_x", "cv", "max_rows")
SEARCH = ("n_trials", "n_startup", "sampler", "prune", "choose", "max_failures", "n_jobs", "batch")
OF_LEARNERS = {
    "cv": None,
    "max_rows": None,
    "n_jobs": 1,
    "prune": False,
    "group_in_x": False,
    "run": None,
}
UTILITY = "accuracy"
Content = dict[str, Any]


class EncoderSearch:
    """Our own encoder; ``settings`` says which setting of a run each parameter of the space is.

    A trial's figures are those of the leading fresh head on the frozen representation, on
    validation rows. Candidates with parameters of the same shapes are trained together, as a stack.

    Raises:
        ConfigError: a setting out of its range, or one that does not exist.
        DataError: rows that cannot be used.
    """

    def __init__(self, config: DictConfig) -> None:
        self._config = config
        self._device, self._dtype = build_device(config)
        build_heads(config)
        for name in check_named(config):
            check_swept(config, config.settings[name], setting=f"settings.{name}")
        _check_whole(config)
        self.data = build_data(config)
        self.task = _task(self.data, config.task)
        self.constraints = check_searched(config, figure_names(self.task))
        self._lessons = Lessons(config, self.data)
        self.features = "as the encoder reads them"
        self.learner = f"{config.encoder.name} encoder, {config.penalty.name}"
        self.rows = {"searched": len(self.data.train) + len(self.data.val)}
        self.rows["test"] = len(self.data.test)
        self.measured = "validation rows"

    def search(self, name: str, folder: Path, *, enforce: bool, listener: Listener) -> Found:
        """Search, with the trials kept in the folder."""
        config = self._config
        found = FairBO(
            self.evaluate,
            plain(config.space),
            constraints=self.constraints,
            utility=UTILITY,
            enforce=enforce,
            sampler=config.sampler,
            n_startup=config.n_startup,
            storage=folder,
            name=name,
            about={"run": joblib.hash(plain(self.run_config({})))},
            seed=derive_seed(config.seed, "search") % 2**32,
            batch=config.batch,
            choose=config.choose,
            max_failures=config.max_failures,
            listener=listener,
        ).run(config.n_trials)
        figures = {one.metric: found.figures[one.metric] for one in self.constraints}
        trials = found.trials.rename(columns={UTILITY: "score"})
        return Found(
            found.params,
            found.figures[UTILITY],
            figures,
            found.feasible,
            found.feasible_count,
            trials,
            None,
        )

    def evaluate(self, settings: Sequence[dict[str, Any]]) -> list[dict[str, float]]:
        """Train all candidates and measure them; one that diverged has no finite figure."""
        configs = [self.run_config(one) for one in settings]
        modules = [build_module(config, self.data, twin=False) for config in configs]
        for module, one in zip(modules, configs):
            self._lessons.start(module, one)
        fits = [build_settings(config, self.data) for config in configs]
        diverged: list[int] = []
        for models in _alike(modules):
            diverged += self._fit(models, modules, fits)
        sound = {str(k): m for k, m in enumerate(modules) if k not in diverged}
        figures = self._figures(sound)
        return [figures.get(str(k), {"diverged": float("nan")}) for k in range(len(modules))]

    def run_config(self, settings: Mapping[str, Any]) -> DictConfig:
        """The settings of the ordinary run with these values."""
        own = OmegaConf.create({k: v for k, v in self._config.items() if k not in ASKED + SEARCH})
        values = {self._config.settings[name]: value for name, value in settings.items()}
        for name, value in {**values, "twin": False, "resume": None}.items():
            OmegaConf.update(own, name, value, force_add=True)
        return own

    def test(self, found: Mapping[str, Found], folder: Path) -> dict[str, Content]:
        """Train both chosen encoders as ordinary runs in ``folder/NAME``; the heads' figures."""
        tested = {}
        for name, one in found.items():
            config = self.run_config(one.params)
            plan = plan_run(config, RunFolder(folder / name), self.data)
            metrics = carry_out(plan, config, self.data)
            tested[name] = metrics["test"][self.task.name][config.evaluation.headline]
        return tested

    def _fit(
        self,
        models: Sequence[int],
        modules: Sequence[FairEncoderModule],
        fits: Sequence[FitSettings],
    ) -> list[int]:
        """Train some of the models as one stack; which of them diverged."""
        with tempfile.TemporaryDirectory() as folder:
            fitted = fit_stack(
                [modules[k] for k in models],
                self._lessons.data,
                [fits[k] for k in models],
                Path(folder),
                device=self._device,
                dtype=self._dtype,
            )
        return [models[k] for k in fitted.diverged]

    @torch.no_grad()
    def _figures(self, modules: Mapping[str, FairEncoderModule]) -> dict[str, dict[str, float]]:
        """Figures of the leading fresh head on validation rows, by candidate."""
        if not modules:
            return {}
        data, head = self.data, self._config.evaluation.headline
        asked = Questions((self.task,), (head,), groupings(data.groups, data.attributes), ())
        encoders = {name: module.encoder for name, module in modules.items()}
        views = Views(data, encoders, list(encoders), device=self._device)
        train, val = (part(views.of(r.x), r, data, asked) for r in (data.train, data.val))
        found = validation_figures(train, val, asked, seed=self._config.seed)
        return {name: plain_figures(found[name][self.task.name][head]) for name in modules}


def check_named(config: DictConfig) -> list[str]:
    """The space's parameters, each of which is some setting.

    Raises:
        ConfigError: one that is none, or two that are the same.
    """
    space, settings = plain(config.space) or {}, plain(config.settings)
    if missing := [name for name in space if name not in settings]:
        raise ConfigError(
            f"settings must say which setting space.{missing[0]} is, "
            f"+settings.{missing[0]}=encoder.dropout."
        )
    named = [settings[name] for name in space]
    if repeated := [one for one in named if named.count(one) > 1]:
        raise ConfigError(f"settings must name every setting once, got {repeated[0]} twice.")
    return list(space)


def _check_whole(config: DictConfig) -> None:
    for name, value in OF_LEARNERS.items():
        if config[name] != value:
            raise ConfigError(
                f"{name} is for learners searched in folds; an encoder's candidates are trained on "
                f"all training rows, got {name}={config[name]}."
            )


def _task(data: PreparedData, name: str | None) -> TaskSpec:
    tasks = {task.name: task for task in data.seen if task.kind != "regression"}
    if not tasks or (name is not None and name not in tasks):
        raise ConfigError(
            f"task must be a seen task with classes ({listed(list(tasks))}), got '{name}'."
        )
    return tasks[name] if name else next(iter(tasks.values()))


def _alike(modules: Sequence[FairEncoderModule]) -> list[list[int]]:
    """Positions of the models, those that can share a stack together."""
    kinds: dict[str, list[int]] = {}
    for k, module in enumerate(modules):
        kinds.setdefault(shapes(module), []).append(k)
    return list(kinds.values())
