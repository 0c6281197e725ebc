"""Training jobs of the local SageMaker that do not simply end well: stops, limits, spot capacity, repeated starts."""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_sagemaker import (
    BUCKET,
    OpenSageMaker,
    client,
    ended,
    keys,
    lines,
    members,
    post,
    printed,
    read,
    run_training,
    training_request,
    until,
    wait_for,
)

_SPOT = {
    "EnableManagedSpotTraining": True,
    "StoppingCondition": {"MaxRuntimeInSeconds": 600, "MaxWaitTimeInSeconds": 900},
    "CheckpointConfig": {"S3Uri": f"s3://{BUCKET}/checkpoints"},
}

# Counts to 6, a checkpoint for each number; whoever starts it again goes on from the last.
_COUNTING = """
import os, time, sys
folder = "/opt/ml/checkpoints"
known = sorted(int(name) for name in os.listdir(folder) if name.isdigit())
at = known[-1] if known else 0
print("start at", at, flush=True)
while at < 6:
    at += 1
    with open(f"{folder}/{at}.tmp", "w") as stream:
        stream.write("x" * 100_000)
    os.rename(f"{folder}/{at}.tmp", f"{folder}/{at}")
    print("done", at, flush=True)
    if at == 3 and not known:
        time.sleep(600)
"""


def test_a_stopped_job_is_told_and_its_model_is_kept(local_sagemaker: Any) -> None:
    script = """
import signal, sys, time
def told(*_):
    open("/opt/ml/model/late", "w").write("saved"); print("told"); sys.exit(0)
signal.signal(signal.SIGTERM, told)
print("ready", flush=True)
time.sleep(600)
"""
    client().create_training_job(**training_request("halt", script))
    wait_for(lambda: "ready" in printed("halt"))
    client().stop_training_job(TrainingJobName="halt")
    told = ended("halt")
    assert (told["TrainingJobStatus"], told["SecondaryStatus"]) == ("Stopped", "Stopped")
    assert "Stopping" in [item["Status"] for item in told["SecondaryStatusTransitions"]]
    assert members(told["ModelArtifacts"]["S3ModelArtifacts"]) == {"late": b"saved"}
    assert lines("halt").count("told") == 1
    with pytest.raises(ClientError, match="Stopped"):
        client().stop_training_job(TrainingJobName="halt")


def test_a_job_that_does_not_listen_is_ended_after_the_grace(open_sagemaker: OpenSageMaker) -> None:
    open_sagemaker(grace=0.3)
    client().create_training_job(**training_request("deaf", "import time; print('up', flush=True); time.sleep(600)"))
    wait_for(lambda: "up" in printed("deaf"))
    client().stop_training_job(TrainingJobName="deaf")
    assert ended("deaf")["TrainingJobStatus"] == "Stopped"


