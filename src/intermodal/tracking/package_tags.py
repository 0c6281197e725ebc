"""The other registry's name of a model, on its version in MLflow's."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from intermodal.core.config import load_settings
from intermodal.errors import StoreFailed
from intermodal.tracking.faults import describe
from intermodal.tracking.mlflow_import import set_defaults

PACKAGE_TAG, APPROVAL_TAG = "sagemaker.model_package", "sagemaker.approval"


def tag_version(registered: Mapping[str, Any], arn: str, approval: str) -> bool:
    """Name a model package on the version of MLflow's registry that holds the same model.

    Args:
        registered: Metadata of the output of `register`: registered_model and version.
        arn: The package's ARN.
        approval: Its approval.

    Returns:
        Whether there was such a version, and MLflow is not switched off.

    Raises:
        StoreFailed: MLflow refused, or did not answer.
    """
    settings = load_settings()
    name, version = str(registered.get("registered_model", "")), str(registered.get("version", ""))
    if not name or not version or settings.tracking_uri == "off":
        return False
    set_defaults()
    import mlflow
    from mlflow.exceptions import MlflowException

    client = mlflow.MlflowClient(settings.tracking_uri, os.environ.get("MLFLOW_REGISTRY_URI") or settings.tracking_uri)
    try:
        client.set_model_version_tag(name, version, PACKAGE_TAG, arn)
        client.set_model_version_tag(name, version, APPROVAL_TAG, approval)
    except MlflowException as error:
        step = f"is version {version} of {name} in the registry?"
        raise StoreFailed(
            "MLflow did not take the model package's name", seen=describe(error), next_step=step
        ) from error
    return True
