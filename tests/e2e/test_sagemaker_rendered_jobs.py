"""Rendered requests on a local SageMaker: what the value says is what the container finds."""

from __future__ import annotations

import io
import json
import tarfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from intermodal.aws.request import Place
from intermodal.aws.settings import JobSettings
from intermodal.core.registry import load_spec
from intermodal.runtime.keys import complete_parameters
from intermodal.runtime.sagemaker.render import RenderedJob, render_job
from intermodal.store.locate import open_store
from local_sagemaker import BUCKET, IMAGE, PATIENCE, ROLE, OpenSageMaker, client, put, read
from sagemaker_plans import a_plan, a_spec
from sdk_environments import sdk_environment, toolkit_image

STORE = f"s3://{BUCKET}/intermodal"
PLACE = Place("123456789012", "us-east-1", ROLE, STORE)
SCRIPT = """
import argparse, json, os
parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int)
parser.add_argument("--word")
given = parser.parse_args()
rows = sum(len(open(os.path.join(os.environ["SM_CHANNEL_DATA"], name)).readlines()) for name in ("part-1", "part-2"))
json.dump({"epochs": given.epochs, "word": given.word, "rows": rows}, open(os.environ["SM_MODEL_DIR"] + "/m.json", "w"))
print("metric loss=0.5 step=1", flush=True)
"""


def submitted(job: RenderedJob) -> dict[str, Any]:
    """Send a job as it was rendered, and wait for its end."""
    store, sagemaker = open_store(STORE), client()
    for staged in job.staged_files:
        store.write(staged.key, staged.content)
    kind = job.request.operation.removeprefix("Create")
    getattr(sagemaker, f"create_{'training' if 'Training' in kind else 'processing'}_job")(**job.request.parameters)
    describe = sagemaker.describe_training_job if "Training" in kind else sagemaker.describe_processing_job
    until = time.monotonic() + PATIENCE
    while True:
        found: dict[str, Any] = describe(**{f"{kind}Name": job.name})
        if found[f"{kind}Status"] not in ("InProgress", "Stopping") or time.monotonic() > until:
            return found
        time.sleep(0.2)


@pytest.mark.usefixtures("local_sagemaker")
def test_a_processing_job_does_the_work_of_its_step():
    spec = load_spec("toy_steps:make")
    job = JobSettings(env={"PYTHONPATH": str(Path(__file__).parents[1])})  # where an image has the steps of its user
    given = {"parameters": complete_parameters(spec, {"n": 4}), "inputs": {}}
    plan = a_plan(spec, job, place=PLACE, image=IMAGE, **given)
    first = render_job(plan)
    found = submitted(first)
    assert found["ProcessingJobStatus"] == "Completed", found.get("FailureReason")
    outcome = json.loads(read(f"{STORE}/jobs/{first.name}/outcome.json"))
    assert outcome["state"] == "SUCCEEDED"
    uri = outcome["outputs"]["data"]["uri"]
    assert uri.startswith(f"{STORE}/artifacts/make/")
    assert read(uri) == b"0\n1\n2\n3\n"
    # The artifact, as the next task's job is given it: brought with its manifest, and used where it lies.
    spread = load_spec("toy_steps:spread")
    given = {"parameters": complete_parameters(spread, {"files": 2}), "inputs": {"data": (uri,)}, "task": "spread"}
    second = render_job(replace(plan, spec=spread, **given))
    found = submitted(second)
    assert found["ProcessingJobStatus"] == "Completed", found.get("FailureReason")
    assert json.loads(read(f"{STORE}/jobs/{second.name}/outcome.json"))["state"] == "SUCCEEDED"


def test_script_mode_runs_the_users_script_through_awss_training_toolkit(open_sagemaker: OpenSageMaker, tmp_path: Path):
    image = toolkit_image(tmp_path / "image", sdk_environment("sagemaker-training"))
    if open_sagemaker(images={IMAGE: image}).service.executor.name == "processes":
        pytest.skip("the toolkit wants its own /opt/ml, which jobs that are plain processes have not")
    source = tmp_path / "source"
    source.mkdir()
    (source / "train.py").write_text(SCRIPT)
    for number in (1, 2):
        put(f"intermodal/artifacts/before/0-a/data/part-{number}", "row\n" * number)
    job = render_job(
        a_plan(
            a_spec(job="training"),
            JobSettings(source_dir=str(source), entry_point="train.py"),
            parameters={"epochs": 3, "word": "two words"},
            inputs={"data": (f"{STORE}/artifacts/before/0-a/data",)},
            place=PLACE,
            image=IMAGE,
        )
    )
    found = submitted(job)
    assert found["TrainingJobStatus"] == "Completed", found.get("FailureReason")
    assert job.collects
    with tarfile.open(fileobj=io.BytesIO(read(f"{STORE}/jobs/{job.name}/output/model.tar.gz"))) as archive:
        made = json.load(archive.extractfile("m.json"))  # type: ignore[arg-type]
    assert made == {"epochs": 3, "word": "two words", "rows": 3}
    assert {item["MetricName"]: item["Value"] for item in found["FinalMetricDataList"]} == {"loss": 0.5}
