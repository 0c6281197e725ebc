"""The requests of an endpoint, rendered: its models, its configuration, itself, and its autoscaling.

Names are digests of what they stand for, so that the same deployment asked for twice is one deployment, and
a changed one is an update to a new configuration, with the old one left to go back to.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from intermodal.aws.archives import model_data
from intermodal.aws.deployment import ROLLOUTS, Deployment, Rollout, Variant, deployment_of
from intermodal.aws.names import job_name
from intermodal.aws.request import Request, TaskPlan
from intermodal.aws.secrets import check_no_secrets
from intermodal.aws.settings import JobSettings
from intermodal.aws.tags import tag_list
from intermodal.errors import UsageError

# Our serve image listens on loopback unless it is told that it is alone in its network.
SERVE_VARIABLES = {"INTERMODAL_SERVE_HOST": "0.0.0.0"}  # noqa: S104
ENDPOINT_TAG = "intermodal:endpoint"
_SCALABLE = "sagemaker:variant:DesiredInstanceCount"
_COOL_IN, _COOL_OUT = 300, 60


def render(plan: TaskPlan) -> list[Request]:
    """The requests of a task of the step `deploy`, as for an endpoint that is not there yet.

    Args:
        plan: The task.

    Raises:
        UsageError: A parameter is wrong.
    """
    return render_deployment(deployment_of(plan), plan.task)


def render_deployment(deployment: Deployment, task: str = "") -> list[Request]:
    """The requests of a deployment, in order.

    Args:
        deployment: What to deploy.
        task: The task that it is for.
    """
    models = [model_request(deployment, variant, task) for variant in deployment.variants]
    config = config_request(deployment, [item.parameters["ModelName"] for item in models], task)
    return [*models, config, endpoint_request(deployment, config, task), *scaling_requests(deployment, task)]


def model_request(deployment: Deployment, variant: Variant, task: str = "") -> Request:
    """`CreateModel` of one variant."""
    container = serving_container(deployment.image, variant.model_uri, deployment.job)
    return create_model(container, deployment.role, deployment.job, deployment.tags, variant.name, task)


def serving_container(image: str, model_uri: str, job: JobSettings) -> dict[str, Any]:
    """The definition of a container that serves a model.

    Args:
        image: Its image.
        model_uri: A `model.tar.gz`, or a prefix with the model's files.
        job: Whose variables it gets.

    Raises:
        UsageError: A variable holds a secret, which everybody who describes the model would read.
    """
    check_no_secrets(job.env, "variable sagemaker.env")
    return {"Image": image, "Environment": SERVE_VARIABLES | job.env, **model_data(model_uri)}


def create_model(
    container: dict[str, Any], role: str, job: JobSettings, tags: dict[str, str], word: str, task: str = ""
) -> Request:
    """`CreateModel`, named after the digest of what it holds.

    Args:
        container: Its container definition.
        role: ARN of the execution role.
        job: Whose VPC and isolation it gets.
        tags: Its tags.
        word: First part of its name.
        task: The task that it is for.
    """
    body: dict[str, Any] = {"PrimaryContainer": container, "ExecutionRoleArn": role}
    if job.subnets:
        body["VpcConfig"] = {"Subnets": job.subnets, "SecurityGroupIds": job.security_groups}
    if job.network_isolation:
        body["EnableNetworkIsolation"] = True
    name = job_name(["intermodal", word], _digest(body))
    return Request("sagemaker", "CreateModel", {"ModelName": name, **body, "Tags": tag_list(tags)}, task)


def config_request(deployment: Deployment, models: list[str], task: str = "") -> Request:
    """`CreateEndpointConfig`.

    Args:
        deployment: What to deploy.
        models: Names of its variants' models, in their order.
        task: The task that it is for.
    """
    pairs = list(zip(deployment.variants, models, strict=True))
    body: dict[str, Any] = {
        "ProductionVariants": [_variant(deployment, item, name) for item, name in pairs if not item.shadow]
    }
    if shadows := [_variant(deployment, item, name) for item, name in pairs if item.shadow]:
        body["ShadowProductionVariants"] = shadows
    if deployment.capture_percent:
        body["DataCaptureConfig"] = _capture(deployment)
    if deployment.job.volume_kms_key:
        body["KmsKeyId"] = deployment.job.volume_kms_key
    name = job_name([deployment.endpoint], _digest(body))
    parameters = {"EndpointConfigName": name, **body, "Tags": _tags(deployment)}
    return Request("sagemaker", "CreateEndpointConfig", parameters, task)


def endpoint_request(deployment: Deployment, config: Request, task: str = "") -> Request:
    """`CreateEndpoint`; `update_request` makes an update of it where the endpoint is there."""
    parameters = {
        "EndpointName": deployment.endpoint,
        "EndpointConfigName": config.parameters["EndpointConfigName"],
        "Tags": _tags(deployment),
    }
    return Request("sagemaker", "CreateEndpoint", parameters, task)


def update_request(deployment: Deployment, config: Request, task: str = "") -> Request:
    """`UpdateEndpoint`: blue/green, with the rollout's steps and alarms.

    What autoscaling made of the number of instances is kept; weights and capture are the new configuration's.
    """
    parameters: dict[str, Any] = {
        "EndpointName": deployment.endpoint,
        "EndpointConfigName": config.parameters["EndpointConfigName"],
    }
    if not deployment.serverless_memory:
        parameters["DeploymentConfig"] = deployment_config(deployment.rollout)
    if deployment.most_instances:
        parameters["RetainAllVariantProperties"] = True
        kinds = ("DesiredWeight", "DataCaptureConfig")
        parameters["ExcludeRetainedVariantProperties"] = [{"VariantPropertyType": kind} for kind in kinds]
    return Request("sagemaker", "UpdateEndpoint", parameters, task)


def deployment_config(rollout: Rollout) -> dict[str, Any]:
    """A rollout in AWS's words."""
    routing: dict[str, Any] = {"Type": ROLLOUTS[rollout.kind], "WaitIntervalInSeconds": rollout.wait}
    size = {"Type": "CAPACITY_PERCENT", "Value": rollout.percent}
    if rollout.kind != "all_at_once":
        routing["CanarySize" if rollout.kind == "canary" else "LinearStepSize"] = size
    found: dict[str, Any] = {
        "BlueGreenUpdatePolicy": {
            "TrafficRoutingConfiguration": routing,
            "TerminationWaitInSeconds": rollout.wait,
            "MaximumExecutionTimeoutInSeconds": _longest(rollout),
        }
    }
    if rollout.alarms:
        found["AutoRollbackConfiguration"] = {"Alarms": [{"AlarmName": name} for name in rollout.alarms]}
    return found


