"""`--place STEP=emr-serverless` and `STEP=emr-eks`, on a local EMR that runs spark-submit for real."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from intermodal.runtime.sagemaker_local.server import LocalSageMaker
from kubeflow import OpenFake
from launching import PATIENCE, TESTS, Answer, intermodal, start
from local_sagemaker import client, keys, read, wait_for
from sagemaker_runs import digests, records, until_line

PIPELINES = TESTS / "spark_pipelines.py"
QUICK_JVM = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
CONFIG = f"""
[sagemaker]
bucket = "bucket"
env = {{PYTHONPATH = "{TESTS}"}}
[emr]
application = "00abc1"
virtual_cluster = "vc1"
[emr.configuration]
"spark.driver.extraJavaOptions" = "{QUICK_JVM}"
"""
pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("pyspark") is None or shutil.which("java") is None, reason="there is no Spark, or no Java"
)


@pytest.fixture
def emr(sagemaker: LocalSageMaker, tmp_path: Path) -> LocalSageMaker:
    (tmp_path / "intermodal.toml").write_text(CONFIG)
    return sagemaker


def squared(where: str, *words: str, **variables: str) -> Answer:
    return intermodal("run", f"{PIPELINES}:squaring", "--place", f"square={where}", "--json", *words, **variables)


def begun(where: str, *words: str) -> Any:
    return start("run", f"{PIPELINES}:squaring", "--place", f"square={where}", *words)


def runs_of(where: str) -> list[dict[str, Any]]:
    """Every job run of a place, the newest first."""
    if where == "emr-serverless":
        return list(client("emr-serverless").list_job_runs(applicationId="00abc1")["jobRuns"])
    return list(client("emr-containers").list_job_runs(virtualClusterId="vc1")["jobRuns"])


def asked(local: LocalSageMaker, operation: str) -> int:
    return [seen.operation for seen in local.requests].count(operation)


def record_in(home: Path) -> dict[str, Any]:
    return dict(json.loads(next((home / "runs").glob("*/run.json")).read_text()))


def profile_of(record: dict[str, Any], name: str) -> dict[str, Any]:
    """The profile that a task made, wherever it lies."""
    task = next(item for item in record["tasks"] if item["name"] == name)
    uri = f"{task['artifacts']['profile']['uri']}/profile.json"
    return dict(json.loads(read(uri) if uri.startswith("s3://") else Path(uri).read_bytes()))


@pytest.mark.parametrize(("where", "state"), [("emr-serverless", "SUCCESS"), ("emr-eks", "COMPLETED")])
def test_a_placed_step_is_one_job_run_and_makes_what_it_makes_here(
    emr: LocalSageMaker, tmp_path: Path, where: str, state: str
) -> None:
    # An answer that is lost is asked for again: the token makes the two requests one.
    for fault, operation in (("reset-after", "StartJobRun"), ("throttle", "ListJobRuns"), ("error", "*JobRun")):
        emr.service.faults.add({"fault": fault, "operation": operation, "service": "emr-*", "times": 1})
    done = squared(where, "-p", "seed=3")
    assert done.code == 0, done.err
    (run,) = runs_of(where)
    assert run["state"] == state
    assert asked(emr, "StartJobRun") >= 2
    (record,) = records()
    task = next(item for item in record["tasks"] if item["name"] == "square")
    assert (task["job"]["kind"], task["job"]["name"]) == ("Spark", run["name"])
    assert task["metrics"] == {"total": float(sum(number**2 for number in range(3, 103)))}
    log = (tmp_path / "home" / "runs" / record["run_id"] / "tasks" / "square" / "log.txt").read_text()
    assert "the driver speaks" in log
    made = [name for name in keys() if name.startswith("intermodal/artifacts/square/")]
    assert {name.rpartition("/")[2] for name in made} >= {"manifest.json"}
    here = intermodal("run", f"{PIPELINES}:squaring", "-p", "seed=3", INTERMODAL_HOME=str(tmp_path / "here"))
    assert here.code == 0, here.err
    assert digests(record) == digests(record_in(tmp_path / "here"))
    again = squared(where, "-p", "seed=3", INTERMODAL_HOME=str(tmp_path / "again"))
    assert again.code == 0, again.err
    assert len(runs_of(where)) == 1  # remembered by the store


def test_spark_counts_the_same_there_as_here(emr: LocalSageMaker, tmp_path: Path) -> None:
    pipeline = f"{PIPELINES}:looking"
    there = intermodal("run", pipeline, "--place", "explore_spark=emr-serverless", "--json")
    assert there.code == 0, there.err
    (run,) = runs_of("emr-serverless")
    assert run["state"] == "SUCCESS"
    home = tmp_path / "here"
    here = intermodal("run", pipeline, INTERMODAL_HOME=str(home), JAVA_TOOL_OPTIONS=QUICK_JVM)
    assert here.code == 0, here.err
    record = records()[0]
    assert digests(record) == digests(record_in(home))
    profiles = [profile_of(record, task) for task in ("explore-spark", "explore")]
    assert [profile.pop("customers") > 0 for profile in profiles] == [True, True]  # explore estimates them
    assert profiles[0] == profiles[1]


def test_whoever_comes_after_a_killed_submitter_adopts_its_job_run(emr: LocalSageMaker, tmp_path: Path) -> None:
    words = ("-p", "seed=5", "-p", "seconds=600", "-p", f"marks={tmp_path}")
    first = begun("emr-serverless", *words)
    until_line(first, lambda line: "submitted" in line)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    follower = begun("emr-serverless", *words)
    until_line(follower, lambda line: "adopted" in line)
    (tmp_path / "square.enough").touch()
    assert follower.wait(PATIENCE) == 0
    assert [run["state"] for run in runs_of("emr-serverless")] == ["SUCCESS"]
    assert len(list(tmp_path.glob("square-*"))) == 1
    assert asked(emr, "StartJobRun") == 1


def test_what_a_dead_run_left_on_emr_is_reaped_once(emr: LocalSageMaker) -> None:
    going = begun("emr-serverless", "-p", "seed=11", "-p", "seconds=600")
    until_line(going, lambda line: "submitted" in line)
    first = intermodal("reap", "--json").json
    assert [(item["kind"], item["state"]) for item in first["found"]] == [("emr-serverless job", "left")]
    os.killpg(going.pid, signal.SIGKILL)
    going.wait()
    again = intermodal("reap", "--json")
    assert again.code == 0, again.err
    second = again.json
    assert [(item["state"], item["why"]) for item in second["found"]] == [("stopped", "its run's process is gone")]
    assert first["not_asked"] == second["not_asked"] == []
    wait_for(lambda: [run["state"] for run in runs_of("emr-serverless")] == ["CANCELLED"])
    assert asked(emr, "CancelJobRun") == 1


def test_a_pod_of_kubeflow_has_its_step_done_on_emr(
    emr: LocalSageMaker, open_kubeflow: OpenFake, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    store = "s3://bucket/intermodal"
    monkeypatch.setenv("INTERMODAL_STORE", store)
    role = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    fake = open_kubeflow(pod_env={**role, "INTERMODAL_STORE": store})
    kubeflow = f'[kubeflow]\nhost = "{fake.url}"\nallow_mutable_tags = true\npoll = 0.1\n'
    (tmp_path / "intermodal.toml").write_text(kubeflow + CONFIG)
    done = squared("emr-eks", "--on", "kubeflow", "-p", "seed=13")
    assert done.code == 0, done.err
    assert [run["state"] for run in runs_of("emr-eks")] == ["COMPLETED"]
    assert {item["name"]: item["state"] for item in done.json["tasks"]} == {"count": "SUCCEEDED", "square": "SUCCEEDED"}


def test_told_to_stop_it_cancels_its_job_run_once(emr: LocalSageMaker, tmp_path: Path) -> None:
    going = begun("emr-eks", "-p", "seed=7", "-p", "seconds=600", "-p", f"marks={tmp_path}")
    until_line(going, lambda line: "submitted" in line)
    wait_for(lambda: list(tmp_path.glob("square-*")), "the step never began")
    os.kill(going.pid, signal.SIGTERM)
    assert going.wait(PATIENCE) == 130
    assert [run["state"] for run in runs_of("emr-eks")] == ["CANCELLED"]
    assert asked(emr, "CancelJobRun") == 1
    (record,) = records()
    assert (record["state"], record["tasks"][-1]["state"]) == ("CANCELLED", "CANCELLED")
    driver = next(tmp_path.glob("square-*")).name.rpartition("-")[2]
    assert not Path(f"/proc/{driver}").exists()


def test_a_step_that_takes_too_long_is_ended_and_told(emr: LocalSageMaker, tmp_path: Path) -> None:
    (tmp_path / "intermodal.toml").write_text(CONFIG.replace("[emr]\n", "[emr]\nmax_runtime = 2\n"))
    done = squared("emr-eks", "-p", "seed=9", "-p", "seconds=600")
    assert done.code == 4, done.err
    assert "longer than it may" in done.err
    assert [run["state"] for run in runs_of("emr-eks")] == ["FAILED"]


@pytest.mark.parametrize(
    ("words", "settings", "part"),
    [
        (["--place", "count=emr-serverless"], CONFIG, "step count is not one for Spark"),
        (["--place", "square=emr-serverless"], "", "no EMR Serverless application is named"),
        (["--place", "square=emr-eks"], "", "no virtual cluster of EMR on EKS is named"),
        (["--place", "square=emr-eks"], "[emr]\nexecutor = 3\n", "executors"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_recorded(
    emr: LocalSageMaker, tmp_path: Path, words: list[str], settings: str, part: str
) -> None:
    (tmp_path / "intermodal.toml").write_text(settings)
    done = intermodal("run", f"{PIPELINES}:squaring", "-p", "seed=1", *words)
    assert done.code == 2, done.err
    assert part in done.err
    assert not (tmp_path / "home" / "runs").exists()
    assert asked(emr, "StartJobRun") == 0
