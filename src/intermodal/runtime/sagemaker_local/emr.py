"""EMR Serverless and EMR on EKS: job runs are executed for real, by the Spark of this environment, in one process."""

from __future__ import annotations

import contextlib
import gzip
import os
import shlex
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

from intermodal.runtime.sagemaker_local.answers import now, page
from intermodal.runtime.sagemaker_local.jobs import Job
from intermodal.runtime.sagemaker_local.operations import ApiError, operation
from intermodal.runtime.sagemaker_local.service import Service
from intermodal.runtime.sagemaker_local.transfer import download_object, split_uri

_SERVERLESS, _ON_EKS = "emr-serverless", "emr-containers"
_TOKENS = "EmrToken"
_POLL = 0.1
# What a job of this service is called here → what EMR calls it, on EKS and serverless.
_STATES = ({"Stopping": "CANCEL_PENDING", "Failed": "FAILED"}, {"Stopping": "CANCELLING", "Failed": "FAILED"})
# Settings that name places of a cluster, which one machine has not.
_ON_NODES = ("spark.executor.", "spark.executorEnv.", "spark.driver.memory", "spark.master")
_OF_CLUSTERS = ("spark.kubernetes.", "spark.emr-serverless.", *_ON_NODES)
_OF_IMAGES = ("PYSPARK_PYTHON", "PYSPARK_DRIVER_PYTHON")  # paths in an image, and images are not used
_VARIABLES = ("spark.emr-serverless.driverEnv.", "spark.kubernetes.driverEnv.")


class SparkRun(Job):
    """A job run: spark-submit on this machine, two threads wide."""

    kind = "EmrJobRun"
    arn_part = "jobruns"

    def run(self) -> None:
        """See `Job.run`."""
        good = "SUCCESS" if self.serverless else "COMPLETED"
        command, environment = self._command()
        with self.changing() as record:
            record.status = "RUNNING" if record.status == "SUBMITTED" else record.status  # it may be told to stop
            record.started = now()
        self.folder.mkdir(parents=True, exist_ok=True)
        out, err = self.folder / "stdout", self.folder / "stderr"
        limit = time.monotonic() + 60 * (self.request.get("executionTimeoutMinutes") or 720)
        with out.open("wb") as output, err.open("wb") as errors:
            process = subprocess.Popen(
                command, stdout=output, stderr=errors, env=environment, cwd=self.folder, start_new_session=True
            )
            while process.poll() is None and not self.stopping.wait(_POLL) and time.monotonic() < limit:
                pass
            ended_by_itself = process.poll() is not None
            _end(process, self.service.options.grace)
        self._upload_logs(out, err)
        if not ended_by_itself:
            self.finish("CANCELLED" if self.stopping.is_set() else "FAILED", "The job run was cancelled or timed out.")
        elif process.returncode:
            last = err.read_text("utf-8", "replace").splitlines()[-1:] or ["no output"]
            words = "Job failed, please check complete logs in configured logging destination."
            self.finish("FAILED", f"{words} ExitCode: {process.returncode}. Last few exceptions: {last[0]}")
        else:
            self.finish(good)

    @property
    def serverless(self) -> bool:
        """Whether it is one of EMR Serverless."""
        return "applicationId" in self.request

    def describe(self) -> dict[str, Any]:
        """See `Job.describe`."""
        record, request = self.record, self.request
        shared = {
            "name": request.get("name", ""),
            "arn": record.arn,
            "state": _STATES[self.serverless].get(record.status, record.status),
            "createdAt": record.created,
            "createdBy": self.service.arn("root", "iam"),
            "jobDriver": request.get("jobDriver", {}),
            "configurationOverrides": request.get("configurationOverrides", {}),
            "tags": request.get("tags", {}),
            "stateDetails": record.failure or record.status,
        }
        if self.serverless:
            return {
                **shared,
                "applicationId": request["applicationId"],
                "jobRunId": record.name,
                "executionRole": request["executionRoleArn"],
                "releaseLabel": "emr-local",
                "updatedAt": record.modified,
            }
        return {
            **shared,
            "id": record.name,
            "virtualClusterId": request["virtualClusterId"],
            "executionRoleArn": request.get("executionRoleArn", ""),
            "releaseLabel": request.get("releaseLabel", ""),
            **({"finishedAt": record.ended} if record.ended else {}),
        }

    def _command(self) -> tuple[list[str], dict[str, str]]:
        """spark-submit with what the request says, less what only a cluster has."""
        import pyspark

        driver = self.request["jobDriver"]
        submit = driver.get("sparkSubmit") or driver.get("sparkSubmitJobDriver") or {}
        home = Path(pyspark.__file__).parent
        confs: list[str] = []
        variables: dict[str, str] = {}
        words = shlex.split(submit.get("sparkSubmitParameters", ""))
        for flag, value in zip(words, words[1:], strict=False):
            if flag == "--conf":
                key, _, text = value.partition("=")
                variables |= {key.removeprefix(item): text for item in _VARIABLES if key.startswith(item)}
                confs += [] if key.startswith(_OF_CLUSTERS) else ["--conf", value]
        command = [str(home / "bin" / "spark-submit"), "--master", "local[2]", "--conf", "spark.ui.enabled=false"]
        command += [*confs, self._program(submit["entryPoint"]), *submit.get("entryPointArguments", [])]
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "JAVA_HOME", "TMPDIR") if name in os.environ}
        spark = {"SPARK_HOME": str(home), "PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"}
        spark |= {"LC_ALL": "C.UTF-8"}  # or the JVM reads arguments as ASCII
        variables = {name: value for name, value in variables.items() if name not in _OF_IMAGES}
        return command, {**kept, **spark, **self.service.environment(self.arn), **variables}

    def _program(self, entry: str) -> str:
        """The program as a file of this machine."""
        if entry.startswith("local://"):
            return entry.removeprefix("local://")
        bucket, key = split_uri(entry)
        path = self.folder / Path(key).name
        download_object(self.service.client("s3"), bucket, key, path)
        return str(path)

    def _upload_logs(self, out: Path, err: Path) -> None:
        overrides = self.request.get("configurationOverrides", {}).get("monitoringConfiguration", {})
        uri = overrides.get("s3MonitoringConfiguration", {}).get("logUri", "")
        if not uri:
            return
        bucket, prefix = split_uri(uri.rstrip("/") + "/")
        if self.serverless:
            folder = f"{prefix}applications/{self.request['applicationId']}/jobs/{self.name}/SPARK_DRIVER"
        else:
            cluster = self.request["virtualClusterId"]
            folder = f"{prefix}{cluster}/jobs/{self.name}/containers/spark-{self.name}/spark-{self.name}-driver"
        for path in (out, err):
            body = gzip.compress(path.read_bytes(), mtime=0)
            self.service.client("s3").put_object(Bucket=bucket, Key=f"{folder}/{path.name}.gz", Body=body)