def weights_request(endpoint: str, weights: dict[str, float]) -> Request:
    """`UpdateEndpointWeightsAndCapacities`: another share of the traffic for each variant, at once.

    Args:
        endpoint: The endpoint's name.
        weights: Variant → weight, 0 or more.

    Raises:
        UsageError: No weight is given, or one is negative, or all are 0.
    """
    if not weights or min(weights.values()) < 0 or not any(weights.values()):
        raise UsageError("these weights share out no traffic", seen=weights or "none", expected="champion=0.9 …")
    desired = [{"VariantName": name, "DesiredWeight": float(weight)} for name, weight in weights.items()]
    parameters = {"EndpointName": endpoint, "DesiredWeightsAndCapacities": desired}
    return Request("sagemaker", "UpdateEndpointWeightsAndCapacities", parameters)


def scaling_requests(deployment: Deployment, task: str = "") -> list[Request]:
    """Autoscaling of each variant that answers, by invocations an instance; none unless asked."""
    if not deployment.most_instances:
        return []
    names = [item.name for item in deployment.variants if not item.shadow]
    return [made for name in names for made in _scaling(deployment, name, task)]


def scaling_target(endpoint: str, variant: str) -> dict[str, str]:
    """How application-autoscaling names a variant."""
    return {
        "ServiceNamespace": "sagemaker",
        "ResourceId": f"endpoint/{endpoint}/variant/{variant}",
        "ScalableDimension": _SCALABLE,
    }


def _scaling(deployment: Deployment, variant: str, task: str) -> list[Request]:
    target: dict[str, Any] = dict(scaling_target(deployment.endpoint, variant))
    limits = {"MinCapacity": deployment.instances, "MaxCapacity": deployment.most_instances}
    tracking = {
        "TargetValue": deployment.invocations,
        "PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"},
        "ScaleInCooldown": _COOL_IN,
        "ScaleOutCooldown": _COOL_OUT,
    }
    policy = {
        "PolicyName": f"intermodal-{variant}",
        "PolicyType": "TargetTrackingScaling",
        "TargetTrackingScalingPolicyConfiguration": tracking,
    }
    service = "application-autoscaling"
    tags = {item["Key"]: item["Value"] for item in tag_list(deployment.tags)}
    return [
        Request(service, "RegisterScalableTarget", target | limits | {"Tags": tags}, task),
        Request(service, "PutScalingPolicy", target | policy, task),
    ]


def _tags(deployment: Deployment) -> list[dict[str, str]]:
    return tag_list(deployment.tags | {ENDPOINT_TAG: deployment.endpoint})


def _variant(deployment: Deployment, variant: Variant, model: str) -> dict[str, Any]:
    named = {"VariantName": variant.name, "ModelName": model, "InitialVariantWeight": float(variant.weight)}
    if deployment.serverless_memory:
        size = {
            "MemorySizeInMB": deployment.serverless_memory,
            "MaxConcurrency": deployment.serverless_concurrency,
        }
        return named | {"ServerlessConfig": size}
    return named | {"InstanceType": deployment.instance_type, "InitialInstanceCount": deployment.instances}


def _capture(deployment: Deployment) -> dict[str, Any]:
    found: dict[str, Any] = {
        "EnableCapture": True,
        "InitialSamplingPercentage": deployment.capture_percent,
        "DestinationS3Uri": deployment.capture_uri,
        "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
        # Texts are captured as they are: what is not named here is captured as base64.
        "CaptureContentTypeHeader": {
            "CsvContentTypes": ["text/csv"],
            "JsonContentTypes": ["application/json", "application/jsonlines"],
        },
    }
    if deployment.job.output_kms_key:
        found["KmsKeyId"] = deployment.job.output_kms_key
    return found


def _longest(rollout: Rollout) -> int:
    """Seconds after which AWS gives an update up: its shifts, and half an hour for machines to start."""
    return min(28_800, max(3_600, rollout.shifts * rollout.wait + 1_800))


def _digest(body: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
