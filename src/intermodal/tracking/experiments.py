"""Experiments by name: found, or made by whoever comes first."""

from __future__ import annotations

from typing import Any

from intermodal.errors import UsageError


def experiment_id(client: Any, name: str, artifact_root: str = "") -> str:
    """The id of an experiment; it is made when new.

    Args:
        client: An `mlflow.tracking.MlflowClient`.
        name: The experiment's name.
        artifact_root: Where runs of an experiment made here keep artifacts; "" lets the server decide.

    Raises:
        UsageError: The experiment was deleted.
    """
    found = client.get_experiment_by_name(name)
    if found is None:
        return _make(client, name, artifact_root)
    if found.lifecycle_stage != "active":
        step = f"mlflow experiments restore --experiment-id {found.experiment_id}, or choose another name"
        raise UsageError("the MLflow experiment was deleted", seen=name, expected="an active one", next_step=step)
    return str(found.experiment_id)


def _make(client: Any, name: str, artifact_root: str) -> str:
    from mlflow.exceptions import MlflowException

    try:
        return str(client.create_experiment(name, artifact_root or None))
    except MlflowException as error:
        # Another process was quicker; it made the same one.
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
        return str(client.get_experiment_by_name(name).experiment_id)
