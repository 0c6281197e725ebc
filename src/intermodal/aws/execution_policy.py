"""The least that a pipeline's jobs must be allowed: the policy of the execution role, and who may take that role."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from intermodal.aws.actions import FOLLOWED, roles_in
from intermodal.aws.client import partition_of
from intermodal.aws.data_policy import data_statements
from intermodal.aws.job_kinds import KINDS, PROCESSING, TRAINING, TRANSFORM
from intermodal.aws.policy import VERSION, Conditions, Policy, Statement, policy_of
from intermodal.aws.policy_parts import (
    data_key_statements,
    key_statement,
    source_statements,
    store_statements,
    volume_keys,
)
from intermodal.aws.request import Place, Request
from intermodal.aws.resources import arn, has_vpc, outside, repositories
from intermodal.aws.submitter_policy import EMR_SERVERLESS, SAGEMAKER

_ENDPOINTS = "/aws/sagemaker/Endpoints"
_PULL = ("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")
_WRITE_LOGS = ("logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents")
_LOOK_AT_VPC = (
    "ec2:DescribeDhcpOptions",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcs",
)
_INTERFACES = (
    "ec2:CreateNetworkInterface",
    "ec2:CreateNetworkInterfacePermission",
    "ec2:DeleteNetworkInterface",
    "ec2:DeleteNetworkInterfacePermission",
)
# Services of SageMaker's own that start jobs in the execution role's name.
_STARTERS = ("CreateAutoMLJobV2", "CreatePipeline", "StartPipelineExecution", "CreateMonitoringSchedule")


def execution_policy(requests: list[Request], place: Place, inside: Sequence[Request] = ()) -> Policy:
    """The policy of the role that a pipeline's jobs run with.

    Args:
        requests: Everything that the pipeline sends; see `intermodal render`.
        place: The account's places.
        inside: What the jobs themselves send, such as queries to Athena.
    """
    return policy_of([*_statements(requests, place), *data_statements(inside, place)])


def general_execution_policy(place: Place, repository: str = "intermodal") -> Policy:
    """The policy that `intermodal aws init` gives the role: for jobs of any pipeline on images of our repositories.

    Args:
        place: The account's places.
        repository: Beginning of the repositories' names in the account's registry.
    """
    groups = {kind.log_group for kind in (TRAINING, PROCESSING, TRANSFORM)}
    images = (arn(place, "ecr", f"repository/{repository}/*"),)
    return policy_of([*store_statements(place), *_pulling(images, place), *_telling(sorted(groups), place)])


def trust_policy(place: Place, requests: Sequence[Request] = ()) -> dict[str, Any]:
    """Who may take the execution role: SageMaker, on behalf of this account alone, and EMR where it is used.

    EMR on EKS takes it through the cluster's own identity provider: `aws emr-containers update-role-trust-policy`.

    Args:
        place: The account's places.
        requests: What a pipeline sends; with Spark jobs of EMR Serverless in this role, that may take it too.
    """
    takers = {"SageMaker": SAGEMAKER}
    if any(item.service == "emr-serverless" and place.role in roles_in(item.parameters) for item in requests):
        takers["EmrServerless"] = EMR_SERVERLESS
    return {"Version": VERSION, "Statement": [_taking(name, service, place) for name, service in takers.items()]}


def _taking(name: str, service: str, place: Place) -> dict[str, Any]:
    return {
        "Sid": f"{name}ForThisAccount",
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"aws:SourceAccount": place.account}},
    }


def _statements(requests: list[Request], place: Place) -> Iterator[Statement]:
    yield from store_statements(place)
    yield from source_statements(requests, place)
    yield from _pulling(tuple(repositories(requests, place)), place)
    yield from _telling(sorted(_log_groups(requests)), place)
    yield from _spark_logs(requests, place)
    yield from data_key_statements(requests, place)
    for key in volume_keys(requests):
        yield key_statement("VolumeKey", ("kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey"), key, place)
    if any(has_vpc(item.parameters) for item in requests):
        yield from _network(requests, place)
    if any(item.operation in _STARTERS for item in requests):
        yield from _starting(place)


def _log_groups(requests: list[Request]) -> set[str]:
    """Groups that containers of these requests write to; a service's children are training and processing jobs."""
    found = {KINDS[item.operation].log_group for item in requests if item.operation in KINDS}
    if any(item.operation in ("CreateEndpoint", "CreateEndpointConfig") for item in requests):
        found.add(_ENDPOINTS)
    if "" in found or any(item.operation in _STARTERS for item in requests):
        found |= {TRAINING.log_group, PROCESSING.log_group, TRANSFORM.log_group}
    return found - {""}


