"""The MLflow run of an entry point: opened or adopted, ended truly, and healed when its process was killed."""

from __future__ import annotations

import getpass
import time
from collections.abc import Mapping
from typing import Any

from intermodal.core.attempt import machine_mark, process_alive, process_start
from intermodal.errors import UsageError
from intermodal.mlflow_backend.project import Project
from intermodal.tracking.limits import PARAMETER_LENGTH, PARAMETERS_PER_REQUEST, TAG_LENGTH, chunks, fit
from intermodal.tracking.shared_parent import OWNER_TAG, end_parent, settle_parent

PROCESS_TAG = "intermodal.process"  # machine-number-start of the process that will end the run
RUNTIME_TAG = "intermodal.runtime"
KEY_TAG = "intermodal.run_id"
_ENDED = ("FINISHED", "FAILED", "KILLED")


def tags_of(project: Project, entry_point: str, backend: str, runtime: str, pid: int) -> dict[str, str]:
    """The tags that MLflow's own backends write, and two of ours."""
    from mlflow.utils import mlflow_tags as names

    tags = {
        names.MLFLOW_USER: _user(),
        names.MLFLOW_SOURCE_NAME: project.source,
        names.MLFLOW_SOURCE_TYPE: "PROJECT",
        names.MLFLOW_PROJECT_ENTRY_POINT: entry_point,
        names.MLFLOW_PROJECT_BACKEND: backend,
        names.MLFLOW_GIT_COMMIT: project.commit,
        names.MLFLOW_GIT_REPO_URL: project.repository,
        names.MLFLOW_GIT_BRANCH: project.branch,
        RUNTIME_TAG: runtime,
        PROCESS_TAG: process_mark(pid),
    }
    return {name: value for name, value in tags.items() if value}


def open_run(
    client: Any, experiment_id: str, name: str, tags: Mapping[str, str], params: Mapping[str, str], parent: str = ""
) -> str:
    """Make the run; its id. Should its parameters be refused, it ends FAILED at once."""
    from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

    marks = {**tags, **({MLFLOW_PARENT_RUN_ID: parent} if parent else {})}
    run = client.create_run(experiment_id, int(time.time() * 1000), fit(marks, TAG_LENGTH), name or None)
    run_id = str(run.info.run_id)
    try:
        _log(client, run_id, params, {})
    except BaseException:
        client.set_terminated(run_id, "FAILED")
        raise
    return run_id


def find_run(client: Any, run_id: str) -> Any:
    """A run that is to be used instead of a new one.

    Raises:
        UsageError: There is none, it was deleted, or somebody works in it.
    """
    from mlflow.exceptions import MlflowException

    try:
        run = client.get_run(run_id)
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise
        raise UsageError(
            "there is no such MLflow run", seen=run_id, expected="the id of a run in this store"
        ) from error
    if run.info.lifecycle_stage != "active":
        step = f"mlflow runs restore --run-id {run_id}"
        raise UsageError("the MLflow run was deleted", seen=run_id, expected="an active one", next_step=step)
    mark = run.data.tags.get(PROCESS_TAG, "")
    if run.info.status == "RUNNING" and mark and process_runs(mark):
        raise UsageError(
            "this MLflow run is still going on", seen=f"{run_id}, process {mark}", expected="one that ended"
        )
    return run


def adopt_run(client: Any, run: Any, name: str, tags: Mapping[str, str], params: Mapping[str, str]) -> str:
    """Go on with a run; its id.

    Raises:
        UsageError: It has been recorded with other parameters.
    """
    from mlflow.utils.mlflow_tags import MLFLOW_RUN_NAME

    recorded = run.data.params
    other = [item for item, value in fit(params, PARAMETER_LENGTH).items() if recorded.get(item, value) != value]
    if other:
        raise UsageError(
            "this MLflow run was recorded with another parameter",
            seen=f"{other[0]}={params[other[0]]}",
            expected=f"{other[0]}={recorded[other[0]]}",
            next_step="leave out --run-id, and a new run is made",
        )
    run_id = str(run.info.run_id)
    _log(client, run_id, params, {**tags, **({MLFLOW_RUN_NAME: name} if name else {})})
    client.update_run(run_id, status="RUNNING")
    return run_id


def ensure_ended(client: Any, run_id: str, status: str) -> None:
    """End a run and the runs nested under it, unless whoever did the work has done so.

    Args:
        client: An `mlflow.tracking.MlflowClient`.
        run_id: The run.
        status: FINISHED, FAILED or KILLED; empty when its process was killed.
    """
    run = client.get_run(run_id)
    if run.info.status in _ENDED:
        return
    if status:
        end_parent(client.tracking_uri, run_id, status)
    else:
        abandon(client, run)


def heal(client: Any, experiment_id: str) -> list[str]:
    """Give runs of an experiment whose process was killed on this machine their true state.

    Returns:
        Ids of the runs that said RUNNING.
    """
    query = f"attributes.status = 'RUNNING' and tags.`{PROCESS_TAG}` LIKE '{machine_mark()}-%'"
    dead = [run for run in client.search_runs([experiment_id], query) if not process_runs(run.data.tags[PROCESS_TAG])]
    for run in dead:
        abandon(client, run)
    return [str(run.info.run_id) for run in dead]


def abandon(client: Any, run: Any) -> None:
    """End a run whose process was killed: what ran here died with it; what runs elsewhere goes on.

    A run elsewhere is left to its own tasks, which end it when the last of them has ended.
    """
    if run.data.tags.get(RUNTIME_TAG) == "local" or KEY_TAG not in run.data.tags:
        end_parent(client.tracking_uri, run.info.run_id, "KILLED")
        return
    if OWNER_TAG in run.data.tags:
        client.delete_tag(run.info.run_id, OWNER_TAG)
    settle_parent(client, run.info.run_id)


def process_mark(pid: int) -> str:
    """A process of this machine, told from a later one with the same number."""
    return f"{machine_mark()}-{pid}-{process_start(pid)}"


def process_runs(mark: str) -> bool:
    """Whether the process behind a mark runs on this machine; one of another machine does, as far as we know."""
    machine, _, rest = mark.partition("-")
    pid, _, started = rest.partition("-")
    if machine != machine_mark():
        return True
    return pid.isdigit() and process_alive(int(pid), started)


def _log(client: Any, run_id: str, params: Mapping[str, str], tags: Mapping[str, str]) -> None:
    from mlflow.entities import Param, RunTag

    marks = [RunTag(name, value) for name, value in fit(tags, TAG_LENGTH).items()]
    for piece in chunks([Param(k, v) for k, v in fit(params, PARAMETER_LENGTH).items()], PARAMETERS_PER_REQUEST):
        client.log_batch(run_id, params=piece)
    if marks:
        client.log_batch(run_id, tags=marks)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user id may have no name
        return "unknown"
