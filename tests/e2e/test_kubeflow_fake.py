"""The fake of Kubeflow Pipelines end to end: the real client and the `kfp` command in front, pods behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import psutil
import pytest

from intermodal.runtime.kubeflow.fake import KubeflowFake
from kubeflow import OpenFake, Serve, client_of, compiled, ended, pod_of, states, submit, until
from launching import PATIENCE

SHELL = "kubeflow_pipelines.py"


def run(fake: KubeflowFake, name: str, file: str = SHELL, **arguments: Any) -> Any:
    """A run of a toy pipeline, at its end."""
    return ended(fake, submit(fake, name, file, **arguments))


def logs(fake: KubeflowFake, done: Any, task: str) -> str:
    """What a task's pod printed, as the user interface asks for it."""
    pod = pod_of(done, task).pod_name
    with urlopen(f"{fake.url}/k8s/pod/logs?podname={pod}&runid={done.run_id}&podnamespace=kubeflow") as answer:
        return answer.read().decode()


def waited_for(holds: Any, what: str) -> None:
    limit = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < limit, f"waited in vain for {what}"
        time.sleep(0.05)


def test_upload_run_wait_list_and_read(kubeflow: KubeflowFake, tmp_path: Path) -> None:
    client = client_of(kubeflow)
    uploaded = client.upload_pipeline_from_pipeline_func(compiled("pair", SHELL), "a pair")
    version = client.list_pipeline_versions(uploaded.pipeline_id).pipeline_versions[0].pipeline_version_id
    experiment = client.create_experiment("trial").experiment_id
    named = {"pipeline_id": uploaded.pipeline_id, "version_id": version}
    made = client.run_pipeline(experiment, "first", params={"text": "it's a text"}, **named)
    done = client.wait_for_run_completion(made.run_id, PATIENCE, sleep_duration=0.1)
    assert done.state == "SUCCEEDED"
    assert [item.state for item in done.state_history] == ["PENDING", "RUNNING", "SUCCEEDED"]
    assert done.finished_at >= done.created_at
    assert done.pipeline_version_reference.pipeline_version_id == version
    assert states(done) == {
        "root": "SUCCEEDED",
        "write": "SUCCEEDED",
        "write/executor": "SUCCEEDED",
        "copy": "SUCCEEDED",
        "copy/executor": "SUCCEEDED",
    }
    data, copied = kubeflow.artifacts(made.run_id)
    assert (data["task"], data["name"], data["type"]) == ("write", "data", "system.Dataset")
    assert Path(data["local_path"]).read_text() == Path(copied["local_path"]).read_text() == "it's a text"
    root = f"/mlpipeline/v2/artifacts/pair/{made.run_id}/write/{data['execution_id']}/data"
    assert data["uri"].endswith(root)
    copying = next(item for item in done.run_details.task_details if item.display_name == "copy")
    assert copying.inputs["data"].artifact_ids == [data["artifact_id"]]
    assert copying.outputs["copied"].artifact_ids == [copied["artifact_id"]]
    assert logs(kubeflow, done, "write") == "writing it's a text\nwritten\n"
    assert [item.run_id for item in client.list_runs(experiment_id=experiment).runs] == [made.run_id]
    assert client.list_runs(experiment_id=client.get_experiment(experiment_name="Default").experiment_id).runs is None


def test_the_kfp_command(kubeflow: KubeflowFake, tmp_path: Path) -> None:
    from kfp import compiler

    compiler.Compiler().compile(compiled("pair", SHELL), str(tmp_path / "pair.yaml"))

    def kfp(*words: str) -> str:
        command = [str(Path(sys.executable).parent / "kfp"), "--endpoint", kubeflow.url, *words]
        environment = {**os.environ, "HOME": str(tmp_path), "PYTHONWARNINGS": "ignore"}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=PATIENCE, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return done.stdout

    kfp("pipeline", "create", "-p", "typed", "pair.yaml")
    assert "SUCCEEDED" in kfp("run", "create", "-e", "Default", "-r", "by hand", "-f", "pair.yaml", "-w", "text=typed")
    assert "by hand" in kfp("run", "list")


