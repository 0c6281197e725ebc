"""What a training job offers a step: several hosts, the user's own script; on a local SageMaker."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest

from intermodal.runtime.sagemaker_local.server import LocalSageMaker
from intermodal.runtime.sagemaker_local.training_job import TrainingJob
from launching import TESTS, Answer, intermodal
from local_sagemaker import client, read
from sagemaker_runs import digests, jobs, records
from tiny_models import save_checkpoint

LONG = 600.0  # seconds that a training may take on a busy machine


def run(name: str, *words: str) -> Answer:
    words = (f"{TESTS}/together_pipelines.py:{name}", "--on", "sagemaker", "--json", *words)
    return intermodal("run", *words, patience=LONG)


@pytest.fixture
def two_hosts(tmp_path: Path) -> None:
    (tmp_path / "intermodal.toml").write_text("[sagemaker]\ninstances = 2\n")


@pytest.mark.usefixtures("two_hosts")
def test_the_hosts_of_a_job_work_together_and_the_first_one_publishes(sagemaker: LocalSageMaker) -> None:
    done = run("meeting")
    assert done.code == 0, done.err
    (name,) = jobs()
    told = client().describe_training_job(TrainingJobName=name)
    assert told["ResourceConfig"]["InstanceCount"] == 2
    (record,) = records()
    assert read(record["tasks"][0]["artifacts"]["found"]["uri"]) == b"1 of 2"


@pytest.mark.usefixtures("two_hosts")
def test_a_host_that_fails_ends_the_job_with_its_own_error(sagemaker: LocalSageMaker) -> None:
    done = run("meeting", "-p", "fails=1")
    assert done.code == 4
    assert "rank 1 read a bad row" in done.err
    assert set(jobs().values()) == {"Failed"}


def test_a_script_of_ones_own_runs_in_a_job(sagemaker: LocalSageMaker, tmp_path: Path) -> None:
    source = tmp_path / "mine"
    source.mkdir()
    (source / "train.py").write_text(
        "import os, pathlib\n"
        "pathlib.Path(os.environ['SM_MODEL_DIR'], 'model.txt').write_text(os.environ['SM_CURRENT_HOST'])\n"
        "print('metric loss=0.25 step=1')\n"
    )
    done = run("scripted", "-p", f"source={source}")
    assert done.code == 0, done.err
    (record,) = records()
    (task,) = record["tasks"]
    assert task["metrics"] == {"loss": 0.25}
    assert read(f"{task['artifacts']['model']['uri']}/model.txt") == b"algo-1"


def test_spot_capacity_taken_away_costs_no_more_than_the_last_steps(
    sagemaker: LocalSageMaker,
    tmp_path: Path,
) -> None:
    checkpoint = save_checkpoint(tmp_path / "tiny")
    (tmp_path / "intermodal.toml").write_text(
        "[sagemaker.steps.train_pytorch]\nspot = true\ncheckpoints = true\nmax_runtime = 600\nmax_wait = 1200\n"
        "env = {INTERMODAL_CHECKPOINT_SECONDS = '0'}\n"
    )
    taken = threading.Thread(target=_take_after_a_checkpoint, args=(sagemaker,), daemon=True)
    taken.start()
    words = ("-p", f"checkpoint={checkpoint}", "-p", "epochs=40")
    done = run("learning", *words)
    assert done.code == 0, done.err
    taken.join(1)
    assert not taken.is_alive()
    told = client().describe_training_job(TrainingJobName=next(iter(jobs("learning-train"))))
    assert [item["Status"] for item in told["SecondaryStatusTransitions"]].count("Interrupted") == 1
    (record,) = records()
    (model,) = [task["artifacts"]["model"] for task in record["tasks"] if task["name"] == "train-pytorch"]
    assert json.loads(read(f"{model['uri']}/manifest.json"))["metadata"]["resumed_from_step"] > 0
    home = str(tmp_path / "local")
    reference = f"{TESTS}/together_pipelines.py:learning"
    here = intermodal("run", reference, "--json", *words, patience=LONG, INTERMODAL_HOME=home)
    assert here.code == 0, here.err
    local = json.loads(next(Path(home, "runs").glob("*/run.json")).read_text())
    assert digests(record)["train-pytorch", "model"] == digests(local)["train-pytorch", "model"]
    assert digests(record)["train-pytorch", "curves"] == digests(local)["train-pytorch", "curves"]


def _take_after_a_checkpoint(sagemaker: LocalSageMaker) -> None:
    """Take the capacity away once a whole checkpoint has reached S3."""
    deadline = time.monotonic() + LONG
    while time.monotonic() < deadline:
        for job in sagemaker.service.jobs.all(TrainingJob):
            uri = job.request.get("CheckpointConfig", {}).get("S3Uri", "")
            bucket, _, prefix = uri.removeprefix("s3://").partition("/")
            found = client("s3").list_objects_v2(Bucket=bucket, Prefix=prefix) if uri else {}
            names = {item["Key"] for item in found.get("Contents", [])}
            if any(name.replace(".json", ".safetensors") in names for name in names if name.endswith(".json")):
                job.preempt()
                return
        time.sleep(0.2)