def test_a_job_that_takes_too_long_is_stopped_and_says_so(open_sagemaker: OpenSageMaker) -> None:
    open_sagemaker(grace=0.3)
    script = "import time; open('/opt/ml/model/part', 'w').write('1'); print('up', flush=True); time.sleep(600)"
    for seconds in (1, 8, 64):  # on a busy machine it may take long until the script has begun
        told = run_training(f"slow-{seconds}", script, StoppingCondition={"MaxRuntimeInSeconds": seconds})
        assert (told["TrainingJobStatus"], told["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")
        if printed(f"slow-{seconds}"):
            break
    assert members(told["ModelArtifacts"]["S3ModelArtifacts"]) == {"part": b"1"}


def test_a_preempted_job_goes_on_from_its_last_checkpoint(local_sagemaker: Any) -> None:
    client().create_training_job(**training_request("spot", _COUNTING, **_SPOT))
    wait_for(lambda: "checkpoints/3" in keys("checkpoints/"))
    post(f"{local_sagemaker.url}/_local/preempt/spot")
    told = ended("spot")
    assert told["TrainingJobStatus"] == "Completed"
    went = [item["Status"] for item in told["SecondaryStatusTransitions"]]
    assert went.count("Interrupted") == 1
    assert went.count("Training") == 2
    starts = [line for line in lines("spot") if line.startswith("start")]
    assert starts == ["start at 0", "start at 3"]
    assert [line for line in lines("spot") if line.startswith("done")] == [f"done {at}" for at in range(1, 7)]
    kept = keys("checkpoints/")
    assert {"checkpoints/3", "checkpoints/6"} <= set(kept)
    assert not [key for key in kept if key.endswith(".tmp")]
    assert {len(read(f"s3://{BUCKET}/{key}")) for key in kept} == {100_000}
    assert told["BillableTimeInSeconds"] <= told["TrainingTimeInSeconds"]


def test_a_fault_preempts_too_and_a_job_on_demand_cannot_be(local_sagemaker: Any, tmp_path: Path) -> None:
    post(f"{local_sagemaker.url}/_local/faults", {"fault": "preempt", "job": "sp*", "seconds": 0.5, "times": 1})
    script = f"import os, time\nwhile not os.path.exists({str(tmp_path / 'taken')!r}): time.sleep(0.05)"
    client().create_training_job(**training_request("spotty", script, **_SPOT))
    until("spotty", lambda told: "Interrupted" in [item["Status"] for item in told["SecondaryStatusTransitions"]])
    (tmp_path / "taken").touch()
    told = ended("spotty")
    assert told["TrainingJobStatus"] == "Completed"
    went = [item["Status"] for item in told["SecondaryStatusTransitions"]]
    assert (went.count("Interrupted"), went.count("Training")) == (1, 2)
    client().create_training_job(**training_request("bought", "import time; time.sleep(600)"))
    until("bought", lambda told: told["SecondaryStatus"] == "Training")
    with pytest.raises(urllib.error.HTTPError, match="400"):
        post(f"{local_sagemaker.url}/_local/preempt/bought")


def test_waiting_for_spot_capacity_has_an_end(open_sagemaker: OpenSageMaker) -> None:
    open_sagemaker(grace=0.3)
    limits = {"MaxRuntimeInSeconds": 2, "MaxWaitTimeInSeconds": 2}
    local_request = training_request(
        "waits", "import time; time.sleep(600)", EnableManagedSpotTraining=True, StoppingCondition=limits
    )
    client().create_training_job(**local_request)
    told = ended("waits")
    assert told["TrainingJobStatus"] == "Stopped"
    assert told["SecondaryStatus"] == "MaxWaitTimeExceeded"


def test_internal_failures_are_repeated_as_often_as_was_asked(local_sagemaker: Any) -> None:
    post(f"{local_sagemaker.url}/_local/faults", {"fault": "internal", "job": "again", "times": 1})
    told = run_training("again", "print('run')", RetryStrategy={"MaximumRetryAttempts": 2})
    assert told["TrainingJobStatus"] == "Completed"
    assert "Restarting" in [item["Status"] for item in told["SecondaryStatusTransitions"]]
    assert lines("again") == ["run", "run"]


def test_no_capacity_is_a_failure_that_names_itself(local_sagemaker: Any) -> None:
    post(f"{local_sagemaker.url}/_local/faults", {"fault": "capacity", "job": "*", "times": 1})
    assert run_training("full", "print(1)")["FailureReason"].startswith("CapacityError: ")
    assert run_training("room", "print(1)")["TrainingJobStatus"] == "Completed"


def test_what_a_failed_job_had_here_stays_until_it_is_deleted(local_sagemaker: Any) -> None:
    home = local_sagemaker.service.options.home
    left = "open('/opt/ml/model/half-done.bin', 'w').write('half')"
    for name, end in (("kept", "; raise SystemExit(1)"), ("gone", "")):
        client().create_training_job(**training_request(name, left + end))
    told = {name: ended(name)["TrainingJobStatus"] for name in ("kept", "gone")}
    assert told == {"kept": "Failed", "gone": "Completed"}

    def found() -> set[str]:
        # os.walk, because Path.rglob of Python 3.11 raises when a folder vanishes under it
        left = [Path(top) for top, _, names in os.walk(home) if "half-done.bin" in names]
        return {part for folder in left for part in folder.parts if part in told}

    wait_for(lambda: found() == {"kept"}, "the files of the job that completed were not removed")
    client().delete_training_job(TrainingJobName="kept")
    wait_for(lambda: not found(), "the files of the deleted job were not removed")