@pytest.mark.parametrize(
    ("name", "arguments", "state", "some"),
    [
        ("mixed", {}, "SUCCEEDED", {"plain": "SUCCEEDED", "plain-files/executor": "SUCCEEDED"}),
        ("broken_loop", {}, "FAILED", {"for-loop-2": "FAILED", "for-loop-2/iteration(1)/condition-3/fail": "FAILED"}),
    ],
)
def test_control_flow(
    kubeflow: KubeflowFake, name: str, arguments: dict[str, Any], state: str, some: dict[str, str]
) -> None:
    done = run(kubeflow, name, "toy_pipelines.py", **arguments)
    assert done.state == state
    assert states(done).items() >= some.items()


def test_an_exit_handler_runs_after_a_failure(kubeflow: KubeflowFake, tmp_path: Path) -> None:
    done = run(kubeflow, "cleaned", folder=str(tmp_path), script="exit 7")
    assert done.state == "FAILED"
    assert "exit code 7" in done.error.message
    assert (tmp_path / "closed").read_text() == "closed\n"
    assert states(done).items() >= {"exit-handler-1": "FAILED", "shell": "SUCCEEDED"}.items()


def test_a_retry_policy_gives_each_attempt_a_pod(kubeflow: KubeflowFake, tmp_path: Path) -> None:
    kubeflow.fault(task="shell", pod="lost", times=1, seconds=0)
    gate = f"while [ ! -e {tmp_path}/gate ]; do sleep 0.05; done"
    count = f"echo x >> {tmp_path}/tries; test $(wc -l < {tmp_path}/tries) -ge 2 || exit 3; sleep 0.1"
    run_id = submit(kubeflow, "tried_again", SHELL, script=f"{gate}; {count}")
    until(kubeflow, run_id, lambda seen: states(seen).get("shell/executor/executor(0)") == "FAILED")
    (tmp_path / "gate").touch()
    done = ended(kubeflow, run_id)
    assert states(done) == {
        "root": "SUCCEEDED",
        "shell": "SUCCEEDED",
        "shell/executor": "SUCCEEDED",
        "shell/executor/executor(0)": "FAILED",
        "shell/executor/executor(1)": "FAILED",
        "shell/executor/executor(2)": "SUCCEEDED",
    }
    messages = {item.display_name: item.error.message for item in done.run_details.task_details if item.error}
    assert "node was lost" in messages["executor(0)"]
    assert "exit code 3" in messages["executor(1)"]


def test_the_cache_takes_what_an_earlier_run_made(open_kubeflow: OpenFake) -> None:
    fake = open_kubeflow()
    first, second = (run(fake, "pair", text="same") for _ in range(2))
    assert (
        states(second).items()
        >= {"write": "SUCCEEDED", "write/executor": "SKIPPED", "copy/executor": "SKIPPED"}.items()
    )
    uris = [[item["uri"] for item in fake.artifacts(done.run_id)] for done in (first, second)]
    assert uris[0] == uris[1]
    other = run(fake, "pair", text="other")
    assert states(other)["write/executor"] == "SUCCEEDED"
    fake.stop()
    without = open_kubeflow(cache=False)
    assert states(run(without, "pair", text="same"))["write/executor"] == "SUCCEEDED"


def test_an_artifact_outside_the_run_s_root_is_refused(kubeflow: KubeflowFake) -> None:
    told = '{"artifacts": {"made": {"artifacts": [{"uri": "/else/where"}]}}}'
    done = run(kubeflow, "answered", script=f'echo t > "$TEXT"; echo \'{told}\' > "$ANSWER"')
    assert done.state == "FAILED"
    assert "does not have the expected prefix" in done.error.message
    assert kubeflow.artifacts(done.run_id) == []


def test_metadata_is_kept_and_a_missing_file_is_no_failure(kubeflow: KubeflowFake) -> None:
    told = '{"artifacts": {"made": {"artifacts": [{"metadata": {"rows": 3}}]}}, "parameterValues": {"text": "t"}}'
    done = run(kubeflow, "answered", script=f"echo '{told}' > \"$ANSWER\"")
    assert done.state == "SUCCEEDED"
    [made] = kubeflow.artifacts(done.run_id)
    assert (made["metadata"], made["exists"]) == ({"rows": 3.0}, False)


