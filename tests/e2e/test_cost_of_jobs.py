"""A pipeline on the local SageMaker: what it costs before and after, and that its policies allow what it asks."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from intermodal.aws.actions import actions_of
from intermodal.cli.main import main
from intermodal.core.config import load_settings
from intermodal.runtime.record import RunRecord, find_record
from launching import TESTS
from local_sagemaker import IMAGE, client
from policy_linter import allows

ACCOUNT, REGION = "123456789012", "us-east-1"
PRICES = {"date": "2030-01-01", "region": REGION, "source": "a test", "hour": {"ml.m5.large": 3600.0}}
CONFIG = f"""
[sagemaker]
allow_mutable_tags = true
prices = "prices.json"
max_runtime = 600

[sagemaker.images]
core = "{IMAGE}"
"""


@pytest.fixture
def tiny(home, open_sagemaker) -> Any:
    """A project with a tiny pipeline, a price of a dollar a second, and an account that is set up."""
    local = open_sagemaker()
    shutil.copy(TESTS / "tiny_pipeline.py", "tiny.py")
    (home.parent / "work" / "prices.json").write_text(json.dumps(PRICES))
    (home.parent / "work" / "intermodal.toml").write_text(CONFIG)
    assert main(["aws", "init"]) == 0
    return local


@pytest.fixture
def calls(monkeypatch) -> Iterator[list[tuple[str, str, dict[str, Any]]]]:
    """Every call that this process makes of AWS: service, operation, request."""
    from botocore.client import BaseClient

    made: list[tuple[str, str, dict[str, Any]]] = []
    before = BaseClient._make_api_call

    def note(self: Any, operation: str, parameters: dict[str, Any]) -> Any:
        made.append((self.meta.service_model.service_name, operation, parameters))
        return before(self, operation, parameters)

    monkeypatch.setattr(BaseClient, "_make_api_call", note)
    return made


def run(capfd: Any, *words: str) -> RunRecord:
    code = main(["run", "tiny.py", "--on", "sagemaker", "-q", *words])
    assert code == 0, (capfd.readouterr(), find_record(load_settings().runs).error)
    return find_record(load_settings().runs)


def planned(capfd) -> dict[str, Any]:
    capfd.readouterr()
    assert main(["plan", "tiny.py", "--on", "sagemaker", "--json"]) == 0
    return dict(json.loads(capfd.readouterr().out))


def test_what_a_run_costs_is_estimated_limited_billed_and_estimated_better(tiny, capfd, monkeypatch):
    first = planned(capfd)
    assert [(item["task"], item["usd"]) for item in first["cost"]["tasks"]] == [("generate", 600.0), ("ingest", 600.0)]
    assert first["cost"]["usd"] == first["cost"]["ceiling_usd"] == 1200.0

    assert main(["run", "tiny.py", "--on", "sagemaker", "-q", "--max-cost", "1000"]) == 2
    assert "would cost more than it may" in capfd.readouterr().err
    assert client().list_processing_jobs()["ProcessingJobSummaries"] == []

    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{load_settings().home}/mlflow.db")
    record = run(capfd, "--max-cost", "1200")
    bills = {task.name: task.bill for task in record.tasks}
    for bill in bills.values():
        assert bill["instance_type"] == "ml.m5.large" and bill["kind"] == "processing"
        assert bill["cost_usd"] == pytest.approx(bill["billed_seconds"], rel=0.01) and bill["billed_seconds"] > 0
    total = sum(float(bill["cost_usd"]) for bill in bills.values())
    page = (load_settings().runs / record.run_id / "report.html").read_text()
    assert ">Cost<" in page and page.count("What it cost") == 2
    metrics = of_mlflow(record.mlflow["run_id"])
    assert metrics["sagemaker.cost_usd"] == pytest.approx(total)
    one = record.tasks[0]
    assert of_mlflow(one.mlflow_run_id)["sagemaker.billed_seconds"] == pytest.approx(bills[one.name]["billed_seconds"])

    again = planned(capfd)
    assert [item["verdict"] for item in again["tasks"]] == ["hit", "hit"]
    assert again["cost"]["tasks"] == []
    capfd.readouterr()
    assert main(["plan", "tiny.py", "--on", "sagemaker", "--json", "-p", "rows=31"]) == 0
    changed = json.loads(capfd.readouterr().out)["cost"]
    assert changed["tasks"][0]["basis"] == f"as in {record.run_id}"
    assert changed["usd"] == pytest.approx(total) and changed["ceiling_usd"] == 1200.0


def of_mlflow(run_id: str) -> dict[str, float]:
    from mlflow import MlflowClient

    return dict(MlflowClient(load_settings().tracking_uri).get_run(run_id).data.metrics)


def test_the_policy_allows_what_a_run_asks_and_little_else(tiny, calls, capfd):
    capfd.readouterr()
    assert main(["aws", "iam-policy", "tiny.py"]) == 0
    policies = json.loads(capfd.readouterr().out)
    calls.clear()
    run(capfd)
    asked = {
        (*one, service, operation) for service, operation, given in calls for one in needs(service, operation, given)
    }
    assert asked
    refused = sorted(item for item in asked if not allows(policies["submitter"], item[0], item[1], **dict(item[2])))
    assert refused == []
    used = {item[0] for item in asked}
    granted = {action for item in policies["submitter"]["Statement"] for action in item["Action"]}
    # What a run that goes well does not need: stopping a job, adopting one, what a remembered result that
    # was damaged, or an upload that broke off, leaves behind.
    spare = {
        "sagemaker:StopProcessingJob",
        "sagemaker:ListTags",
        "s3:DeleteObject",
        "s3:AbortMultipartUpload",
        "logs:DescribeLogStreams",
    }
    assert granted - used <= spare


def needs(service: str, operation: str, given: dict[str, Any]) -> list[tuple[str, str, tuple[tuple[str, str], ...]]]:
    """(action, resource, context) that a call needs."""
    context = {"aws_ResourceAccount": ACCOUNT, "aws_RequestedRegion": REGION}
    if service == "s3":
        bucket = f"arn:aws:s3:::{given['Bucket']}"
        resource = f"{bucket}/{given['Key']}" if "Key" in given else bucket
        context |= {"s3_prefix": given["Prefix"]} if "Prefix" in given else {}
    elif service == "logs":
        group = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{given['logGroupName']}"
        stream = given.get("logStreamName")
        resource = f"{group}:log-stream:{stream}" if stream else f"{group}:log-stream:"
    elif service == "sagemaker":
        name = given.get("ProcessingJobName", "")
        resource = given.get("ResourceArn") or f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:processing-job/{name}"
    else:
        resource = "*"
    passed = {**context, "iam_PassedToService": "sagemaker.amazonaws.com"}
    return [
        (action, given["RoleArn"], tuple(passed.items()))
        if action == "iam:PassRole"
        else (action, resource, tuple(context.items()))
        for action in actions_of(service, operation, given)
    ]


def test_the_jobs_policy_allows_what_the_jobs_ask(tiny, capfd):
    """The local service gives each job credentials of its own, and notes who asks what."""
    capfd.readouterr()
    assert main(["aws", "iam-policy", "tiny.py", "--execution"]) == 0
    policy = json.loads(capfd.readouterr().out)
    run(capfd)
    asked = {(seen.service, seen.operation) for seen in tiny.requests if seen.access_key.startswith("ASIA")}
    objects = {operation for service, operation in asked if service == "s3"}
    assert {service for service, _ in asked} <= {"s3", "sts"}
    assert any(operation.startswith("PUT ") for operation in objects)
    context = {"aws_ResourceAccount": ACCOUNT, "s3_prefix": "intermodal/"}
    refused = [item for item in sorted(objects) if not allows(policy, *job_call(item), **context)]
    assert refused == []


def job_call(operation: str) -> tuple[str, str]:
    """(action, resource) of a call of S3 that is known by method and path."""
    method, _, path = operation.partition(" ")
    bucket, _, key = path.lstrip("/").partition("/")
    if not key:
        return "s3:ListBucket", f"arn:aws:s3:::{bucket}"
    action = {"PUT": "s3:PutObject", "POST": "s3:PutObject", "DELETE": "s3:DeleteObject"}.get(method, "s3:GetObject")
    return action, f"arn:aws:s3:::{bucket}/{key}"
