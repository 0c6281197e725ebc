"""A tuning as a HyperParameterTuningJob: the request, rendered from the plan alone.

SageMaker's definition of a tuning's training jobs has no entry point and no arguments: the image's program `train` is
run, and everything reaches it as a hyperparameter. Our images have such a program: `intermodal.tuning.train_program`.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

from intermodal.aws.job_environment import JobMark
from intermodal.aws.job_input import artifact_prefix
from intermodal.aws.job_kinds import REQUEST_VARIABLE, TUNING
from intermodal.aws.job_parts import cluster, job_tags, jobs_prefix, stopping, vpc
from intermodal.aws.metrics import REPORTED, definitions_of
from intermodal.aws.names import AUTOML_LIMIT, job_name
from intermodal.aws.render_training import CHECKPOINT_PATH
from intermodal.aws.request import Request, TaskPlan
from intermodal.aws.secrets import check_no_secrets
from intermodal.aws.settings import JobSettings
from intermodal.aws.unknown import paths_with
from intermodal.core.component import image_of
from intermodal.core.search_space import CATEGORICAL, INTEGER, Range, text_of
from intermodal.core.tuning_plan import GRID, HYPERBAND, TuningPlan, grid_size, read_tuning_plan
from intermodal.errors import UsageError

STEP_HYPERPARAMETER = "intermodal_step"
FEATURES = "features"
_SCALING = {"auto": "Auto", "linear": "Linear", "log": "Logarithmic", "reverse_log": "ReverseLogarithmic"}
_SHORTEST = 120  # seconds, by SageMaker
_MOST_PARENTS, _MOST_RANGES, _MOST_VALUES = 5, 30, 30
_ANY_NAME = JobMark("job", "0" * 64)


def render(plan: TaskPlan) -> list[Request]:
    """The request that does a tuning on SageMaker.

    Args:
        plan: A task of the step `tune`; its input `features` is on S3.

    Returns:
        CreateHyperParameterTuningJob.

    Raises:
        UsageError: A parameter or a setting cannot be sent to SageMaker; it is named.
    """
    check_no_secrets(plan.parameters)
    tuning = read_tuning_plan(plan.parameters)
    _check(tuning)
    body = _body(plan, tuning, _ANY_NAME)
    plain = {name: value for name, value in body.items() if name != "Tags"}
    text = json.dumps([TUNING.create, plain, plan.nonce], sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()
    mark = JobMark(job_name([plan.pipeline, plan.task], digest, plan.attempt, AUTOML_LIMIT), digest)
    body = _body(plan, tuning, mark)
    channel = body["TrainingJobDefinition"]["InputDataConfig"][0]["DataSource"]["S3DataSource"]["S3Uri"]
    unknown = paths_with(body, (channel, mark.name, digest[:16])) if plan.unknown_inputs else ()
    return [Request("sagemaker", TUNING.create, body, plan.task, unknown)]


def _body(plan: TaskPlan, tuning: TuningPlan, mark: JobMark) -> dict[str, Any]:
    made = {
        TUNING.name_member: mark.name,
        "HyperParameterTuningJobConfig": _config(tuning),
        "TrainingJobDefinition": _definition(plan, tuning, mark),
        "Tags": job_tags(plan),
    }
    if tuning.warm_start:
        parents = [{TUNING.name_member: name} for name in tuning.warm_start]
        kind = "TransferLearning" if tuning.transfer else "IdenticalDataAndAlgorithm"
        made["WarmStartConfig"] = {"ParentHyperParameterTuningJobs": parents, "WarmStartType": kind}
    return made


def _config(tuning: TuningPlan) -> dict[str, Any]:
    limits: dict[str, int] = {"MaxParallelTrainingJobs": tuning.parallel}
    if tuning.strategy != GRID:  # SageMaker counts a grid itself
        limits["MaxNumberOfTrainingJobs"] = tuning.trials
    if tuning.max_seconds:
        limits["MaxRuntimeInSeconds"] = max(_SHORTEST, tuning.max_seconds)
    stops = tuning.early_stopping and tuning.strategy != HYPERBAND  # hyperband stops by itself, and only so
    return {
        "Strategy": tuning.strategy.capitalize(),
        "HyperParameterTuningJobObjective": {"Type": tuning.direction.capitalize(), "MetricName": tuning.metric},
        "ResourceLimits": limits,
        "ParameterRanges": parameter_ranges(tuning.space),
        "TrainingJobEarlyStoppingType": "Auto" if stops else "Off",
        "RandomSeed": tuning.seed,
    }


def parameter_ranges(space: tuple[Range, ...]) -> dict[str, Any]:
    """Ranges in SageMaker's form: every number as text.

    Args:
        space: The ranges.
    """
    made: dict[str, Any] = {}
    for item in space:
        if item.kind == CATEGORICAL:
            fields = {"Name": item.name, "Values": [text_of(value) for value in item.values]}
            made.setdefault("CategoricalParameterRanges", []).append(fields)
            continue
        whole = item.kind == INTEGER
        fields = {
            "Name": item.name,
            "MinValue": str(int(item.low)) if whole else repr(item.low),
            "MaxValue": str(int(item.high)) if whole else repr(item.high),
            "ScalingType": _SCALING[item.scale],
        }
        made.setdefault("IntegerParameterRanges" if whole else "ContinuousParameterRanges", []).append(fields)
    return made


def _definition(plan: TaskPlan, tuning: TuningPlan, mark: JobMark) -> dict[str, Any]:
    """The training jobs: each with the settings of the training step, unless `tune` has settings of its own."""
    child = plan if plan.spec.name in plan.settings.steps else replace(plan, spec=tuning.spec)
    sized = replace(child, spec=replace(child.spec, needs=tuning.spec.needs))
    job = child.job
    check_no_secrets(job.env, "variable sagemaker.env")
    key = {"KmsKeyId": job.output_kms_key} if job.output_kms_key else {}
    return {
        "StaticHyperParameters": _static(tuning),
        "AlgorithmSpecification": {
            "TrainingImage": _image(plan, tuning, job),
            "TrainingInputMode": "FastFile" if job.input_mode == "FastFile" else "File",
            "MetricDefinitions": definitions_of((tuning.metric, *REPORTED.get(tuning.spec.name, ()))),
        },
        "RoleArn": plan.place.role,
        "InputDataConfig": [_channel(plan)],
        **vpc(job),
        "OutputDataConfig": {"S3OutputPath": f"{plan.place.store}/tuning/{mark.name}", **key},
        "ResourceConfig": cluster(sized),
        "StoppingCondition": stopping(job, spot=job.spot),
        "EnableNetworkIsolation": job.network_isolation,
        "EnableInterContainerTrafficEncryption": job.encrypt_traffic,
        "EnableManagedSpotTraining": job.spot,
        **_checkpoints(plan, job, mark),
        **({"RetryStrategy": {"MaximumRetryAttempts": job.attempts}} if job.attempts else {}),
        "Environment": {**job.env, REQUEST_VARIABLE: mark.digest[:16]},
    }


def _static(tuning: TuningPlan) -> dict[str, str]:
    return {
        STEP_HYPERPARAMETER: tuning.spec.target,
        **{name: text_of(value) for name, value in tuning.fixed.items()},
    }


def _image(plan: TaskPlan, tuning: TuningPlan, job: JobSettings) -> str:
    """The image of the training step's family; `tune`'s own where that is the same, or can do the same."""
    family = tuning.spec.needs.image
    if job.image:
        return job.image
    if family in ("core", plan.spec.needs.image):
        return plan.image
    return plan.settings.images.get(family) or image_of(family)


def _channel(plan: TaskPlan) -> dict[str, Any]:
    uri = plan.inputs[FEATURES][0]
    prefix = artifact_prefix(uri, plan.place.store).rstrip("/") + "/"
    source = {"S3DataType": "S3Prefix", "S3Uri": prefix, "S3DataDistributionType": "FullyReplicated"}
    return {"ChannelName": FEATURES, "DataSource": {"S3DataSource": source}}


def _checkpoints(plan: TaskPlan, job: JobSettings, mark: JobMark) -> dict[str, Any]:
    """SageMaker adds each training job's name to the place itself."""
    if not (job.checkpoints or job.spot):
        return {}
    uri = f"{jobs_prefix(plan)}/checkpoints/{mark.digest[:32]}/"
    return {"CheckpointConfig": {"S3Uri": uri, "LocalPath": CHECKPOINT_PATH}}


def _check(tuning: TuningPlan) -> None:
    """What SageMaker refuses, though its model does not say so, or says it in words nobody understands."""
    if len(tuning.space) > _MOST_RANGES:
        raise UsageError("too many parameters are tuned", seen=len(tuning.space), expected=f"at most {_MOST_RANGES}")
    for item in tuning.space:
        if len(item.values) > _MOST_VALUES:
            expected = f"at most {_MOST_VALUES}"
            raise UsageError(f"the range of {item.name} has too many values", seen=len(item.values), expected=expected)
    if len(tuning.warm_start) > _MOST_PARENTS:
        seen = len(tuning.warm_start)
        raise UsageError("too many earlier tunings", seen=seen, expected=f"at most {_MOST_PARENTS}")
    if tuning.strategy == GRID and tuning.trials < grid_size(tuning):
        raise UsageError(
            "SageMaker tries a whole grid",
            seen=f"trials = {tuning.trials}",
            expected=f"{grid_size(tuning)}, the grid's size, or more",
            next_step="give more trials, fewer values, or strategy=random",
        )
    if tuning.strategy == GRID and tuning.warm_start:
        raise UsageError("a grid learns nothing from earlier tunings", seen="warm_start", expected="another strategy")
