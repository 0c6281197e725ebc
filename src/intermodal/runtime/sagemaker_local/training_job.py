"""A training job: brings its inputs, runs its hosts, keeps checkpoints, goes on after preemption, saves its model."""

from __future__ import annotations

import shutil
import threading
import time
from pathlib import Path
from typing import Any

from intermodal.runtime.sagemaker_local.answers import now
from intermodal.runtime.sagemaker_local.executing import Execution
from intermodal.runtime.sagemaker_local.hosts import LIMIT, STOPPED, TAKEN, Ending, HostRun
from intermodal.runtime.sagemaker_local.job_log import JobLog
from intermodal.runtime.sagemaker_local.jobs import Job, JobRecord
from intermodal.runtime.sagemaker_local.metrics import Metrics
from intermodal.runtime.sagemaker_local.pipes import PipeFeed
from intermodal.runtime.sagemaker_local.prefix import Prefix
from intermodal.runtime.sagemaker_local.service import Service
from intermodal.runtime.sagemaker_local.syncing import Sync
from intermodal.runtime.sagemaker_local.training_inputs import (
    CHECKPOINTS,
    TENSORBOARD,
    fetch_checkpoints,
    fill_channels,
    hosts_of,
    write_configuration,
)
from intermodal.runtime.sagemaker_local.transfer import split_uri, upload_folder, upload_tar

LOG_GROUP = "/aws/sagemaker/TrainingJobs"
_DAY = 24 * 3600
_SPOT_PRICE = 0.3  # of what the same capacity costs on demand
_CAPACITY = (
    "CapacityError: Unable to provision requested ML compute capacity. Please retry using a different ML instance type."
)
_TOO_LONG, _WAITED = "MaxRuntimeExceeded", "MaxWaitTimeExceeded"


