"""`mlflow run -b intermodal-kubeflow` against the fake: one parent run, whoever was first to need it."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from kubeflow import OpenFake, client_of, ended
from projects import Store, until

BACKEND = "intermodal-kubeflow"


@pytest.fixture
def cluster(open_kubeflow: OpenFake, store: Store, home: Path) -> Any:
    """A fake Kubeflow whose pods record in the test's store."""
    return open_kubeflow(pod_env={"MLFLOW_TRACKING_URI": store.uri})


def run(project: Path, entry: str, cluster: Any, **options: Any) -> Any:
    import mlflow

    section = {
        "host": cluster.url,
        "allow_mutable_tags": True,
        "poll": 0.1,
        "store": f"{cluster.options.home}/../store",
    }
    config = {"kubeflow": section, **options.pop("config", {})}
    return mlflow.projects.run(str(project), entry, backend=BACKEND, backend_config=config, **options)


def server_run(cluster: Any) -> Any:
    (found,) = client_of(cluster).list_runs().runs
    return found


def test_a_pipeline_and_a_step_on_its_own(project: Path, store: Store, cluster: Any) -> None:
    done = run(project, "line", cluster, parameters={"n": 5})
    assert done.get_status() == "FINISHED"
    (parent,) = store.parents()
    assert parent.info.run_id == done.run_id
    assert parent.data.params == {"n": "5", "seconds": "0.0"}
    assert parent.data.tags["mlflow.project.backend"] == BACKEND
    assert parent.data.tags["intermodal.run_id"] == server_run(cluster).run_id
    assert sorted(item.data.tags["intermodal.task"] for item in store.nested(done.run_id)) == [
        "make",
        "spread",
        "total",
    ]
    assert store.states() == {"FINISHED"}
    uri = store.artifact_of(done.run_id, "make", "data")
    alone = run(project, "total", cluster, parameters={"parts": uri})
    (nested,) = store.nested(alone.run_id)
    assert nested.data.metrics["total"] == 10, "the artifact came to the pod through an importer"
    assert store.client.get_run(alone.run_id).data.params == {"parts": uri}
    assert len(store.parents()) == 2


def test_cancelling_stops_what_runs_there(project: Path, store: Store, cluster: Any) -> None:
    going = run(project, "line", cluster, parameters={"seconds": 600}, synchronous=False)
    until(lambda: [item for item in store.runs() if item.data.tags.get("intermodal.task")])
    going.cancel()
    assert going.get_status() == "KILLED"
    assert ended(cluster, server_run(cluster).run_id).state == "CANCELED"
    assert store.states() == {"KILLED"}


def test_a_failure_there_is_a_failure_here(project: Path, store: Store, cluster: Any) -> None:
    from mlflow.exceptions import ExecutionException

    with pytest.raises(ExecutionException, match="failed"):
        run(project, "fail", cluster, parameters={"message": "on purpose"})
    assert store.states() == {"FAILED"}
    with pytest.raises(ExecutionException, match="no such key"):
        run(project, "line", cluster, config={"kubeflow": {"hosts": cluster.url}})
    with pytest.raises(ExecutionException, match="nobody said where Kubeflow Pipelines is"):
        run(project, "line", cluster, config={"kubeflow": {}})
    with pytest.raises(ExecutionException, match="pods cannot see the artifact store"):
        run(project, "line", cluster, config={"kubeflow": {"host": "https://kubeflow.example.com"}})
    with pytest.raises(ExecutionException, match="digest"):
        run(project, "line", cluster, config={"kubeflow": {"host": cluster.url}})
    assert len(store.parents()) == 1


def test_a_follower_that_is_killed_leaves_the_run_to_its_tasks(project: Path, store: Store, cluster: Any) -> None:
    going = run(project, "make", cluster, parameters={"seconds": 10}, synchronous=False)
    until(lambda: [item for item in store.runs() if item.data.tags.get("intermodal.task")])
    os.kill(going.worker.pid, signal.SIGKILL)
    assert not going.wait(), "nobody here knows how it ended"
    assert ended(cluster, server_run(cluster).run_id).state == "SUCCEEDED", "it went on there"
    until(lambda: store.states() == {"FINISHED"})
    assert [item.info.run_id for item in store.parents()] == [going.run_id]
