"""A job that has ended leaves word in a store that does not answer just then."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from intermodal.core.config import load_settings
from intermodal.errors import StoreFailed
from intermodal.runtime.context import TaskContext
from intermodal.runtime.outcome import SUCCEEDED, Outcome
from intermodal.runtime.sagemaker import job_task
from intermodal.runtime.sagemaker.job_files import journal_key, outcome_key


class Store:
    """Refuses the first writes."""

    def __init__(self, failing: int) -> None:
        self.failing, self.now = failing, 0.0
        self.kept: dict[str, bytes] = {}

    def write(self, key: str, content: bytes) -> bool:
        if self.failing:
            self.failing -= 1
            raise StoreFailed("the store could not write", seen="503")
        self.kept[key] = content
        return True

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def left(failing: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """The store after a task has ended whose store refuses so many writes."""
    store = Store(failing)
    monkeypatch.setattr(job_task, "open_store", lambda _root: store)
    monkeypatch.setattr(job_task, "time", SimpleNamespace(sleep=store.sleep, monotonic=lambda: store.now))
    (folder / "task").mkdir()
    context = TaskContext(load_settings(), "", "count", folder / "task")
    context.journal.write_text('{"event": "progress"}\n')
    job_task._leave("job", context, Outcome(SUCCEEDED), isolated=False)
    return store


def test_word_is_left_as_soon_as_the_store_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store = left(3, tmp_path, monkeypatch)
    assert store.kept[journal_key("job")] == b'{"event": "progress"}\n'
    assert json.loads(store.kept[outcome_key("job")])["state"] == SUCCEEDED
    assert capsys.readouterr().err == ""


def test_a_store_that_never_answers_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store = left(1 << 30, tmp_path, monkeypatch)
    assert store.kept == {}
    assert 5 < store.now < 60
    assert "how this task ended could not be left in the store" in capsys.readouterr().err
