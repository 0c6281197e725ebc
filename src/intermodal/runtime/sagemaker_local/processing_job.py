"""A processing job: brings its inputs, runs its hosts, takes its outputs to S3."""

from __future__ import annotations

import shutil
import threading
from typing import Any

from intermodal.runtime.sagemaker_local.answers import now, present
from intermodal.runtime.sagemaker_local.channels import download_items, list_items, share_of
from intermodal.runtime.sagemaker_local.executing import Execution
from intermodal.runtime.sagemaker_local.hosts import LIMIT, Ending, HostRun
from intermodal.runtime.sagemaker_local.job_log import JobLog
from intermodal.runtime.sagemaker_local.jobs import Job, JobRecord
from intermodal.runtime.sagemaker_local.operations import ApiError
from intermodal.runtime.sagemaker_local.pipes import PipeFeed, object_content
from intermodal.runtime.sagemaker_local.prefix import Prefix, host_names
from intermodal.runtime.sagemaker_local.syncing import Sync
from intermodal.runtime.sagemaker_local.transfer import upload_folder

LOG_GROUP = "/aws/sagemaker/ProcessingJobs"
_DAY = 24 * 3600
_CAPACITY = (
    "CapacityError: Unable to provision requested ML compute capacity. Please retry using a different ML instance type."
)


