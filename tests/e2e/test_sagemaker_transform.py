"""Batch transform on the local SageMaker: the container that serves a model answers whole files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from kfp.dsl import Dataset, Model

from hosted import call_batch_predict, call_transform, servers_below, train, write_reviews
from intermodal.errors import StepFailed
from intermodal.runtime.sagemaker_local.server import LocalSageMaker
from local_sagemaker import (
    BUCKET,
    IMAGE,
    ROLE,
    add_program,
    client,
    ended,
    image_folder,
    keys,
    put,
    read,
    wait_for,
)

# A container that answers each line with its length, or what FAIL says; it notes what it is asked.
SERVER = """
import http.server, json, os, time
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(float(os.environ.get("SLOW", "0")))
        status = int(os.environ.get("FAIL", "200"))
        told = (len(body.splitlines()), self.headers["Content-Type"], os.environ.get("SAGEMAKER_BATCH"))
        print("asked %s %s %s\\n" % told, end="", flush=True)
        out = b"".join(str(len(line)).encode() + b"\\n" for line in body.splitlines())
        self.send_response(status); self.end_headers(); self.wfile.write(out)
    def log_message(self, *words): pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["SAGEMAKER_BIND_TO_PORT"])), Handler).serve_forever()
"""


@pytest.fixture
def toy(local_sagemaker: LocalSageMaker) -> LocalSageMaker:
    add_program(image_folder(local_sagemaker), "serve", SERVER)
    return local_sagemaker


def start(name: str, *, folder: str = "", environment: dict[str, str] | None = None, **more: Any) -> None:
    model = {"Image": IMAGE, "Environment": environment or {}}
    client().create_model(ModelName=f"model-{name}", PrimaryContainer=model, ExecutionRoleArn=ROLE)
    given = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/in/{folder or name}/"}}
    request = {
        "TransformJobName": name,
        "ModelName": f"model-{name}",
        "TransformInput": {"DataSource": given, "ContentType": "text/csv", "SplitType": "Line"},
        "TransformOutput": {"S3OutputPath": f"s3://{BUCKET}/out/{name}", "AssembleWith": "Line"},
        "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
    }
    client().create_transform_job(**{**request, **more})


def test_lines_go_in_batches_and_come_back_in_files_of_the_same_names(toy: LocalSageMaker) -> None:
    put("in/lines/a.csv", "one,1\ntwo,22\nthree,333\n")
    put("in/lines/deep/b.csv", "x\n" * 10)
    start("together", folder="lines")
    assert ended("together", "Transform")["TransformJobStatus"] == "Completed"
    assert keys("out/together") == ["out/together/a.csv.out", "out/together/deep/b.csv.out"]
    assert read(f"s3://{BUCKET}/out/together/a.csv.out") == b"5\n6\n9\n"
    assert said("together", "asked") == ["asked 3 text/csv true", "asked 10 text/csv true"]
    start("alone", folder="lines", BatchStrategy="SingleRecord", MaxConcurrentTransforms=4)
    assert ended("alone", "Transform")["TransformJobStatus"] == "Completed"
    assert read(f"s3://{BUCKET}/out/alone/a.csv.out") == b"5\n6\n9\n"
    assert set(said("alone", "asked")) == {"asked 1 text/csv true"}
    assert not servers_below(toy.service.home)


def said(name: str, word: str) -> list[str]:
    found = client("logs").filter_log_events(
        logGroupName="/aws/sagemaker/TransformJobs", logStreamNamePrefix=f"{name}/"
    )
    return [event["message"] for event in found["events"] if event["message"].startswith(word)]


def test_a_batch_holds_no_more_than_the_payload(toy: LocalSageMaker) -> None:
    put("in/big/big.csv", ("x" * 400_000 + "\n") * 5)
    start("big", MaxPayloadInMB=1)
    assert ended("big", "Transform")["TransformJobStatus"] == "Completed"
    assert sorted(said("big", "asked")) == ["asked 1 text/csv true", "asked 2 text/csv true", "asked 2 text/csv true"]


def test_answers_are_joined_to_their_inputs_and_filtered(toy: LocalSageMaker) -> None:
    put("in/joined/a.csv", "7,abc\n8,defgh\n")
    processing = {"InputFilter": "$[1:]", "JoinSource": "Input", "OutputFilter": "$[0,-1]"}
    start("joined", DataProcessing=processing)
    assert ended("joined", "Transform")["TransformJobStatus"] == "Completed"
    assert read(f"s3://{BUCKET}/out/joined/a.csv.out") == b"7,3\n8,5\n"


def test_what_the_container_refuses_fails_the_job_and_is_logged(toy: LocalSageMaker) -> None:
    put("in/bad/a.csv", "x\n")
    start("refused", folder="bad", environment={"FAIL": "415"})
    told = ended("refused", "Transform")
    assert (told["TransformJobStatus"], told["FailureReason"]) == (
        "Failed",
        "ClientError: See job logs for more information",
    )
    assert said("refused", "ClientError")[0].startswith("ClientError: 415")
    assert len(said("refused", "asked")) == 1  # what the client did wrong is not tried again
    start("broken", folder="bad", environment={"FAIL": "503"}, ModelClientConfig={"InvocationsMaxRetries": 2})
    assert ended("broken", "Transform")["TransformJobStatus"] == "Failed"
    assert len(said("broken", "asked")) == 3


def test_a_job_is_stopped_and_its_container_with_it(toy: LocalSageMaker) -> None:
    put("in/long/a.csv", "x\n" * 50)
    start("long", environment={"SLOW": "0.2"}, BatchStrategy="SingleRecord")
    wait_for(lambda: said_any("long"), "the job asked nothing")
    client().stop_transform_job(TransformJobName="long")
    assert ended("long", "Transform")["TransformJobStatus"] == "Stopped"
    assert keys("out/long") == []
    with pytest.raises(client().exceptions.ResourceInUse):
        client().create_transform_job(**described_request("long"))


def said_any(name: str) -> list[str]:
    try:
        return said(name, "asked")
    except client("logs").exceptions.ResourceNotFoundException:
        return []


def described_request(name: str) -> dict[str, Any]:
    told = client().describe_transform_job(TransformJobName=name)
    members = client().meta.service_model.operation_model("CreateTransformJob").input_shape.members
    return {key: value for key, value in told.items() if key in members}


def reviews(folder: Path) -> Dataset:
    words = [
        "awful refund",
        "poor &amp; slow",
        None,
        "okay<br />average",
        "  ",
        "good",
        'great "perfect" love',
        "ünïcödé 👍",
    ]
    return write_reviews(folder, [words[number % len(words)] for number in range(3000)])


def test_a_transform_job_writes_the_table_that_the_model_itself_writes(
    managed_sagemaker: LocalSageMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, given = train(tmp_path / "model"), reviews(tmp_path / "reviews")
    there = call_transform(tmp_path / "there", model, given)
    job = client().describe_transform_job(TransformJobName=there.metadata["transform_job"])
    assert job["TransformJobStatus"] == "Completed"
    monkeypatch.delenv("INTERMODAL_SERVICE")
    here = call_transform(tmp_path / "here", model, given)
    assert "transform_job" not in here.metadata
    plain = call_batch_predict(tmp_path / "plain", model, given)
    written = [(Path(item.path) / "part-00000.parquet").read_bytes() for item in (plain, here)]
    assert written[0] == written[1]
    tables = [pq.read_table(Path(item.path) / "part-00000.parquet") for item in (here, there)]
    assert tables[0].schema == tables[1].schema
    assert tables[0].drop_columns(PARTS).equals(tables[1].drop_columns(PARTS))
    for name in PARTS:
        assert tables[0].column(name).to_pylist() == pytest.approx(tables[1].column(name).to_pylist(), abs=1e-6)
    assert tables[0].column("rating").null_count == 750
    placed_again(managed_sagemaker, tmp_path, monkeypatch, model, given)


PARTS = ["confidence", "p1", "p2", "p3", "p4", "p5"]


def placed_again(
    managed_sagemaker: LocalSageMaker, folder: Path, monkeypatch: pytest.MonkeyPatch, model: Model, given: Dataset
) -> None:
    """The same work asked for again adopts the job that did it."""
    monkeypatch.setenv("INTERMODAL_SERVICE", "sagemaker")
    call_transform(folder / "again", model, given)
    created = [call for call in managed_sagemaker.requests if call.operation == "CreateTransformJob"]
    assert [call.status for call in created] == [200, 400]
    assert len(client().list_transform_jobs()["TransformJobSummaries"]) == 1


def test_a_transform_job_that_fails_is_told_and_the_next_attempt_has_another_name(
    managed_sagemaker: LocalSageMaker, tmp_path: Path
) -> None:
    model, given = train(tmp_path / "model"), reviews(tmp_path / "reviews")
    (Path(model.path) / "predictor.py").write_text("raise RuntimeError('no such luck')\n")
    for _ in range(2):
        with pytest.raises(StepFailed, match="transform job"):
            call_transform(tmp_path / f"out{_}", model, given)
    names = [item["TransformJobName"] for item in client().list_transform_jobs()["TransformJobSummaries"]]
    assert sorted(name.endswith("-2") for name in names) == [False, True]
