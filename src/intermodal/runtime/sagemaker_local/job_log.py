"""The log streams of one job: one for each host and attempt."""

from __future__ import annotations

import math
import threading
import time

from intermodal.runtime.sagemaker_local.jobs import Job
from intermodal.runtime.sagemaker_local.logs import write_line
from intermodal.runtime.sagemaker_local.service import Service


class JobLog:
    """Writes what a job's hosts print to CloudWatch.

    Args:
        service: The service.
        group: The log group.
        job: The job.
    """

    def __init__(self, service: Service, group: str, job: Job) -> None:
        self._service, self._group, self._job = service, group, job
        self._number = int(time.time() * 1000)
        fault = service.faults.of_job("lost-logs", job.name)
        self._heard = fault.seconds if fault is not None else math.inf  # seconds from the first line on
        self._began, self._lock = math.inf, threading.Lock()

    def write(self, host: str, line: str) -> None:
        """Add a line of a host; lost when a fault says so."""
        with self._lock:
            self._began = min(self._began, time.monotonic())
        if time.monotonic() - self._began < self._heard:
            write_line(self._service, self._group, f"{self._job.name}/{host}-{self._number}", line)