class ProcessingJob(Job):
    """See `Job`."""

    kind = "ProcessingJob"
    arn_part = "processing-job"
    scratch = ("hosts",)

    def describe(self) -> dict[str, Any]:
        """See `Job.describe`."""
        return describe_record(self.snapshot())

    def run(self) -> None:
        """See `Job.run`."""
        if self.service.faults.of_job("capacity", self.name):
            self.finish("Failed", _CAPACITY)
            return
        slow = self.service.faults.of_job("slow-start", self.name)
        if slow is not None:
            self.stopping.wait(slow.seconds)
        if self.stopping.is_set():
            self.finish("Stopped")
            return
        self._work()

    @property
    def hosts(self) -> tuple[str, ...]:
        """Names of its hosts."""
        return host_names(self.request["ProcessingResources"]["ClusterConfig"]["InstanceCount"])

    def _work(self) -> None:
        shutil.rmtree(self.folder / "hosts", ignore_errors=True)
        prefixes = {host: Prefix(self.folder / "hosts" / host) for host in self.hosts}
        feeds: list[PipeFeed] = []
        syncs: list[Sync] = []
        try:
            for host, prefix in prefixes.items():
                feeds += self._prepare(host, prefix)
            with self.changing() as record:
                record.started = now()
            syncs += self._follow(prefixes)
            ending = self._run(prefixes)
        finally:
            for feed in feeds:
                feed.close()
            for sync in syncs:
                sync.stop()
        self._end(ending, prefixes)

    def _prepare(self, host: str, prefix: Prefix) -> list[PipeFeed]:
        prefix.at("/opt/ml/output")
        prefix.write("/opt/ml/config/processingjobconfig.json", {"ProcessingJobArn": self.arn, **self._config()})
        cluster = self.request["ProcessingResources"]["ClusterConfig"]
        prefix.write(
            "/opt/ml/config/resourceconfig.json",
            {"current_host": host, "hosts": list(self.hosts), "current_instance_type": cluster["InstanceType"]},
        )
        feeds = [feed for item in self.request.get("ProcessingInputs", []) for feed in self._bring(item, host, prefix)]
        for output in self._outputs():
            prefix.at(output["S3Output"]["LocalPath"])
        prefix.open_up()
        return feeds

    def _config(self) -> dict[str, Any]:
        return {name: value for name, value in self.request.items() if name != "Tags"}

    def _bring(self, item: dict[str, Any], host: str, prefix: Prefix) -> list[PipeFeed]:
        """Bring a host's share of one input; its pipe, if it wants one."""
        source = item.get("S3Input")
        if source is None:
            raise ApiError("ValidationException", f"input {item['InputName']}: only S3Input is supported")
        s3, local = self.service.client("s3"), source["LocalPath"]
        found = list_items(s3, source["S3Uri"], source.get("S3DataType", "S3Prefix"))
        distribution = source.get("S3DataDistributionType", "FullyReplicated")
        mine = share_of(found, self.hosts.index(host), len(self.hosts), distribution)
        if source.get("S3InputMode", "File") == "Pipe":
            path = prefix.at(local.rpartition("/")[0]) / local.rpartition("/")[2]
            gzipped = source.get("S3CompressionType") == "Gzip"
            return [PipeFeed(path, lambda _: object_content(s3, mine, gzipped=gzipped, recordio=False)).start()]
        download_items(s3, mine, prefix.at(local))
        return []

    def _outputs(self) -> list[dict[str, Any]]:
        outputs = self.request.get("ProcessingOutputConfig", {}).get("Outputs", [])
        return [output for output in outputs if "S3Output" in output]

    def _follow(self, prefixes: dict[str, Prefix]) -> list[Sync]:
        s3 = self.service.client("s3")
        targets = [output["S3Output"] for output in self._outputs()]
        return [
            Sync(s3, prefix.at(target["LocalPath"]), target["S3Uri"]).start()
            for prefix in prefixes.values()
            for target in targets
            if target["S3UploadMode"] == "Continuous"
        ]

    def _run(self, prefixes: dict[str, Prefix]) -> Ending:
        limit = self.request.get("StoppingCondition", {}).get("MaxRuntimeInSeconds", _DAY)
        executions = [self._execution(host, prefix) for host, prefix in prefixes.items()]
        log, never = JobLog(self.service, LOG_GROUP, self), threading.Event()
        return HostRun(
            self.service.executor, executions, log.write, self.stopping, never, limit, self.service.grace
        ).run()

    def _execution(self, host: str, prefix: Prefix) -> Execution:
        spec = self.request["AppSpecification"]
        told = {"PROCESSING_JOB_NAME": self.name, "PROCESSING_JOB_ARN": self.arn, "CURRENT_HOST": host}
        return Execution(
            image=spec["ImageUri"],
            label=self.arn,
            command=tuple(spec.get("ContainerEntrypoint", ())),
            arguments=tuple(spec.get("ContainerArguments", ())),
            environment={**told, **self.request.get("Environment", {})},
            mounts=prefix.mounts,
            hostname=host,
            hosts=self.hosts,
            network=not self.request.get("NetworkConfig", {}).get("EnableNetworkIsolation", False),
        )

    def _end(self, ending: Ending, prefixes: dict[str, Prefix]) -> None:
        message = next((text for prefix in prefixes.values() if (text := prefix.read("/opt/ml/output/message"))), "")
        with self.changing() as record:
            record.facts["ExitMessage"] = message
        s3, key = self.service.client("s3"), self.request.get("ProcessingOutputConfig", {}).get("KmsKeyId", "")
        for output in self._outputs():
            target = output["S3Output"]
            for prefix in prefixes.values():
                if target["S3UploadMode"] == "EndOfJob":
                    upload_folder(s3, prefix.at(target["LocalPath"]), target["S3Uri"], key=key)
        if ending.why:
            self.finish("Stopped", "MaxRuntimeExceeded: the job ran too long" if ending.why == LIMIT else "")
        elif ending.failed:
            self.finish("Failed", f"AlgorithmError: See job logs for more information, exit code: {ending.failed}")
        else:
            self.finish("Completed")


def describe_record(record: JobRecord) -> dict[str, Any]:
    """The answer of DescribeProcessingJob.

    Args:
        record: The job's record.
    """
    return present(
        {
            **{name: value for name, value in record.request.items() if name != "Tags"},
            "ProcessingJobArn": record.arn,
            "ProcessingJobStatus": record.status,
            "CreationTime": record.created,
            "ProcessingStartTime": record.started or None,
            "ProcessingEndTime": record.ended or None,
            "LastModifiedTime": record.modified,
            "FailureReason": record.failure,
            **record.facts,
        }
    )
