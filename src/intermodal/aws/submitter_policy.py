"""The least that whoever submits a pipeline must be allowed: derived from its requests, and from what follows them.

The role that runs the jobs is another one, see `execution_policy`; neither can do the other's work.
"""

from __future__ import annotations

from collections.abc import Iterator

from intermodal.aws.actions import FOLLOWED, NOUNS, UNSCOPED, actions_of, noun_of, roles_in
from intermodal.aws.data_policy import data_statements
from intermodal.aws.job_kinds import KINDS, PROCESSING, TRAINING
from intermodal.aws.policy import Conditions, Policy, Statement, policy_of
from intermodal.aws.policy_parts import (
    data_key_statements,
    key_statement,
    sorted_out,
    source_statements,
    store_statements,
    volume_keys,
)
from intermodal.aws.request import Place, Request
from intermodal.aws.resources import arn, name_pattern, sagemaker_arns
from intermodal.aws.tags import MANAGED

SAGEMAKER = "sagemaker.amazonaws.com"
EMR_SERVERLESS = "emr-serverless.amazonaws.com"
_PASSED_TO = {
    "sagemaker": SAGEMAKER,
    "emr-serverless": EMR_SERVERLESS,
    "emr-containers": "emr-containers.amazonaws.com",
}


def submitter_policy(requests: list[Request], place: Place, pipeline: str, *, reap: bool = False) -> Policy:
    """The policy of a pipeline's submitter.

    Args:
        requests: Everything that the pipeline sends; see `intermodal render`.
        place: The account's places.
        pipeline: Its name.
        reap: Also what `intermodal reap` lists, to find what dead runs left behind.
    """
    listings = [action for action, why in UNSCOPED.items() if reap and why == "intermodal reap"]
    return policy_of([*_statements(requests, place, pipeline), *sorted_out("Reap", listings, (), place)])


def general_submitter_policy(place: Place) -> Policy:
    """The policy for training and processing jobs of any pipeline: those that carry our tag, and no others.

    Args:
        place: The account's places.
    """
    made: list[Statement] = list(store_statements(place))
    for kind in (TRAINING, PROCESSING):
        resource = (arn(place, "sagemaker", f"{NOUNS[kind.prefix]}/*"),)
        after = (*(f"sagemaker:{name}" for name in FOLLOWED[kind.create]), "sagemaker:ListTags")
        create = (f"sagemaker:{kind.create}", "sagemaker:AddTags")
        made.append(Statement("CreateTagged", create, resource, {"StringEquals": {f"aws:RequestTag/{MANAGED}": ["1"]}}))
        made.append(Statement("FollowTagged", after, resource, {"StringEquals": {f"aws:ResourceTag/{MANAGED}": ["1"]}}))
        group = arn(place, "logs", f"log-group:{kind.log_group}")
        made.append(Statement("LogLines", ("logs:GetLogEvents",), (f"{group}:log-stream:*",)))
        made.append(Statement("LogStreams", ("logs:DescribeLogStreams",), (f"{group}:*",)))
    conditions: Conditions = {"StringEquals": {"iam:PassedToService": [SAGEMAKER]}}
    made.append(Statement("PassRoleToSagemaker", ("iam:PassRole",), (place.role,), conditions))
    return policy_of(made)


def _statements(requests: list[Request], place: Place, pipeline: str) -> Iterator[Statement]:
    yield from store_statements(place)
    yield from source_statements(requests, place)
    for request in requests:
        yield from _made(request, place, pipeline)
        yield from _logs(request, place, pipeline)
    yield from _passed(requests)
    yield from data_key_statements(requests, place)
    for key in volume_keys(requests):
        # SageMaker makes a grant for its instances in the submitter's name.
        grant = key_statement("VolumeKey", ("kms:CreateGrant",), key, place)
        conditions: Conditions = {**grant.conditions, "Bool": {"kms:GrantIsForAWSResource": ["true"]}}
        yield Statement(grant.sid, grant.actions, grant.resources, conditions)
        yield key_statement("VolumeKeyLook", ("kms:DescribeKey",), key, place)


def _made(request: Request, place: Place, pipeline: str) -> Iterator[Statement]:
    if request.service == "sagemaker":
        yield from _sagemaker(request, place, pipeline)
    else:
        yield from data_statements([request], place)


def _sagemaker(request: Request, place: Place, pipeline: str) -> Iterator[Statement]:
    """The request itself, and what follows, stops and deletes what it made."""
    resources = tuple(sagemaker_arns(request, place, pipeline))
    own = [
        item for item in actions_of("sagemaker", request.operation, request.parameters) if item.startswith("sagemaker:")
    ]
    tags = ["sagemaker:ListTags"] if "sagemaker:AddTags" in own else []
    after = [f"sagemaker:{item}" for item in FOLLOWED.get(request.operation, ())]
    sid = f"{noun_of(request.operation) or 'SageMaker'}s"
    yield from sorted_out(sid, [*own, *tags, *after], resources, place)
    if request.operation == "CreateHyperParameterTuningJob":
        name = name_pattern(request.parameters["HyperParameterTuningJobName"], pipeline)
        child = arn(place, "sagemaker", f"training-job/{name if name.endswith('*') else name + '-*'}")
        children = (child, *({child.lower()} - {child}))
        yield Statement("Children", ("sagemaker:DescribeTrainingJob", "sagemaker:ListTags"), children)


def _logs(request: Request, place: Place, pipeline: str) -> Iterator[Statement]:
    """Reading what a job's containers print."""
    kind = KINDS.get(request.operation)
    if kind is None or not kind.log_group:
        return
    name = name_pattern(str(request.parameters[kind.name_member]), pipeline)
    group = arn(place, "logs", f"log-group:{kind.log_group}")
    yield Statement("LogLines", ("logs:GetLogEvents",), (f"{group}:log-stream:{name.rstrip('*')}*",))
    yield Statement("LogStreams", ("logs:DescribeLogStreams",), (f"{group}:*",))


def _passed(requests: list[Request]) -> Iterator[Statement]:
    """Leave to hand the one execution role to the one service."""
    for service, to in _PASSED_TO.items():
        roles = {role for item in requests if item.service == service for role in roles_in(item.parameters)}
        for number, role in enumerate(sorted(roles)):
            sid = f"PassRoleTo{service.title().replace('-', '')}{number or ''}"
            yield Statement(sid, ("iam:PassRole",), (role,), {"StringEquals": {"iam:PassedToService": [to]}})
