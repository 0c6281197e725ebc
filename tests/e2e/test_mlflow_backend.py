"""`mlflow run -b intermodal-local`: MLflow's own cases for a project backend, and those it leaves to its plugins."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from free_ports import free_port
from launching import TESTS
from mlflow_running import BACKEND, process, run, typed
from projects import Store, until


@pytest.fixture(autouse=True)
def _elsewhere(home: Path) -> None:
    """Every test runs in an empty directory that is not the project's."""


# Runs as MLflow's own backends make them


def test_a_pipeline_is_one_run_with_its_tasks_nested(project: Path, store: Store) -> None:
    import mlflow

    place = mlflow.MlflowClient().create_experiment("toys")
    done = run(project, parameters={"n": 5}, experiment_name="toys", run_name="first")
    assert done.get_status() == "FINISHED"
    assert done.wait(), "a run that has ended can be waited for again"
    (parent,) = store.parents()
    assert parent.info.run_id == done.run_id
    assert parent.info.experiment_id == place
    assert parent.info.status == "FINISHED"
    assert parent.info.run_name == "first"
    assert parent.data.params == {"n": "5", "seconds": "0.0"}
    tags = parent.data.tags
    assert tags["mlflow.source.type"] == "PROJECT"
    assert tags["mlflow.source.name"] == str(project)
    assert tags["mlflow.project.entryPoint"] == "line"
    assert tags["mlflow.project.backend"] == BACKEND
    assert tags["mlflow.user"]
    assert tags["intermodal.run_id"].startswith("line-")
    nested = store.nested(done.run_id)
    assert [item.info.run_name for item in nested] == ["make", "spread", "total"]
    assert {item.info.status for item in nested} == {"FINISHED"}
    assert parent.data.metrics["total.total"] == 10
    assert len(store.runs()) == 4


def test_a_text_arrives_as_it_was_given(project: Path, store: Store, home: Path) -> None:
    text = 'it\'s "two" words; $HOME `id` {n} --x\nä'
    run(project, "say", parameters={"text": text})
    (parent,) = store.parents()
    assert parent.data.params == {"text": text, "polite": "please"}
    (log,) = home.glob("runs/*/tasks/say/log.txt")
    assert f"{text}, please" in log.read_text()


def test_an_artifact_of_an_earlier_run_is_an_input(project: Path, store: Store) -> None:
    run(project, "make", parameters={"n": 4})
    done = run(project, "total", parameters={"parts": "make.data"})
    (nested,) = store.nested(done.run_id)
    assert nested.data.metrics["total"] == 6
    assert nested.inputs.dataset_inputs, "the artifact it read is among its datasets"


def test_a_failure_is_raised_and_recorded(project: Path, store: Store) -> None:
    from mlflow.exceptions import ExecutionException

    with pytest.raises(ExecutionException, match="failed"):
        run(project, "fail", parameters={"message": "on purpose"})
    assert [(item.info.status, item.info.run_name) for item in store.runs()][1:] == [("FAILED", "fail")]
    assert store.states() == {"FAILED"}


def test_runs_side_by_side(project: Path, store: Store) -> None:
    first, second = (
        run(project, parameters={"n": n, "seconds": seconds}, synchronous=False, backend_config={"use_cache": False})
        for n, seconds in ((4, 600), (5, 1))
    )
    assert {first.run_id, second.run_id} == {item.info.run_id for item in store.parents()}, "in the store at once"
    assert first.get_status() == "RUNNING"
    first.cancel()
    assert first.get_status() == "KILLED"
    assert store.client.get_run(first.run_id).info.status == "KILLED"
    assert not first.wait()
    assert second.wait(), "one is cancelled, not the other"
    second.cancel()
    assert second.get_status() == "FINISHED", "a run that has ended keeps its state"
    assert {item.info.status for item in store.nested(first.run_id)} <= {"KILLED", "FINISHED"}
    assert {item.info.status for item in store.nested(second.run_id)} == {"FINISHED"}


def test_it_is_nested_under_the_run_that_is_active(project: Path, store: Store) -> None:
    import mlflow

    with mlflow.start_run() as outer:
        done = run(project, "make")
        assert outer.info.status == "RUNNING"
    assert store.client.get_run(done.run_id).data.tags["mlflow.parentRunId"] == outer.info.run_id
    assert [item.info.run_id for item in store.parents()] == [outer.info.run_id]
    assert store.states() == {"FINISHED"}


# A run that is there already


