"""Pods of Kubeflow whose work is done on SageMaker: both of them local, both real."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from intermodal.runtime.kubeflow.fake import KubeflowFake
from intermodal.runtime.sagemaker_local.server import LocalSageMaker
from kubeflow import OpenFake
from launching import PATIENCE, TESTS, Answer, intermodal, start
from local_sagemaker import OpenSageMaker, keys, read, wait_for
from sagemaker_runs import CORE, PIPELINES, enough, jobs, records

FLAGSHIP = str(TESTS.parent / "pipelines" / "reviews.py")
SMALL = ("-p", "framework=baseline", "-p", "rows=600")
DETERMINISTIC = ("generate", "ingest", "explore", "validate", "featurize")
PLACED = ("baseline", "featurize", "validate")
STORE = "s3://bucket/intermodal"
ROLE = ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION")


def role() -> dict[str, str]:
    """What a pod's service account would give it on a cluster: leave, and where AWS is."""
    return {name: os.environ[name] for name in (*ROLE, "AWS_EC2_METADATA_DISABLED")}


@pytest.fixture
def cluster(sagemaker: LocalSageMaker, open_kubeflow: OpenFake, monkeypatch: pytest.MonkeyPatch) -> KubeflowFake:
    """A fake Kubeflow whose pods, processes of this machine, may use the local SageMaker."""
    monkeypatch.setenv("INTERMODAL_STORE", STORE)
    fake = open_kubeflow(pod_env={**role(), "INTERMODAL_STORE": STORE})
    configure(fake)
    return fake


def configure(fake: KubeflowFake, *lines: str) -> None:
    """An `intermodal.toml` for a fake."""
    first = ["[kubeflow]", f'host = "{fake.url}"', "allow_mutable_tags = true", "poll = 0.1"]
    Path("intermodal.toml").write_text("\n".join([*first, *lines, "[sagemaker]", "poll = 1.0", ""]))


def words(name: str, *more: str) -> tuple[str, ...]:
    """A pipeline of `sagemaker_pipelines.py` on Kubeflow, its first step on SageMaker."""
    return ("run", f"{PIPELINES}:{name}", "--on", "kubeflow", "--place", "count=sagemaker", *more)


def patiently(*words: str, **environment: str) -> Answer:
    """Like `intermodal`, for what takes minutes on a busy machine."""
    process = start(*words, **environment)
    out, error = process.communicate(timeout=5 * PATIENCE)
    return Answer(process.returncode, out, error)


def elsewhere(tmp_path: Path) -> dict[str, str]:
    """Variables of a local run that shares nothing with the others."""
    return {"INTERMODAL_HOME": str(tmp_path / "local"), "INTERMODAL_STORE": str(tmp_path / "local" / "store")}


def digests(answer: Answer) -> dict[str, str]:
    """Output → digest, of what is the same wherever it is made."""
    found = answer.json["artifacts"]
    return {name: item["digest"] for name, item in found.items() if not name.startswith("register")}


def calls(local: LocalSageMaker, operation: str) -> int:
    """How often something was asked of a local SageMaker."""
    return sum(item.operation == operation for item in local.requests)


def pod_process(tmp_path: Path) -> int:
    """The pod of this test that delegates, as the kubelet would tell it: its first process."""
    return int(wait_for(lambda: first if len(first := roots(tmp_path)) == 1 else None, "no pod")[0])


