"""A model package beside each registration in MLflow: the RegisterModel step that --model-package-group adds."""

from __future__ import annotations

from typing import Any

from intermodal.aws.endpoints import SERVE_VARIABLES
from intermodal.aws.model_packages import CONTENT_TYPES, PENDING
from intermodal.aws.request import TaskPlan
from intermodal.core.component import image_of
from intermodal.errors import UsageError
from intermodal.runtime.compiled import locked_images
from intermodal.runtime.sagemaker.pipelines.expressions import step_property
from intermodal.runtime.sagemaker.pipelines.flat_task import FlatTask

_LONGEST = 64


def register_model(
    task: FlatTask, plans: dict[str, TaskPlan], tasks: dict[str, FlatTask], kinds: dict[str, str], group: str
) -> list[dict[str, Any]]:
    """The step that makes a model package of the model that a `register` task registers.

    Args:
        task: The `register` task.
        plans: The plans of all tasks.
        tasks: All tasks.
        kinds: The types of their steps.
        group: Name of the model package group.

    Returns:
        One step; none where the model comes from no training job, so that there is no model.tar.gz.

    Raises:
        UsageError: The step's name would be too long.
    """
    trained = task.inputs["model"][0].task
    if kinds.get(trained) != "Training":
        return []
    name = f"{task.name}-package"
    if len(name) > _LONGEST or name in tasks:
        raise UsageError("there is no name for the step that makes a model package", seen=name, expected="a free one")
    settings = plans[task.name].settings
    image = settings.images.get("serve") or locked_images().get("serve") or image_of("serve")
    archive = step_property(trained, "ModelArtifacts.S3ModelArtifacts")
    container = {"Image": image, "ModelDataUrl": archive, "Environment": dict(SERVE_VARIABLES)}
    arguments = {
        "ModelPackageGroupName": group,
        "ModelPackageDescription": f"{task.title} of the pipeline {plans[task.name].pipeline}",
        "ModelApprovalStatus": PENDING,
        "InferenceSpecification": {
            "Containers": [container],
            "SupportedContentTypes": list(CONTENT_TYPES),
            "SupportedResponseMIMETypes": ["application/json", "application/jsonlines"],
        },
    }
    return [
        {
            "Name": name,
            "Type": "RegisterModel",
            "DisplayName": name,
            "Arguments": arguments,
            "DependsOn": [task.name],
        }
    ]
