"""Spark on AWS as values: job runs of EMR Serverless and of EMR on EKS, the same program and arguments on either."""

from __future__ import annotations

import hashlib
import json
import math
import shlex
from dataclasses import dataclass, field
from typing import Any

from intermodal.aws.data_settings import EmrSettings
from intermodal.aws.names import job_name
from intermodal.aws.request import Place, Request
from intermodal.errors import UsageError

SERVERLESS, ON_EKS = "emr-serverless", "emr-eks"
PLACES = (SERVERLESS, ON_EKS)
NAME_LIMIT = 64


@dataclass(frozen=True)
class SparkJob:
    """A Spark program and how it is run.

    Attributes:
        name: What people read.
        entry: The program: a file on S3 (s3://…) or in the image (local:///…).
        arguments: Its arguments.
        image: Image of driver and executors; EMR Serverless takes it from the application instead.
        configuration: Spark's settings.
        environment: Variables of the driver; never a secret.
        nonce: Distinguishes what must run anew; the same job otherwise is one job, whoever asks again.
        tags: Tags.
        mark: Digest of the work where the caller knows it: name and token follow from it.
    """

    name: str
    entry: str
    arguments: tuple[str, ...] = ()
    image: str = ""
    configuration: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    nonce: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    mark: str = ""

    def digest(self, where: str) -> str:
        """Hexadecimal digest of all that it does, and where."""
        if self.mark:
            return self.mark
        parts = [self.entry, self.arguments, self.image, self.configuration, self.environment, self.nonce, where]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def job_request(where: str, job: SparkJob, settings: EmrSettings, place: Place, attempt: int = 1) -> Request:
    """The request that starts a job.

    Args:
        where: One of `PLACES`.
        job: The job.
        settings: `[emr]`.
        place: The account's places.
        attempt: From 1; a job that ended badly is started again only under another number.

    Raises:
        UsageError: The settings name no application, or no virtual cluster.
    """
    require_named(where, settings)
    if where == SERVERLESS:
        return _serverless(job, settings, place, attempt)
    if where == ON_EKS:
        return _on_eks(job, settings, place, attempt)
    raise UsageError("there is no such place for Spark", seen=where, expected=" or ".join(PLACES))


def require_named(where: str, settings: EmrSettings) -> None:
    """Refuse a place that the settings do not name.

    Args:
        where: One of `PLACES`.
        settings: `[emr]`.

    Raises:
        UsageError: There is no application, or no virtual cluster.
    """
    if where == SERVERLESS and not settings.application:
        raise UsageError("no EMR Serverless application is named", next_step='write application = "…" under [emr]')
    if where == ON_EKS and not settings.virtual_cluster:
        next_step = 'write virtual_cluster = "…" under [emr]'
        raise UsageError("no virtual cluster of EMR on EKS is named", next_step=next_step)


def logs_of(settings: EmrSettings, place: Place) -> str:
    """Prefix of the logs, ending in "/"."""
    return (settings.logs or f"{place.store}/emr/logs").rstrip("/") + "/"


def submit_parameters(configuration: dict[str, str]) -> str:
    """Spark's settings as spark-submit takes them; a value may hold anything."""
    return " ".join(f"--conf {shlex.quote(f'{key}={value}')}" for key, value in sorted(configuration.items()))


def application_request(name: str, image: str, release: str) -> Request:
    """The request that makes an EMR Serverless application for an image, which stops by itself when idle.

    Args:
        name: Its name.
        image: Image of driver and executors, in ECR.
        release: Such as "emr-7.9.0".
    """
    return Request(
        "emr-serverless",
        "CreateApplication",
        {
            "name": name,
            "releaseLabel": release,
            "type": "SPARK",
            "clientToken": hashlib.sha256(json.dumps([name, image, release]).encode()).hexdigest(),
            "imageConfiguration": {"imageUri": image},
            "autoStartConfiguration": {"enabled": True},
            "autoStopConfiguration": {"enabled": True, "idleTimeoutMinutes": 15},
        },
    )


def _serverless(job: SparkJob, settings: EmrSettings, place: Place, attempt: int) -> Request:
    digest = job.digest(f"{SERVERLESS} {settings.application}")
    variables = {f"spark.emr-serverless.driverEnv.{name}": value for name, value in job.environment.items()}
    shared = {"spark.executor.instances": str(settings.executors), **settings.configuration}
    submit = {
        "entryPoint": job.entry,
        "entryPointArguments": list(job.arguments),
        "sparkSubmitParameters": submit_parameters({**shared, **variables, **job.configuration}),
    }
    return Request(
        "emr-serverless",
        "StartJobRun",
        {
            "applicationId": settings.application,
            "clientToken": _token(digest, attempt),
            "name": job_name([job.name], digest, attempt, NAME_LIMIT),
            "executionRoleArn": settings.role or place.role,
            "executionTimeoutMinutes": max(1, math.ceil(settings.max_runtime / 60)),
            "jobDriver": {"sparkSubmit": {key: value for key, value in submit.items() if value}},
            "configurationOverrides": _monitoring(settings, place),
            "tags": job.tags,
        },
    )


def _on_eks(job: SparkJob, settings: EmrSettings, place: Place, attempt: int) -> Request:
    digest = job.digest(f"{ON_EKS} {settings.virtual_cluster}")
    shared = {"spark.executor.instances": str(settings.executors), **settings.configuration}
    shared |= {"spark.kubernetes.container.image": job.image} if job.image else {}
    variables = {f"spark.kubernetes.driverEnv.{name}": value for name, value in job.environment.items()}
    submit: dict[str, Any] = {
        "entryPoint": job.entry,
        "entryPointArguments": list(job.arguments),
        "sparkSubmitParameters": submit_parameters({**shared, **variables, **job.configuration}),
    }
    return Request(
        "emr-containers",
        "StartJobRun",
        {
            "virtualClusterId": settings.virtual_cluster,
            "clientToken": _token(digest, attempt),
            "name": job_name([job.name], digest, attempt, NAME_LIMIT),
            "executionRoleArn": settings.role or place.role,
            "releaseLabel": settings.release,
            "jobDriver": {"sparkSubmitJobDriver": {key: value for key, value in submit.items() if value}},
            "configurationOverrides": _monitoring(settings, place),
            "tags": job.tags,
        },
    )


def _monitoring(settings: EmrSettings, place: Place) -> dict[str, Any]:
    return {"monitoringConfiguration": {"s3MonitoringConfiguration": {"logUri": logs_of(settings, place)}}}


def _token(digest: str, attempt: int) -> str:
    return hashlib.sha256(f"{digest} {attempt}".encode()).hexdigest()
