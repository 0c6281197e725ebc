"""A task as a Processing or Training step: the very request that `--on sagemaker` sends, without its name.

What is known only in an execution reaches the job as variables: the arguments of the execution, and the
names of the jobs before it, under which those have left in the store how they ended.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from intermodal.aws.job_input import MANAGED, OWN_INPUT, kind_of
from intermodal.aws.request import TaskPlan
from intermodal.aws.settings import ROLE_VARIABLE
from intermodal.aws.surroundings import PIPELINE_VARIABLE, SAGEMAKER, SERVICE_VARIABLE
from intermodal.core.component import IMAGE_VARIABLE
from intermodal.core.step import StepSpec
from intermodal.errors import UsageError
from intermodal.runtime.compiled import locked_images
from intermodal.runtime.sagemaker.pipelines.expressions import (
    EXECUTION_ID,
    from_object,
    from_property_file,
    join,
    parameter,
    step_property,
)
from intermodal.runtime.sagemaker.pipelines.flat_task import FlatTask
from intermodal.runtime.sagemaker.pipelines.task_file import (
    ARGUMENT_VARIABLE,
    FROM_VARIABLE,
    TaskFile,
    arguments_of,
)
from intermodal.runtime.sagemaker.render import render_job

PROCESSING, TRAINING = "Processing", "Training"
OUTCOME = "outcome"  # output and property file of a processing step
OUTCOME_FILE = "outcome.json"
OUTCOME_PATH = "/opt/ml/processing/outcome"
_NAMES = {PROCESSING: "ProcessingJobName", TRAINING: "TrainingJobName"}
_EXPIRES = "P30D"
_ID_LENGTH = 12  # of an execution
_JOB_NAME = 63
_ATTEMPTS = {"IntervalSeconds": 5, "BackoffRate": 2.0, "MaxAttempts": 3}
_SERVICE = ["Step.SERVICE_FAULT", "Step.THROTTLING"]
_JOB = ["SageMaker.JOB_INTERNAL_ERROR", "SageMaker.CAPACITY_ERROR", "SageMaker.RESOURCE_LIMIT"]


@dataclass(frozen=True)
class JobStep:
    """A task on its way to become a step.

    Attributes:
        task: The task.
        plan: Its plan.
        file: Its file.
        kinds: Task → "Processing" or "Training", for every task of the pipeline.
        tracking: Variables by which a job finds MLflow, unless its settings say otherwise.
    """

    task: FlatTask
    plan: TaskPlan
    file: TaskFile
    kinds: dict[str, str]
    tracking: dict[str, str] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """Its own type."""
        return self.kinds[self.task.name]


def step_kind(plan: TaskPlan) -> str:
    """The type of a task's step. A managed step runs in a small processing job, from which it asks the service."""
    return TRAINING if kind_of(plan) == "training" else PROCESSING


def job_step(step: JobStep, depends: list[str]) -> dict[str, Any]:
    """The step.

    Args:
        step: The task and its surroundings.
        depends: Steps that it waits for beyond those it reads from.

    Raises:
        UsageError: The task cannot be run by a SageMaker pipeline.
    """
    _check(step)
    made: dict[str, Any] = {
        "Name": step.task.name,
        "Type": step.kind,
        "DisplayName": step.task.title,
        "Description": step.plan.spec.summary,
        "Arguments": _arguments(step),
        "CacheConfig": _cache(step.task, step.plan.spec),
        "RetryPolicies": _retries(),
    }
    if step.kind == PROCESSING:
        file = {"PropertyFileName": OUTCOME, "OutputName": OUTCOME, "FilePath": OUTCOME_FILE}
        made["PropertyFiles"] = [file]
    return {**made, **({"DependsOn": depends} if depends else {})}


def reading(task: str, kind: str, path: str, store: str) -> dict[str, Any]:
    """The expression that reads a value from how a task ended.

    Args:
        task: The task's name.
        kind: "Processing" or "Training".
        path: Where in the outcome, such as "values.Output".
        store: Root of the store.
    """
    if kind == PROCESSING:
        return from_property_file(task, OUTCOME, path)
    return from_object(join([f"{store}/jobs", _job_name(task, kind), OUTCOME_FILE], on="/"), path)


def _job_name(task: str, kind: str) -> dict[str, Any]:
    return step_property(task, _NAMES[kind])


