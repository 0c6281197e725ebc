"""`--on sagemaker` and `--place`, on a local SageMaker that executes the jobs for real."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import mlflow
import pytest

from intermodal.runtime.sagemaker_local.server import LocalSageMaker
from launching import PATIENCE, TESTS, intermodal, start
from local_sagemaker import client, post, read, wait_for
from sagemaker_runs import PIPELINES, digests, enough, jobs, mlflow_states, records, run, until_line

FLAGSHIP = str(TESTS.parent / "pipelines" / "reviews.py")
SMALL = ("-p", "rows=600", "-p", "max_seq_length=16")
LONG = 600.0  # seconds that twelve jobs may take on a busy machine


def test_every_step_that_needs_no_mlflow_is_a_job_and_all_artifacts_are_those_of_a_local_run(
    sagemaker: LocalSageMaker, tmp_path: Path
):
    there = intermodal("run", FLAGSHIP, "--on", "sagemaker", *SMALL, "--json", patience=LONG)
    assert there.code == 0, there.err
    assert set(jobs().values()) == {"Completed"}
    (record,) = records()
    kinds = {task["name"]: task["job"].get("kind") for task in record["tasks"] if task["state"] == "SUCCEEDED"}
    assert kinds == {
        **dict.fromkeys(("generate", "ingest", "explore", "validate", "featurize"), "Processing"),
        **dict.fromkeys(("evaluate", "evaluate-2"), "Processing"),
        **dict.fromkeys(("baseline", "train-pytorch"), "Training"),
        "register": None,  # beside us: no job reaches an MLflow that is a file of this machine
    }
    assert all(item["uri"].startswith("s3://") for task in record["tasks"] for item in task["artifacts"].values())
    assert {task["job"]["url"] for task in record["tasks"] if task["job"]} == {""}  # AWS's console knows none of these
    bills = {task["name"]: task["bill"] for task in record["tasks"] if task["job"]}
    assert all(bill["instance_type"].startswith("ml.") and bill["cost_usd"] is not None for bill in bills.values())

    here = intermodal("run", FLAGSHIP, *SMALL, "--json", patience=LONG, INTERMODAL_HOME=str(tmp_path / "local"))
    assert here.code == 0, here.err
    local = json.loads(next((tmp_path / "local" / "runs").glob("*/run.json")).read_text())
    made, expected = digests(record), digests(local)
    own = {("register", name) for name in ("registration", "report", "notes", "metrics")}  # which runs, which version
    assert made.keys() == expected.keys()
    assert {name: made[name] for name in made.keys() - own} == {name: expected[name] for name in expected.keys() - own}

    placed = ("--no-cache", "--place", "baseline=sagemaker", "--place", "validate=sagemaker")
    words = (*SMALL, "-p", "framework=baseline", *placed, "--json")
    mixed = intermodal("run", FLAGSHIP, *words, patience=LONG, INTERMODAL_HOME=str(tmp_path / "mixed"))
    assert mixed.code == 0, mixed.err
    both = json.loads(next((tmp_path / "mixed" / "runs").glob("*/run.json")).read_text())
    assert {task["name"] for task in both["tasks"] if task["job"]} == {"baseline", "validate"}
    again = {name: digest for name, digest in digests(both).items() if name[0] != "register-2"}
    assert again == {name: digest for name, digest in expected.items() if name in again}
    assert {name[0] for name in expected} - {name[0] for name in again} == {"train-pytorch", "evaluate-2", "register"}


def test_a_training_job_leaves_its_model_for_native_tools_and_its_curve_in_mlflow(sagemaker: LocalSageMaker, tmp_path):
    done = run("adding", "-p", "seed=3")
    assert done.code == 0, done.err
    (name,) = jobs("adding-add-up")
    told = client().describe_training_job(TrainingJobName=name)
    archive = told["ModelArtifacts"]["S3ModelArtifacts"]
    assert read(archive)[:2] == b"\x1f\x8b"
    (record,) = records()
    task = next(item for item in record["tasks"] if item["name"] == "add-up")
    assert task["metrics"] == {"total": float(sum(range(3, 103)))}
    assert mlflow_states() == {record["run_id"]: "FINISHED", "count": "FINISHED", "add-up": "FINISHED"}
    tracking = mlflow.MlflowClient(tracking_uri=f"sqlite:///{os.environ['INTERMODAL_HOME']}/mlflow.db")
    curve = tracking.get_metric_history(record["tasks"][0]["mlflow_run_id"], "turn")
    assert [(point.step, point.value) for point in curve] == [(turn, turn + 3.0) for turn in range(5)]
    again = run("adding", "-p", "seed=3")
    assert again.code == 0
    assert len(jobs()) == 2  # remembered: no new job


def test_a_curve_that_the_log_has_lost_is_taken_from_what_the_job_left(sagemaker: LocalSageMaker):
    sagemaker.service.faults.add({"fault": "lost-logs", "job": "counting-*", "times": 1})
    done = run("counting", "-p", "seed=21")
    assert done.code == 0, done.err
    (record,) = records()
    tracking = mlflow.MlflowClient(tracking_uri=f"sqlite:///{os.environ['INTERMODAL_HOME']}/mlflow.db")
    curve = tracking.get_metric_history(record["tasks"][0]["mlflow_run_id"], "turn")
    assert [(point.step, point.value) for point in curve] == [(turn, turn + 21.0) for turn in range(5)]


@pytest.mark.parametrize("table", ["place", "place.adding"])
def test_where_a_step_runs_can_stand_in_the_file(sagemaker: LocalSageMaker, tmp_path: Path, table: str):
    (tmp_path / "intermodal.toml").write_text(f'[{table}]\nadd_up = "sagemaker"\n')
    done = intermodal("run", f"{PIPELINES}:adding", "-p", "seed=23", "--json")
    assert done.code == 0, done.err
    (record,) = records()
    assert {task["name"]: bool(task["job"]) for task in record["tasks"]} == {"count": False, "add-up": True}
    assert [name.rpartition("-")[0] for name in jobs()] == ["adding-add-up"]


def test_whoever_comes_after_a_killed_submitter_adopts_its_job(sagemaker: LocalSageMaker, tmp_path: Path):
    words = ("run", f"{PIPELINES}:counting", "--on", "sagemaker", "-p", "seed=5", *slow(tmp_path))
    first = start(*words)
    until_line(first, lambda line: "submitted" in line)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    follower = start(*words)
    until_line(follower, lambda line: "adopted" in line)
    enough(tmp_path, "count-5")
    assert follower.wait(PATIENCE) == 0
    assert list(jobs().values()) == ["Completed"]
    assert (tmp_path / "count-5").read_text() == "ran\n"
    killed, second = records()
    states = mlflow_states()
    assert (states[killed["run_id"]], states[second["run_id"]]) == ("KILLED", "FINISHED")


def slow(marks: Path) -> tuple[str, ...]:
    """Parameters of a pipeline whose steps go on until `enough` is called."""
    return ("-p", "seconds=600", "-p", f"marks={marks}")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_stop_it_stops_its_job_once(sagemaker: LocalSageMaker, number: int):
    going = start("run", f"{PIPELINES}:counting", "--on", "sagemaker", "-p", "seed=7", "-p", "seconds=600")
    until_line(going, lambda line: "submitted" in line)
    wait_for(lambda: "InProgress" in jobs().values())
    os.kill(going.pid, number)
    assert going.wait(PATIENCE) == 130
    assert list(jobs().values()) == ["Stopped"]
    (record,) = records()
    assert (record["state"], record["tasks"][0]["state"]) == ("CANCELLED", "CANCELLED")
    assert set(mlflow_states().values()) == {"KILLED"}


def test_a_job_is_left_when_that_was_asked_and_found_again(sagemaker: LocalSageMaker, tmp_path: Path):
    words = ("-p", "seed=9", *slow(tmp_path))
    going = start("run", f"{PIPELINES}:counting", "--on", "sagemaker", *words, "--on-interrupt", "leave")
    until_line(going, lambda line: "submitted" in line)
    os.kill(going.pid, signal.SIGTERM)
    assert going.wait(PATIENCE) == 130
    assert list(jobs().values()) == ["InProgress"]
    enough(tmp_path, "count-9")
    assert run("counting", *words).code == 0
    assert list(jobs().values()) == ["Completed"]


def test_two_runs_of_the_same_work_share_one_job_and_the_second_leaves_it_to_the_first(
    sagemaker: LocalSageMaker, tmp_path: Path
):
    words = ("-p", "seed=11", *slow(tmp_path))
    first = start("run", f"{PIPELINES}:counting", "--on", "sagemaker", *words)
    until_line(first, lambda line: "submitted" in line)
    second = start("run", f"{PIPELINES}:counting", "--on", "sagemaker", *words)
    told = until_line(second, lambda line: "adopted" in line)
    assert f"it belongs to {records()[0]['run_id']}, and goes on when this run is stopped" in told
    os.kill(second.pid, signal.SIGTERM)
    assert second.wait(PATIENCE) == 130
    enough(tmp_path, "count-11")
    assert first.wait(PATIENCE) == 0
    assert list(jobs().values()) == ["Completed"]


def test_a_job_left_to_a_run_that_is_then_killed_is_stopped_by_its_follower(sagemaker: LocalSageMaker):
    words = ("run", f"{PIPELINES}:counting", "--on", "sagemaker", "-p", "seed=25", "-p", "seconds=120")
    first = start(*words)
    until_line(first, lambda line: "submitted" in line)
    second = start(*words)
    until_line(second, lambda line: "adopted" in line)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    os.kill(second.pid, signal.SIGTERM)
    assert second.wait(150) == 130
    assert list(jobs().values()) == ["Stopped"]


def test_a_job_that_had_ended_when_its_follower_came_costs_that_one_nothing(sagemaker: LocalSageMaker, tmp_path: Path):
    (tmp_path / "intermodal.toml").write_text("[sagemaker]\nnetwork_isolation = true\n")  # nothing is remembered
    first = start("run", f"{PIPELINES}:counting", "--on", "sagemaker", "-p", "seed=27")
    until_line(first, lambda line: "submitted" in line)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    wait_for(lambda: list(jobs().values()) == ["Completed"], "the job goes on")
    done = run("counting", "-p", "seed=27")
    assert done.code == 0, done.err
    killed, record = records()
    bill = record["tasks"][0]["bill"]
    assert (bill["cost_usd"], bill["paid_by"]) == (0.0, killed["run_id"])
    assert bill["billed_seconds"] > 0
    assert len(jobs()) == 1


def test_a_container_without_network_has_its_outputs_published_for_it(sagemaker: LocalSageMaker, tmp_path: Path):
    (tmp_path / "intermodal.toml").write_text("[sagemaker]\nnetwork_isolation = true\n")
    done = run("adding", "-p", "seed=13")
    assert done.code == 0, done.err
    (record,) = records()
    described = client().describe_training_job(TrainingJobName=next(iter(jobs("adding-add-up"))))
    assert described["EnableNetworkIsolation"] is True
    made = [item["uri"] for task in record["tasks"] for item in task["artifacts"].values()]
    assert len(made) >= 2
    assert [uri for uri in made if intermodal("verify", uri, "--json").code] == []


def test_spot_capacity_taken_away_costs_only_what_was_not_kept(sagemaker: LocalSageMaker, tmp_path: Path):
    (tmp_path / "intermodal.toml").write_text(
        "[sagemaker.steps.add_up]\nspot = true\ncheckpoints = true\nmax_runtime = 600\nmax_wait = 1200\n"
    )
    enough(tmp_path, "count-17")
    going = start("run", f"{PIPELINES}:adding", "--on", "sagemaker", "-p", "seed=17", *slow(tmp_path))
    wait_for((tmp_path / "add_up-17").exists, "the step never began")
    (name,) = jobs("adding-add-up")
    post(f"{sagemaker.url}/_local/preempt/{name}")
    wait_for(lambda: phases_of(name).count("Interrupted"), "the capacity was not taken")
    enough(tmp_path, "add_up-17")
    assert going.wait(PATIENCE) == 0
    assert phases_of(name).count("Interrupted") == 1
    assert (tmp_path / "add_up-17").read_text() == "ran\nran\n"  # one job, started again by SageMaker
    assert next(t for t in records()[0]["tasks"] if t["name"] == "add-up")["metrics"] == {
        "total": float(sum(range(17, 117)))
    }


def phases_of(name: str) -> list[str]:
    """Secondary statuses of a training job, from the first."""
    told = client().describe_training_job(TrainingJobName=name)
    return [item["Status"] for item in told["SecondaryStatusTransitions"]]


@pytest.mark.parametrize(
    ("words", "settings", "part"),
    [
        (["--place", "nothing=sagemaker"], "", "no such step"),
        (["--place", "count=moon"], "", "a runtime of"),
        ([], "[sagemaker]\ninstance_typ = 'ml.m5.large'\n", "instance_type"),
        ([], "[sagemaker.steps.count]\ninstance_type = 'a big one'\n", "CreateProcessingJob"),
        ([], "[sagemaker]\nmax_wait = 5\nspot = true\n", "max_wait"),
        (["--max-cost", "0.000001"], "", "cost more"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_recorded_or_asked(
    sagemaker: LocalSageMaker, tmp_path: Path, words: list[str], settings: str, part: str
):
    (tmp_path / "intermodal.toml").write_text(settings)
    done = run("counting", "-p", "seed=1", *words)
    assert done.code == 2, done.err
    assert part in done.err
    assert not (tmp_path / "home" / "runs").exists()
    assert jobs() == {}


def test_a_failing_step_tells_its_own_error_through_sagemaker(sagemaker: LocalSageMaker, tmp_path: Path):
    done = run("counting", "-p", "seed=1", "-p", "marks=/no/such/folder")
    assert done.code == 4, done.err
    (name,) = jobs()
    told = client().describe_processing_job(ProcessingJobName=name)
    assert "No such file or directory" in told["ExitMessage"]
    (record,) = records()
    assert "No such file or directory" in record["tasks"][0]["error"]["headline"]
