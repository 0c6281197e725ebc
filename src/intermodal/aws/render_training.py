"""A task as a training job: the request, rendered from the plan alone."""

from __future__ import annotations

from typing import Any

from intermodal.aws.job_channels import s3_source
from intermodal.aws.job_environment import JobMark, job_environment
from intermodal.aws.job_images import job_image
from intermodal.aws.job_input import OWN_INPUT, Delivery, deliveries, step_arguments
from intermodal.aws.job_parts import cluster, job_tags, jobs_prefix, stopping, vpc
from intermodal.aws.metrics import PATTERNS_PARAMETER, metric_definitions, own_definitions
from intermodal.aws.render_processing import ENTRYPOINT
from intermodal.aws.request import TaskPlan
from intermodal.aws.script_mode import CODE, Source, script_hyperparameters
from intermodal.aws.settings import JobSettings
from intermodal.errors import UsageError

CHECKPOINT_PATH = "/opt/ml/checkpoints"
TENSORBOARD_PATH = "/opt/ml/output/tensorboard"
_PROFILING_INTERVAL = 500  # milliseconds


def training_job(plan: TaskPlan, mark: JobMark, source: Source | None = None) -> dict[str, Any]:
    """CreateTrainingJob for a task.

    Args:
        plan: The task.
        mark: Name and digest of the job.
        source: The user's own source directory, packed, for script mode.

    Raises:
        UsageError: A setting or a parameter cannot be sent to SageMaker.
    """
    job = plan.job
    _check(plan)
    channels = _channels(plan, mark, source)
    made = {
        "TrainingJobName": mark.name,
        "RoleArn": plan.place.role,
        "AlgorithmSpecification": _algorithm(plan, script=source is not None),
        "Environment": job_environment(plan, mark),
        "OutputDataConfig": _output(plan),
        "ResourceConfig": _resources(plan),
        "StoppingCondition": stopping(job, spot=job.spot),
        "EnableNetworkIsolation": job.network_isolation,
        "EnableInterContainerTrafficEncryption": job.encrypt_traffic,
        "EnableManagedSpotTraining": job.spot,
        "Tags": job_tags(plan),
        **({"RetryStrategy": {"MaximumRetryAttempts": job.attempts}} if job.attempts else {}),
        **({"InputDataConfig": channels} if channels else {}),
        **({"HyperParameters": script_hyperparameters(plan, source, mark.name)} if source else {}),
    }
    return {**made, **vpc(job), **_checkpoints(plan, mark), **_watching(plan)}


def _check(plan: TaskPlan) -> None:
    job = plan.job
    if job.spot and job.warm_pool:
        raise UsageError(
            "sagemaker.warm_pool cannot be used with spot = true",
            seen=f"warm_pool = {job.warm_pool}",
            expected="one of the two: spare capacity cannot be kept",
        )
    if job.input_mode == "Pipe" and not job.source_dir:
        raise UsageError(
            'sagemaker.input_mode = "Pipe" cannot be used for this step',
            seen=f"{plan.spec.name}, which reads its inputs as files",
            expected="File or FastFile; Pipe is for script mode (source_dir)",
        )


def _algorithm(plan: TaskPlan, *, script: bool) -> dict[str, Any]:
    """Image and command; in script mode the image's own command runs the user's script."""
    own = {"ContainerEntrypoint": list(ENTRYPOINT), "ContainerArguments": step_arguments(plan)}
    return {
        "TrainingImage": job_image(plan),
        "TrainingInputMode": plan.job.input_mode,
        "MetricDefinitions": _metrics(plan, script=script),
        **({} if script else own),
    }


def _metrics(plan: TaskPlan, *, script: bool) -> list[dict[str, str]]:
    """How metrics are found: as the settings say, as the step's script prints them, or in the wrapper's own lines."""
    printed = plan.parameters.get(PATTERNS_PARAMETER) if script else None
    patterns = plan.job.metrics or (printed if isinstance(printed, dict) else {})
    return own_definitions(patterns) or metric_definitions(plan.spec, plan.parameters)


def _channels(plan: TaskPlan, mark: JobMark, source: Source | None) -> list[dict[str, Any]]:
    """What SageMaker brings; a container without a network cannot fetch the user's script either."""
    own = Delivery(OWN_INPUT, 0, "", f"{jobs_prefix(plan)}/{mark.name}/input/", OWN_INPUT)
    brought = [item for item in deliveries(plan) if item.channel]
    inputs = [_channel(plan, mark, item, plan.job.input_mode) for item in brought]
    if source is None:
        return [_channel(plan, mark, own, "File"), *inputs]
    code = _channel(plan, mark, Delivery(CODE, 0, "", source.uri(plan), CODE), "File")
    return [code, *inputs] if plan.job.network_isolation else inputs


def _channel(plan: TaskPlan, mark: JobMark, item: Delivery, mode: str) -> dict[str, Any]:
    source = {"S3DataSource": s3_source(plan, mark, item)}
    return {"ChannelName": item.channel, "InputMode": mode, "DataSource": source}


def _output(plan: TaskPlan) -> dict[str, Any]:
    key = {"KmsKeyId": plan.job.output_kms_key} if plan.job.output_kms_key else {}
    return {"S3OutputPath": jobs_prefix(plan), **key}


def _resources(plan: TaskPlan) -> dict[str, Any]:
    kept = {"KeepAlivePeriodInSeconds": plan.job.warm_pool} if plan.job.warm_pool else {}
    return {**cluster(plan), **kept}


def _checkpoints(plan: TaskPlan, mark: JobMark) -> dict[str, Any]:
    """The place is named after the work, not the job: another attempt goes on from there."""
    if not (plan.job.checkpoints or plan.job.spot):
        return {}
    uri = f"{jobs_prefix(plan)}/checkpoints/{mark.digest[:32]}/"
    return {"CheckpointConfig": {"S3Uri": uri, "LocalPath": CHECKPOINT_PATH}}


def _watching(plan: TaskPlan) -> dict[str, Any]:
    """Debugger, Profiler and TensorBoard; SageMaker adds the job's name to the place itself."""
    job: JobSettings = plan.job
    place = {"S3OutputPath": jobs_prefix(plan)}
    made: dict[str, Any] = {"ProfilerConfig": {"DisableProfiler": True}}
    if job.profiler:
        made["ProfilerConfig"] = {**place, "ProfilingIntervalInMilliseconds": _PROFILING_INTERVAL}
    made |= {"DebugHookConfig": place} if job.debugger else {}
    made |= {"TensorBoardOutputConfig": {**place, "LocalPath": TENSORBOARD_PATH}} if job.tensorboard else {}
    return made