def test_a_run_that_was_named_is_used(project: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    made = store.client.create_run("0")
    said = typed(str(project), "-e", "make", "-b", BACKEND, "--run-id", made.info.run_id, "-P", "n=2")
    assert said.exit_code == 0, said.output
    assert [item.info.run_id for item in store.parents()] == [made.info.run_id]
    assert len(store.nested(made.info.run_id)) == 1
    found = store.client.get_run(made.info.run_id)
    assert found.info.status == "FINISHED"
    assert found.data.params == {"n": "2", "seconds": "0.0"}
    monkeypatch.setenv("MLFLOW_RUN_ID", made.info.run_id)  # as whoever started this process would
    assert run(project, "make", parameters={"n": 2}).run_id == made.info.run_id
    assert len(store.parents()) == 1


@pytest.mark.parametrize("fault", ["unknown", "deleted", "other parameters"])
def test_a_run_that_cannot_be_used_is_refused(project: Path, store: Store, fault: str) -> None:
    from mlflow.exceptions import ExecutionException

    made = store.client.create_run("0")
    store.client.log_param(made.info.run_id, "n", "7")
    store.client.set_terminated(made.info.run_id)
    if fault == "deleted":
        store.client.delete_run(made.info.run_id)
    run_id = "0" * 32 if fault == "unknown" else made.info.run_id
    expected = {"unknown": "no such MLflow run", "deleted": "was deleted", "other parameters": "n=7"}[fault]
    with pytest.raises(ExecutionException, match=expected):
        run(project, "make", parameters={"n": 2}, run_id=run_id)
    assert len(store.runs()) == (0 if fault == "deleted" else 1)
    assert store.states() <= {"FINISHED"}


# What is wrong is said once, and nothing is recorded


@pytest.mark.parametrize(
    ("entry", "options", "expected"),
    [
        ("line", {"parameters": {"n": "many"}}, "parameter n has the wrong type"),
        ("line", {"parameters": {"m": 5}}, "no such parameter"),
        ("say", {}, "'text'|misses a parameter"),
        ("nothing", {}, "Could not find nothing among entry points"),
        ("train.py", {}, "neither a step nor a pipeline"),
        ("quiet", {}, "cannot carry out"),
        ("broken", {}, "this_is_not_there"),
        ("line", {"backend_config": {"weight": True}}, "unknown key"),
        ("line", {"backend_config": {"runtime": "kubeflow"}}, "another runtime"),
        ("line", {"backend": "intermodal"}, "names no runtime"),
        ("line", {"backend": "intermodal-sagemaker"}, "AWS does not say which account"),
        ("line", {"env_manager": "uv"}, "makes no environment"),
        ("line", {"docker_args": {"gpus": "all"}}, "--docker-args"),
        ("line", {"version": "main"}, "git repository"),
    ],
)
def test_nothing_is_recorded_of_what_is_wrong(
    project: Path, store: Store, entry: str, options: dict[str, Any], expected: str
) -> None:
    from mlflow.exceptions import ExecutionException

    with pytest.raises(ExecutionException, match=expected):
        run(project, entry, **options)
    assert store.runs() == []


def test_a_store_that_is_away_is_said(project: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    import mlflow

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        mlflow.set_tracking_uri(f"http://127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(Exception, match="refused|Max retries"):
            run(project, experiment_id="0")


# The command line


def test_the_command_line_waits_and_says_how_it_ended(project: Path, store: Store, capfd: Any) -> None:
    said = typed(str(project), "-e", "make", "-b", BACKEND, "-P", "n=4", "--run-name", "mine")
    assert said.exit_code == 0, said.output
    assert "making 4 numbers" in capfd.readouterr().err, "what the step prints is shown"
    assert [item.info.run_name for item in store.parents()] == ["mine"]
    assert store.states() == {"FINISHED"}
    said = typed(str(project), "-e", "fail", "-b", BACKEND, "-P", "message=on purpose")
    assert said.exit_code == 1
    assert "ValueError: on purpose" in capfd.readouterr().err
    config = '{"runtime": "local"}'
    said = typed(str(project), "-e", "make", "-b", "intermodal", "-P", "n=x", "--backend-config", config)
    assert said.exit_code == 1


def test_it_need_not_wait(project: Path, store: Store, home: Path) -> None:
    words = [str(project), "-e", "make", "-b", BACKEND, "-P", "seconds=10", "--backend-config", '{"wait": false}']
    with process(words) as launcher:
        launcher.join(120)
        assert launcher.exitcode == 0
    (parent,) = store.parents()
    assert parent.info.status == "RUNNING", "it goes on by itself"
    until(lambda: store.states() == {"FINISHED"})
    assert "making 3 numbers" in (home / "mlflow" / f"{parent.info.run_id}.log").read_text()


# Whoever is told to stop, or killed, leaves the truth behind


def working(store: Store) -> Any:
    """The parent run, once a task of it runs."""
    until(lambda: [item for item in store.runs() if item.data.tags.get("intermodal.task")])
    (parent,) = store.parents()
    return parent


def descendants(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children(recursive=True)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 1)])
def test_told_to_stop_it_stops_everything_first(project: Path, store: Store, number: int, code: int) -> None:
    with process([str(project), "-b", BACKEND, "-e", "line", "-P", "seconds=600"]) as launcher:
        working(store)
        below = descendants(launcher.pid)
        os.kill(launcher.pid, number)
        launcher.join(120)
        assert launcher.exitcode == code
        assert store.states() == {"KILLED"}, "the true state is there when the command returns"
        assert [item for item in below if item.is_running() and item.status() != psutil.STATUS_ZOMBIE] == []


@pytest.mark.parametrize(("error", "state"), [(RuntimeError, "FAILED"), (KeyboardInterrupt, "KILLED")])
def test_an_error_before_the_work_begins(
    project: Path, store: Store, monkeypatch: pytest.MonkeyPatch, error: type[BaseException], state: str
) -> None:
    from intermodal.mlflow_backend.worker import Worker

    begun: list[Worker] = []

    def fail(worker: Worker, _permission: object) -> None:
        begun.append(worker)
        raise error("in between")

    monkeypatch.setattr(Worker, "allow", fail)
    with pytest.raises(error, match="in between"):
        run(project, "make")
    assert [item.info.status for item in store.runs()] == [state]
    assert not begun[0].running


def test_a_launcher_that_is_killed_takes_its_run_along(project: Path, store: Store) -> None:
    with process([str(project), "-b", BACKEND, "-e", "line", "-P", "seconds=600"]) as launcher:
        working(store)
        below = descendants(launcher.pid)
        os.kill(launcher.pid, signal.SIGKILL)
        until(lambda: store.states() == {"KILLED"})
        psutil.wait_procs(below, timeout=60)
        assert [item for item in below if item.is_running() and item.status() != psutil.STATUS_ZOMBIE] == []


def test_a_worker_that_is_killed_is_noticed(project: Path, store: Store) -> None:
    done = run(project, parameters={"seconds": 600}, synchronous=False)
    working(store)
    os.kill(done.worker.pid, signal.SIGKILL)
    assert not done.wait()
    assert done.get_status() == "KILLED"
    until(lambda: store.states() == {"KILLED"})


def test_when_all_are_killed_at_once_the_next_start_heals(project: Path, store: Store) -> None:
    with process([str(project), "-b", BACKEND, "-e", "line", "-P", "seconds=600"]) as launcher:
        parent = working(store)
        below = descendants(launcher.pid)
        for act in (psutil.Process.suspend, psutil.Process.kill):  # none may see another die
            for item in [psutil.Process(launcher.pid), *below]:
                with contextlib.suppress(psutil.NoSuchProcess):  # it had ended already
                    act(item)
    assert store.client.get_run(parent.info.run_id).info.status == "RUNNING", "nobody was left to say so"
    run(project, "make", parameters={"n": 1})
    assert store.client.get_run(parent.info.run_id).info.status == "KILLED"
    assert {item.info.status for item in store.nested(parent.info.run_id)} == {"KILLED"}


# Another kind of store


def test_a_server_keeps_the_runs(project: Path, empty_store: Path, tmp_path: Path, home: Path) -> None:
    import mlflow

    shutil.copy(empty_store, tmp_path / "server.db")
    port = free_port()
    words = ["server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    words += ["--backend-store-uri", f"sqlite:///{tmp_path}/server.db", "--default-artifact-root", str(tmp_path / "a")]
    environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    server = subprocess.Popen([sys.executable, "-m", "mlflow", *words], env=environment, start_new_session=True)
    made = Store(f"http://127.0.0.1:{port}")

    def answers() -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
        return False

    try:
        until(answers, 300)
        mlflow.set_tracking_uri(made.uri)
        done = run(project, "make", parameters={"n": 2})
        (parent,) = made.parents()
        assert parent.info.run_id == done.run_id
        assert made.states() == {"FINISHED"}
        assert len(made.nested(done.run_id)) == 1
    finally:
        mlflow.set_tracking_uri(None)
        os.killpg(server.pid, signal.SIGTERM)
        server.wait()


def test_the_backends_are_announced() -> None:
    from importlib.metadata import entry_points

    names = {item.name for item in entry_points(group="mlflow.project_backend")}
    assert {"intermodal", "intermodal-local", "intermodal-kubeflow", "intermodal-sagemaker"} <= names
    assert (TESTS.parent / "mlflow_project" / "local.json").is_file()
