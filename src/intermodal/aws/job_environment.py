"""The environment of a job: what the task wrapper must know, and the user's own variables; never a secret.

Anyone who may describe the job sees it. It names no run: the same work must be the same job in every run.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from intermodal.aws.job_input import PROCESSING, kind_of
from intermodal.aws.job_kinds import REQUEST_VARIABLE
from intermodal.aws.request import TaskPlan
from intermodal.aws.secrets import check_no_secrets
from intermodal.errors import UsageError

JOB_VARIABLE = "INTERMODAL_JOB"
ISOLATED_VARIABLE = "INTERMODAL_ISOLATED"
PROCESSES_VARIABLE = "INTERMODAL_PROCESSES"
SHARDED_VARIABLE = "INTERMODAL_SHARDED"
STORE_KEY_VARIABLE = "INTERMODAL_STORE_KMS_KEY"  # by which the artifact store encrypts what it writes
_VALUE_LIMITS = {PROCESSING: 256}
_OTHER_LIMIT = 512
_MOST = 100
_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


@dataclass(frozen=True)
class JobMark:
    """What a job is known by.

    Attributes:
        name: Its name.
        digest: Digest of the work; the same for every attempt.
    """

    name: str
    digest: str


def job_environment(plan: TaskPlan, mark: JobMark) -> dict[str, str]:
    """The variables of a task's job.

    Args:
        plan: The task.
        mark: The job.

    Raises:
        UsageError: A variable is too long, is one of ours, or holds a secret.
    """
    sharded = ",".join(name for name in sorted(plan.inputs) if name in plan.job.sharded)
    own = {
        "INTERMODAL_STORE": plan.place.store,
        "INTERMODAL_TASK": plan.task,
        JOB_VARIABLE: mark.name,
        REQUEST_VARIABLE: mark.digest[:16],
        "AWS_DEFAULT_REGION": plan.place.region,
        **({ISOLATED_VARIABLE: "1"} if plan.job.network_isolation else {}),
        **({SHARDED_VARIABLE: sharded} if sharded else {}),
        **({STORE_KEY_VARIABLE: plan.job.output_kms_key} if plan.job.output_kms_key else {}),
        **({PROCESSES_VARIABLE: str(plan.job.processes)} if plan.job.processes else {}),
    }
    given = plan.job.env
    check_no_secrets(given, "variable sagemaker.env")
    for name in given.keys() & own.keys():
        raise UsageError(f"sagemaker.env.{name} is set by intermodal itself", seen=name, expected="another name")
    limit = _VALUE_LIMITS.get(kind_of(plan), _OTHER_LIMIT)
    for name, value in {**given, **own}.items():
        _check(name, value, limit, kind_of(plan))
    if len(given) + len(own) > _MOST:
        raise UsageError(
            "sagemaker.env has too many variables", seen=len(given), expected=f"at most {_MOST - len(own)}"
        )
    return {**given, **own}


def _check(name: str, value: str, limit: int, kind: str) -> None:
    if _NAME.fullmatch(name) is None or len(name) > limit:
        raise UsageError(
            "sagemaker.env has a name that SageMaker does not take",
            seen=name[:80],
            expected="letters, digits and underscores",
        )
    if len(value) > limit:
        raise UsageError(
            f"the variable {name} of a {kind} job is too long",
            seen=f"{len(value)} characters",
            expected=f"at most {limit}",
            next_step=f"shorten {_origin(name)}",
        )


def _origin(name: str) -> str:
    known = {
        "INTERMODAL_STORE": "[sagemaker] store",
        "INTERMODAL_TASK": "the task's name in the pipeline",
        STORE_KEY_VARIABLE: "[sagemaker] output_kms_key",
    }
    return known.get(name, f"[sagemaker] env {name}")
