"""How a job is told of its inputs: by prefix or file by file, and what a script of the user's own is given."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from intermodal.aws.job_channels import wants_files
from intermodal.aws.script_mode import script_mark
from intermodal.aws.service_model import problems
from intermodal.aws.settings import JobSettings
from intermodal.core.hosts import hosts_here
from intermodal.errors import UsageError
from intermodal.runtime.sagemaker.render import RenderedJob, render_job
from sagemaker_plans import STORE, a_plan, a_spec

URI = f"{STORE}/artifacts/before/0123-ab/data"
FILES = {URI: ("part-0", "part-1")}


def source_in(folder: Path, text: str = "print(1)") -> str:
    folder.mkdir(exist_ok=True)
    (folder / "train.py").write_text(text)
    return str(folder)


def source_of(job: RenderedJob, kind: str) -> dict[str, Any]:
    """Where the request says that the input `data` lies."""
    body = job.request.parameters
    if kind == "training":
        (channel,) = [item for item in body["InputDataConfig"] if item["ChannelName"] == "data"]
        return dict(channel["DataSource"]["S3DataSource"])
    (brought,) = [item for item in body["ProcessingInputs"] if item["InputName"] == "data"]
    return dict(brought["S3Input"])


@pytest.mark.parametrize("kind", ["training", "processing"])
def test_what_is_shared_by_key_is_listed_without_its_manifest(kind):
    plan = a_plan(a_spec(job=kind), JobSettings(sharded=["data"], instances=2), contents=FILES)
    job = render_job(plan)
    source = source_of(job, kind)
    assert (source["S3DataType"], source["S3DataDistributionType"]) == ("ManifestFile", "ShardedByS3Key")
    (listed,) = [item for item in job.staged_files if source["S3Uri"] == f"{STORE}/{item.key}"]
    assert json.loads(listed.content) == [{"prefix": f"{URI}/"}, "part-0", "part-1"]
    assert problems("sagemaker", job.request.operation, job.request.parameters) == []
    with pytest.raises(UsageError, match="cannot be shared by key"):
        render_job(replace(plan, settings=replace(plan.settings, job=JobSettings(sharded=["data"], instances=3))))


def test_lists_are_for_shares_and_scripts_and_not_where_none_can_be_read():
    assert wants_files(JobSettings(sharded=["data"]), "data")
    assert wants_files(JobSettings(source_dir="mine", input_mode="Pipe"), "data")
    assert not wants_files(JobSettings(sharded=["other"]), "data")
    assert not wants_files(JobSettings(sharded=["data"], input_mode="FastFile"), "data")
    assert source_of(render_job(a_plan()), "processing")["S3DataType"] == "S3Prefix"


def test_a_script_calls_its_channels_as_it_likes_and_has_its_code_brought_without_a_network(tmp_path):
    job = JobSettings(source_dir=source_in(tmp_path / "mine"), entry_point="train.py", input_mode="Pipe")
    plan = a_plan(a_spec(job="training"), job, parameters={"channels": {"data": "train"}}, contents=FILES)
    body = render_job(plan).request.parameters
    assert [item["ChannelName"] for item in body["InputDataConfig"]] == ["train"]
    apart = replace(plan, settings=replace(plan.settings, job=replace(job, network_isolation=True)))
    body = render_job(apart).request.parameters
    code, data = body["InputDataConfig"]
    assert (code["ChannelName"], code["InputMode"], data["ChannelName"]) == ("code", "File", "train")
    assert code["DataSource"]["S3DataSource"]["S3Uri"].endswith("/sourcedir.tar.gz")
    directory = json.loads(body["HyperParameters"]["sagemaker_submit_directory"])
    assert directory == "/opt/ml/input/data/code/sourcedir.tar.gz"


def test_what_only_training_jobs_have_is_refused_for_a_processing_step_of_its_own():
    shared = a_plan(job=JobSettings(spot=True))
    assert render_job(shared).request.operation == "CreateProcessingJob"
    for setting in ({"spot": False}, {"input_mode": "FastFile"}, {"warm_pool": 60}, {"tensorboard": True}):
        own = replace(shared.settings, steps={"count": replace(shared.settings.job, **setting)})
        with pytest.raises(UsageError, match=f"{next(iter(setting))} is for training jobs"):
            render_job(replace(shared, settings=own))


def test_a_script_is_known_by_its_image_its_files_and_how_its_metrics_are_read(tmp_path):
    mine = JobSettings(source_dir=source_in(tmp_path / "mine"), entry_point="train.py")
    marks = {
        script_mark(mine),
        script_mark(replace(mine, image="dlc:pytorch")),
        script_mark(replace(mine, metrics={"loss": "loss=(.+)"})),
        script_mark(replace(mine, source_dir=source_in(tmp_path / "other", "print(2)"))),
    }
    assert len(marks) == 4
    assert script_mark(replace(mine, source_dir=source_in(tmp_path / "copy"))) in marks
    assert script_mark(JobSettings()) == ""


@pytest.mark.parametrize("folder", ["config", "input/config"])
def test_hosts_are_known_in_processing_and_in_training_jobs(tmp_path, folder):
    path = tmp_path / folder / "resourceconfig.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"current_host": "algo-2", "hosts": ["algo-1", "algo-2"]}))
    hosts = hosts_here(tmp_path)
    assert (hosts.names, hosts.number, hosts.is_first) == (("algo-1", "algo-2"), 1, False)
