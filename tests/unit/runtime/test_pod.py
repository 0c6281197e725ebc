"""A task in a pod: KFP's paths rule, its MLflow run is nested under the run that all pods share."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import uuid
from pathlib import Path

import pytest

from intermodal.core.executor_input import parse
from intermodal.runtime.outcome import CACHED, FAILED, SUCCEEDED, Outcome
from intermodal.runtime.pod import Place, local_path, outcomes_of, place_of, remember_outcome, with_local_inputs
from intermodal.tracking.shared_parent import end_parent, find_or_open, nested, open_parent, parents
from launching import Answer, intermodal

RUN = "1b4e28ba-2fa1-11d2-883f-0016d3cca427"


def given(outputs: dict[str, str], inputs: dict[str, dict[str, object]] | None = None, folder: str = "/tmp") -> str:
    def artifact(name: str, **fields: object) -> dict[str, object]:
        return {"artifacts": [{"name": name, "type": {"schemaTitle": "system.Dataset"}, "metadata": {}, **fields}]}

    return json.dumps(
        {
            "inputs": {"artifacts": {name: artifact(name, **item) for name, item in (inputs or {}).items()}},
            "outputs": {
                "artifacts": {name: artifact(name, uri=uri) for name, uri in outputs.items()},
                "outputFile": f"{folder}/out.json",
            },
        }
    )


@pytest.mark.parametrize(
    ("uri", "place"),
    [
        (f"minio://mlpipeline/v2/artifacts/reviews/{RUN}/make/{RUN}/data", Place(RUN, "make", RUN)),
        (f"s3://bucket/reviews/{RUN}/make/{RUN}/data", Place(RUN, "make", RUN)),
        (
            "/x/reviews-2026-11-21-21-42-21-123456/make/data",
            Place("reviews-2026-11-21-21-42-21-123456", "make"),
        ),
        ("/x/y/z/data", Place("", "step")),
        ("data", Place("", "step")),
    ],
)
def test_the_place_stands_in_the_uri(uri: str, place: Place):
    assert place_of(parse(given({"data": uri})), "step") == place


def test_a_stated_run_id_wins(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("INTERMODAL_KFP_RUN_ID", "stated")
    uri = f"s3://b/reviews/{RUN}/make/{RUN}/data"
    assert place_of(parse(given({"data": uri})), "step") == Place("stated", "make", RUN)


@pytest.mark.parametrize("scheme", ["gs", "s3", "minio"])
def test_paths_are_those_of_kfp(scheme: str):
    from kfp import dsl

    uri = f"{scheme}://bucket/a/b"
    assert str(local_path(uri)) == dsl.Artifact(uri=uri).path


def test_an_input_is_read_where_it_was_brought_else_from_the_store(tmp_path: Path):
    brought = tmp_path / "brought"
    brought.write_text("x")
    inputs = {
        "here": {"uri": str(brought), "metadata": {"intermodal_uri": "s3://store/a"}},
        "there": {"uri": f"minio://none/{RUN}", "metadata": {"intermodal_uri": "s3://store/b"}},
        "foreign": {"uri": f"minio://none/{RUN}"},
    }
    found = with_local_inputs(parse(given({}, inputs))).inputs
    uris = {name: items[0].uri for name, items in found.items()}
    assert uris == {"here": str(brought), "there": "s3://store/b", "foreign": f"minio://none/{RUN}"}


def test_outcomes_of_a_run(tmp_path: Path):
    store = str(tmp_path / "store")
    remember_outcome(store, Place(RUN, "once", "e1"), Outcome(SUCCEEDED))
    remember_outcome(store, Place(RUN, "again", "e2"), Outcome(FAILED))
    remember_outcome(store, Place(RUN, "again", "e1"), Outcome(CACHED))
    remember_outcome(store, Place(RUN, "loop", "e9"), Outcome(SUCCEEDED, reason="first"))
    remember_outcome(store, Place(RUN, "loop", "e1"), Outcome(SUCCEEDED, reason="second"))
    remember_outcome(store, Place("", "nowhere"), Outcome(SUCCEEDED))
    found = outcomes_of(store, RUN)
    assert {name: item.state for name, item in found.items()} == {
        "once": SUCCEEDED,
        "again": CACHED,
        "loop.0": SUCCEEDED,
        "loop.1": SUCCEEDED,
    }
    assert [found["loop.0"].reason, found["loop.1"].reason] == ["first", "second"]
    assert outcomes_of(store, "another") == {}


class InPods:
    """Runs tasks as a cluster would: nothing is known but URIs and a tracking server."""

    def __init__(self, folder: Path, client: object) -> None:
        self.folder = folder
        self.client = client
        self.environment = {
            "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db",
            "INTERMODAL_STORE": str(folder / "shared"),
        }

    def run(self, task: str, step: str, parameters: dict[str, object] | None = None, **environment: str) -> Answer:
        execution = str(uuid.uuid4())
        uri = f"{self.folder}/objects/pipe/{RUN}/{task}/{execution}/data"
        fields = json.loads(given({"data": uri}, folder=f"{self.folder}/{task}"))
        fields["inputs"]["parameterValues"] = parameters or {}
        words = ["task", "--step", f"toy_steps:{step}", "--executor_input", json.dumps(fields)]
        # Every pod has a disk of its own.
        home = {"INTERMODAL_HOME": f"{self.folder}/pods/{execution}"}
        return intermodal(*words, **{**self.environment, **home, **environment})

    def metadata(self, task: str) -> dict[str, object]:
        answer = json.loads((self.folder / task / "out.json").read_text())
        return dict(answer["artifacts"]["data"]["artifacts"][0]["metadata"])


@pytest.fixture
def pods(tmp_path: Path) -> InPods:
    from mlflow.tracking import MlflowClient

    from intermodal.tracking.store_init import ensure_store

    uri = f"sqlite:///{tmp_path}/mlflow.db"
    ensure_store(uri)
    client = MlflowClient(uri)
    client.create_experiment("intermodal", str(tmp_path / "mlartifacts"))
    return InPods(tmp_path, client)


def test_pods_share_one_parent_and_leave_it_in_the_state_of_their_tasks(pods: InPods):
    assert pods.run("first", "make", {"n": 2}).code == 0
    (parent,) = parents(pods.client, "1", RUN)
    assert parent.info.status == "FINISHED"
    assert pods.run("second", "make", {"n": 3}).code == 0
    (parent,) = parents(pods.client, "1", RUN)
    tasks = {run.info.run_name: run for run in nested(pods.client, "1", parent.info.run_id)}
    assert {name: run.info.status for name, run in tasks.items()} == {"first": "FINISHED", "second": "FINISHED"}
    assert tasks["second"].data.params["n"] == "3"
    assert pods.metadata("second")["mlflow_run_id"] == tasks["second"].info.run_id
    assert set(outcomes_of(pods.environment["INTERMODAL_STORE"], RUN)) == {"first", "second"}

    assert pods.run("third", "fail", {"message": "it broke"}).code == 4
    (parent,) = parents(pods.client, "1", RUN)
    assert parent.info.status == "FAILED"
    third = next(run for run in nested(pods.client, "1", parent.info.run_id) if run.info.run_name == "third")
    assert third.info.status == "FAILED"
    assert "it broke" in third.data.tags["intermodal.error"]


def test_an_injected_run_is_adopted_and_never_doubled(pods: InPods):
    parent = pods.client.create_run("1", run_name="kfp's own")
    own = pods.client.create_run("1", run_name="make", tags={"mlflow.parentRunId": parent.info.run_id})
    answer = pods.run("make", "make", {"n": 2}, MLFLOW_RUN_ID=own.info.run_id)
    assert answer.code == 0, answer.err
    runs = {run.info.run_id: run for run in pods.client.search_runs(["1"])}
    assert set(runs) == {parent.info.run_id, own.info.run_id}
    assert runs[own.info.run_id].info.status == "FINISHED"
    assert runs[own.info.run_id].data.params["n"] == "2"
    assert runs[parent.info.run_id].info.status == "RUNNING"  # whoever opened it ends it
    assert pods.metadata("make")["mlflow_run_id"] == own.info.run_id


def test_a_client_that_follows_owns_the_parent(pods: InPods):
    uri = pods.environment["MLFLOW_TRACKING_URI"]
    ids = open_parent(uri, "intermodal", RUN, "my run", params={"rows": 5}, tags={"who": "me"})
    assert pods.run("first", "make", {"n": 2}).code == 0
    run = pods.client.get_run(ids.run_id)
    assert (run.info.status, run.info.run_name, run.data.params["rows"]) == ("RUNNING", "my run", "5")
    lost = pods.client.create_run("1", tags={"mlflow.parentRunId": ids.run_id})
    end_parent(uri, ids.run_id, "FAILED")
    assert pods.client.get_run(ids.run_id).info.status == "FAILED"
    assert pods.client.get_run(lost.info.run_id).info.status == "KILLED"


def test_those_who_open_the_parent_at_once_agree_on_one(pods: InPods):
    found: list[str] = []

    def look() -> None:
        found.append(find_or_open(pods.client, "1", RUN, "pipe").info.run_id)

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len(set(found)) == 1
    assert [run.info.run_id for run in parents(pods.client, "1", RUN)] == found[:1]


def test_mlflow_away_does_not_stop_the_task(pods: InPods):
    answer = pods.run("first", "make", {"n": 2}, MLFLOW_TRACKING_URI="http://127.0.0.1:9")
    assert answer.code == 0, answer.err
    assert "warning" in answer.err


def test_told_to_stop_while_it_hands_over_a_task_ends_as_it_was_done(pods: InPods):
    """A SIGTERM after the work: the outputs are delivered, and MLflow knows that the task went well."""
    script = """
import os, signal, sys
from intermodal.runtime import pod_task
real = pod_task.deliver
def deliver(*given):
    os.kill(os.getpid(), signal.SIGTERM)
    return real(*given)
pod_task.deliver = deliver
from intermodal.cli.main import main
sys.exit(main(sys.argv[1:]))
"""
    uri = f"{pods.folder}/objects/pipe/{RUN}/make/{RUN}/data"
    words = ["task", "--step", "toy_steps:make", "--executor_input", given({"data": uri}, folder=f"{pods.folder}/make")]
    done = subprocess.run(
        [sys.executable, "-c", script, *words], env={**os.environ, **pods.environment}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert Path(uri).is_file()
    (parent,) = parents(pods.client, "1", RUN)
    assert [run.info.status for run in nested(pods.client, "1", parent.info.run_id)] == ["FINISHED"]
