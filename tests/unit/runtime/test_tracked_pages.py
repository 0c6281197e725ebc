"""What a tracker does with the pages of a task."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from intermodal.core.config import load_settings
from intermodal.runtime.outcome import Outcome
from intermodal.runtime.record import TaskRecord
from intermodal.runtime.tracker import Tracker
from intermodal.store.cache_index import CachedOutput


class Recorder:
    """Notes what is recorded."""

    def __init__(self) -> None:
        self.said: list[tuple[str, tuple[Any, ...]]] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments, **_named: self.said.append((name, arguments))


def test_a_page_that_cannot_be_read_back_keeps_no_run_open(home: Path, tmp_path: Path):
    tracker, recorder = Tracker(load_settings(), tmp_path), Recorder()
    tracker._recorder = recorder  # type: ignore[assignment]
    page = CachedOutput(str(tmp_path / "gone"), "0" * 64, "system.HTML", {})
    tracker.end_task("a", TaskRecord("a", state="SUCCEEDED"), Outcome("SUCCEEDED", outputs={"report": page}), 0)
    assert "log_artifacts" not in [name for name, _ in recorder.said]
    assert recorder.said[-1] == ("end", ("a", "FINISHED"))
