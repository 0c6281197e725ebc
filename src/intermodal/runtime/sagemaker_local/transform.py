"""Transform jobs: the model's container answers every record of every input file, and ends."""

from __future__ import annotations

import gzip
import http.client
import json
import posixpath
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from intermodal.runtime.sagemaker_local.answers import now, present
from intermodal.runtime.sagemaker_local.hosting import Hosted, ModelServer
from intermodal.runtime.sagemaker_local.job_operations import JobOperations
from intermodal.runtime.sagemaker_local.jobs import Job
from intermodal.runtime.sagemaker_local.logs import write_line
from intermodal.runtime.sagemaker_local.models import find_model
from intermodal.runtime.sagemaker_local.operations import ApiError
from intermodal.runtime.sagemaker_local.records_of import batches, filtered, join, parse, split_records, unparse
from intermodal.runtime.sagemaker_local.service import Service
from intermodal.runtime.sagemaker_local.transfer import list_keys, missing_input, relative_path, split_uri

_PAYLOAD = 6  # MB, AWS's default
_SECONDS, _RETRIES = 600, 3
_CAPACITY = (
    "CapacityError: Unable to provision requested ML compute capacity. Please retry using a different ML instance type."
)
_GROUP = "/aws/sagemaker/TransformJobs"


class StoppedError(Exception):
    """The job was told to stop."""


class RefusedError(Exception):
    """The container refused a batch."""


class TransformJob(Job):
    """A transform job."""

    kind = "TransformJob"
    arn_part = "transform-job"

    def run(self) -> None:
        """See `Job.run`."""
        if self.service.faults.of_job("capacity", self.name):
            self.finish("Failed", _CAPACITY)
            return
        slow = self.service.faults.of_job("slow-start", self.name)
        if slow is not None and self.stopping.wait(slow.seconds):
            self.finish("Stopped")
            return
        with self.changing() as record:
            record.started = now()
        server = ModelServer(self.service, self._hosted())
        try:
            ending = self._work(server)
        finally:
            server.end()
        self.finish(*ending)

    def describe(self) -> dict[str, Any]:
        """See `Job.describe`."""
        record = self.snapshot()
        kept = {key: value for key, value in record.request.items() if key != "Tags"}
        return present(
            {
                **kept,
                "TransformJobArn": record.arn,
                "TransformJobStatus": record.status,
                "FailureReason": record.failure,
                "CreationTime": record.created,
                "TransformStartTime": record.started or None,
                "TransformEndTime": record.ended or None,
            }
        )

    def _hosted(self) -> Hosted:
        request = self.request
        told = {
            "SAGEMAKER_BATCH": "true",
            "SAGEMAKER_MAX_PAYLOAD_IN_MB": str(request.get("MaxPayloadInMB", _PAYLOAD)),
            "SAGEMAKER_BATCH_STRATEGY": _wire_name(request.get("BatchStrategy", "MultiRecord")),
            "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": str(request.get("MaxConcurrentTransforms", 1) or 1),
        }
        model = find_model(self.service, request["ModelName"])
        stream = f"{self.name}/i-{int(self.record.created * 1000):017x}"
        log = partial(write_line, self.service, _GROUP, stream)
        return Hosted(self.arn, self.folder / "host", model, told | request.get("Environment", {}), log=log)

    def _work(self, server: ModelServer) -> tuple[str, str]:
        """Answer all files; the job's status, and why it failed."""
        reason = server.wait_until_up(self.stopping)
        if self.stopping.is_set():
            return "Stopped", ""
        if reason:
            return "Failed", f"ClientError: The model container did not pass the ping health check: {reason}"
        source = self.request["TransformInput"]["DataSource"]["S3DataSource"]
        try:
            for bucket, key, name in _objects(self.service.client("s3"), source["S3DataType"], source["S3Uri"]):
                self._answer_file(server, bucket, key, name)
        except StoppedError:
            return "Stopped", ""
        except RefusedError as error:
            self._say(str(error))
            return "Failed", "ClientError: See job logs for more information"
        return "Completed", ""

    def _answer_file(self, server: ModelServer, bucket: str, key: str, name: str) -> None:
        given, s3 = self.request["TransformInput"], self.service.client("s3")
        body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        if given.get("CompressionType", "None") == "Gzip":
            body = gzip.decompress(body)
        records = split_records(body, given.get("SplitType", "None"))
        payload, strategy = (
            self.request.get("MaxPayloadInMB", _PAYLOAD),
            self.request.get("BatchStrategy", "MultiRecord"),
        )
        with ThreadPoolExecutor(self.request.get("MaxConcurrentTransforms", 1) or 1) as pool:
            parts = list(pool.map(partial(self._answer_batch, server), batches(records, strategy, payload)))
        target = self.request["TransformOutput"]
        out_bucket, prefix = split_uri(target["S3OutputPath"].rstrip("/"))
        s3.put_object(Bucket=out_bucket, Key=posixpath.join(prefix, f"{name}.out"), Body=b"".join(parts))

    def _answer_batch(self, server: ModelServer, records: list[bytes]) -> bytes:
        if self.stopping.is_set():
            raise StoppedError
        given, processing = self.request["TransformInput"], self.request.get("DataProcessing", {})
        kind = given.get("ContentType", "application/octet-stream")
        wanted = processing.get("InputFilter", "$")
        sent = [unparse(filtered(parse(item, kind), wanted), kind) for item in records] if wanted != "$" else records
        answer = self._ask(server, b"\n".join(sent), kind)
        if processing.get("JoinSource", "None") == "Input" or processing.get("OutputFilter", "$") != "$":
            return self._joined(records, answer, kind)
        if self.request["TransformOutput"].get("AssembleWith", "None") == "Line":
            return answer if answer.endswith(b"\n") else answer + b"\n"
        return answer

    def _joined(self, records: list[bytes], answer: bytes, kind: str) -> bytes:
        processing, target = self.request.get("DataProcessing", {}), self.request["TransformOutput"]
        accept = target.get("Accept", kind)
        answers = answer.splitlines()
        if len(answers) != len(records):
            raise RefusedError(
                f"Fail to join data: mismatched line count between the input ({len(records)}) and the output "
                f"({len(answers)})"
            )
        lines = []
        for record, line in zip(records, answers, strict=True):
            value = parse(line, accept)
            if processing.get("JoinSource", "None") == "Input":
                value = join(parse(record, kind), value)
            lines.append(unparse(filtered(value, processing.get("OutputFilter", "$")), accept) + b"\n")
        return b"".join(lines)

    def _ask(self, server: ModelServer, body: bytes, kind: str) -> bytes:
        client = self.request.get("ModelClientConfig", {})
        headers = {"Content-Type": kind, "Accept": self.request["TransformOutput"].get("Accept", kind)}
        told = ""
        for _attempt in range(1 + client.get("InvocationsMaxRetries", _RETRIES)):
            if self.stopping.is_set():
                raise StoppedError
            try:
                reply = server.invoke(body, headers, client.get("InvocationsTimeoutInSeconds", _SECONDS))
            except (OSError, http.client.HTTPException) as error:
                told = f"{type(error).__name__}: {error}"
                continue
            if reply.status < 400:
                return reply.body
            told = f"{reply.status}: {reply.body.decode('utf-8', 'replace')[:1000]}"
            if reply.status < 500:
                break
        raise RefusedError(f"ClientError: {told}")

    def _say(self, line: str) -> None:
        write_line(self.service, _GROUP, f"{self.name}/i-{int(self.record.created * 1000):017x}/data-log", line)


