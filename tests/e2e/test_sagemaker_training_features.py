"""What a training job offers a step: several hosts, the user's own script; on a local SageMaker."""

from __future__ import annotations

from pathlib import Path

import pytest

from intermodal.runtime.sagemaker_local.server import LocalSageMaker
from launching import TESTS, Answer, intermodal
from local_sagemaker import client, open_sagemaker, read  # noqa: F401
from sagemaker_runs import jobs, records, sagemaker  # noqa: F401


def run(name: str, *words: str) -> Answer:
    return intermodal("run", f"{TESTS}/together_pipelines.py:{name}", "--on", "sagemaker", "--json", *words)


@pytest.fixture
def two_hosts(tmp_path: Path) -> None:
    (tmp_path / "intermodal.toml").write_text("[sagemaker]\ninstances = 2\n")


@pytest.mark.usefixtures("two_hosts")
def test_the_hosts_of_a_job_work_together_and_the_first_one_publishes(sagemaker: LocalSageMaker) -> None:  # noqa: F811
    done = run("meeting")
    assert done.code == 0, done.err
    (name,) = jobs()
    told = client().describe_training_job(TrainingJobName=name)
    assert told["ResourceConfig"]["InstanceCount"] == 2
    (record,) = records()
    assert read(record["tasks"][0]["artifacts"]["found"]["uri"]) == b"1 of 2"


@pytest.mark.usefixtures("two_hosts")
def test_a_host_that_fails_ends_the_job_with_its_own_error(sagemaker: LocalSageMaker) -> None:  # noqa: F811
    done = run("meeting", "-p", "fails=1")
    assert done.code == 4
    assert "rank 1 read a bad row" in done.err
    assert set(jobs().values()) == {"Failed"}


def test_a_script_of_ones_own_runs_in_a_job(sagemaker: LocalSageMaker, tmp_path: Path) -> None:  # noqa: F811
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
