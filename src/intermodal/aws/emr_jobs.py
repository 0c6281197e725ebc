"""Running Spark jobs on EMR: started or joined, followed, cancelled once when interrupted, their logs read from S3."""

from __future__ import annotations

import gzip
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from intermodal.aws.data_settings import EmrSettings
from intermodal.aws.emr import SERVERLESS, SparkJob, job_request, logs_of
from intermodal.aws.following import followed
from intermodal.aws.objects import listed, read_object
from intermodal.aws.request import Place, Request
from intermodal.aws.sending import answered, send
from intermodal.aws.settings import SageMakerSettings
from intermodal.errors import RuntimeFailed, StepFailed

_SHORTEST_POLL = 0.5
_GOOD = ("SUCCESS", "COMPLETED")
_ENDED = (*_GOOD, "FAILED", "CANCELLED")
_SLACK = 600.0  # seconds beyond max_runtime, for waiting for capacity
_LOG_LINES = 15


@dataclass(frozen=True)
class JobRun:
    """A job run that somebody follows.

    Attributes:
        where: One of `emr.PLACES`.
        group: Application or virtual cluster.
        id: EMR's id.
    """

    where: str
    group: str
    id: str

    def request(self, verb: str) -> Request:
        """The request that describes or cancels it."""
        if self.where == SERVERLESS:
            operation = {"describe": "GetJobRun", "cancel": "CancelJobRun"}[verb]
            return Request("emr-serverless", operation, {"applicationId": self.group, "jobRunId": self.id})
        operation = {"describe": "DescribeJobRun", "cancel": "CancelJobRun"}[verb]
        return Request("emr-containers", operation, {"virtualClusterId": self.group, "id": self.id})

    def log_prefix(self, logs: str) -> str:
        """Where EMR puts its logs."""
        if self.where == SERVERLESS:
            return f"{logs}applications/{self.group}/jobs/{self.id}/"
        return f"{logs}{self.group}/jobs/{self.id}/"


class Emr:
    """Spark on EMR.

    Args:
        where: One of `emr.PLACES`.
        emr: `[emr]`.
        settings: `[sagemaker]`: region, profile, poll, on_interrupt.
        place: The account's places.
        sleep: How to wait.
    """

    def __init__(
        self,
        where: str,
        emr: EmrSettings,
        settings: SageMakerSettings,
        place: Place,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.where, self.emr, self.settings, self.place, self._sleep = where, emr, settings, place, sleep

    def start(self, job: SparkJob, attempt: int = 1) -> JobRun:
        """Start a job; the same one that somebody has started is joined.

        Raises:
            UsageError: The settings name no place.
            RuntimeFailed: EMR refused, or did not answer.
        """
        request = job_request(self.where, job, self.emr, self.place, attempt)
        answer = answered(request, self.settings)
        if self.where == SERVERLESS:
            return JobRun(self.where, self.emr.application, str(answer["jobRunId"]))
        return JobRun(self.where, self.emr.virtual_cluster, str(answer["id"]))

    def run(self, job: SparkJob, attempt: int = 1) -> dict[str, Any]:
        """Run a job to its end.

        Returns:
            EMR's description at the end.

        Raises:
            StepFailed: It failed or was cancelled; with the last lines of the driver.
            RuntimeFailed: EMR refused, did not answer, or gives no end in time.
        """
        run, found = followed(
            lambda settings: Emr(self.where, self.emr, settings, self.place, self._sleep).start(job, attempt),
            lambda run: (run, self._wait(run)),
            self.cancel,
            self.settings,
        )
        if found["state"] in _GOOD:
            return found
        raise StepFailed(
            f"the Spark job {run.id} on {self.where} {'was cancelled' if found['state'] == 'CANCELLED' else 'failed'}",
            seen="\n    ".join([self._reason(found), *self._last_words(run)]),
            expected="a job that succeeds",
            next_step=f"the whole log lies under {run.log_prefix(logs_of(self.emr, self.place))}",
        )

    def cancel(self, run: JobRun) -> None:
        """Cancel a job; one that has ended is left as it is."""
        send(run.request("cancel"), self.settings.ending(), accept=("ValidationException", "ResourceNotFoundException"))

    def driver_log(self, run: JobRun) -> list[str]:
        """What the driver printed, errors after output; empty before EMR has written it."""
        lines: list[str] = []
        found = [uri for uri in listed(run.log_prefix(logs_of(self.emr, self.place)), self.settings) if _of_driver(uri)]
        for uri in sorted(found, key=lambda name: ("stderr" in name, name)):
            data = read_object(uri, self.settings)
            lines += (gzip.decompress(data) if uri.endswith(".gz") else data).decode("utf-8", "replace").splitlines()
        return lines

    def _last_words(self, run: JobRun) -> list[str]:
        """The last lines of the driver, without Spark's own chatter."""
        return [line for line in self.driver_log(run) if " INFO " not in line][-_LOG_LINES:]

    def _wait(self, run: JobRun) -> dict[str, Any]:
        pause, deadline = _SHORTEST_POLL, time.monotonic() + self.emr.max_runtime + _SLACK
        while True:
            found: dict[str, Any] = answered(run.request("describe"), self.settings)["jobRun"]
            if found["state"] in _ENDED:
                return found
            if time.monotonic() > deadline:
                self.cancel(run)
                raise RuntimeFailed(
                    f"the Spark job {run.id} on {self.where} does not end and was cancelled",
                    seen=found["state"],
                    expected=f"an end within {self.emr.max_runtime} s (emr.max_runtime)",
                )
            self._sleep(pause)
            pause = min(pause * 1.5, self.settings.poll)

    def _reason(self, found: dict[str, Any]) -> str:
        return str(found.get("stateDetails") or found.get("failureReason") or "no reason given")


def _of_driver(uri: str) -> bool:
    folder = "SPARK_DRIVER" in uri or "-driver/" in uri
    return folder and any(uri.endswith(end) for end in ("stdout", "stderr", "stdout.gz", "stderr.gz"))
