"""The parent run of a pipeline whose tasks share no launcher: pods of a cluster, and the client that follows them.

Each of them may be the first to need the parent, so it is found by a tag or opened, and of two that open
it at the same time one withdraws. While no client has claimed it, the parent is RUNNING exactly while a
task of it runs, and ends as its tasks did.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from intermodal.tracking.experiments import experiment_id
from intermodal.tracking.limits import PARAMETER_LENGTH, TAG_LENGTH, fit
from intermodal.tracking.recorder_process import RunIds, run_url

KEY_TAG = "intermodal.run_id"
ROLE_TAG = "intermodal.role"
OWNER_TAG = "intermodal.owner"
TASK_TAG = "intermodal.task"
PARENT_TAG = "mlflow.parentRunId"
PIPELINE = "pipeline"
CLIENT = "client"
_SETTLE_SECONDS = 1.0  # how long a run that was opened may take until others' searches find it
_PAGE = 1000


def find_or_open(
    client: Any,
    experiment_id: str,
    key: str,
    name: str,
    params: Mapping[str, Any] | None = None,
    tags: Mapping[str, Any] | None = None,
) -> Any:
    """The one parent run of a pipeline run.

    Args:
        client: An `mlflow.tracking.MlflowClient`.
        experiment_id: The experiment it is in.
        key: The pipeline run's id, the same for all who look.
        name: Name for the run, should it be opened here.
        params: Parameters, raw; recorded by whoever opens it.
        tags: Tags; likewise.

    Returns:
        MLflow's run.
    """
    found = parents(client, experiment_id, key)
    if found:
        return found[0]
    marks = {"mlflow.source.type": "PROJECT", **(tags or {}), KEY_TAG: key, ROLE_TAG: PIPELINE}
    opened = client.create_run(experiment_id, int(time.time() * 1000), fit(marks, TAG_LENGTH), name)
    time.sleep(_SETTLE_SECONDS)
    first = parents(client, experiment_id, key)[0]
    if first.info.run_id != opened.info.run_id:
        client.delete_run(opened.info.run_id)
        return first
    for item, value in fit(params or {}, PARAMETER_LENGTH).items():
        client.log_param(opened.info.run_id, item, value)
    return opened


def parents(client: Any, experiment_id: str, key: str) -> list[Any]:
    """Parent runs of a pipeline run; the first is the one that counts, whoever asks: a client's, then the oldest.

    So one that was opened late, after others had looked for the last time, takes nobody's place.
    """
    found = client.search_runs([experiment_id], f"tags.`{KEY_TAG}` = '{key}' and tags.`{ROLE_TAG}` = '{PIPELINE}'")

    def rank(run: Any) -> tuple[bool, int, str]:
        return run.data.tags.get(OWNER_TAG) != CLIENT, int(run.info.start_time or 0), str(run.info.run_id)

    return sorted(found, key=rank)


def nested(client: Any, experiment_id: str, parent: str) -> list[Any]:
    """Runs nested under a parent, newest first."""
    query = f"tags.`{PARENT_TAG}` = '{parent}'"
    found = client.search_runs([experiment_id], query, max_results=_PAGE, order_by=["attributes.start_time DESC"])
    return list(found)


def settle_parent(client: Any, parent: str) -> None:
    """Give a parent that no client has claimed the state its tasks are in; a task calls it at its end.

    Args:
        client: An `mlflow.tracking.MlflowClient`.
        parent: The parent's MLflow run id.
    """
    run = client.get_run(parent)
    if run.data.tags.get(OWNER_TAG) == CLIENT:
        return
    latest: dict[str, str] = {}
    for task in nested(client, run.info.experiment_id, parent):
        latest.setdefault(task.data.tags.get(TASK_TAG, task.info.run_id), task.info.status)
    states = set(latest.values())
    if not states & {"RUNNING", "SCHEDULED"}:
        worst = next((state for state in ("FAILED", "KILLED") if state in states), "FINISHED")
        client.set_terminated(parent, worst)


def wake_parent(client: Any, parent: str) -> None:
    """Set a parent that no client has claimed RUNNING again; a task calls it at its beginning."""
    run = client.get_run(parent)
    if run.data.tags.get(OWNER_TAG) != CLIENT and run.info.status != "RUNNING":
        client.update_run(parent, status="RUNNING")


def open_parent(
    uri: str,
    experiment: str,
    key: str,
    name: str,
    params: Mapping[str, Any] | None = None,
    tags: Mapping[str, Any] | None = None,
) -> RunIds:
    """Claim the parent run of a pipeline run for a client that will end it.

    Args:
        uri: MLflow's tracking URI.
        experiment: Name of the experiment; made when new.
        key: The pipeline run's id.
        name: Name for the run.
        params: Parameters, raw.
        tags: Tags.

    Returns:
        The run's ids.

    Raises:
        mlflow.exceptions.MlflowException: MLflow did not answer, or refused.
    """
    from intermodal.tracking.store_init import artifact_root

    client = _client(uri)
    place = experiment_id(client, experiment, artifact_root(uri))
    run = find_or_open(client, place, key, name, params, tags)
    for item, value in {**(tags or {}), OWNER_TAG: CLIENT}.items():
        client.set_tag(run.info.run_id, item, value)
    if run.info.status != "RUNNING":
        client.update_run(run.info.run_id, status="RUNNING")
    run_id, place = str(run.info.run_id), str(run.info.experiment_id)
    return RunIds(run_id, place, run_url(uri, run_id, place))


def end_parent(uri: str, run_id: str, status: str) -> None:
    """End a parent run; tasks of it that are still RUNNING lost their pods, and end as KILLED.

    Args:
        uri: MLflow's tracking URI.
        run_id: The parent's MLflow run id.
        status: FINISHED, FAILED or KILLED.

    Raises:
        mlflow.exceptions.MlflowException: MLflow did not answer, or refused.
    """
    client = _client(uri)
    run = client.get_run(run_id)
    for task in nested(client, run.info.experiment_id, run_id):
        if task.info.status == "RUNNING":
            client.set_terminated(task.info.run_id, "KILLED")
    client.set_terminated(run_id, status)


def _client(uri: str) -> Any:
    from intermodal.tracking.mlflow_import import set_defaults
    from intermodal.tracking.store_init import ensure_store

    set_defaults()
    from mlflow.tracking import MlflowClient

    ensure_store(uri)
    return MlflowClient(uri, uri)
