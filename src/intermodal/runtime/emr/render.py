"""A step as a Spark job run: the request, rendered from the plan alone, and the files that its driver reads.

The driver is given the very ExecutorInput of a SageMaker job, and runs the same wrapper; what only SageMaker
has (channels, isolation, spare capacity, several hosts) is left out of the plan.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import replace
from typing import Any

from intermodal.aws.data_settings import EmrSettings
from intermodal.aws.emr import NAME_LIMIT, ON_EKS, SparkJob, job_request
from intermodal.aws.job_environment import JobMark, job_environment
from intermodal.aws.job_input import FILE_NAME, executor_input_text
from intermodal.aws.job_kinds import REQUEST_TAG
from intermodal.aws.job_parts import job_tags, jobs_prefix
from intermodal.aws.names import job_name
from intermodal.aws.request import Request, TaskPlan
from intermodal.aws.secrets import check_no_secrets
from intermodal.aws.service_model import check_request
from intermodal.aws.settings import JobSettings
from intermodal.core.step import StepSpec
from intermodal.errors import UsageError
from intermodal.runtime.sagemaker.render import RenderedJob, Staged, unknown_members

FAMILY = "spark"
LIMIT_VARIABLE = "INTERMODAL_MAX_RUNTIME"
PROGRAM_NAME = "run_step.py"
PROGRAM = '''"""The driver of a step that runs as a Spark job; intermodal lies in the image."""

import sys

from intermodal.runtime.emr.driver import run_step

sys.exit(run_step())
'''
_NOT_IN_TAGS = re.compile(r"[^A-Za-z0-9 /_.:=+@-]")  # EMR Serverless takes no other letters
_ANY_NAME = JobMark("job", "0" * 64)  # stands in a request while its digest is computed


def render_spark_job(plan: TaskPlan, where: str, settings: EmrSettings) -> RenderedJob:
    """A task as a job run of EMR.

    Args:
        plan: The task.
        where: One of `emr.PLACES`.
        settings: `[emr]`.

    Raises:
        UsageError: The step is not one for Spark, or something cannot be sent to EMR; it is named.
    """
    require_spark(plan.spec, where)
    check_no_secrets(plan.parameters)
    plain = _for_spark(plan)
    text = executor_input_text(plain)
    body = job_request(where, _spark_job(plain, _ANY_NAME, where, settings), settings, plan.place).parameters
    digest = _digest(where, body, text, plan.nonce)
    mark = JobMark(job_name([plan.pipeline, plan.task], digest, plan.attempt, NAME_LIMIT), digest)
    made = job_request(where, _spark_job(plain, mark, where, settings), settings, plan.place, plan.attempt)
    check_request(made.service, made.operation, made.parameters)
    unknown = unknown_members(plan, made.parameters, digest)
    if plan.unknown_inputs or plan.unknown_parameters:
        unknown = ("clientToken", *unknown)  # another digest of the same work
    request = Request(made.service, made.operation, made.parameters, plan.task, unknown)
    files = {FILE_NAME: text, PROGRAM_NAME: PROGRAM}
    staged = tuple(Staged(f"jobs/{mark.name}/input/{name}", content.encode()) for name, content in files.items())
    return RenderedJob(request, staged, mark.name, digest)


def require_spark(spec: StepSpec, where: str) -> None:
    """Refuse a step that does not say that it needs Spark.

    Args:
        spec: The step.
        where: The place.

    Raises:
        UsageError: Its image family is another, or a service does its work.
    """
    if spec.needs.image == FAMILY and spec.needs.job != "managed":
        return
    raise UsageError(
        f"step {spec.name} is not one for Spark",
        seen=f"{spec.name}={where}, and the step is made for the image {spec.needs.image}",
        expected='a step with @step(image="spark"), such as explore_spark',
        next_step=f"--place {spec.name}=sagemaker, or no --place for it",
    )


def _for_spark(plan: TaskPlan) -> TaskPlan:
    """The plan without what only SageMaker can give."""
    job = replace(JobSettings(), env=plan.job.env)
    return replace(plan, settings=replace(plan.settings, job=job, steps={}))


def _spark_job(plan: TaskPlan, mark: JobMark, where: str, settings: EmrSettings) -> SparkJob:
    python = {"PYSPARK_PYTHON": settings.python, "PYSPARK_DRIVER_PYTHON": settings.python}
    tags = {item["Key"]: _NOT_IN_TAGS.sub("_", item["Value"]).strip() for item in job_tags(plan)}
    return SparkJob(
        name=f"{plan.pipeline}-{plan.task}",
        entry=f"{jobs_prefix(plan)}/{mark.name}/input/{PROGRAM_NAME}",
        image=plan.image if where == ON_EKS else "",
        configuration={"spark.executorEnv.PYSPARK_PYTHON": settings.python, **settings.configuration},
        environment={**python, **job_environment(plan, mark), LIMIT_VARIABLE: str(settings.max_runtime)},
        tags={**{name: value for name, value in tags.items() if value}, REQUEST_TAG: mark.digest[:16]},
        mark=mark.digest,
    )


def _digest(where: str, body: dict[str, Any], text: str, nonce: str) -> str:
    plain = {name: value for name, value in body.items() if name != "tags"}
    return hashlib.sha256(json.dumps([where, plain, text, PROGRAM, nonce], sort_keys=True).encode()).hexdigest()
