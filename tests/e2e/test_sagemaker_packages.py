"""Model packages and monitoring schedules on the local SageMaker, and the verbs that people use with them."""

from __future__ import annotations

import json
import os
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from kfp.dsl import Dataset, Markdown, Metrics, Model

from candidates import evaluate_model, make_features, make_model, register_model
from hosted import call_deploy, train
from intermodal.cli.main import main
from intermodal.errors import DataRejected, UsageError
from intermodal.runtime.sagemaker_local.server import LocalSageMaker
from intermodal.serving.packaging import still_packaged
from intermodal.steps.package_model import package_model
from local_sagemaker import client, ended, read


def pack(folder: Path, model: Model, **given: Any) -> dict[str, Any]:
    package = Dataset(name="package", uri=str(folder / "package"), metadata={})
    notes = Markdown(name="notes", uri=str(folder / "notes.md"), metadata={})
    folder.mkdir(parents=True)
    approval = package_model(model, package, notes, Metrics(name="metrics", uri="/none", metadata={}), **given)
    document = json.loads((folder / "package" / "package.json").read_text())
    assert document["approval"] == approval
    return dict(document) | {"facts": dict(package.metadata)}


def test_a_version_waits_for_a_person_and_is_approved(
    managed_sagemaker: LocalSageMaker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, features = make_model(tmp_path / "model"), make_features(tmp_path / "features")
    evaluation = evaluate_model(model, features, tmp_path / "evaluated").evaluation
    told = pack(tmp_path / "out", model, evaluation=evaluation)
    arn = told["facts"]["model_package_arn"]
    assert arn.endswith(":model-package/reviews/1")
    found = client().describe_model_package(ModelPackageName=arn)
    assert found["ModelApprovalStatus"] == "PendingManualApproval"
    assert float(found["CustomerMetadataProperties"]["accuracy"]) == pytest.approx(
        told["figures"]["accuracy"], abs=1e-5
    )
    figures = json.loads(read(found["ModelMetrics"]["ModelQuality"]["Statistics"]["S3Uri"]))
    assert figures["model_digest"] == told["model_digest"]
    assert read(found["InferenceSpecification"]["Containers"][0]["ModelDataUrl"])[:2] == b"\x1f\x8b"

    assert pack(tmp_path / "again", model, evaluation=evaluation)["facts"]["model_package_arn"] == arn
    assert main(["model-package", "approve", "reviews", "--reason", "looks good"]) == 0
    found = client().describe_model_package(ModelPackageName=arn)
    assert (found["ModelApprovalStatus"], found["ApprovalDescription"]) == ("Approved", "looks good")
    capsys.readouterr()
    assert main(["model-package", "list", "reviews", "--json"]) == 0
    assert [row["approval"] for row in json.loads(capsys.readouterr().out)] == ["Approved"]
    assert main(["model-package", "reject", "reviews", "7"]) == 2


def test_the_gate_decides_and_both_registries_name_each_other(
    managed_sagemaker: LocalSageMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    features, versions = make_features(tmp_path / "features"), []
    for name, words in (("good", None), ("bad", {"terrible": 5, "poor": 5, "okay": 1, "good": 1, "great": 1})):
        model = make_model(tmp_path / name, words)
        evaluation = evaluate_model(model, features, tmp_path / f"{name}-evaluated").evaluation
        registration, _ = register_model(model, evaluation, features, tmp_path / f"{name}-registered")
        given = {"evaluation": evaluation, "registration": registration, "approval": "gate"}
        versions.append((registration, pack(tmp_path / f"{name}-packed", model, **given)))
    import mlflow

    registry = mlflow.MlflowClient()
    for (registration, told), approval in zip(versions, ("Approved", "Rejected"), strict=True):
        found = client().describe_model_package(ModelPackageName=told["facts"]["model_package_arn"])
        facts = found["CustomerMetadataProperties"]
        assert found["ModelApprovalStatus"] == told["approval"] == approval
        assert (facts["mlflow_model"], facts["mlflow_version"]) == ("reviews", str(registration.metadata["version"]))
        tags = registry.get_model_version("reviews", str(registration.metadata["version"])).tags
        assert tags["sagemaker.model_package"] == found["ModelPackageArn"]
        assert tags["sagemaker.approval"] == approval
    assert still_packaged({"package": versions[0][1]["facts"]}) is None
    client().delete_model_package(ModelPackageName=versions[0][1]["facts"]["model_package_arn"])
    assert "is not there" in str(still_packaged({"package": versions[0][1]["facts"]}))


def test_elsewhere_the_package_is_described_in_the_same_words(
    managed_sagemaker: LocalSageMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = make_model(tmp_path / "model")
    there = pack(tmp_path / "there", model, approval="approved")
    monkeypatch.delenv("INTERMODAL_SERVICE")
    here = pack(tmp_path / "here", model, approval="approved")
    assert {**here, "facts": 0} == {**there, "facts": 0}
    with pytest.raises(UsageError, match="decision of the gate"):
        pack(tmp_path / "gate", model, approval="gate")
    other = make_model(tmp_path / "other", {"great": 1})
    evaluation = evaluate_model(other, make_features(tmp_path / "features"), tmp_path / "evaluated").evaluation
    with pytest.raises(DataRejected, match="another model's"):
        pack(tmp_path / "wrong", model, evaluation=evaluation)


def test_a_schedule_looks_at_what_an_endpoint_captured(
    managed_sagemaker: LocalSageMaker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = train(tmp_path / "model")
    write_reference(Path(model.path))
    call_deploy(tmp_path / "out", model, capture_percent=100)
    usual = [" ".join(["great product works"] * 3)] * 40
    assert main(["endpoint", "invoke", "reviews", *usual]) == 0
    assert main(["endpoint", "invoke", "review", *usual]) == 2
    assert "there is no such endpoint" in capsys.readouterr().err
    assert main(["endpoint", "monitor", "reviews", "--hours", "2"]) == 0
    name = client().list_monitoring_schedules()["MonitoringScheduleSummaries"][0]["MonitoringScheduleName"]
    described = client().describe_monitoring_schedule(MonitoringScheduleName=name)
    assert described["MonitoringScheduleConfig"]["ScheduleConfig"]["ScheduleExpression"] == "cron(0 0/2 ? * * *)"
    assert client().list_monitoring_executions(MonitoringScheduleName=name)["MonitoringExecutionSummaries"] == []

    assert run_schedule(managed_sagemaker, name) == "Completed"
    assert main(["endpoint", "invoke", "reviews", *(["zebra quagga okapi"] * 400)]) == 0
    assert run_schedule(managed_sagemaker, name) == "CompletedWithViolations"
    found = json.loads(read(f"s3://bucket/{os.environ['STORE_KEY']}/monitoring/reviews/constraint_violations.json"))
    assert "words" in [item["feature_name"] for item in found["violations"]]

    assert main(["endpoint", "monitor", "reviews", "--stop"]) == 0
    assert client().list_monitoring_schedules()["MonitoringScheduleSummaries"] == []
    assert main(["endpoint", "monitor", "reviews", "--once"]) == 0
    assert len(client().list_monitoring_executions()["MonitoringExecutionSummaries"]) == 1
    capsys.readouterr()
    assert main(["endpoint", "list", "--json"]) == 0
    assert [item["EndpointName"] for item in json.loads(capsys.readouterr().out)] == ["reviews"]
    assert main(["endpoint", "delete", "reviews"]) == 0
    assert "endpoint reviews" in capsys.readouterr().out


def write_reference(folder: Path) -> None:
    """Counts as `featurize` takes them, of reviews like the usual ones."""
    from intermodal.text.reference import bin_names

    lengths = dict.fromkeys(bin_names(), 0)
    lengths |= {bin_of(9): 1000, bin_of(7): 25}  # as many words as the usual texts have, and the probe of `deploy`
    words = {"great": 1000, "product": 1000, "works": 1025, "": 150}
    counts = {"rows": 1025, "rating": {"5": 1000}, "category": {"Software": 1000}, "length": lengths, "words": words}
    (folder / "reference.json").write_text(json.dumps(counts))


def bin_of(words: int) -> str:
    from intermodal.text.reference import _bin

    return _bin(words)


def run_schedule(managed_sagemaker: LocalSageMaker, name: str) -> str:
    request = urllib.request.Request(f"{managed_sagemaker.url}/_local/monitoring/{name}/run", b"", method="POST")
    with urllib.request.urlopen(request, timeout=30) as answer:
        job = json.loads(answer.read())["ProcessingJobName"]
    told = ended(job, "Processing")
    assert told["ProcessingJobStatus"] == "Completed", told
    last = client().list_monitoring_executions(MonitoringScheduleName=name)["MonitoringExecutionSummaries"]
    return str(max(last, key=lambda item: item["CreationTime"])["MonitoringExecutionStatus"])
