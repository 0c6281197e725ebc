"""`--on kubeflow` end to end: submitted to the fake, run for real in its pods, followed, stopped, taken up again."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from intermodal.core.config import load_settings
from intermodal.runtime.base import RunRequest
from intermodal.runtime.kubeflow.fake import KubeflowFake
from intermodal.runtime.kubeflow.runtime import KubeflowRuntime
from intermodal.runtime.pipeline import load_pipeline
from intermodal.runtime.record import RunRecord, find_record
from kubeflow import OpenFake, client_of
from launching import PATIENCE, TESTS, Answer, intermodal, pipeline, start
from running import Watching

FLAGSHIP = TESTS.parent / "pipelines" / "reviews.py"
LEARNED = ("baseline", "train-pytorch", "evaluate", "evaluate-2", "register")  # what floating point may differ in

Go = Callable[..., RunRecord]


def configure(fake: KubeflowFake, **more: str) -> None:
    """An `intermodal.toml` in the working directory, for a fake."""
    lines = [f'host = "{fake.url}"', "allow_mutable_tags = true", "poll = 0.1"]
    lines += [f"{name} = {value}" for name, value in more.items()]
    lines += ["[kubeflow.env]", f'INTERMODAL_HOME = "{Path.cwd() / "pods"}"']
    Path("intermodal.toml").write_text("\n".join(["[kubeflow]", *lines, ""]))


@pytest.fixture
def fake(home: Path, open_kubeflow: OpenFake, monkeypatch: pytest.MonkeyPatch) -> KubeflowFake:
    """A fake Kubeflow, and an `intermodal.toml` for it; pods and client share a store."""
    monkeypatch.setenv("INTERMODAL_STORE", str(home.parent / "store"))
    made = open_kubeflow()
    configure(made)
    return made


@pytest.fixture
def go(fake: KubeflowFake) -> Go:
    """Runs a toy pipeline on the fake, in this process."""

    def run(
        name: str, file: str = "toy_pipelines.py", observer: Any = None, use_cache: bool = True, **arguments: Any
    ) -> RunRecord:
        request = RunRequest(load_pipeline(pipeline(name, file)), arguments, use_cache=use_cache)
        return KubeflowRuntime(load_settings()).run(request, observer or Watching())

    return run


def runs_on(fake: KubeflowFake) -> list[Any]:
    """All runs that the server has."""
    return client_of(fake).list_runs(page_size=50).runs or []


def waited_for(holds: Callable[[], Any], what: str) -> Any:
    limit = time.monotonic() + PATIENCE
    while not (found := holds()):
        assert time.monotonic() < limit, f"waited in vain for {what}"
        time.sleep(0.1)
    return found


def states(record: RunRecord) -> dict[str, str]:
    return {task.name: task.state for task in record.tasks}


def test_a_run_is_recorded_as_a_local_one_is_and_a_second_one_is_remembered(go: Go, fake: KubeflowFake, home: Path):
    seen = Watching()
    record = go("line", observer=seen, n=6)
    assert record.state == "SUCCEEDED"
    assert states(record) == {"make": "SUCCEEDED", "spread": "SUCCEEDED", "total": "SUCCEEDED"}
    total = record.task("total")
    assert (total.values, total.metrics, total.depends_on) == ({"Output": 15}, {"total": 15.0}, ("spread",))
    assert record.task("make").artifacts["data"]["rows"] == 6
    assert record.remote["run_id"] == runs_on(fake)[0].run_id
    assert record.remote["url"].endswith(record.remote["run_id"])
    assert ("line", "make", "making 6 numbers") in seen.events
    names = [event[:2] for event in seen.events if event[0] in ("started", "ended")]
    assert names == [(how, name) for name in ("make", "spread", "total") for how in ("started", "ended")]
    assert (home / "runs" / record.run_id / "tasks" / "make" / "log.txt").read_text() == "making 6 numbers\n"
    assert Path(home / "runs" / record.run_id / "report.html").is_file()
    again = go("line", n=6)
    assert set(states(again).values()) == {"CACHED"}
    assert again.remote["version_id"] == record.remote["version_id"], "the same content is the same version"
    assert {task.name: task.artifacts for task in again.tasks} == {task.name: task.artifacts for task in record.tasks}
    assert find_record(load_settings().runs, again.run_id) == again


def test_status_logs_lineage_and_verify_work_on_such_a_run(go: Go):
    record = go("line", n=4)
    status = intermodal("status", record.run_id, "--json").json
    assert (status["state"], status["runtime"]) == ("SUCCEEDED", "kubeflow")
    assert "making 4 numbers" in intermodal("logs", record.run_id, "make").out
    assert intermodal("verify", "--run", record.run_id).code == 0
    assert "make" in intermodal("lineage", record.task("spread").artifacts["parts"]["uri"]).out


@pytest.mark.parametrize(
    "faults",
    [
        [{"path": "*/runs/*", "method": "GET", "status": 503, "times": 3, "skip": 1}],
        [{"path": "*/experiments", "method": "GET", "status": 429, "times": 2}],
        [{"path": "*/runs", "method": "POST", "drop": "after", "times": 1}],
        [{"path": "*/runs", "method": "POST", "drop": "before", "times": 1}],
        [{"path": "*/runs", "method": "POST", "status": 503, "times": 2}],
        [{"path": "*/upload_version", "method": "POST", "drop": "after", "times": 1}],
        [{"path": "/k8s/*", "status": 503, "times": 12}],
        [{"path": "*/runs/*", "drop": "before", "times": 2, "skip": 2}, {"path": "/k8s/*", "status": 503, "times": 2}],
    ],
    ids=[
        "503 on get",
        "429 on list",
        "lost after create",
        "lost before create",
        "503 on create",
        "upload",
        "no logs",
        "mixed",
    ],
)
def test_a_server_that_stumbles_gets_one_run_and_every_line_once(go: Go, fake: KubeflowFake, home: Path, faults: Any):
    for fault in faults:
        fake.fault(**fault)
    record = go("uncached")
    assert record.state == "SUCCEEDED"
    assert len(runs_on(fake)) == 1
    assert (home / "runs" / record.run_id / "tasks" / "say" / "log.txt").read_text() == "hello\n"


def test_a_failure_has_the_steps_own_cause_and_exit_code(fake: KubeflowFake):
    done = intermodal("run", pipeline("failing"), "--on", "kubeflow", "--json")
    assert done.code == 4, done.err
    record = done.json
    assert record["state"] == "FAILED"
    failed = next(task for task in record["tasks"] if task["state"] == "FAILED")
    assert failed["error"]["kind"] == "StepFailed"
    assert "error: " in done.err


def test_a_failed_run_is_resumed_with_what_went_well(fake: KubeflowFake, tmp_path: Path):
    words = ("run", pipeline("guarded", "toy_pipelines.py"), "--on", "kubeflow", "-p", f"folder={tmp_path}", "--json")
    fake.fault(task="say", pod="lost", times=1)
    done = intermodal(*words)
    assert done.code == 4, done.err
    assert {task["name"]: task["state"] for task in done.json["tasks"]}["say"] == "FAILED"
    again = intermodal("resume", done.json["run_id"], "--json")
    assert again.code == 0, again.err
    assert again.json["remote"]["run_id"] == done.json["remote"]["run_id"]
    assert {task["name"]: task["state"] for task in again.json["tasks"]}["say"] in ("SUCCEEDED", "CACHED")
    assert len(runs_on(fake)) == 1


@pytest.fixture
def waiting(fake: KubeflowFake, home: Path, tmp_path: Path) -> Iterator[tuple[Any, Path]]:
    """A client that follows a run whose first task waits, and the folder with the task's mark."""
    folder = tmp_path / "marks"
    words = ["run", pipeline("waiting"), "--on", "kubeflow", "-p", f"folder={folder}", "-p", "seconds=600"]
    process = start(*words)
    waited_for(lambda: (folder / "waiting").is_file(), "the task to begin")
    yield process, folder
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def alive(folder: Path) -> bool:
    """Whether the task that left its process number still runs."""
    return Path(f"/proc/{(folder / 'waiting').read_text()}").exists()


