"""Secrets on SageMaker: known in the job, and in nothing that is sent, logged, stored or recorded."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from launching import TESTS, Answer, intermodal
from local_sagemaker import client
from sagemaker_runs import jobs, records

PIPELINE = f"{TESTS / 'secret_pipelines.py'}:locked"
# Secrets in the account, and secrets around the submitter which concern no job.
KEY, WORD, PASSWORD = "c4n4ry-k3y-0123", "c4n4ry-w0rd-4567", "c4n4ry-p4ss-89ab"
AROUND = {"HF_TOKEN": "c4n4ry-hub-cdef", "AWS_SESSION_TOKEN": "c4n4ry-s3ss10n", "MLFLOW_TRACKING_TOKEN": "c4n4ry-ml"}
REFERENCES = ("secretsmanager:prod/key", "secretsmanager:prod/pair#word", "secretsmanager:prod/pair#password")
MARK = "c4n4ry"


@pytest.fixture
def secrets(sagemaker: Any) -> None:
    """The account's secrets."""
    manager = client("secretsmanager")
    manager.create_secret(Name="prod/key", SecretString=KEY)
    manager.create_secret(Name="prod/pair", SecretString=json.dumps({"word": WORD, "password": PASSWORD}))


def locked(*words: str) -> Answer:
    key, word, password = REFERENCES
    given = ("-p", f"api_key={key}", "-p", f"options={json.dumps({'word': word})}", "-p", f"db_password={password}")
    return intermodal("run", PIPELINE, "--on", "sagemaker", "--json", *given, *words, **AROUND)


def files(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Everything on disk: the home with records, logs and MLflow, and all that the local service keeps."""
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            yield str(path), path.read_bytes()


def objects() -> Iterator[tuple[str, bytes]]:
    """Everything on S3."""
    s3 = client("s3")
    for bucket in s3.list_buckets()["Buckets"]:
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket["Name"]):
            for item in page.get("Contents", []):
                yield item["Key"], s3.get_object(Bucket=bucket["Name"], Key=item["Key"])["Body"].read()


def answers() -> Iterator[tuple[str, bytes]]:
    """What AWS tells of the jobs, their tags and their logs."""
    api, logs = client(), client("logs")
    for name in jobs():
        kind = "training" if "train" in name else "processing"
        told = getattr(api, f"describe_{kind}_job")(**{f"{kind.capitalize()}JobName": name})
        told["Tags"] = api.list_tags(ResourceArn=told[f"{kind.capitalize()}JobArn"])["Tags"]
        yield name, json.dumps(told, default=str).encode()
    for group in logs.describe_log_groups()["logGroups"]:
        for event in logs.filter_log_events(logGroupName=group["logGroupName"])["events"]:
            yield group["logGroupName"], event["message"].encode()


def holders(folder: Path) -> list[str]:
    found = [*files(folder), *objects(), *answers()]
    known = REFERENCES[0].encode()
    assert sum(known in content for _, content in found) > 1  # there was something to find
    return [name for name, content in found if MARK.encode() in content]


@pytest.mark.usefixtures("secrets")
def test_a_job_knows_its_secrets_and_nothing_else_does(tmp_path: Path):
    done = locked()
    assert done.code == 0, done.err
    (record,) = records()
    uri = next(task for task in record["tasks"] if task["name"] == "train-locked")["artifacts"]["copy"]["uri"]
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    text = client("s3").get_object(Bucket=bucket, Key=key)["Body"].read().decode()
    assert text.split() == [hashlib.sha256(word.encode()).hexdigest() for word in (KEY, WORD, PASSWORD)]
    assert holders(tmp_path) == []
    assert MARK not in done.out + done.err
    again = locked()
    assert again.code == 0
    assert len(jobs()) == 2  # the key of the work is the reference's


@pytest.mark.usefixtures("secrets")
def test_a_job_that_fails_tells_no_secret_either(tmp_path: Path):
    done = locked("-p", "wrong=true")
    assert done.code != 0
    assert "the lock is stuck" in done.err
    assert MARK not in done.out + done.err
    assert holders(tmp_path) == []


@pytest.mark.usefixtures("secrets")
def test_a_secret_in_plain_text_is_refused_before_anything_starts(tmp_path: Path):
    for name in ("api_key", "db_password"):
        done = locked("-p", f"{name}={KEY}")
        assert done.code == 2
        assert name in done.err
        assert "secretsmanager:NAME" in done.err
        assert MARK not in done.out + done.err
    assert jobs() == {}
    assert [path for path, content in files(tmp_path) if MARK.encode() in content] == []