class TrainingJob(Job):
    """See `Job`."""

    kind = "TrainingJob"
    arn_part = "training-job"
    scratch = ("hosts", "model", "data")

    def __init__(self, service: Service, record: JobRecord) -> None:
        super().__init__(service, record)
        self._taken = threading.Event()
        self._ran = 0.0  # seconds in containers
        self._metrics = Metrics(self.request["AlgorithmSpecification"].get("MetricDefinitions", []))

    @property
    def spot(self) -> bool:
        """Whether its capacity may be taken away."""
        return bool(self.request.get("EnableManagedSpotTraining"))

    def values_of(self, metric: str) -> list[float]:
        """All values of a metric that it has printed so far."""
        return self._metrics.values(metric)

    def preempt(self) -> None:
        """Take its capacity away."""
        self._taken.set()

    def stop(self) -> None:
        """See `Job.stop`."""
        with self.changing() as record:
            if not record.ended and not self.stopping.is_set():
                self.enter("Stopping", "Stopping the training job")
        super().stop()

    def describe(self) -> dict[str, Any]:
        """See `Job.describe`."""
        from intermodal.runtime.sagemaker_local.training import describe_record

        return describe_record(self.service, self.snapshot())

    def run(self) -> None:
        """See `Job.run`."""
        self.enter("Starting", "Launching requested ML instances")
        if self._unlucky():
            return
        ending = self._attempts()
        self._end(ending or Ending((), STOPPED))

    def _unlucky(self) -> bool:
        """Whether an injected fault ends it before it begins; a slow start is waited for."""
        if self.service.faults.of_job("capacity", self.name):
            self.finish("Failed", _CAPACITY, "Failed", _CAPACITY)
            return True
        slow = self.service.faults.of_job("slow-start", self.name)
        if slow is not None:
            self.stopping.wait(slow.seconds)
        return False

    def _attempts(self) -> Ending | None:
        """Run until it ends otherwise than by losing its capacity; None when it was stopped before it ran."""
        retries = self.request.get("RetryStrategy", {}).get("MaximumRetryAttempts", 0)
        while not self.stopping.is_set():
            ending = self._attempt()
            if ending.why != TAKEN:
                broken = self.service.faults.of_job("internal", self.name) if retries else None
                if broken is None:
                    return ending
                retries -= 1
                self.enter("Restarting", "InternalServerError: restarting the training job")
                continue
            self.enter("Interrupted", "Spot capacity was reclaimed; the job starts again from its last checkpoint")
            self.enter("Starting", "Launching requested ML instances")
        return None

    def _attempt(self) -> Ending:
        shutil.rmtree(self.folder / "hosts", ignore_errors=True)
        self._taken.clear()
        self.enter("Downloading", "Downloading input data")
        with self.changing() as record:
            record.started = record.started or now()
        prefixes = {host: Prefix(self.folder / "hosts" / host) for host in hosts_of(self.request["ResourceConfig"])}
        feeds: list[PipeFeed] = []
        try:
            for host, prefix in prefixes.items():
                feeds += self._prepare(host, prefix)
            self.enter("Training", "Training image download completed. Training in progress.")
            return self._run(prefixes)
        finally:
            for feed in feeds:
                feed.close()

    def _prepare(self, host: str, prefix: Prefix) -> list[PipeFeed]:
        s3 = self.service.client("s3")
        write_configuration(prefix, self.request, host, self.service.executor.network)
        fetch_checkpoints(s3, prefix, self.request)
        feeds = fill_channels(s3, prefix, self.request, host)
        for _uri, local in self._followed():
            prefix.at(local)
        prefix.open_up()
        return feeds

    def _run(self, prefixes: dict[str, Prefix]) -> Ending:
        s3, log = self.service.client("s3"), JobLog(self.service, LOG_GROUP, self)
        syncs = [
            Sync(s3, prefix.at(local), uri).start() for prefix in prefixes.values() for uri, local in self._followed()
        ]
        started = time.monotonic()

        def line(host: str, text: str) -> None:
            log.write(host, text)
            self._metrics.read(text)

        timer, taken = self._preemption(), False
        try:
            executions = [self._execution(host, prefix) for host, prefix in prefixes.items()]
            limits = self.request["StoppingCondition"]
            limit = limits.get("MaxRuntimeInSeconds", _DAY) - self._ran
            waited = time.time() - self.record.created
            limit = min(limit, limits.get("MaxWaitTimeInSeconds", 1e9) - waited)
            run = HostRun(
                self.service.executor,
                executions,
                line,
                self.stopping,
                self._taken,
                limit,
                self.service.grace,
            )
            ending = run.run()
            taken = ending.why == TAKEN  # capacity that is taken just after the end takes nothing
        finally:
            timer.cancel()
            self._ran += time.monotonic() - started
            for sync in syncs:
                sync.stop(last=not taken)
        return ending

    def _preemption(self) -> threading.Timer:
        """Takes the capacity away in time, if a fault says so."""
        fault = self.service.faults.of_job("preempt", self.name) if self.spot else None
        timer = threading.Timer(fault.seconds if fault is not None else 0.0, self.preempt)
        timer.daemon = True
        if fault is not None:
            timer.start()
        return timer

    def _execution(self, host: str, prefix: Prefix) -> Execution:
        spec = self.request["AlgorithmSpecification"]
        command = tuple(spec.get("ContainerEntrypoint", ()))
        arguments = tuple(spec.get("ContainerArguments", ())) or (() if command else ("train",))
        told = {"TRAINING_JOB_NAME": self.name, "TRAINING_JOB_ARN": self.arn, "CURRENT_HOST": host}
        return Execution(
            image=spec.get("TrainingImage", ""),
            label=self.arn,
            command=command,
            arguments=arguments,
            environment={**told, **self.request.get("Environment", {})},
            mounts=prefix.mounts,
            hostname=host,
            hosts=hosts_of(self.request["ResourceConfig"]),
            directory="/opt/ml/code",
            network=not self.request.get("EnableNetworkIsolation", False),
        )

    def _followed(self) -> list[tuple[str, str]]:
        """Folders that follow S3 while it runs: (URI, path in the container)."""
        found = []
        if config := self.request.get("CheckpointConfig"):
            found.append((config["S3Uri"], config.get("LocalPath", CHECKPOINTS)))
        if config := self.request.get("TensorBoardOutputConfig"):
            found.append((f"{self._below(config)}/tensorboard-output", config.get("LocalPath", TENSORBOARD)))
        if config := self.request.get("DebugHookConfig"):
            found.append((f"{self._below(config)}/debug-output", config.get("LocalPath", "/opt/ml/output/tensors")))
        return found

    def _below(self, config: dict[str, Any]) -> str:
        return f"{config['S3OutputPath'].rstrip('/')}/{self.name}"

    def _end(self, ending: Ending) -> None:
        with self.changing() as record:
            record.facts["FinalMetricDataList"] = self._metrics.final()
            record.facts |= self._times()
        failure = self._failure(ending)
        if failure:
            self.finish("Failed", failure, "Failed", failure)
            return
        self._save()
        if ending.why == STOPPED or self.stopping.is_set():
            self.finish("Stopped", secondary="Stopped", message="Training job stopped")
        elif ending.why == LIMIT:
            limits = self.request["StoppingCondition"]
            waiting = limits.get("MaxWaitTimeInSeconds", 1e9) - (time.time() - self.record.created)
            ran_out = waiting > limits.get("MaxRuntimeInSeconds", _DAY) - self._ran
            self.finish("Stopped", secondary=_TOO_LONG if ran_out else _WAITED, message="Training job stopped")
        else:
            self.finish("Completed", secondary="Completed", message="Training job completed")

    def _times(self) -> dict[str, int]:
        """Seconds of training and of the bill; spare capacity is billed at a part of its price."""
        training = max(1, round(now() - (self.record.started or now())))
        billed = max(1, round(self._ran * _SPOT_PRICE)) if self.spot else training
        return {"TrainingTimeInSeconds": training, "BillableTimeInSeconds": billed}

    def _failure(self, ending: Ending) -> str:
        if ending.why or not ending.failed:
            return ""
        texts = [Prefix(path).read("/opt/ml/output/failure") for path in sorted((self.folder / "hosts").iterdir())]
        text = next((text for text in texts if text), "")
        code = f", exit code: {ending.failed}"
        return f"AlgorithmError: {text}"[: 1024 - len(code)] + code

    def _save(self) -> None:
        """Upload the model, and whatever lies in output/data."""
        hosts = self.folder / "hosts"
        if not hosts.is_dir():
            return
        self.enter("Uploading", "Uploading generated training model")
        s3, config = self.service.client("s3"), self.request["OutputDataConfig"]
        target = f"{config['S3OutputPath'].rstrip('/')}/{self.name}/output"
        split_uri(target)
        prefixes = [Prefix(path) for path in sorted(hosts.iterdir())]
        packed = config.get("CompressionType", "GZIP") != "NONE"
        uri = f"{target}/model.tar.gz" if packed else f"{target}/model/"
        key = config.get("KmsKeyId", "")
        _upload(s3, [prefix.at("/opt/ml/model") for prefix in prefixes], uri, self.folder / "model", key)
        extra = [prefix.at("/opt/ml/output/data") for prefix in prefixes]
        if any(any(folder.iterdir()) for folder in extra):
            _upload(s3, extra, f"{target}/output.tar.gz" if packed else f"{target}/data/", self.folder / "data", key)
        with self.changing() as record:
            record.facts["ModelArtifacts"] = {"S3ModelArtifacts": uri}


def _upload(s3: Any, folders: list[Path], uri: str, scratch: Path, key: str) -> None:
    """Upload folders of several hosts as one; where names clash, the first host's file counts."""
    folder = folders[0]
    if len(folders) > 1:
        shutil.rmtree(scratch, ignore_errors=True)
        for item in reversed(folders):
            shutil.copytree(item, scratch, dirs_exist_ok=True)
        folder = scratch
    if uri.endswith("/"):
        upload_folder(s3, folder, uri, key=key)
    else:
        upload_tar(s3, folder, uri, key)
