"""What delegating a step to SageMaker costs, over the job's own time, on a local SageMaker: ours against plain boto3.

For each task but the first, with which everything is opened: from the moment it is its turn until its outcome is
known, less what SageMaker says that the container ran (Describe's start to end). Ours does everything a step
gets: memory, manifest, log, curves, outputs published, the cost. The peer submits the same function in the same
image with a request that was written by hand, and asks every 0.2 s whether it has ended. The images are this
Python, so that no engine is needed. Each job works for two seconds, so that the time between two looks counts.

    python benchmarks/sagemaker.py [--rounds 3] [--tasks 4]
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from measure import Measurement, alternate, measure, table

CORE = "intermodal/core:0.1.0"
KINDS = ("Processing", "Training")
TARGET = 2.0
_BUCKET = "bench"
_POLL = 0.2

STEPS = '''
from kfp.dsl import Dataset, Output
from intermodal import step


def write(path, number):
    """Write one line, slowly."""
    import time

    time.sleep(2.0)
    with open(path, "w") as stream:
        stream.write(str(number))


@step()
def processing(data: Output[Dataset], number: int = 0):
    """Write one line."""
    write(data.path, number)


@step(job="training")
def training(data: Output[Dataset], number: int = 0):
    """Write one line."""
    write(data.path, number)
'''

PIPELINE = """
from kfp import dsl
from intermodal import component
nothing = component("nothing_step:{step}")

@dsl.pipeline(name="nothing-{step}")
def pipeline():
    previous = None
    for number in range({count}):
        task = nothing(number=number)
        task.set_caching_options(False)
        if previous is not None:
            task.after(previous)
        previous = task
