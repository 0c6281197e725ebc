"""Secrets on SageMaker: known in the job, and in nothing that is sent, logged, stored or recorded."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from intermodal.runtime.sagemaker_local.server import LocalSageMaker
from launching import TESTS, Answer, intermodal
from local_sagemaker import client
from planted import holders, opened
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
        kind = "Training" if "train" in name else "Processing"
        told = getattr(api, f"describe_{kind.lower()}_job")(**{f"{kind}JobName": name})
        told["Tags"] = api.list_tags(ResourceArn=told[f"{kind}JobArn"])["Tags"]
        yield name, json.dumps(told, default=str).encode()
        group = f"/aws/sagemaker/{kind}Jobs"
        for event in logs.filter_log_events(logGroupName=group, logStreamNamePrefix=f"{name}/")["events"]:
            yield f"{group}/{name}", event["message"].encode()


def requests(service: LocalSageMaker) -> Iterator[tuple[str, bytes]]:
    """What was asked of the local service, but for the account's own secrets being made."""
    for seen in service.requests:
        if seen.service != "secretsmanager":
            yield f"{seen.service} {seen.operation}", json.dumps(seen.request, default=str).encode()


def everything(folder: Path, service: LocalSageMaker) -> list[tuple[str, bytes]]:
    """All that is left of runs; where a reference must stand, it does: so there was something to find."""
    found = [*files(folder), *objects(), *answers(), *requests(service)]
    holding = holders(iter(found), REFERENCES[0])
    assert [name for name in holding if name.startswith(str(folder / "home" / "runs"))], "no record of a run"
    assert [name for name in holding if name.endswith("mlflow.db")], "nothing in MLflow"
    assert [name for name in holding if name.startswith("intermodal/jobs/")], "no input of a job"
    assert [name for name, _ in found if name.startswith("sagemaker CreateTrainingJob")], "no request"
    assert [name for name, text in found if name.startswith("/aws/sagemaker/") and b"unlocked with" in text], "no log"
    return found


def test_the_search_finds_what_is_packed():
    inner, outer = io.BytesIO(), io.BytesIO()
    with tarfile.open(fileobj=inner, mode="w:gz") as archive:
        member = tarfile.TarInfo("deep/notes.txt")
        member.size = len(KEY)
        archive.addfile(member, io.BytesIO(KEY.encode()))
    with zipfile.ZipFile(outer, "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr("model.tar.gz", inner.getvalue())
    found = [("packed.zip", outer.getvalue()), ("plain", b"nothing")]
    archive_name = "packed.zip!model.tar.gz!"
    assert holders(iter(found), MARK) == [archive_name, f"{archive_name}deep/notes.txt"]


@pytest.mark.usefixtures("secrets")
def test_a_job_knows_its_secrets_and_nothing_else_does(
    tmp_path: Path,
    sagemaker: LocalSageMaker,
    capfd: pytest.CaptureFixture[str],
):
    done = locked()
    assert done.code == 0, done.err
    (record,) = records()
    uri = next(task for task in record["tasks"] if task["name"] == "train-locked")["artifacts"]["copy"]["uri"]
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    text = client("s3").get_object(Bucket=bucket, Key=key)["Body"].read().decode()
    assert text.split() == [hashlib.sha256(word.encode()).hexdigest() for word in (KEY, WORD, PASSWORD)]
    found = everything(tmp_path, sagemaker)
    assert holders(iter(found), MARK) == []
    archives = [name for name, content in found for name, _ in opened(name, content) if ".tar.gz!" in name]
    assert any("model.tar.gz!" in name for name in archives)
    assert MARK not in done.out + done.err + "".join(capfd.readouterr())
    again = locked()
    assert again.code == 0
    assert len(jobs()) == 2  # the key of the work is the reference's


@pytest.mark.usefixtures("secrets")
def test_a_job_that_fails_tells_no_secret_either(
    tmp_path: Path,
    sagemaker: LocalSageMaker,
    capfd: pytest.CaptureFixture[str],
):
    done = locked("-p", "wrong=true")
    assert done.code == 4
    assert "the lock is stuck" in done.err
    assert MARK not in done.out + done.err + "".join(capfd.readouterr())
    assert holders(iter(everything(tmp_path, sagemaker)), MARK) == []


@pytest.mark.usefixtures("secrets")
def test_a_secret_in_plain_text_is_refused_before_anything_starts(tmp_path: Path):
    for name in ("api_key", "db_password"):
        done = locked("-p", f"{name}={KEY}")
        assert done.code == 2
        assert name in done.err
        assert "secretsmanager:NAME" in done.err
        assert MARK not in done.out + done.err
    assert jobs() == {}
    left = list(files(tmp_path))
    assert len(left) > 0
    assert holders(iter(left), MARK) == []
