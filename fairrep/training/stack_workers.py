"""Threads that each run whole chunks of a stack."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from typing import TypeVar

import torch

Result = TypeVar("Result")


class Workers(ExitStack):
    """Run chunks in threads on a CPU, one after another elsewhere.

    A thread a chunk needs no meeting of threads within an operation, which for tensors of a
    chunk's size costs more than the operation.
    """

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        self.threads = torch.get_num_threads()
        self.count = self.threads if device.type == "cpu" else 1
        self._pool: ThreadPoolExecutor | None = None

    def __enter__(self) -> Workers:
        if self.count > 1:
            self._pool = self.enter_context(
                ThreadPoolExecutor(self.count, initializer=partial(torch.set_num_threads, 1))
            )
            self.callback(torch.set_num_threads, self.threads)
        return self

    def run(self, jobs: Sequence[Callable[[], Result]]) -> list[Result]:
        """Results of the jobs, in their order."""
        if self._pool is None or len(jobs) == 1:
            return [job() for job in jobs]
        return list(self._pool.map(lambda job: job(), jobs))