def test_interrupted_the_run_goes_on_and_can_be_stopped_later(waiting: Any, fake: KubeflowFake, home: Path):
    process, folder = waiting
    process.send_signal(signal.SIGINT)
    _out, error = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    (run,) = runs_on(fake)
    assert f"intermodal cancel {run.display_name}" in error
    assert alive(folder)
    assert intermodal("status", run.display_name, "--json").json["state"] == "RUNNING"
    stopped = intermodal("cancel", run.display_name, "--json")
    assert stopped.code == 0, stopped.err
    assert stopped.json["state"] == "CANCELLED"
    assert not alive(folder)
    assert intermodal("status", run.display_name, "--json").json["exit_code"] == 130


def test_a_killed_client_finds_its_run_again(waiting: Any, fake: KubeflowFake, home: Path):
    process, folder = waiting
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    (run,) = runs_on(fake)
    again = start("resume", run.display_name, "--json")
    waited_for(lambda: find_record(home / "runs", run.display_name).process == again.pid, "the new follower")
    assert alive(folder), "nothing was started anew"
    assert intermodal("cancel", run.display_name).code == 0
    out, error = again.communicate(timeout=PATIENCE)
    assert again.returncode == 130, error
    assert json.loads(out)["remote"]["run_id"] == run.run_id
    assert len(runs_on(fake)) == 1


