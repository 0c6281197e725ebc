"""Toy pipelines run inside the test's own process."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import pytest

import launching
from intermodal.core.config import load_settings
from intermodal.runtime.base import RunRequest
from intermodal.runtime.local.runtime import LocalRuntime
from intermodal.runtime.observer import Observer
from intermodal.runtime.pipeline import Pipeline, load_pipeline
from intermodal.runtime.record import RunRecord, TaskRecord

Run = Callable[..., RunRecord]


class Watching(Observer):
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.events: list[tuple[str, ...]] = []
        self.tails: dict[str, list[str]] = {}

    def run_started(self, record: RunRecord) -> None:
        self.events.append(("run started", record.run_id))

    def task_started(self, task: TaskRecord) -> None:
        self.events.append(("started", task.name))

    def task_line(self, name: str, line: str) -> None:
        self.events.append(("line", name, line))

    def task_ended(self, task: TaskRecord, log_tail: list[str]) -> None:
        self.events.append(("ended", task.name, task.state))
        self.tails[task.name] = log_tail

    def run_ended(self, record: RunRecord) -> None:
        self.events.append(("run ended", record.state))


@lru_cache
def loaded(name: str, file: str) -> Pipeline:
    return load_pipeline(launching.pipeline(name, file))


@pytest.fixture
def run(home: Path) -> Run:
    """Runs a toy pipeline by its name; tasks in this process unless another mode is asked."""

    def go(
        name: str,
        file: str = "toy_pipelines.py",
        mode: str = "in-process",
        observer: Observer | None = None,
        use_cache: bool = True,
        resume: str = "",
        **arguments: object,
    ) -> RunRecord:
        request = RunRequest(loaded(name, file), dict(arguments), mode=mode, use_cache=use_cache, resume=resume)
        return LocalRuntime(load_settings()).run(request, observer or Observer())

    return go
