"""Tasks as Spark job runs of EMR: submitted, adopted, followed and stopped exactly as SageMaker jobs are."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial
from typing import Any

from intermodal.aws.client import find_place
from intermodal.aws.data_settings import EmrSettings, emr_settings
from intermodal.aws.emr import ON_EKS, SERVERLESS, logs_of
from intermodal.aws.emr_jobs import Emr
from intermodal.aws.request import Place, Request, TaskPlan
from intermodal.aws.settings import SageMakerSettings, sagemaker_settings
from intermodal.aws.spark_runs import SparkRuns, spark_runs
from intermodal.core.config import Settings
from intermodal.runtime.emr.driver_log import DriverLog
from intermodal.runtime.emr.render import render_spark_job
from intermodal.runtime.local.launch import Launcher
from intermodal.runtime.record import RunRecord
from intermodal.runtime.sagemaker.bucket import require_bucket
from intermodal.runtime.sagemaker.launcher import Job, Jobs
from intermodal.runtime.sagemaker.render import RenderedJob


class SparkJobs(Jobs):
    """Runs each task as a Spark job on EMR; see `Jobs`.

    Args:
        where: One of `emr.PLACES`.
        emr: `[emr]`.
        settings: Where things live on this machine.
        sagemaker: `[sagemaker]`: region, profile, poll, patience, tags.
        pipeline: The pipeline's name.
        leave: Leave running jobs alone when told to stop.
        place: The account's places, where they are known; asked for otherwise.
    """

    def __init__(
        self,
        where: str,
        emr: EmrSettings,
        settings: Settings,
        sagemaker: SageMakerSettings,
        pipeline: str,
        *,
        leave: bool = False,
        place: Place | None = None,
    ) -> None:
        self._where, self._emr, self._runs = where, emr, spark_runs(where, emr)
        self.service = self._runs.service
        super().__init__(settings, sagemaker, pipeline, leave=leave, place=place)

    def rendered(self, plan: TaskPlan) -> RenderedJob:
        """See `Jobs.rendered`."""
        return render_spark_job(plan, self._where, self._emr)

    def kind_of(self, request: Request) -> SparkRuns:
        """See `Jobs.kind_of`."""
        return self._runs

    def log_of(self, job: Job, plan: TaskPlan) -> DriverLog:
        """See `Jobs.log_of`."""
        run = self._runs.run_of(self._calls, job.name)
        emr = Emr(self._where, self._emr, self._sagemaker, self.place)
        return DriverLog(partial(emr.driver_log, run), run.log_prefix(logs_of(self._emr, self.place)))

    def bill_of(self, job: Job) -> dict[str, Any]:
        """See `Jobs.bill_of`: EMR is not in the table of prices."""
        return {}


def serverless_launcher(settings: Settings, record: RunRecord, leaves_jobs: bool) -> Launcher:
    """The launcher of a run's tasks on EMR Serverless; see `sagemaker.placing.jobs_launcher`."""
    return _launcher(SERVERLESS, settings, record, leaves_jobs)


def eks_launcher(settings: Settings, record: RunRecord, leaves_jobs: bool) -> Launcher:
    """The launcher of a run's tasks on EMR on EKS; see `sagemaker.placing.jobs_launcher`."""
    return _launcher(ON_EKS, settings, record, leaves_jobs)


def _launcher(where: str, settings: Settings, record: RunRecord, leaves_jobs: bool) -> Launcher:
    emr, sagemaker = emr_settings(settings), sagemaker_settings(settings)
    if sagemaker.profile:
        os.environ.setdefault("AWS_PROFILE", sagemaker.profile)  # the store's clients know no settings
    if settings.store.startswith("s3://") and not sagemaker.store:
        sagemaker = replace(sagemaker, store=settings.store)
    require_bucket(find_place(sagemaker).store, sagemaker)
    leave = leaves_jobs or sagemaker.on_interrupt == "leave"
    return SparkJobs(where, emr, settings, sagemaker, record.pipeline, leave=leave)
