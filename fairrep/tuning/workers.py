"""Workers that share a storage: who runs which trial, and which trials lost their worker."""

from __future__ import annotations

import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from optuna import Study, Trial
from optuna.exceptions import OptunaError, UpdateFinishedTrialError
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import SQLAlchemyError

WORKER, BEAT, PROBLEM, RETRY_OF = "worker", "beat", "problem", "retry_of"
BEAT_SECONDS = 5.0
GRACE_SECONDS = 60.0  # a worker on another machine that is silent for so long is taken for dead
_PROCESS = uuid.uuid4().hex


def identity() -> dict[str, Any]:
    """This process: where it runs, and a token, as numbers of processes come again."""
    return {"host": socket.gethostname(), "pid": os.getpid(), "token": _PROCESS}


@contextmanager
def beating(study: Study, trial: Trial) -> Iterator[None]:
    """Say who runs the trial, and every few seconds that it still runs."""
    if isinstance(study._storage, InMemoryStorage):  # dies with its process
        yield
        return
    trial.set_user_attr(WORKER, identity())
    over = threading.Event()

    def beat() -> None:
        count = 0
        while not over.wait(BEAT_SECONDS):
            count += 1
            with suppress(OptunaError, SQLAlchemyError, OSError):  # the next one may come through
                study._storage.set_trial_user_attr(trial._trial_id, BEAT, count)

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


class Watch:
    """Tells which running trials have lost their worker.

    A worker on this machine is dead if its process is; one elsewhere if it has not been heard of
    for a while, by this machine's clock.
    """

    def __init__(self) -> None:
        self._heard: dict[int, tuple[Any, float]] = {}

    def lost(self, trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
        """The running trials without a worker."""
        running = [trial for trial in trials if trial.state == TrialState.RUNNING]
        return [trial for trial in running if self._is_lost(trial)]

    def _is_lost(self, trial: FrozenTrial) -> bool:
        worker, own = trial.user_attrs.get(WORKER), identity()
        if worker == own:
            return False
        if worker and worker["host"] == own["host"] and not _alive(worker["pid"], own["pid"]):
            return True
        sign, now = trial.user_attrs.get(BEAT), time.monotonic()
        last, since = self._heard.get(trial.number, (None, now))
        if trial.number not in self._heard or sign != last:
            self._heard[trial.number] = sign, now
            return False
        return now - since > GRACE_SECONDS


def retry_lost(study: Study, trials: Sequence[FrozenTrial], watch: Watch) -> int:
    """Fail every trial that lost its worker, and queue its settings once more; how many."""
    lost = [trial for trial in watch.lost(trials) if give_up(study, trial.number)]
    for trial in lost:
        retry(study, trial)
    return len(lost)


def give_up(study: Study, number: int) -> bool:
    """Fail a trial; False if another worker was quicker."""
    try:
        study.tell(number, state=TrialState.FAIL)
    except (UpdateFinishedTrialError, ValueError):
        return False
    return True


def retry(study: Study, trial: FrozenTrial) -> None:
    """Queue a lost trial's settings, once: settings that kill every worker are left alone."""
    if RETRY_OF not in trial.user_attrs:
        study.enqueue_trial(trial.params, user_attrs={RETRY_OF: trial.number})


def counts(trial: FrozenTrial) -> bool:
    """Whether a trial is one of those asked for: not if it failed by losing its worker."""
    return trial.state != TrialState.FAIL or PROBLEM in trial.user_attrs


def _alive(pid: int, own: int) -> bool:
    if pid == own:  # an earlier process of the same number
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
