"""The jobs of a campaign: what one of its pods is given, and which step and seed each job is for, and how it ended."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class JobSeen:
    """A job as the service describes it."""

    name: str
    step: str
    seed: int
    status: str
    created: float
    ended: float


KNOWN: dict[str, JobSeen] = {}  # jobs that have ended, which do not change any more


def seen(name: str, kind: str, told: dict[str, Any]) -> JobSeen:
    """A job by what Describe says of it.

    Args:
        name: Its name.
        kind: "Processing" or "Training".
        told: The answer of Describe.
    """
    step = "count" if "-count-" in name else "add_up"
    ended = told.get(f"{kind}EndTime")
    status = told[f"{kind}JobStatus"]
    if status == "Stopped" and _did_its_work(name, told):
        status = "Completed"  # it was told to stop when its task had ended already
    return JobSeen(
        name,
        step,
        _seed_of(name, told, kind),
        status,
        told["CreationTime"].timestamp(),
        ended.timestamp() if ended else float("inf") if status in ("InProgress", "Stopping") else 0.0,
    )


def _did_its_work(name: str, told: dict[str, Any]) -> bool:
    """Whether a job left word that its task went well."""
    import boto3
    from botocore.exceptions import ClientError

    bucket, _, prefix = told["Environment"]["INTERMODAL_STORE"].removeprefix("s3://").partition("/")
    try:
        found = boto3.Session().client("s3").get_object(Bucket=bucket, Key=f"{prefix}/jobs/{name}/outcome.json")
    except ClientError:
        return False
    return json.loads(found["Body"].read())["state"] in ("SUCCEEDED", "CACHED")


def _seed_of(name: str, told: dict[str, Any], kind: str) -> int:
    """The seed that a job is for: of its own parameters, or of the numbers that it reads."""
    import boto3

    inputs = told["ProcessingInputs"] if kind == "Processing" else told["InputDataConfig"]
    uri = next(
        (item.get("S3Input") or item["DataSource"]["S3DataSource"])["S3Uri"]
        for item in inputs
        if (item.get("InputName") or item.get("ChannelName")) == "intermodal"
    )
    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    client = boto3.Session().client("s3")
    body = client.get_object(Bucket=bucket, Key=f"{prefix.rstrip('/')}/executor_input.json")["Body"].read()
    fields = json.loads(body)["inputs"]
    if "seed" in fields["parameterValues"]:
        return int(fields["parameterValues"]["seed"])
    numbers = fields["artifacts"]["numbers"]["artifacts"][0]["uri"]
    bucket, _, key = numbers.removeprefix("s3://").partition("/")
    return int(client.get_object(Bucket=bucket, Key=key)["Body"].read().split()[0])


def executor_input(seed: int, marks: str, seconds: float, folder: Path) -> dict[str, Any]:
    """What Kubeflow's launcher gives a pod of the step `count`."""
    kind = {"schemaTitle": "system.Dataset", "schemaVersion": "0.0.1"}
    numbers = {"name": "numbers", "type": kind, "uri": f"{folder}/made/numbers", "metadata": {}}
    return {
        "inputs": {"parameterValues": {"seed": seed, "marks": marks, "seconds": round(seconds, 3)}},
        "outputs": {
            "artifacts": {"numbers": {"artifacts": [numbers]}},
            "outputFile": f"{folder}/made/executor_output.json",
        },
    }