def test_settings_of_the_pod(open_kubeflow: OpenFake, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("kfp.kubernetes")
    monkeypatch.setenv("OUTSIDE", "the server's own")
    known = {"secrets": {"database.password": "hunter2"}, "config_maps": {"place.region": "eu"}}
    fake = open_kubeflow(**known)
    done = run(fake, "settled")
    pod = pod_of(done, "shell").pod_name
    assert logs(fake, done, "shell").splitlines() == [
        f"KFP_POD_NAME={pod}",
        "NAMESPACE=kubeflow",
        "OWN=own",
        "PASSWORD=hunter2",
        f"POD={pod}",
        "REGION=eu",
        f"RUN={done.run_id}",
        "TEAM=reviews",
    ]
    assert not any("hunter2" in path.read_text() for path in fake.options.home.rglob("*.json"))
    late = run(fake, "overdue")
    assert "longer than the specified deadline" in late.error.message


def test_terminate_stops_the_pods(kubeflow: KubeflowFake, tmp_path: Path) -> None:
    script = f"trap 'echo told; exit 1' TERM; echo $$ > {tmp_path}/pid; while true; do sleep 0.05; done"
    run_id = submit(kubeflow, "scripted", SHELL, script=script)
    waited_for(lambda: (tmp_path / "pid").is_file() and (tmp_path / "pid").read_text().strip(), "the pod")
    client = client_of(kubeflow)
    client.terminate_run(run_id)
    done = ended(kubeflow, run_id)
    assert done.state == "CANCELED"
    assert [item.state for item in done.state_history] == ["PENDING", "RUNNING", "CANCELING", "CANCELED"]
    assert not psutil.pid_exists(int((tmp_path / "pid").read_text()))
    assert states(done)["shell/executor"] == "CANCELED"
    assert logs(kubeflow, done, "shell").endswith("told\n")
    with pytest.raises(Exception, match="it is CANCELED"):
        client.terminate_run(run_id)


def test_terminate_ends_a_loop(kubeflow: KubeflowFake, tmp_path: Path) -> None:
    run_id = submit(kubeflow, "looped", SHELL, script=f"echo $$ >> {tmp_path}/pids; sleep 600")
    waited_for(lambda: (tmp_path / "pids").is_file() and (tmp_path / "pids").read_text().count("\n") == 2, "two pods")
    client_of(kubeflow).terminate_run(run_id)
    done = ended(kubeflow, run_id)
    assert (done.state, done.error) == ("CANCELED", None)
    assert (tmp_path / "pids").read_text().count("\n") == 2
    assert not any(psutil.pid_exists(int(line)) for line in (tmp_path / "pids").read_text().split())


def test_a_pod_without_a_node_waits_and_can_be_terminated(kubeflow: KubeflowFake) -> None:
    kubeflow.fault(pod="capacity", times=1, seconds=3600)
    run_id = submit(kubeflow, "scripted", SHELL)
    until(kubeflow, run_id, lambda seen: states(seen).get("shell/executor") == "PENDING")
    client_of(kubeflow).terminate_run(run_id)
    assert ended(kubeflow, run_id).state == "CANCELED"


def test_a_log_is_live(kubeflow: KubeflowFake, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    run_id = submit(kubeflow, "scripted", SHELL, script=f"echo begun; while [ ! -e {gate} ]; do sleep 0.05; done")
    seen = until(kubeflow, run_id, lambda run: states(run).get("shell/executor") == "RUNNING")
    waited_for(lambda: logs(kubeflow, seen, "shell") == "begun\n", "the first line")
    gate.touch()
    assert ended(kubeflow, run_id).state == "SUCCEEDED"


def test_retry_keeps_what_succeeded(kubeflow: KubeflowFake, tmp_path: Path) -> None:
    client = client_of(kubeflow)
    first = run(kubeflow, "gated", folder=str(tmp_path))
    assert (first.state, states(first)["shell-2"]) == ("FAILED", "FAILED")
    (tmp_path / "gate").touch()
    client._run_api.run_service_retry_run(run_id=first.run_id)
    again = ended(kubeflow, first.run_id)
    assert (again.state, again.error) == ("SUCCEEDED", None)
    assert [item.state for item in again.state_history[-3:]] == ["PENDING", "RUNNING", "SUCCEEDED"]
    assert (tmp_path / "count").read_text() == "x\n"
    kept = {item.task_id: item.start_time for item in first.run_details.task_details if item.display_name == "shell"}
    assert kept == {item.task_id: item.start_time for item in again.run_details.task_details if item.task_id in kept}
    with pytest.raises(Exception, match="cannot be retried: it is SUCCEEDED"):
        client._run_api.run_service_retry_run(run_id=first.run_id)


def served(process: subprocess.Popen[str]) -> str:
    import json

    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, process.stderr.read() if process.stderr else ""
    return str(json.loads(line)["url"])


def begun_at(url: str, script: str) -> str:
    """A run of a script, on the server at an address."""
    import kfp

    made = kfp.Client(host=url).create_run_from_pipeline_func(compiled("scripted", SHELL), arguments={"script": script})
    return str(made.run_id)


def begun(url: str, tmp_path: Path, script: str) -> str:
    """The same, once the pod runs and has left its number."""
    run_id = begun_at(url, f"echo $$ > {tmp_path}/pid; {script}")
    waited_for(lambda: (tmp_path / "pid").is_file() and (tmp_path / "pid").read_text().strip(), "the pod")
    return run_id


def whole_family(process: int, names: set[str]) -> list[psutil.Process]:
    """All that a process has started, once processes of these names are among it."""
    found: list[psutil.Process] = []

    def complete() -> bool:
        found[:] = psutil.Process(process).children(recursive=True)
        with contextlib.suppress(psutil.NoSuchProcess):
            return {item.name() for item in found} >= names
        return False

    waited_for(complete, f"{names} below the server")
    return found


def test_a_killed_server_leaves_nothing_running(serve_kubeflow: Serve, tmp_path: Path) -> None:
    import kfp

    server = serve_kubeflow()
    run_id = begun(served(server), tmp_path, f"test -e {tmp_path}/gate || sleep 600")
    family = whole_family(server.pid, {"sh", "sleep"})
    os.kill(server.pid, signal.SIGKILL)
    server.wait()
    _, alive = psutil.wait_procs(family, timeout=PATIENCE)
    assert alive == []
    (tmp_path / "gate").touch()
    again = serve_kubeflow()
    client = kfp.Client(host=served(again))
    seen = client.get_run(run_id)
    assert (seen.state, seen.error.message) == ("FAILED", "the server was killed while the run was on its way")
    assert states(seen)["shell/executor"] == "FAILED"
    client._run_api.run_service_retry_run(run_id=run_id)
    assert client.wait_for_run_completion(run_id, PATIENCE, sleep_duration=0.1).state == "SUCCEEDED"
    again.terminate()
    assert again.wait(PATIENCE) == 0


def test_a_stopped_server_stops_its_runs(serve_kubeflow: Serve, tmp_path: Path) -> None:
    import kfp

    server = serve_kubeflow()
    run_id = begun(served(server), tmp_path, "while true; do sleep 0.05; done")
    server.terminate()
    assert server.wait(PATIENCE) == 0
    assert not psutil.pid_exists(int((tmp_path / "pid").read_text()))
    again = serve_kubeflow()
    seen = kfp.Client(host=served(again)).get_run(run_id)
    assert (seen.state, seen.error.message) == ("FAILED", "the server was stopped while the run was on its way")
    again.terminate()
    again.wait(PATIENCE)


def test_native_mlflow(open_kubeflow: OpenFake, tmp_path: Path) -> None:
    from mlflow import MlflowClient

    uri = f"sqlite:///{tmp_path}/mlflow.db"
    fake = open_kubeflow(mlflow=uri)
    done = run(fake, "half_broken", script='echo "$MLFLOW_TRACKING_URI $MLFLOW_EXPERIMENT_ID $MLFLOW_RUN_ID"')
    client = MlflowClient(tracking_uri=uri)
    told = done.plugins_output["mlflow"]
    parent = client.get_run(told.entries["root_run_id"].value)
    assert (told.state, parent.info.status) == ("PLUGIN_SUCCEEDED", "FAILED")
    assert parent.data.tags["kfp.pipeline_run_id"] == done.run_id
    experiment = told.entries["experiment_id"].value
    found = client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'")
    nested = {item.info.run_name: item.info for item in found}
    assert {name: item.status for name, item in nested.items()} == {"shell": "FINISHED", "shell-2": "FAILED"}
    assert logs(fake, done, "shell").strip() == f"{uri} {experiment} {nested['shell'].run_id}"
