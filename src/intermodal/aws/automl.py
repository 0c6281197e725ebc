"""Autopilot as an AutoML job of version 2: the request, rendered from the plan alone, and where its rows lie.

AutoML balances nothing: its rows are those of features that were balanced when they were made.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from intermodal.aws.archives import mark
from intermodal.aws.job_kinds import AUTOML
from intermodal.aws.job_parts import job_tags, vpc
from intermodal.aws.names import AUTOML_LIMIT, job_name
from intermodal.aws.request import Request, TaskPlan
from intermodal.aws.settings import JobSettings
from intermodal.aws.unknown import paths_with
from intermodal.errors import UsageError

TEXT, TABULAR = PROBLEMS = ("text", "tabular")
LABEL_COLUMN, TEXT_COLUMN = "label", "text"
CONTENT_TYPE = "text/csv;header=present"
# Our metrics by SageMaker's names.
OBJECTIVES = {
    "accuracy": "Accuracy",
    "balanced_accuracy": "BalancedAccuracy",
    "macro_f1": "F1macro",
    "macro_precision": "PrecisionMacro",
    "macro_recall": "RecallMacro",
}
ALGORITHMS = (
    "xgboost",
    "linear-learner",
    "mlp",
    "lightgbm",
    "catboost",
    "randomforest",
    "extra-trees",
    "nn-torch",
    "fastai",
)
_MOST_CANDIDATES = 750


def render(plan: TaskPlan) -> list[Request]:
    """The request that runs Autopilot on SageMaker.

    Args:
        plan: A task of the step `autopilot`.

    Returns:
        CreateAutoMLJobV2.

    Raises:
        UsageError: A parameter cannot be sent to SageMaker; it is named.
    """
    _check(plan.parameters)
    body = _body(plan, "job", "0" * 64)
    plain = {name: value for name, value in body.items() if name != "Tags"}
    digest = hashlib.sha256(json.dumps([AUTOML.create, plain, plan.nonce], sort_keys=True).encode()).hexdigest()
    name = job_name([plan.pipeline, plan.task], digest, plan.attempt, AUTOML_LIMIT)
    made = _body(plan, name, digest)
    rows = tuple(rows_uri(plan, split) for split in ("train", "validation"))
    unknown = paths_with(made, (*rows, name, digest)) if plan.unknown_inputs else ()
    return [Request("sagemaker", AUTOML.create, made, plan.task, unknown)]


def rows_uri(plan: TaskPlan, split: str) -> str:
    """Where the rows of one split lie as CSV: named after the input, so that a request can say it beforehand.

    Args:
        plan: The task.
        split: "train" or "validation".
    """
    given = plan.inputs.get("features") or plan.inputs.get("reviews") or ("",)
    return f"{plan.place.store}/automl/rows/{mark(given[0])}-{plan.parameters['problem']}/{split}/rows.csv"


def _body(plan: TaskPlan, name: str, digest: str) -> dict[str, Any]:
    job = plan.job
    key = {"KmsKeyId": job.output_kms_key} if job.output_kms_key else {}
    return {
        AUTOML.name_member: name,
        "AutoMLJobInputDataConfig": [
            _channel("training", rows_uri(plan, "train")),
            _channel("validation", rows_uri(plan, "validation")),
        ],
        # The digest at the end says what the job was asked: it has no environment that could.
        "OutputDataConfig": {"S3OutputPath": f"{plan.place.store}/automl/jobs/{digest}", **key},
        "AutoMLProblemTypeConfig": _problem(plan),
        "AutoMLJobObjective": {"MetricName": OBJECTIVES[plan.parameters["metric"]]},
        "RoleArn": plan.place.role,
        "SecurityConfig": _security(job),
        "Tags": job_tags(plan),
    }


def _channel(kind: str, uri: str) -> dict[str, Any]:
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": uri}}
    return {"ChannelType": kind, "ContentType": CONTENT_TYPE, "CompressionType": "None", "DataSource": source}


def _problem(plan: TaskPlan) -> dict[str, Any]:
    given = plan.parameters
    longest = given["max_seconds"] or plan.job.max_runtime
    times = {
        "MaxRuntimePerTrainingJobInSeconds": min(longest, plan.job.max_runtime),
        "MaxAutoMLJobRuntimeInSeconds": longest,
    }
    if given["problem"] == TEXT:  # SageMaker fine-tunes one model for a text
        criteria = {"MaxCandidates": 1, **times}
        columns = {"ContentColumn": TEXT_COLUMN, "TargetLabelColumn": LABEL_COLUMN}
        return {"TextClassificationJobConfig": {"CompletionCriteria": criteria, **columns}}
    algorithms = given["algorithms"]
    chosen = {"CandidateGenerationConfig": {"AlgorithmsConfig": [{"AutoMLAlgorithms": list(algorithms)}]}}
    config = {
        "CompletionCriteria": {"MaxCandidates": given["candidates"], **times},
        "ProblemType": "MulticlassClassification",
        "TargetAttributeName": LABEL_COLUMN,
        **(chosen if algorithms else {}),
    }
    return {"TabularJobConfig": config}


def _security(job: JobSettings) -> dict[str, Any]:
    key = {"VolumeKmsKeyId": job.volume_kms_key} if job.volume_kms_key else {}
    return {"EnableInterContainerTrafficEncryption": job.encrypt_traffic, **key, **vpc(job)}


def _check(given: dict[str, Any]) -> None:
    if given["problem"] not in PROBLEMS:
        raise UsageError("unknown kind of problem", seen=given["problem"], expected=" or ".join(PROBLEMS))
    if given["metric"] not in OBJECTIVES:
        expected = ", ".join(OBJECTIVES)
        raise UsageError("SageMaker's AutoML does not know this metric", seen=given["metric"], expected=expected)
    if not 1 <= given["candidates"] <= _MOST_CANDIDATES or given["max_seconds"] < 0:
        seen = f"candidates = {given['candidates']}, max_seconds = {given['max_seconds']}"
        raise UsageError(
            "Autopilot's budget is out of range", seen=seen, expected=f"1 to {_MOST_CANDIDATES} candidates"
        )
    unknown = [name for name in given["algorithms"] if name not in ALGORITHMS]
    if unknown or (given["algorithms"] and given["problem"] == TEXT):
        expected = "none for a text problem" if given["problem"] == TEXT else ", ".join(ALGORITHMS)
        raise UsageError("SageMaker's AutoML has no such algorithm", seen=given["algorithms"], expected=expected)
