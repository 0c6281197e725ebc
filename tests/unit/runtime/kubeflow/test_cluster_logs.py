"""Pods' logs from the Kubernetes API: what is asked for again, and what is taken for a no."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from intermodal.runtime.kubeflow import cluster_logs
from intermodal.runtime.kubeflow.cluster_logs import ClusterLogs
from intermodal.runtime.kubeflow.patience import Lost, Refused
from intermodal.runtime.kubeflow.podlogs import PodLogs
from intermodal.runtime.kubeflow.tasks import SeenTask

pytest.importorskip("kubernetes")


class Api:
    """An API server that answers so, one answer after the other: a status, or a log."""

    def __init__(self, *answers: int | bytes) -> None:
        self._answers = list(answers)

    def read_namespaced_pod_log(self, *_given: Any, **_named: Any) -> Any:
        from kubernetes.client.exceptions import ApiException

        answer = self._answers.pop(0)
        if isinstance(answer, int):
            raise ApiException(status=answer, reason="as told")
        return SimpleNamespace(data=answer)


def logs(monkeypatch: pytest.MonkeyPatch, *answers: int | bytes) -> ClusterLogs:
    monkeypatch.setattr(cluster_logs, "_open", lambda: Api(*answers))
    return ClusterLogs("kubeflow")


@pytest.mark.parametrize("status", [400, 404])
def test_a_pod_that_has_not_started_has_no_log(monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    assert logs(monkeypatch, status).fetch("pod", "") is None


@pytest.mark.parametrize("status", [401, 403])
def test_a_no_is_a_no(monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    with pytest.raises(Refused, match="gives no logs"):
        logs(monkeypatch, status).fetch("pod", "")


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_server_that_stumbles_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    with pytest.raises(Lost, match=str(status)):
        logs(monkeypatch, status).fetch("pod", "")
    lines: list[tuple[str, str]] = []
    warnings: list[str] = []
    fetch = logs(monkeypatch, status, b"hello\n").fetch
    copied = PodLogs(tmp_path, [fetch], lambda *line: lines.append(line), warnings.append)
    seen = SeenTask("say", "SUCCEEDED", pods=("pod",))
    assert [copied.copy(seen, last=True), copied.copy(seen, last=True)] == [False, True]
    assert (lines, warnings) == ([("say", "hello")], [])