def _check(service: Service, request: dict[str, Any]) -> None:
    find_model(service, request["ModelName"])


def _summary(job: TransformJob) -> dict[str, Any]:
    told = job.describe()
    names = ("TransformJobName", "TransformJobArn", "CreationTime", "TransformJobStatus", "TransformEndTime")
    return {key: told[key] for key in (*names, "FailureReason") if key in told}


JobOperations(TransformJob, _check, _summary, listed=100).register("Delete")


def _objects(s3: Any, kind: str, uri: str) -> list[tuple[str, str, str]]:
    """Bucket, key and relative name of every input object.

    Raises:
        ApiError: ValidationException, nothing is there, or the kind is not run here.
    """
    bucket, prefix = split_uri(uri)
    if kind == "ManifestFile":
        head, *names = json.loads(s3.get_object(Bucket=bucket, Key=prefix)["Body"].read())
        bucket, base = split_uri(head["prefix"])
        return [(bucket, base + name, name) for name in names]
    if kind != "S3Prefix":
        raise ApiError("ValidationException", f"S3DataType {kind} is not run on this machine")
    keys = list_keys(s3, bucket, prefix)
    if not keys:
        raise missing_input(uri)
    return [(bucket, key, relative_path(key, prefix) or posixpath.basename(key)) for key in keys]


def _wire_name(strategy: str) -> str:
    """As containers are told: MULTI_RECORD."""
    return "SINGLE_RECORD" if strategy == "SingleRecord" else "MULTI_RECORD"
