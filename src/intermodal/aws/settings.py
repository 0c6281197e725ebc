"""The section `[sagemaker]` of `intermodal.toml`: which account's SageMaker, and what every job is given.

Secrets are never written here: credentials come from where boto3 finds them (environment, profile, IRSA),
and what a job needs comes from its execution role.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field, replace
from typing import Any

from intermodal.core.config import CONFIG_NAME, Settings
from intermodal.core.sections import (
    check_choice,
    check_on_s3,
    check_pause,
    read_section,
    read_section_with_steps,
    table,
)
from intermodal.errors import UsageError

STOP_PATIENCE = 60.0  # seconds for which a service that does not answer is asked to stop a job
SECTION = "sagemaker"
ROLE_NAME = "intermodal-execution"  # what `intermodal aws init` makes
ROLE_VARIABLE = "INTERMODAL_SAGEMAKER_ROLE"
SECTION_VARIABLE = "INTERMODAL_SAGEMAKER"  # the section as JSON, for a pod, which has no file
_WHENS = ("leave", "cancel")
_MODES = ("File", "FastFile", "Pipe")
_KINDS = ("", "processing", "training")


@dataclass(frozen=True)
class JobSettings:
    """What jobs are given; `[sagemaker]` says it for all, `[sagemaker.steps.NAME]` for one step.

    Attributes:
        kind: "processing" or "training"; the step's own by default.
        image: Image of the job, such as an AWS Deep Learning Container; the step's image family by default.
        instance_type: Such as "ml.m5.xlarge"; chosen from what the step needs by default.
        instances: Number of instances.
        volume_gb: Size of each instance's volume, GiB.
        max_runtime: Seconds after which SageMaker stops the job.
        input_mode: How inputs reach a training job: File, FastFile or Pipe.
        sharded: Inputs of which each instance gets a share by key, by their names in the step.
        subnets: Subnets of the job; with security_groups, it runs in that VPC.
        security_groups: Security groups of the job.
        network_isolation: Whether the container has no network at all.
        encrypt_traffic: Whether instances encrypt what they tell one another.
        volume_kms_key: Key of the instances' volumes.
        output_kms_key: Key of what the job writes to S3, artifacts and the archive of the model alike.
        spot: Whether spare capacity is used, which may be taken away.
        max_wait: Seconds that a job on spare capacity may take with waiting; max_runtime and an hour by default.
        warm_pool: Seconds for which instances are kept for the next training job.
        attempts: How often SageMaker itself starts a training job again after its own failures.
        checkpoints: Whether a training job's checkpoints go to S3, so that it goes on after an interruption.
        processes: Processes on each instance, through torchrun; 0 starts none.
        debugger: Whether SageMaker Debugger collects tensors.
        profiler: Whether SageMaker Profiler is on.
        tensorboard: Whether TensorBoard's event files go to S3.
        source_dir: The user's own source directory, for script mode.
        entry_point: The script in it.
        metrics: Metric → regular expression whose only group is its value in a line of the log, for a
            script that prints its metrics in a way of its own.
        env: Variables, as plain text; never a secret.
    """

    kind: str = ""
    image: str = ""
    instance_type: str = ""
    instances: int = 1
    volume_gb: int = 30
    max_runtime: int = 4 * 3600
    input_mode: str = "File"
    sharded: list[str] = field(default_factory=list)
    subnets: list[str] = field(default_factory=list)
    security_groups: list[str] = field(default_factory=list)
    network_isolation: bool = False
    encrypt_traffic: bool = False
    volume_kms_key: str = ""
    output_kms_key: str = ""
    spot: bool = False
    max_wait: int = 0
    warm_pool: int = 0
    attempts: int = 1
    checkpoints: bool = False
    processes: int = 0
    debugger: bool = False
    profiler: bool = False
    tensorboard: bool = False
    source_dir: str = ""
    entry_point: str = ""
    metrics: dict[str, str] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SageMakerSettings:
    """Everything `[sagemaker]` can say.

    Attributes:
        region: AWS region; what boto3 finds by default, else us-east-1.
        profile: Profile of the AWS configuration.
        role: ARN or name of the execution role (`INTERMODAL_SAGEMAKER_ROLE`); the one that
            `intermodal aws init` makes by default.
        bucket: Bucket of the artifact store; intermodal-ACCOUNT-REGION by default.
        store: Artifact store as jobs see it, s3://…; the client's own when that is on S3, else `intermodal`
            in the bucket.
        images: Image family → image.
        tags: Tags of everything that is made.
        on_interrupt: "cancel" or "leave": what being told to stop does to a running job.
        allow_mutable_tags: Submit images that are not named by digest.
        poll: Most seconds between two looks at a job.
        patience: Seconds for which a service that does not answer is asked again.
        max_cost: Most that a run may cost by estimate, USD; 0 for no limit.
        prices: File with prices, instead of the table that comes with the package.
        job: What every job is given.
        steps: What the jobs of one step are given, by the step's name.
    """

    region: str = ""
    profile: str = ""
    role: str = ""
    bucket: str = ""
    store: str = ""
    images: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    on_interrupt: str = "cancel"
    allow_mutable_tags: bool = False
    poll: float = 5.0
    patience: float = 300.0
    max_cost: float = 0.0
    prices: str = ""
    job: JobSettings = field(default_factory=JobSettings)
    steps: dict[str, JobSettings] = field(default_factory=dict)

    def job_of(self, step: str) -> JobSettings:
        """What the jobs of a step are given.

        Args:
            step: The step's name, with dashes or underscores.
        """
        return self.steps.get(step.replace("-", "_"), self.job)

    def ending(self) -> SageMakerSettings:
        """The same, but with no more patience than whoever was told to stop, and has something to stop in turn."""
        return replace(self, patience=min(self.patience, STOP_PATIENCE))


def sagemaker_settings(settings: Settings) -> SageMakerSettings:
    """Read `[sagemaker]`; nothing is asked of AWS.

    Args:
        settings: Where things live.

    Raises:
        UsageError: A key is unknown, or a value is wrong.
    """
    given = {**table(settings.extra.get(SECTION, {}), SECTION), **_from_environment()}
    read = read_section_with_steps(SageMakerSettings(), given, SECTION, "job", _job, texts=("images", "tags"))
    made = replace(
        read,
        role=os.environ.get(ROLE_VARIABLE) or read.role,
        store=(read.store or (settings.store if settings.store.startswith("s3://") else "")).rstrip("/"),
    )
    check_choice(f"{SECTION}.on_interrupt", made.on_interrupt, _WHENS)
    check_pause(f"{SECTION}.poll", made.poll)
    check_on_s3(f"{SECTION}.store", made.store)
    return made


def _from_environment() -> dict[str, Any]:
    text = os.environ.get(SECTION_VARIABLE, "")
    try:
        return table(json.loads(text), SECTION_VARIABLE) if text else {}
    except ValueError as error:
        raise UsageError(f"{SECTION_VARIABLE} is not JSON", seen=text[:80], expected="what [sagemaker] says") from error


def _job(before: JobSettings, given: dict[str, Any], where: str, also: frozenset[str]) -> JobSettings:
    made = read_section(before, given, where, also, texts=("env", "metrics"))
    check_choice(f"{where}.kind", made.kind, _KINDS)
    check_choice(f"{where}.input_mode", made.input_mode, _MODES)
    for name in ("instances", "volume_gb", "max_runtime"):
        if getattr(made, name) < 1:
            raise UsageError(f"{CONFIG_NAME}: {where}.{name} is wrong", seen=getattr(made, name), expected="1 or more")
    if made.spot and made.max_wait and made.max_wait < made.max_runtime:
        raise UsageError(
            f"{CONFIG_NAME}: {where}.max_wait is too short",
            seen=made.max_wait,
            expected=f"max_runtime, {made.max_runtime}, or more",
        )
    if bool(made.subnets) != bool(made.security_groups):
        raise UsageError(f"{CONFIG_NAME}: [{where}] names half a VPC", expected="both subnets and security_groups")
    return made