"""


@contextmanager
def service(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A local SageMaker in a process of its own, at which this process's variables point."""
    programs = folder / "image" / "bin"
    programs.mkdir(parents=True)
    for name in ("python", "python3"):
        (programs / name).write_text(f'#!/bin/sh\nexport PYTHONPATH="{folder}"\nexec {sys.executable} "$@"\n')
        (programs / name).chmod(0o755)
    words = ["--port", "0", "--json", "--home", str(folder / "service")]
    command = [sys.executable, "-m", "intermodal", "sagemaker-local", *words, "--image", f"{CORE}={folder / 'image'}"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        os.environ |= {
            "AWS_ENDPOINT_URL": json.loads(process.stdout.readline())["url"],
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        yield process
    finally:
        process.terminate()
        process.wait()


def cpu_of(process: int) -> float:
    """CPU seconds of a process alone: those of the jobs, its children, are not the service's."""
    fields = Path("/proc", str(process), "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def ran(kind: str, described: dict[str, Any]) -> float:
    """How long a job's container ran, as Describe says."""
    begun, ended = described[f"{kind}StartTime"], described[f"{kind}EndTime"]
    assert isinstance(begun, datetime.datetime)
    return float((ended - begun).total_seconds())


def ours(folder: Path, kind: str, count: int) -> Measurement:
    """Run a pipeline of tasks that do nothing; the result is each one's overhead."""
    import boto3

    with tempfile.TemporaryDirectory(dir=folder) as home:
        environment = {"INTERMODAL_HOME": home, "PYTHONPATH": str(folder)}
        path = folder / f"{kind.lower()}_{count}.py"
        words = ["run", str(path), "--on", "sagemaker", "--no-cache", "--quiet"]
        done = measure([sys.executable, "-m", "intermodal", *words], env=environment)
        if done.exit_code:
            return done
        (record,) = Path(home, "runs").glob("*/run.json")
        tasks = json.loads(record.read_text())["tasks"]
    describe = getattr(boto3.client("sagemaker"), f"describe_{kind.lower()}_job")
    own = [ran(kind, describe(**{f"{kind}JobName": task["job"]["name"]})) for task in tasks]
    overheads = [task["seconds"] - seconds for task, seconds in zip(tasks, own, strict=True)][1:]
    return Measurement(**{**vars(done), "result": overheads})


def theirs(folder: Path, kind: str, count: int) -> Measurement:
    """Do the same by hand; the result is each job's overhead."""
    return measure(by_hand, str(folder), kind, count, env={"PYTHONPATH": str(folder)})


def by_hand(folder: str, kind: str, count: int) -> list[float]:
    """Submit jobs one after the other, and poll; each one's overhead."""
    import boto3

    client = boto3.client("sagemaker")
    describe, overheads = getattr(client, f"describe_{kind.lower()}_job"), []
    for number in range(count):
        began, name = time.monotonic(), f"by-hand-{time.time_ns()}"
        getattr(client, f"create_{kind.lower()}_job")(**request(kind, name, number))
        while (told := describe(**{f"{kind}JobName": name}))[f"{kind}JobStatus"] == "InProgress":
            time.sleep(_POLL)
        assert told[f"{kind}JobStatus"] == "Completed", told
        overheads.append(time.monotonic() - began - ran(kind, told))
    return overheads[1:]


def request(kind: str, name: str, number: int) -> dict[str, Any]:
    """A request as one writes it by hand: it runs the function, and has what it writes taken to S3."""
    target = "/opt/ml/processing/output" if kind == "Processing" else "/opt/ml/model"
    script = f"import os, nothing_step as n; os.makedirs('{target}', exist_ok=True); n.write('{target}/data', {number})"
    common = {
        f"{kind}JobName": name,
        "RoleArn": "arn:aws:iam::123456789012:role/by-hand",
        "StoppingCondition": {"MaxRuntimeInSeconds": 600},
    }
    machine = {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 10}
    uri, command = f"s3://{_BUCKET}/{name}", ["python3", "-c", script]
    if kind == "Training":
        algorithm = {"TrainingImage": CORE, "TrainingInputMode": "File", "ContainerEntrypoint": command}
        output = {"AlgorithmSpecification": algorithm, "OutputDataConfig": {"S3OutputPath": uri}}
        return {**common, **output, "ResourceConfig": machine}
    output = {"S3Uri": uri, "LocalPath": target, "S3UploadMode": "EndOfJob"}
    return {
        **common,
        "AppSpecification": {"ImageUri": CORE, "ContainerEntrypoint": command},
        "ProcessingOutputConfig": {"Outputs": [{"OutputName": "data", "S3Output": output}]},
        "ProcessingResources": {"ClusterConfig": machine},
    }


def with_service(process: int, work: Any, spent: list[float]) -> Measurement:
    """Measure something, and note what the service has spent on it."""
    before = cpu_of(process)
    done: Measurement = work()
    spent.append(cpu_of(process) - before)
    return done


def main() -> None:
    """Measure, and print one JSON object and a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tasks", type=int, default=4)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.chdir(folder)
        (folder / "nothing_step.py").write_text(STEPS)
        for kind in KINDS:
            text = PIPELINE.format(step=kind.lower(), count=options.tasks)
            (folder / f"{kind.lower()}_{options.tasks}.py").write_text(text)
        with service(folder) as process:
            _report(*_measured(folder, process.pid, options.rounds, options.tasks), options.rounds, options.tasks)


def _measured(
    folder: Path, process: int, rounds: int, count: int
) -> tuple[dict[str, list[Measurement]], dict[str, list[float]]]:
    import boto3

    boto3.client("s3").create_bucket(Bucket=_BUCKET)
    work, spent = {}, {}
    for kind in KINDS:
        for who, function in (("ours", ours), ("boto3", theirs)):
            key = f"{who} {kind.lower()}"
            spent[key] = list[float]()
            work[key] = lambda f=function, k=kind, s=spent[key]: with_service(process, lambda: f(folder, k, count), s)
    return alternate(work, rounds=rounds), spent


def _report(found: dict[str, list[Measurement]], spent: dict[str, list[float]], rounds: int, count: int) -> None:
    each = {key: [statistics.median(item.result) for item in items] for key, items in found.items()}
    seconds = {key: statistics.median(values) for key, values in each.items()}
    kinds = [kind.lower() for kind in KINDS]
    pairs = {kind: zip(each[f"ours {kind}"], each[f"boto3 {kind}"], strict=True) for kind in kinds}
    launcher = {key: statistics.median(item.cpu_seconds for item in items) / count for key, items in found.items()}
    served = {key: statistics.median(values[-rounds:]) / count for key, values in spent.items()}
    result = {
        "seconds_over_the_job": {key: round(value, 3) for key, value in seconds.items()},
        "ratio": {kind: round(statistics.median(a / b for a, b in pairs[kind]), 2) for kind in kinds},
        "launcher_cpu_seconds_per_task": {key: round(value, 3) for key, value in launcher.items()},
        "service_cpu_seconds_per_task": {key: round(value, 3) for key, value in served.items()},
        "target_seconds": TARGET,
        "rounds": rounds,
        "tasks": count,
    }
    print(json.dumps(result, indent=1))
    rows = [
        {
            "candidate": key,
            "s over the job": f"{seconds[key]:.3f}",
            "launcher cpu s": f"{launcher[key]:.3f}",
            "service cpu s": f"{served[key]:.3f}",
        }
        for key in seconds
    ]
    print(table(rows))


if __name__ == "__main__":
    main()
