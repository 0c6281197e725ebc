"""A definition brought to SageMaker: its tasks' files first, then the pipeline, made or changed, never twice."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from intermodal.aws.calls import Calls, Refused
from intermodal.aws.client import is_local
from intermodal.aws.job_images import require_images
from intermodal.aws.jobs import is_absent
from intermodal.aws.service_model import check_request
from intermodal.aws.tags import own_tags, tag_list
from intermodal.errors import UsageError
from intermodal.runtime.sagemaker.pipelines.definition import Definition
from intermodal.store.locate import open_store

CREATED, UPDATED, UNCHANGED = "created", "updated", "unchanged"
LARGEST = 100 * 1024  # bytes of a definition inside a request; a larger one goes through S3
_DESCRIPTION = 3072


@dataclass(frozen=True)
class Upserted:
    """What became of a pipeline.

    Attributes:
        arn: Its ARN.
        change: CREATED, UPDATED or UNCHANGED.
    """

    arn: str
    change: str


def upsert(definition: Definition, calls: Calls, tags: dict[str, str] | None = None) -> Upserted:
    """Make a pipeline, or change the one of that name.

    Args:
        definition: The definition.
        calls: SageMaker.
        tags: Tags beyond our own.

    Raises:
        UsageError: AWS would refuse the request, or a step could not do its work.
        RuntimeFailed: AWS refused, or did not answer.
        StoreFailed: The store did not take the tasks' files.
    """
    _check_tracking(definition)
    require_images(definition.plans, calls.settings, is_local(calls.settings))
    store = open_store(definition.store)
    for file in definition.files:
        store.write(file.key, file.content, only_if_absent=True)
    made = create_request(definition, tags or {})
    found = _find(definition.name, calls)
    if found is None:
        try:
            _put_large(definition)
            return Upserted(_sent(calls, "CreatePipeline", made), CREATED)
        except Refused as refused:
            if "already exists" not in refused.seen:
                raise
            found = _find(definition.name, calls) or {}  # somebody was faster
    if _is_same(found, definition):
        return Upserted(found["PipelineArn"], UNCHANGED)
    _put_large(definition)
    changed = {key: value for key, value in made.items() if key not in ("ClientRequestToken", "Tags")}
    return Upserted(_sent(calls, "UpdatePipeline", changed), UPDATED)


def create_request(definition: Definition, tags: dict[str, str]) -> dict[str, Any]:
    """The request that makes the pipeline; its token is a digest of all that is in it.

    Args:
        definition: The definition.
        tags: Tags beyond our own.
    """
    fields: dict[str, Any] = {
        "PipelineName": definition.name,
        "PipelineDisplayName": definition.name,
        "RoleArn": definition.role,
        "PipelineDescription": _about(definition),
    }
    text = _compact(definition)
    if len(text.encode()) < LARGEST:
        fields["PipelineDefinition"] = text
    else:
        bucket, _, prefix = definition.store.removeprefix("s3://").partition("/")
        key = f"{prefix}/{_large_key(definition)}".lstrip("/")
        fields["PipelineDefinitionS3Location"] = {"Bucket": bucket, "ObjectKey": key}
    token = hashlib.sha256(json.dumps([fields, definition.digest], sort_keys=True).encode()).hexdigest()
    tagged = tag_list({**tags, **own_tags(run_id="", pipeline=definition.name)})
    return {**fields, "ClientRequestToken": token, "Tags": tagged}


def _sent(calls: Calls, operation: str, request: dict[str, Any]) -> str:
    check_request("sagemaker", operation, request)
    return str(calls(operation, **request)["PipelineArn"])


def _put_large(definition: Definition) -> None:
    text = _compact(definition).encode()
    if len(text) >= LARGEST:
        open_store(definition.store).write(_large_key(definition), text, only_if_absent=True)


def _large_key(definition: Definition) -> str:
    return f"pipelines/definitions/{definition.digest}.json"


def _compact(definition: Definition) -> str:
    return json.dumps(definition.body, separators=(",", ":"), ensure_ascii=False)


def _find(name: str, calls: Calls) -> dict[str, Any] | None:
    try:
        return calls("DescribePipeline", PipelineName=name)
    except Refused as refused:
        if is_absent(refused):
            return None
        raise


def _is_same(found: dict[str, Any], definition: Definition) -> bool:
    try:
        body = json.loads(found.get("PipelineDefinition", ""))
    except ValueError:
        return False
    return bool(
        body == definition.body
        and found.get("RoleArn") == definition.role
        and found.get("PipelineDescription") == _about(definition)
    )


def _about(definition: Definition) -> str:
    """The description as AWS takes it: on one line, within its length."""
    return " ".join(definition.description.split())[:_DESCRIPTION].strip() or definition.name


def _check_tracking(definition: Definition) -> None:
    if definition.untracked:
        raise UsageError(
            "steps of the pipeline need MLflow, and their jobs are not told where it is",
            seen=", ".join(definition.untracked),
            expected="a tracking server that jobs reach",
            next_step='set MLFLOW_TRACKING_URI=https://…, or [sagemaker] env = {MLFLOW_TRACKING_URI = "…"}',
        )