@operation("StartJobRun", service=_SERVERLESS)
def start_serverless(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """A job run of EMR Serverless."""
    job = _start(service, request)
    return {"applicationId": request["applicationId"], "jobRunId": job.name, "arn": job.arn}


@operation("StartJobRun", service=_ON_EKS)
def start_on_eks(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """A job run of EMR on EKS."""
    job = _start(service, request)
    cluster = request["virtualClusterId"]
    return {"id": job.name, "name": request.get("name", ""), "arn": job.arn, "virtualClusterId": cluster}


@operation("GetJobRun", service=_SERVERLESS)
def get_job_run(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """How a job run of EMR Serverless stands."""
    return {"jobRun": _find(service, request["jobRunId"]).describe()}


@operation("DescribeJobRun", service=_ON_EKS)
def describe_job_run(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """How a job run of EMR on EKS stands."""
    return {"jobRun": _find(service, request["id"]).describe()}


@operation("CancelJobRun", service=_SERVERLESS)
def cancel_serverless(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """Cancel a job run of EMR Serverless."""
    _cancel(_find(service, request["jobRunId"]))
    return {"applicationId": request["applicationId"], "jobRunId": request["jobRunId"]}


@operation("CancelJobRun", service=_ON_EKS)
def cancel_on_eks(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """Cancel a job run of EMR on EKS."""
    _cancel(_find(service, request["id"]))
    return {"id": request["id"], "virtualClusterId": request["virtualClusterId"]}


@operation("ListJobRuns", service=_SERVERLESS)
def list_job_runs(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """Job runs of an application, the newest first."""
    mine = [job for job in service.jobs.all(SparkRun) if job.request.get("applicationId") == request["applicationId"]]
    return _page([item.describe() | {"id": item.name} for item in mine], request)


@operation("ListJobRuns", service=_ON_EKS)
def list_runs_on_eks(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """Job runs of a virtual cluster, the newest first."""
    cluster = request["virtualClusterId"]
    mine = [job for job in service.jobs.all(SparkRun) if job.request.get("virtualClusterId") == cluster]
    named = [job for job in mine if job.request.get("name", "") == request.get("name", job.request.get("name", ""))]
    return _page([item.describe() for item in named], request)


def _page(runs: list[dict[str, Any]], request: dict[str, Any]) -> dict[str, Any]:
    """One page of a listing, in EMR's spelling."""
    wanted = request.get("states") or [run["state"] for run in runs]
    newest = sorted((run for run in runs if run["state"] in wanted), key=lambda run: run["createdAt"], reverse=True)
    asked = {"NextToken": request.get("nextToken", ""), "MaxResults": int(request.get("maxResults", 50))}
    found = page(newest, asked, "jobRuns")
    return {"jobRuns": found["jobRuns"], **({"nextToken": found["NextToken"]} if "NextToken" in found else {})}


def _start(service: Service, request: dict[str, Any]) -> SparkRun:
    """A job run; the same client token is the same run."""
    _check_spark(request)
    tokens = service.records(_TOKENS)
    with tokens.locked():
        known = tokens.get(request["clientToken"])
        if known is not None:
            return _find(service, known["id"])
        identifier = uuid.uuid4().hex[:16]
        job = service.jobs.add(SparkRun, identifier, {**request, "Tags": []}, status="SUBMITTED")
        tokens.put(request["clientToken"], {"id": identifier})
    return job


def _check_spark(request: dict[str, Any]) -> None:
    import importlib.util
    import shutil

    if importlib.util.find_spec("pyspark") is None or shutil.which("java") is None:
        raise ApiError(
            "ValidationException",
            "this local EMR runs the Spark of its own environment, and there is none: "
            "pip install 'intermodal[spark]', and Java",
        )
    driver = request.get("jobDriver", {})
    if not (driver.get("sparkSubmit") or driver.get("sparkSubmitJobDriver")):
        raise ApiError("ValidationException", "this local EMR runs spark-submit alone")


def _find(service: Service, identifier: str) -> SparkRun:
    found = service.jobs.find(SparkRun.kind, identifier)
    if not isinstance(found, SparkRun):
        raise ApiError("ResourceNotFoundException", f"Job run {identifier} does not exist", 404)
    return found


def _cancel(job: SparkRun) -> None:
    if job.ended:
        raise ApiError("ValidationException", f"Job run {job.name} is in a terminal state: {job.status}")
    job.stop()


def _end(process: subprocess.Popen[bytes], grace: float) -> None:
    """Nothing of the process's group is left."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(grace)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