def roots(tmp_path: Path) -> list[int]:
    """Processes of this test's pods that were not started by another of them."""
    found: dict[int, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            variables = (folder / "environ").read_bytes().split(b"\0")
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:  # it has ended in the meantime
            continue
        own = any(item.startswith(f"TMPDIR={tmp_path}/".encode()) for item in variables)
        if own and b"INTERMODAL_ON=sagemaker" in variables:
            found[int(folder.name)] = parent
    return [number for number, parent in found.items() if parent not in found]


def test_what_pods_had_made_on_sagemaker_is_what_a_local_run_makes(cluster: KubeflowFake, tmp_path: Path) -> None:
    there = patiently(*words("adding", "-p", "seed=3", "--json"))
    assert there.code == 0, there.err[-3000:]
    assert list(jobs().values()) == ["Completed"]
    here = intermodal("run", f"{PIPELINES}:adding", "-p", "seed=3", "--json", **elsewhere(tmp_path))
    assert here.code == 0, here.err
    assert len(digests(here)) >= 2
    assert digests(there) == digests(here)
    task = next(item for item in there.json["tasks"] if item["name"] == "count")
    log = intermodal("logs", there.json["run_id"], "count").out
    assert (task["state"], "submitted" in log) == ("SUCCEEDED", True)
    again = patiently(*words("adding", "-p", "seed=3", "--json"))
    assert {item["state"] for item in again.json["tasks"]} == {"CACHED"}
    assert len(jobs()) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_pod_that_is_evicted_stops_its_job_and_one_that_is_killed_leaves_it_to_its_successor(
    cluster: KubeflowFake, sagemaker: LocalSageMaker, tmp_path: Path, number: int
) -> None:
    configure(cluster, "retries = 1", "retry_backoff = 1")
    going = start(*words("counting", "-p", "seed=5", "-p", "seconds=600", "-p", f"marks={tmp_path}"))
    wait_for(lambda: "InProgress" in jobs().values())
    wait_for(lambda: (tmp_path / "count-5").exists())
    os.kill(pod_process(tmp_path), number)
    followed = "Stopped" if number == signal.SIGTERM else "adopted"
    wait_for(lambda: followed in f"{jobs()} {log_of('count')}", "nobody comes after the pod")
    enough(tmp_path, "count-5")
    _out, error = going.communicate(timeout=5 * PATIENCE)
    assert going.returncode == 0, error
    if number == signal.SIGTERM:
        assert sorted(jobs().values()) == ["Completed", "Stopped"]
        assert calls(sagemaker, "StopProcessingJob") == 1
        return
    assert list(jobs().values()) == ["Completed"]
    assert (tmp_path / "count-5").read_text() == "ran\n"
    assert calls(sagemaker, "StopProcessingJob") == 0
    (record,) = records()
    assert "adopted" in intermodal("logs", record["run_id"], "count").out


def log_of(task: str) -> str:
    """What has come of a task's log so far, in the only run there is; nothing before it has begun."""
    (record,) = records()
    path = Path(os.environ["INTERMODAL_HOME"], "runs", record["run_id"], "tasks", task, "log.txt")
    return path.read_text() if path.exists() else ""


def test_a_run_that_is_cancelled_in_the_cluster_stops_its_jobs_once(
    cluster: KubeflowFake, sagemaker: LocalSageMaker, tmp_path: Path
) -> None:
    going = start(*words("counting", "-p", "seed=7", "-p", "seconds=600", "-p", f"marks={tmp_path}"))
    wait_for(lambda: (tmp_path / "count-7").exists())
    (record,) = records()
    stopped = intermodal("cancel", record["run_id"], "--json")
    assert (stopped.code, stopped.json["state"]) == (0, "CANCELLED"), stopped.err
    assert going.wait(5 * PATIENCE) == 130
    wait_for(lambda: set(jobs().values()) == {"Stopped"})
    assert calls(sagemaker, "StopProcessingJob") == 1


def test_a_step_that_a_service_does_is_told_so_in_its_pod(cluster: KubeflowFake) -> None:
    placed = ("--on", "kubeflow", "--place", "tell=sagemaker")
    done = patiently("run", f"{PIPELINES}:telling", *placed, "--json")
    assert done.code == 0, done.err[-3000:]
    (task,) = done.json["tasks"]
    assert task["values"] == {"Output": "sagemaker"}
    folder = task["artifacts"]["told"]["uri"].removeprefix("s3://bucket/")
    (name,) = [item for item in keys(folder) if not item.endswith("manifest.json")]
    told = read(f"s3://bucket/{name}")
    assert json.loads(told) == {"engine": "sagemaker", "task": "tell", "pipeline": "telling", "run": True}


@pytest.fixture
def _open_files() -> Iterator[None]:
    """Files that containers, which have other users, may read and write."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.fixture
def contained(
    _open_files: None,
    engine: str,
    core_image: str,
    open_sagemaker: OpenSageMaker,
    open_kubeflow: OpenFake,
    empty_store: Path,
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> KubeflowFake:
    """A fake Kubeflow and a local SageMaker that both run containers of the core image, on this machine's network."""
    assert core_image == CORE
    shared = tmp_path / "mlflow"
    shared.mkdir()
    shutil.copy(empty_store, shared / "mlflow.db")
    (shared / "mlflow.db").chmod(0o666)
    monkeypatch.setenv("DOCKER_HOST", engine)
    monkeypatch.setenv("INTERMODAL_STORE", STORE)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{shared}/mlflow.db")
    open_sagemaker(engine="containers")
    pods = {**role(), "INTERMODAL_STORE": STORE, "PYTHONPATH": "", "MLFLOW_TRACKING_URI": ""}
    fake = open_kubeflow(tasks="container", host_network=True, pod_env=pods, pod_mounts=(str(shared),))
    configure(fake)
    return fake


@pytest.mark.timeout(2400)  # building an image on a new machine takes minutes
def test_the_flagship_from_containers_of_kubeflow_makes_what_a_local_run_makes(
    contained: KubeflowFake, tmp_path: Path
) -> None:
    placed = [word for name in PLACED for word in ("--place", f"{name}=sagemaker")]
    there = patiently("run", FLAGSHIP, *SMALL, "--on", "kubeflow", *placed, "--json")
    assert there.code == 0, there.err[-3000:]
    assert sorted(name.removeprefix("reviews-").rpartition("-")[0] for name in jobs()) == sorted(PLACED)
    assert set(jobs().values()) == {"Completed"}
    here = patiently("run", FLAGSHIP, *SMALL, "--json", **elsewhere(tmp_path))
    assert here.code == 0, here.err[-3000:]
    assert digests(there).keys() == digests(here).keys()
    exact = {name for name in digests(here) if name.split(".")[0] in DETERMINISTIC}
    assert len(exact) >= 8
    assert {name: digests(there)[name] for name in exact} == {name: digests(here)[name] for name in exact}
