"""A deployment as a value: which models share an endpoint, how much traffic each gets, and how an update goes on."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from intermodal.aws.archives import archive_uri
from intermodal.aws.job_parts import job_tags
from intermodal.aws.request import TaskPlan
from intermodal.aws.settings import JobSettings
from intermodal.errors import UsageError

CHAMPION, CHALLENGER, SHADOW = "champion", "challenger", "shadow"
ROLLOUTS = {"all_at_once": "ALL_AT_ONCE", "canary": "CANARY", "linear": "LINEAR"}
_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")
_MOST_ALARMS, _LONGEST_WAIT, _LONGEST_ROLLOUT = 10, 3600, 25_000  # seconds; AWS ends any update after 28,800


@dataclass(frozen=True)
class Variant:
    """One model behind an endpoint.

    Attributes:
        name: Name of the variant.
        model_uri: A `model.tar.gz`, or a prefix with the model's files.
        weight: Its share of the traffic, against the other variants' weights.
        shadow: Whether it only gets copies of requests, and its answers are thrown away.
    """

    name: str
    model_uri: str
    weight: float = 1.0
    shadow: bool = False


@dataclass(frozen=True)
class Rollout:
    """How an update shifts traffic from the old instances to the new.

    Attributes:
        kind: A key of `ROLLOUTS`.
        percent: Share of the capacity that takes traffic first (canary), or with each step (linear).
        wait: Seconds between two shifts, and before the old instances end.
        alarms: CloudWatch alarms; one that rings while the update goes on brings the old instances back.
    """

    kind: str = "all_at_once"
    percent: int = 10
    wait: int = 300
    alarms: tuple[str, ...] = ()

    @property
    def shifts(self) -> int:
        """How often traffic is shifted, and waited."""
        return {"all_at_once": 1, "canary": 2}.get(self.kind, -(-100 // max(1, self.percent))) + 1


@dataclass(frozen=True)
class Deployment:
    """Everything the requests of one endpoint are a pure function of.

    Attributes:
        endpoint: The endpoint's name.
        variants: Its models.
        image: Image that serves them.
        role: ARN of the execution role.
        instance_type: Such as "ml.m5.large".
        instances: Instances of each variant.
        most_instances: Where autoscaling ends; 0 for none.
        invocations: Invocations a minute that autoscaling holds each instance at.
        serverless_memory: MB of a serverless endpoint; 0 for instances.
        serverless_concurrency: Most requests that a serverless endpoint answers at once.
        capture_percent: Share of the requests that is captured with its answers; 0 for none.
        capture_uri: Where to, s3://….
        rollout: How an update goes on.
        job: VPC, keys and variables, as for jobs.
        tags: Tags of everything that is made.
    """

    endpoint: str
    variants: tuple[Variant, ...]
    image: str
    role: str
    instance_type: str = "ml.m5.large"
    instances: int = 1
    most_instances: int = 0
    invocations: float = 1000.0
    serverless_memory: int = 0
    serverless_concurrency: int = 5
    capture_percent: int = 0
    capture_uri: str = ""
    rollout: Rollout = Rollout()
    job: JobSettings = field(default_factory=JobSettings)
    tags: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what AWS would refuse after minutes, or never say.

        Raises:
            UsageError: As it says.
        """
        _check_name(self.endpoint)
        _check_traffic(self)
        _check_rollout(self.rollout)


def deployment_of(plan: TaskPlan) -> Deployment:
    """The deployment that a task of the step `deploy` asks for.

    Args:
        plan: The task; its inputs are `model`, and perhaps `challenger` and `shadow`.

    Raises:
        UsageError: A parameter is wrong, or two do not go together.
    """
    given = plan.parameters
    return Deployment(
        endpoint=str(given["endpoint"]),
        variants=_variants(plan),
        image=plan.image,
        role=plan.place.role,
        instance_type=plan.job.instance_type or str(given["instance_type"]),
        instances=int(given["instances"]),
        most_instances=int(given["most_instances"]),
        invocations=float(given["invocations_per_instance"]),
        serverless_memory=int(given["serverless_memory"]),
        serverless_concurrency=int(given["serverless_concurrency"]),
        capture_percent=int(given["capture_percent"]),
        capture_uri=f"{plan.place.store}/captured",
        rollout=Rollout(
            str(given["rollout"]),
            int(given["rollout_percent"]),
            int(given["rollout_wait"]),
            tuple(str(name) for name in given["rollback_alarms"] or ()),
        ),
        job=plan.job,
        tags=plan_tags(plan),
    )


