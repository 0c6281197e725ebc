"""What runs the tasks that a run places on SageMaker."""

from __future__ import annotations

import os
from dataclasses import replace

from intermodal.aws.client import find_place
from intermodal.aws.prices import load_prices
from intermodal.aws.settings import sagemaker_settings
from intermodal.core.config import Settings
from intermodal.runtime.local.launch import Launcher
from intermodal.runtime.record import RunRecord
from intermodal.runtime.sagemaker.bucket import require_bucket
from intermodal.runtime.sagemaker.launcher import Jobs


def jobs_launcher(settings: Settings, record: RunRecord, leaves_jobs: bool) -> Launcher:
    """The launcher of a run's jobs.

    Args:
        settings: Where things live; a store on S3 is the jobs' store too.
        record: The run.
        leaves_jobs: Whether running jobs are left alone when the run is told to stop.

    Raises:
        UsageError: The store's bucket is not there, or belongs to another account.
        RuntimeFailed: AWS did not answer.
    """
    sagemaker = sagemaker_settings(settings)
    if sagemaker.profile:
        os.environ.setdefault("AWS_PROFILE", sagemaker.profile)  # the store's clients know no settings
    load_prices(sagemaker.prices)  # a table that is wrong is refused before anything is paid for
    if settings.store.startswith("s3://") and not sagemaker.store:
        sagemaker = replace(sagemaker, store=settings.store)
    require_bucket(find_place(sagemaker).store, sagemaker)
    return Jobs(settings, sagemaker, record.pipeline, leave=leaves_jobs or sagemaker.on_interrupt == "leave")
