"""What the step `deploy` does: tries models here, or deploys them on SageMaker and asks them there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from intermodal.aws.archives import shipped_uri, upload_model
from intermodal.aws.calls import Refused
from intermodal.aws.deployment import Deployment, deployment_of
from intermodal.aws.endpoint_life import Endpoints
from intermodal.aws.request import TaskPlan
from intermodal.aws.settings import SageMakerSettings, sagemaker_settings
from intermodal.aws.surroundings import SAGEMAKER, cached_facts, current_plan, on_sagemaker, wants_sagemaker
from intermodal.core.config import load_settings
from intermodal.core.registry import load_spec
from intermodal.errors import IntermodalError, StepFailed
from intermodal.serving.trial import try_model
from intermodal.text.held_out import model_digest
from intermodal.text.model_facts import read_model_facts

LOCAL = "local"


def plan_of(step: str, parameters: dict[str, Any], models: Mapping[str, Path]) -> TaskPlan:
    """The plan of this task, its models under the names that they have on S3.

    Args:
        step: The step's name.
        parameters: Its parameters.
        models: Input → directory.
    """
    plan = current_plan(load_spec(step), parameters, {})
    shipped: dict[str, tuple[str, ...]] = {
        name: (shipped_uri(plan.place.store, model_digest(path)),) for name, path in models.items()
    }
    return replace(plan, inputs=shipped)


def deploy_models(parameters: dict[str, Any], models: Mapping[str, Path]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Deploy models, or try them where no service is asked for.

    Args:
        parameters: The parameters of `deploy`.
        models: `model`, and perhaps `challenger` and `shadow` → directory.

    Returns:
        The deployment as a document, the same everywhere; and what is true of this place only.

    Raises:
        UsageError: A parameter is wrong.
        ArtifactCorrupt: A directory holds no model.
        StepFailed: A model does not answer, or the endpoint did not come into service.
        RuntimeFailed: AWS refused, or did not answer.
    """
    probe = str(parameters["probe"])
    if on_sagemaker():
        plan = plan_of("deploy", parameters, models)
        deployment = deployment_of(plan)
        for name, path in models.items():
            plain = bool(parameters["uncompressed"])
            upload_model(path, plan.inputs[name][0], plan.place.store, plan.settings, plain=plain)
        facts = _deployed(Endpoints(plan.settings), deployment, probe)
    else:
        # A deployment that AWS would refuse is refused here as well, before it is ever placed there.
        deployment = deployment_of(_plan_without_aws(parameters, models))
        answers = {name: try_model(path, probe)["rating"] for name, path in models.items()}
        facts = {"engine": LOCAL, "answers": {_variant(name): rating for name, rating in answers.items()}}
    return _document(deployment, models), facts


def still_deployed(metadata: Mapping[str, Any], engine: str = "") -> str | None:
    """Whether what a cached `deploy` deployed is still there, where it is wanted.

    Args:
        metadata: The cached outputs' metadata, by output name.
        engine: The service that is to do the work; the one that this very process was told by default.

    Returns:
        None when it is, else why not.
    """
    facts = cached_facts(metadata)
    if facts.get("engine") != SAGEMAKER:
        elsewhere = "the models were tried on this machine, and not deployed on SageMaker"
        return elsewhere if wants_sagemaker(engine) else None
    name = str(facts["endpoint"])
    try:
        found = Endpoints(_settings()).find(name)
    except IntermodalError as error:
        return f"SageMaker could not be asked for the endpoint {name}: {error.headline}"
    if found is None:
        return f"the endpoint {name} is gone"
    wanted = facts["endpoint_config"]
    if found.get("EndpointConfigName", wanted) != wanted or found["EndpointStatus"] != "InService":
        return f"the endpoint {name} is {found['EndpointStatus']} with another configuration"
    return None


def _deployed(endpoints: Endpoints, deployment: Deployment, probe: str) -> dict[str, Any]:
    found = endpoints.deploy(deployment)
    body = json.dumps({"inputs": [probe]}).encode()
    answers = {}
    for variant in (item.name for item in deployment.variants if not item.shadow):
        one = "" if deployment.serverless_memory else variant
        try:
            answer = endpoints.invoke(deployment.endpoint, body, variant=one)
        except Refused as refused:
            raise StepFailed(
                f"the endpoint {deployment.endpoint} is in service, and its variant {variant} does not answer",
                seen=refused.seen,
                next_step=f"read its log; intermodal endpoint delete {deployment.endpoint}",
            ) from refused
        answers[variant] = json.loads(answer.body)["predictions"][0]["rating"]
    return {
        "engine": SAGEMAKER,
        "endpoint": deployment.endpoint,
        "endpoint_arn": found["EndpointArn"],
        "endpoint_config": found["EndpointConfigName"],
        "answers": answers,
    }


def _document(deployment: Deployment, models: Mapping[str, Path]) -> dict[str, Any]:
    """The deployment without anything that differs from one place to the next."""
    described = {_variant(name): (model_digest(path), read_model_facts(path)) for name, path in models.items()}
    variants = [
        {
            "name": item.name,
            "weight": item.weight,
            "shadow": item.shadow,
            "model_digest": described[item.name][0],
            "kind": described[item.name][1].get("kind", ""),
        }
        for item in deployment.variants
    ]
    rollout = deployment.rollout
    return {
        "endpoint": deployment.endpoint,
        "variants": variants,
        "instances": deployment.instances,
        "most_instances": deployment.most_instances,
        "serverless_memory": deployment.serverless_memory,
        "capture_percent": deployment.capture_percent,
        "rollout": {"kind": rollout.kind, "percent": rollout.percent, "wait": rollout.wait, "alarms": rollout.alarms},
    }


def _plan_without_aws(parameters: dict[str, Any], models: Mapping[str, Path]) -> TaskPlan:
    from intermodal.aws.request import Place

    place = Place("0" * 12, "us-east-1", f"arn:aws:iam::{'0' * 12}:role/none", "s3://nowhere")
    inputs: dict[str, tuple[str, ...]] = {
        name: (shipped_uri(place.store, model_digest(path)),) for name, path in models.items()
    }
    return TaskPlan("", "", "deploy", load_spec("deploy"), parameters, inputs, "none", _settings(), place)


def _settings() -> SageMakerSettings:
    return sagemaker_settings(load_settings())


def _variant(name: str) -> str:
    """The variant that an input of `deploy` becomes."""
    return "champion" if name == "model" else name