def test_a_client_killed_before_it_knew_its_run_finds_it_again(fake: KubeflowFake, home: Path):
    fake.fault(path="*/runs", method="POST", delay=3.0, times=1)
    process = start("run", pipeline("uncached", "toy_pipelines.py"), "--on", "kubeflow")
    record = waited_for(lambda: next((home / "runs").glob("*/run.json"), None), "a record")
    waited_for(lambda: "version_id" in json.loads(record.read_text())["remote"], "the submission")
    waited_for(lambda: not fake.backend.faults.all(), "the request, which is held for three seconds")
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    waited_for(lambda: runs_on(fake), "the server to create the run all the same")
    again = intermodal("resume", "--json")
    assert again.code == 0, again.err
    assert again.json["remote"]["run_id"] == runs_on(fake)[0].run_id
    assert len(runs_on(fake)) == 1


def test_told_to_cancel_on_interrupt_it_stops_the_run_and_waits(fake: KubeflowFake, home: Path, tmp_path: Path):
    folder = tmp_path / "marks"
    words = [
        "run",
        pipeline("waiting"),
        "--on",
        "kubeflow",
        "-p",
        f"folder={folder}",
        "-p",
        "seconds=600",
        "--on-interrupt",
        "cancel",
        "--json",
    ]
    process = start(*words)
    waited_for(lambda: (folder / "waiting").is_file(), "the task to begin")
    process.terminate()
    out, error = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, error
    assert json.loads(out)["state"] == "CANCELLED"
    assert runs_on(fake)[0].state == "CANCELED"
    assert not alive(folder)


def test_who_we_are_is_asked_for(home: Path, open_kubeflow: OpenFake, monkeypatch: pytest.MonkeyPatch):
    guarded = open_kubeflow(token="let me in", cookie="session=1")  # noqa: S106
    words = ("run", pipeline("uncached", "toy_pipelines.py"), "--on", "kubeflow", "--json")
    configure(guarded, cookie_env='"MY_COOKIE"', token_env='"MY_TOKEN"', patience="5.0")
    monkeypatch.setenv("INTERMODAL_STORE", str(home.parent / "store"))
    assert "MY_TOKEN" in intermodal(*words).json["error"]["seen"]
    stranger = intermodal(*words, MY_TOKEN="wrong", MY_COOKIE="session=1")
    assert stranger.code == 5
    assert "token_env" in stranger.json["error"]["next"]
    known = intermodal(*words, MY_TOKEN="let me in", MY_COOKIE="session=1")
    assert known.code == 0, known.err
    kept = [path for path in (home, Path.cwd()) for path in path.rglob("*") if path.is_file()]
    assert not [path for path in kept if b"let me in" in path.read_bytes()], "a secret is nowhere on the disk"


def test_the_flagship_makes_the_same_artifacts_and_the_same_shape_in_mlflow(fake: KubeflowFake, home: Path):
    from mlflow.tracking import MlflowClient

    words = ("run", str(FLAGSHIP), "-p", "rows=1000", "-p", "framework=baseline", "--json")
    shared = {"MLFLOW_TRACKING_URI": f"sqlite:///{home.parent}/mlflow.db"}
    own = {"INTERMODAL_STORE": str(home.parent / "other"), "INTERMODAL_HOME": str(home.parent / "here")}
    here = _patiently(*words, "-p", "registered_model=here", **own, **shared)
    there = _patiently(*words, "-p", "registered_model=there", "--on", "kubeflow", **shared)
    assert (here.code, there.code) == (0, 0), there.err[-3000:]
    assert {t["name"]: t["state"] for t in there.json["tasks"]} == {t["name"]: t["state"] for t in here.json["tasks"]}
    exact = {name for name in here.json["artifacts"] if not name.startswith(LEARNED)}
    assert {"ingest.reviews", "validate.clean", "featurize.features"} <= exact
    assert {name: there.json["artifacts"][name]["digest"] for name in exact} == {
        name: here.json["artifacts"][name]["digest"] for name in exact
    }
    assert there.json["registered_model"]["decision"] == here.json["registered_model"]["decision"]
    assert Path(there.json["report"]).is_file()
    client = MlflowClient(shared["MLFLOW_TRACKING_URI"])
    shapes = [_shape(client, answer.json["mlflow_run_id"]) for answer in (here, there)]
    assert shapes[0] == shapes[1]
    assert set(shapes[1].values()) == {"FINISHED"}
    ran = [task for task in there.json["tasks"] if task["state"] == "SUCCEEDED"]
    assert all(client.get_run(task["mlflow_run_id"]).data.tags["intermodal.task"] == task["name"] for task in ran)


def _patiently(*words: str, **environment: str) -> Answer:
    """Like `intermodal`, for what takes minutes on a busy machine."""
    process = start(*words, **environment)
    out, error = process.communicate(timeout=5 * PATIENCE)
    return Answer(process.returncode, out, error)


def _shape(client: Any, parent: str) -> dict[str, str]:
    """Names and states of a parent run and of what is nested under it."""
    run = client.get_run(parent)
    nested = client.search_runs([run.info.experiment_id], f"tags.`mlflow.parentRunId` = '{parent}'")
    return {"": run.info.status, **{item.data.tags["intermodal.task"]: item.info.status for item in nested}}