def plan_tags(plan: TaskPlan) -> dict[str, str]:
    """The tags of what a task makes.

    Raises:
        UsageError: The settings give too many, a secret, or one that AWS keeps for itself.
    """
    return {item["Key"]: item["Value"] for item in job_tags(plan)}


def _variants(plan: TaskPlan) -> tuple[Variant, ...]:
    share = float(plan.parameters["challenger_weight"])
    inputs = {name: uris[0] for name, uris in plan.inputs.items() if uris}

    def made(name: str, uri: str, weight: float, *, shadow: bool = False) -> Variant:
        plain = bool(plan.parameters["uncompressed"])
        return Variant(name, uri if plain else archive_uri(plan.place.store, uri), weight, shadow)

    if CHALLENGER not in inputs:
        found = [made(CHAMPION, inputs["model"], 1.0)]
    elif 0 < share < 1:
        found = [made(CHAMPION, inputs["model"], round(1 - share, 6)), made(CHALLENGER, inputs[CHALLENGER], share)]
    else:
        raise UsageError("challenger_weight is wrong", seen=share, expected="a share of the traffic between 0 and 1")
    if SHADOW in inputs:
        found.append(made(SHADOW, inputs[SHADOW], 1.0, shadow=True))
    return tuple(found)


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise UsageError("an endpoint cannot be named so", seen=name, expected="1 to 63 letters, digits and dashes")


def _check_traffic(given: Deployment) -> None:
    production = [item for item in given.variants if not item.shadow]
    shadows = len(given.variants) - len(production)
    if shadows and (shadows > 1 or len(production) > 1):
        raise UsageError(
            "a shadow variant stands beside one variant alone",
            seen=", ".join(item.name for item in given.variants),
            next_step="leave out the challenger or the shadow",
        )
    if given.most_instances and given.most_instances < given.instances:
        expected = f"{given.instances} or more, or 0 for no autoscaling"
        raise UsageError("most_instances is less than instances", seen=given.most_instances, expected=expected)
    if not 0 <= given.capture_percent <= 100:
        raise UsageError("capture_percent is wrong", seen=given.capture_percent, expected="0 to 100")
    if given.serverless_memory:
        _check_serverless(given)


def _check_serverless(given: Deployment) -> None:
    asked: dict[str, Any] = {
        "several models": len(given.variants) > 1,
        "data capture": given.capture_percent,
        "autoscaling of instances": given.most_instances,
        "a VPC": given.job.subnets,
        "network isolation": given.job.network_isolation,
        "an uncompressed model": any(not item.model_uri.endswith(".tar.gz") for item in given.variants),
    }
    if refused := [what for what, wanted in asked.items() if wanted]:
        raise UsageError(
            "a serverless endpoint cannot have that",
            seen=", ".join(refused),
            next_step="serverless_memory=0 deploys on instances",
        )


def _check_rollout(rollout: Rollout) -> None:
    if rollout.kind not in ROLLOUTS:
        raise UsageError("rollout is wrong", seen=rollout.kind, expected=" or ".join(ROLLOUTS))
    most = 50 if rollout.kind != "all_at_once" else 100  # AWS takes no larger canary or step
    if not 1 <= rollout.percent <= most:
        raise UsageError("rollout_percent is wrong", seen=rollout.percent, expected=f"1 to {most}")
    if not 0 <= rollout.wait <= _LONGEST_WAIT:
        raise UsageError("rollout_wait is wrong", seen=rollout.wait, expected=f"0 to {_LONGEST_WAIT} seconds")
    if rollout.shifts * rollout.wait > _LONGEST_ROLLOUT:
        raise UsageError(
            "this rollout takes too long",
            seen=f"{rollout.shifts} shifts, {rollout.wait} s each",
            expected=f"{_LONGEST_ROLLOUT} s together",
        )
    if len(rollout.alarms) > _MOST_ALARMS:
        raise UsageError("too many rollback_alarms", seen=len(rollout.alarms), expected=f"at most {_MOST_ALARMS}")