def _pulling(images: tuple[str, ...], place: Place) -> Iterator[Statement]:
    if images:
        here: Conditions = {"StringEquals": {"aws:RequestedRegion": [place.region]}}
        yield Statement("PullImages", _PULL, images)
        yield Statement("RegistryLogin", ("ecr:GetAuthorizationToken",), ("*",), here)


def _telling(groups: list[str], place: Place) -> Iterator[Statement]:
    """Logs and metrics."""
    resources = [
        resource
        for group in groups
        for resource in (arn(place, "logs", f"log-group:{group}"), arn(place, "logs", f"log-group:{group}:*"))
    ]
    yield Statement("WriteLogs", _WRITE_LOGS, tuple(resources))
    if groups:
        spaces: Conditions = {"StringEquals": {"cloudwatch:namespace": list(groups)}}
        yield Statement("Metrics", ("cloudwatch:PutMetricData",), ("*",), spaces)


def _spark_logs(requests: list[Request], place: Place) -> Iterator[Statement]:
    """EMR writes a job's logs in the job's name; below the store that is allowed anyway."""
    places = [item.parameters.get("configurationOverrides", {}) for item in requests if item.operation == "StartJobRun"]
    monitored = [item.get("monitoringConfiguration", {}).get("s3MonitoringConfiguration", {}) for item in places]
    for bucket, prefix in outside((item["logUri"] for item in monitored if "logUri" in item), place.store):
        below = f"arn:{partition_of(place.region)}:s3:::{bucket}/{prefix.rstrip('/')}/*"
        yield Statement("SparkLogs", ("s3:PutObject",), (below,))


def _network(requests: list[Request], place: Place) -> Iterator[Statement]:
    subnets, groups = _ids(requests, "Subnets"), _ids(requests, "SecurityGroupIds")
    names = ["network-interface/*", *(f"subnet/{item}" for item in subnets)]
    names += [f"security-group/{item}" for item in groups]
    yield Statement("Interfaces", _INTERFACES, tuple(arn(place, "ec2", name) for name in names))
    here: Conditions = {"StringEquals": {"aws:RequestedRegion": [place.region]}}
    yield Statement("LookAtVpc", _LOOK_AT_VPC, ("*",), here)


def _ids(value: Any, name: str) -> list[str]:
    if isinstance(value, Request):
        return _ids(value.parameters, name)
    if isinstance(value, dict):
        own = value.get("VpcConfig", {})
        found = list(own.get(name, [])) if isinstance(own, dict) else []
        found += [found_in for key, item in value.items() if key != "VpcConfig" for found_in in _ids(item, name)]
        return sorted(set(found))
    return sorted({found for item in value for found in _ids(item, name)}) if isinstance(value, list) else []


def _starting(place: Place) -> Iterator[Statement]:
    """Jobs that SageMaker itself starts with this role, under names of its own choosing."""
    kinds = {"CreateTrainingJob": "training-job", "CreateProcessingJob": "processing-job"}
    kinds |= {"CreateTransformJob": "transform-job", "CreateHyperParameterTuningJob": "hyper-parameter-tuning-job"}
    kinds |= {"CreateModel": "model"}
    for operation, kind in kinds.items():
        after = tuple(f"sagemaker:{item}" for item in FOLLOWED[operation])
        actions = (f"sagemaker:{operation}", "sagemaker:AddTags", "sagemaker:ListTags", *after)
        yield Statement("StartJobs", actions, (arn(place, "sagemaker", f"{kind}/*"),))
    conditions: Conditions = {"StringEquals": {"iam:PassedToService": [SAGEMAKER]}}
    yield Statement("PassItself", ("iam:PassRole",), (place.role,), conditions)
