"""A run followed to its end when the server gives logs late, or never."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from kfp_server_api import V2beta1PipelineTaskDetail, V2beta1Run
from kfp_server_api import V2beta1RunDetails as Details

from intermodal.core.config import load_settings
from intermodal.runtime.graph import GraphTask
from intermodal.runtime.kubeflow import runtime
from intermodal.runtime.kubeflow.follow import Follower
from intermodal.runtime.kubeflow.patience import Lost, Patience
from intermodal.runtime.record import RunRecord, TaskRecord
from running import Watching

GRAPH = (GraphTask("say", "say", "image", ()),)
MADE = datetime(2026, 1, 1, tzinfo=UTC)


class ServerWithALog:
    """A run that has ended, and whose one log is not to be had for some seconds."""

    def __init__(self, silent: float) -> None:
        self.now, self.silent = 0.0, silent
        self.settings = SimpleNamespace(namespace="", poll=1.0, host="http://host")
        self.patience = Patience(60.0, "http://host", sleep=self._sleep, clock=lambda: self.now)

    def _sleep(self, seconds: float) -> None:
        self.now += seconds

    def run(self, _run_id: str) -> Any:
        root = self._node("root", "")
        return V2beta1Run(state="SUCCEEDED", run_details=Details(task_details=[root, self._node("say", "root")]))

    def _node(self, name: str, parent: str) -> Any:
        times = {"create_time": MADE, "start_time": MADE, "end_time": MADE}
        return V2beta1PipelineTaskDetail(
            task_id=name, display_name=name, parent_task_id=parent, state="SUCCEEDED", pod_name=f"pod-{name}", **times
        )

    def pod_log(self, _pod: str, _run_id: str, _created: str) -> bytes:
        if self.now < self.silent:
            raise Lost("503")
        return b"hello\nwithout an end"


def followed(folder: Path, server: Any) -> tuple[Follower, Watching]:
    seen = Watching()
    record = RunRecord("id", "p", "p.py", {}, {}, tasks=(TaskRecord("say"),), remote={"run_id": "x"})
    follower = Follower(record, GRAPH, server, list, folder, seen)
    follower.follow()
    return follower, seen


def test_the_end_of_a_task_waits_for_a_log_that_comes_late(tmp_path: Path):
    follower, seen = followed(tmp_path, ServerWithALog(silent=4.0))
    lines = [event for event in seen.events if event[0] in ("line", "ended")]
    assert [event[:3] for event in lines[:2]] == [("line", "say", "hello"), ("line", "say", "without an end")]
    assert [event[0] for event in lines] == ["line", "line", "ended"]
    assert follower.record.warnings == ()
    assert (tmp_path / "id" / "tasks" / "say" / "log.txt").read_text() == "hello\nwithout an end"


def test_a_log_that_never_comes_is_told_of_and_holds_nothing_up(tmp_path: Path):
    server = ServerWithALog(silent=1e9)
    follower, seen = followed(tmp_path, server)
    assert follower.record.task("say").state == "SUCCEEDED"
    assert [event[0] for event in seen.events] == ["started", "ended"]
    assert follower.record.warnings == ("the log of say could not be read to its end: http://host gave none",)
    assert 5 < server.now < 20


def test_asked_how_a_run_stands_its_last_task_has_ended_though_its_log_comes_late(
    home: Path, monkeypatch: pytest.MonkeyPatch
):
    server = ServerWithALog(silent=4.0)
    monkeypatch.setattr(runtime, "Server", lambda _settings: server)
    monkeypatch.setattr(runtime, "_graph_of", lambda _record: GRAPH)
    settings = load_settings()
    record = RunRecord("id", "p", "p.py", {}, {}, process=2**22 + 1, tasks=(TaskRecord("say"),), remote={"run_id": "x"})
    found = runtime.KubeflowRuntime(settings).refresh(record)
    assert (found.state, found.task("say").state) == ("SUCCEEDED", "SUCCEEDED")
    assert (settings.runs / "id" / "tasks" / "say" / "log.txt").read_text() == "hello\nwithout an end"
