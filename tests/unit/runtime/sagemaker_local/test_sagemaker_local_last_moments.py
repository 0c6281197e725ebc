"""What the local SageMaker must not lose at the last moment: ends that are seen at once, files, lines."""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from intermodal.runtime.sagemaker_local import hosting, job_log
from intermodal.runtime.sagemaker_local.faults import Faults
from intermodal.runtime.sagemaker_local.hosting import Hosted, ModelServer
from intermodal.runtime.sagemaker_local.hosts import HostRun
from intermodal.runtime.sagemaker_local.job_log import JobLog
from intermodal.runtime.sagemaker_local.jobs import Job, JobRecord
from intermodal.runtime.sagemaker_local.syncing import Sync
from intermodal.runtime.sagemaker_local.transfer import files_below
from local_sagemaker import BUCKET, LocalSageMaker, client, read, run_training, wait_for


class Bucket:
    """Answers the first upload with an error, and notes the others."""

    def __init__(self) -> None:
        self.asked, self.sent = 0, dict[str, bytes]()

    def upload_file(self, path: str, _bucket: str, key: str, ExtraArgs: dict[str, str]) -> None:  # noqa: N803, boto3's
        self.asked += 1
        if self.asked == 1:
            raise ConnectionError("503")
        self.sent[key] = Path(path).read_bytes()


def test_what_s3_does_not_take_is_sent_at_the_next_look(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bucket = Bucket()
    sync = Sync(bucket, tmp_path, "s3://b/p", seconds=0.01).start()
    (tmp_path / "kept").write_bytes(b"x")
    wait_for(lambda: bucket.sent, "it was not sent again")
    sync.stop(last=False)
    assert bucket.sent == {"p/kept": b"x"}
    assert "s3://b/p waits: ConnectionError: 503" in capsys.readouterr().err


def test_a_folder_that_vanishes_while_it_is_looked_through_hides_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("gone", "stays"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_bytes(b"x")
    scan = os.scandir

    def scandir(path: Any) -> Any:
        if Path(path).name == "gone":
            monkeypatch.setattr(os, "scandir", scan)
            shutil.rmtree(path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert files_below(tmp_path) == [tmp_path / "stays" / "file"]
    assert not (tmp_path / "gone").exists()
    assert files_below(tmp_path / "gone") == []


class Endless(Job):
    """A job that nobody starts."""

    def run(self) -> None: ...

    def describe(self) -> dict[str, Any]:
        return {}


def job_in(folder: Path) -> Endless:
    service: Any = SimpleNamespace(home=folder, faults=Faults())
    job = Endless(service, JobRecord("Endless", "fading", "arn", {}, 1.0))
    job.kind = "Endless"  # type: ignore[misc]
    return job


def test_whoever_sees_that_a_job_has_ended_sees_how(tmp_path: Path) -> None:
    job, seen = job_in(tmp_path), list[str]()
    reader = threading.Thread(target=lambda: seen.append(job.status if job.ended else "goes on"), daemon=True)
    with job.changing() as record:  # as `finish` does, here in the middle of it
        record.ended = 2.0
        reader.start()
        reader.join(0.2)
        record.status = "Completed"
    reader.join(60)
    assert seen == ["Completed"]


def test_lines_are_lost_so_long_after_the_first_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job, moment = job_in(tmp_path), [0.0]
    job.service.faults.add({"fault": "lost-logs", "job": "fading", "seconds": 1.5})
    monkeypatch.setattr(job_log, "time", SimpleNamespace(monotonic=lambda: moment[0], time=time.time))
    log = JobLog(job.service, "/aws/sagemaker/TrainingJobs", job)
    for second, line in ((100.0, "heard, however late"), (101.4, "too"), (101.6, "unheard")):
        moment[0] = second
        log.write("algo-1", line)
    (stream,) = (tmp_path / "logs").rglob("*.jsonl")
    assert [json.loads(line)["message"] for line in stream.read_text().splitlines()] == ["heard, however late", "too"]


class Slow:
    """A container that has ended, and whose last line comes late."""

    address = ""

    def __init__(self) -> None:
        self.ended = threading.Event()

    def lines(self) -> Any:
        self.ended.wait(60)
        time.sleep(0.2)
        yield "last words"

    def signal(self, _number: int) -> bool:
        return True

    def wait(self, _seconds: float | None = None) -> int:
        self.ended.set()
        return 1


def test_all_that_a_server_printed_is_logged_when_it_has_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    container = Slow()
    monkeypatch.setattr(hosting, "bring_model", lambda *_given: None)
    service: Any = SimpleNamespace(executor=SimpleNamespace(start=lambda _execution: container))
    printed: list[str] = []
    model = {"PrimaryContainer": {"Image": "toy:1"}}
    server = ModelServer(service, Hosted("arn", tmp_path / "host", model, log=printed.append))
    server.end()
    assert printed == ["last words"]


def test_capacity_that_is_taken_just_after_the_end_takes_no_checkpoint(
    local_sagemaker: LocalSageMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = HostRun.run

    def taken_late(hosts: HostRun) -> Any:
        ending = run(hosts)
        hosts.taken.set()
        return ending

    monkeypatch.setattr(HostRun, "run", taken_late)
    kept = {"CheckpointConfig": {"S3Uri": f"s3://{BUCKET}/checkpoints"}}
    told = run_training("late", "open('/opt/ml/checkpoints/last', 'w').write('1')", **kept)
    assert told["TrainingJobStatus"] == "Completed"
    assert read(f"s3://{BUCKET}/checkpoints/last") == b"1"


def test_calls_can_be_looked_through_while_more_come(local_sagemaker: LocalSageMaker) -> None:
    sagemaker, seen = client(), []
    sagemaker.list_training_jobs()
    for call in local_sagemaker.requests:
        seen.append(call.operation)
        sagemaker.list_training_jobs()
    assert seen[-1] == "ListTrainingJobs"
    assert len(local_sagemaker.requests) == 2 * len(seen)
