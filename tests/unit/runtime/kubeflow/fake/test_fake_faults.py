"""Faults of the server: as often as asked, where asked, and the same every time."""

from __future__ import annotations

import http.client
import json
import time
from typing import Any

import pytest
from kfp_server_api import ApiException

from intermodal.runtime.kubeflow.fake import KubeflowFake
from intermodal.runtime.kubeflow.fake.answers import Refused
from intermodal.runtime.kubeflow.fake.faults import PodFaults
from kubeflow import client_of

RUNS = "/apis/v2beta1/experiments"


def post(fake: KubeflowFake, path: str, body: Any, method: str = "POST") -> tuple[int, Any]:
    connection = http.client.HTTPConnection(fake.url.removeprefix("http://"), timeout=30)
    connection.request(method, path, body=json.dumps(body))
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


def statuses(fake: KubeflowFake, count: int, method: str = "POST") -> list[int]:
    return [post(fake, RUNS, {"display_name": f"{method}{time.monotonic()}"}, method)[0] for _ in range(count)]


@pytest.mark.parametrize("status", [503, 500, 429])
def test_a_status_as_often_as_asked(kubeflow: KubeflowFake, status: int) -> None:
    kubeflow.fault(path=RUNS, method="POST", status=status, times=2, skip=1)
    assert statuses(kubeflow, 5) == [200, status, status, 200, 200]
    assert kubeflow.backend.faults.all() == []


def test_only_what_fits_is_hit(kubeflow: KubeflowFake) -> None:
    kubeflow.fault(path="*/experiments", method="POST", status=503)
    assert statuses(kubeflow, 2, "GET") == [200, 200]
    assert statuses(kubeflow, 3) == [503, 503, 503]


def test_a_dropped_connection_leaves_the_client_in_doubt(kubeflow: KubeflowFake) -> None:
    client = client_of(kubeflow)
    for when in ("before", "after"):
        kubeflow.fault(path=RUNS, method="POST", drop=when, times=1)
        with pytest.raises((ApiException, Exception)) as caught:
            client._experiment_api.experiment_service_create_experiment({"display_name": when})
        assert "Remote end closed" in str(caught.value) or "Connection" in str(caught.value)
    names = {item.display_name for item in client.list_experiments().experiments}
    assert names == {"Default", "after"}


def test_a_slow_answer(kubeflow: KubeflowFake) -> None:
    kubeflow.fault(path="*", method="GET", delay=5.0, times=1)
    connection = http.client.HTTPConnection(kubeflow.url.removeprefix("http://"), timeout=0.1)
    with pytest.raises(TimeoutError):
        connection.request("GET", RUNS)
        connection.getresponse()
    assert statuses(kubeflow, 1, "GET") == [200]


def test_faults_over_http(kubeflow: KubeflowFake) -> None:
    fault = {"path": RUNS, "method": "POST", "status": 503, "times": 1}
    lost = {"pod": "lost", "task": "train", "times": 2}
    status, answer = post(kubeflow, "/fake/faults", [fault, lost])
    assert status == 200
    assert [item.get("status") or item["pod"] for item in answer["faults"]] == [503, "lost"]
    assert post(kubeflow, "/fake/faults", None, "DELETE") == (200, {})
    assert statuses(kubeflow, 1) == [200]
    assert post(kubeflow, "/fake/faults", {"path": "*", "colour": "red"})[0] == 400
    assert post(kubeflow, "/fake/faults", {"path": "*", "drop": "sideways"})[0] == 400


def test_a_fault_of_a_pod_is_used_up_once(tmp_path) -> None:
    faults = PodFaults(tmp_path / "faults.json")
    faults.add({"task": "train*", "pod": "lost", "times": 2, "seconds": 0.5})
    assert faults.take("ingest", "lost") is None
    assert faults.take("train", "slow") is None
    assert PodFaults(tmp_path / "faults.json").take("train-2", "lost") == 0.5
    assert faults.take("train", "lost") == 0.5
    assert faults.take("train", "lost") is None


def test_a_fault_that_is_none(kubeflow: KubeflowFake) -> None:
    with pytest.raises(Refused, match="no field status"):
        kubeflow.fault(path="*", status="503")
    with pytest.raises(Refused, match="expected one of lost, slow, capacity"):
        kubeflow.fault(pod="sleepy")