def _arguments(step: JobStep) -> dict[str, Any]:
    plan, store = as_job(step.plan), step.plan.place.store
    made = dict(render_job(plan).request.parameters)
    made.pop(_NAMES[step.kind])
    made["Environment"] = {**step.tracking, **_own(made["Environment"]), **_variables(step)}
    made["Tags"] = [*made["Tags"], {"Key": "intermodal:run", "Value": EXECUTION_ID}]
    folder = f"{store}/{step.file.folder}/"
    if step.kind == TRAINING:
        made["InputDataConfig"] = [_with_folder(item, folder) for item in made["InputDataConfig"]]
        return made
    made["ProcessingInputs"] = [_with_folder(item, folder) for item in made["ProcessingInputs"]]
    uri = join([f"{store}/pipelines", plan.pipeline, EXECUTION_ID, step.task.name], on="/")
    output = {"S3Uri": uri, "LocalPath": OUTCOME_PATH, "S3UploadMode": "EndOfJob"}
    key = {"KmsKeyId": plan.job.output_kms_key} if plan.job.output_kms_key else {}
    made["ProcessingOutputConfig"] = {"Outputs": [{"OutputName": OUTCOME, "S3Output": output}], **key}
    return made


def as_job(plan: TaskPlan) -> TaskPlan:
    """The plan of a managed step as that of a processing job; any other as it is."""
    if kind_of(plan) != MANAGED:
        return plan
    spec = replace(plan.spec, needs=replace(plan.spec.needs, job="processing"))
    return replace(plan, spec=spec)


def _own(environment: dict[str, str]) -> dict[str, str]:
    """The variables without those that only a launcher of ours gives."""
    return {name: value for name, value in environment.items() if name not in ("INTERMODAL_JOB", "INTERMODAL_REQUEST")}


def _variables(step: JobStep) -> dict[str, Any]:
    made: dict[str, Any] = {PIPELINE_VARIABLE: step.plan.pipeline}
    if kind_of(step.plan) == MANAGED:
        made |= _of_managed(step.plan)
    for name in arguments_of(step.task):
        made[ARGUMENT_VARIABLE.format(name=name)] = join([parameter(name)])  # a number becomes a text
    for index, name in enumerate(step.task.reads):
        made[FROM_VARIABLE.format(index=index)] = _job_name(name, step.kinds[name])
    return made


def _of_managed(plan: TaskPlan) -> dict[str, str]:
    """What a managed step must be told to ask the service from its job, where there is no intermodal.toml."""
    images = {**locked_images(), **plan.settings.images}
    known = {IMAGE_VARIABLE.format(family=family.upper()): image for family, image in sorted(images.items())}
    return {SERVICE_VARIABLE: SAGEMAKER, ROLE_VARIABLE: plan.place.role, **known}


def _with_folder(item: dict[str, Any], folder: str) -> dict[str, Any]:
    """The input or channel that brings the task's file, from where it lies for a pipeline."""
    if item.get("InputName") == OWN_INPUT:
        return {**item, "S3Input": {**item["S3Input"], "S3Uri": folder}}
    if item.get("ChannelName") == OWN_INPUT:
        return {**item, "DataSource": {"S3DataSource": {**item["DataSource"]["S3DataSource"], "S3Uri": folder}}}
    return item


def _cache(task: FlatTask, spec: StepSpec) -> dict[str, Any]:
    """SageMaker's own cache, for steps whose arguments say everything that their result depends on.

    It cannot see that data outside the store, a registry or an alias has changed; the task wrapper can, so
    such steps always start, and end at once when nothing has.
    """
    needs = spec.needs
    blind = needs.sources or needs.still_valid or spec.injected or needs.capabilities or needs.job == MANAGED
    if blind or not task.use_cache:
        return {"Enabled": False}
    return {"Enabled": True, "ExpireAfter": _EXPIRES}


def _retries() -> list[dict[str, Any]]:
    """What SageMaker tries again is what the service did wrong; the step's own failures are the task's matter."""
    return [{"ExceptionType": list(kinds), **_ATTEMPTS} for kinds in (_SERVICE, _JOB)]


def _check(step: JobStep) -> None:
    job, name = step.plan.job, step.plan.spec.name
    for wrong, key in (
        (job.network_isolation, "network_isolation"),
        (bool(job.source_dir), "source_dir"),
        (bool(job.sharded), "sharded"),
    ):
        if wrong:
            raise UsageError(
                f"a SageMaker pipeline cannot run this step with {key}",
                seen=f"step {name}",
                expected="a job that reads the store itself: nobody else could hand it its inputs",
                next_step=f"[sagemaker.steps.{name}] without {key}; or intermodal run --on sagemaker",
            )
    longest = f"{step.plan.place.store}/pipelines/{step.plan.pipeline}/{'x' * _ID_LENGTH}/{step.task.name}"
    if len(longest) + _JOB_NAME > 1024:
        raise UsageError("the store's name is too long", seen=step.plan.place.store, expected="a shorter prefix")
