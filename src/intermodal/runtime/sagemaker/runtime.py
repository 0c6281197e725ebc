"""SageMaker as a runtime: kfp.local orders the tasks on this machine, each of them is a job on SageMaker."""

from __future__ import annotations

import os
from dataclasses import replace

from intermodal.aws.client import find_place
from intermodal.aws.settings import sagemaker_settings
from intermodal.core.config import Settings
from intermodal.runtime.base import RunRequest
from intermodal.runtime.local.runtime import LocalRuntime
from intermodal.runtime.observer import Observer
from intermodal.runtime.record import RunRecord
from intermodal.runtime.sagemaker.bucket import require_bucket

NAME = "sagemaker"


class SageMakerRuntime(LocalRuntime):
    """Runs every task of a pipeline as a SageMaker job; see `Runtime`.

    The store is on S3, so everything that a run makes is where jobs, and others, can read it.
    """

    name = NAME

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.sagemaker = sagemaker_settings(settings)
        if self.sagemaker.profile:
            os.environ.setdefault("AWS_PROFILE", self.sagemaker.profile)  # the store's clients know no settings

    def run(self, request: RunRequest, observer: Observer) -> RunRecord:
        """See `Runtime.run`."""
        self._locate()
        require_bucket(self.settings.store, self.sagemaker)
        return super().run(replace(request, mode="jobs"), observer)

    def check(self, request: RunRequest) -> None:
        """See `Runtime.check`."""
        self._locate()
        super().check(request)

    @property
    def store(self) -> str:
        """See `Runtime.store`; whoever asks is about to read it, so its bucket is there from now on."""
        self._locate()
        require_bucket(self.settings.store, self.sagemaker)
        return self.settings.store

    def _locate(self) -> None:
        """Let the store be the one on S3."""
        if not self.settings.store.startswith("s3://") or self.sagemaker.store:
            self.settings = replace(self.settings, store=find_place(self.sagemaker).store)
