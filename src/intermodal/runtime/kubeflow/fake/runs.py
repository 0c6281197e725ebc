"""Runs: created, listed, terminated, retried; what their pods printed and left behind."""

from __future__ import annotations

import re
import uuid
from pathlib import Path
from typing import Any

from intermodal.runtime.kubeflow.fake.answers import Refused, invalid, now
from intermodal.runtime.kubeflow.fake.bodies import read_body
from intermodal.runtime.kubeflow.fake.listing import page
from intermodal.runtime.kubeflow.fake.progress import read_progress
from intermodal.runtime.kubeflow.fake.requests import Backend, Request
from intermodal.runtime.kubeflow.fake.specs import Spec, check_arguments, read_spec
from intermodal.runtime.kubeflow.fake.state import DEFAULT_EXPERIMENT, EXPERIMENTS, PIPELINES, RUNS, VERSIONS

FINISHED = ("SUCCEEDED", "FAILED", "CANCELED", "SKIPPED")
_KEYS = {
    "id": "run_id",
    "run_id": "run_id",
    "name": "display_name",
    "display_name": "display_name",
    "created_at": "created_at",
    "finished_at": "finished_at",
    "scheduled_at": "scheduled_at",
    "state": "state",
    "status": "state",
    "storage_state": "storage_state",
    "experiment_id": "experiment_id",
    "pipeline_version_id": "pipeline_version_id",
    "service_account": "service_account",
}
_ROOT = re.compile(r"(minio|s3|gs)://[^/]+(/.*)?")


def create_run(backend: Backend, request: Request) -> dict[str, Any]:
    """POST /runs: from the spec in the body, or from a version."""
    fields = read_body(request.body, "V2beta1Run")
    if not fields.get("display_name"):
        raise invalid("the run name is empty")
    experiment = fields.get("experiment_id") or request.query.get("experiment_id") or DEFAULT_EXPERIMENT
    namespace = backend.state.get(EXPERIMENTS, experiment)["namespace"]
    spec, origin = source_of(backend, fields)
    configuration = fields.get("runtime_config") or {}
    check_arguments(spec, configuration.get("parameters") or {})
    _check_root(configuration.get("pipeline_root") or "")
    run = {**_new_run(fields), "experiment_id": experiment, **origin}
    backend.state.put(RUNS, run["run_id"], run)
    backend.state.change(EXPERIMENTS, experiment, last_run_created_at=run["created_at"])
    backend.controller.start(run["run_id"], spec, namespace)
    return run


def get_run(backend: Backend, request: Request) -> dict[str, Any]:
    """GET /runs/{id}: with its tasks as they are now."""
    return shown(backend, backend.state.get(RUNS, request.names["id"]))


def list_runs(backend: Backend, request: Request) -> dict[str, Any]:
    """GET /runs; the tasks are left out, as the real server leaves out what is large."""
    items = backend.state.all(RUNS)
    experiment, namespace = request.query.get("experiment_id"), request.query.get("namespace", "")
    if experiment:
        backend.state.get(EXPERIMENTS, experiment)
        items = [item for item in items if item["experiment_id"] == experiment]
    elif backend.options.multi_user:
        if not namespace:
            raise invalid("a list of runs needs an experiment_id or a namespace")
        spaces = {item["experiment_id"]: item["namespace"] for item in backend.state.all(EXPERIMENTS)}
        items = [item for item in items if spaces.get(item["experiment_id"]) == namespace]
    return page(items, request.query, "runs", _KEYS)


def terminate_run(backend: Backend, request: Request) -> dict[str, Any]:
    """POST /runs/{id}:terminate: answered at once, the run is CANCELING until its pods have stopped."""
    with backend.state.lock:
        run = backend.state.get(RUNS, request.names["id"])
        if run["state"] in FINISHED:
            raise invalid(f"failed to terminate run {run['run_id']}: it is {run['state']}")
        move(backend.state, run["run_id"], "CANCELING")
    backend.controller.terminate(run["run_id"])
    return {}


def retry_run(backend: Backend, request: Request) -> dict[str, Any]:
    """POST /runs/{id}:retry: what failed runs again, what succeeded is kept."""
    with backend.state.lock:
        run = backend.state.get(RUNS, request.names["id"])
        if run["state"] not in ("FAILED", "CANCELED"):
            raise invalid(f"run {run['run_id']} cannot be retried: it is {run['state']}")
        spec, _ = source_of(backend, run)
        backend.state.change(RUNS, run["run_id"], finished_at=None, error=None)
        move(backend.state, run["run_id"], "PENDING")
    namespace = backend.state.get(EXPERIMENTS, run["experiment_id"])["namespace"]
    backend.controller.start(run["run_id"], spec, namespace)
    return {}


def archive_run(backend: Backend, request: Request) -> dict[str, Any]:
    """POST /runs/{id}:archive."""
    backend.state.change(RUNS, request.names["id"], storage_state="ARCHIVED")
    return {}


def unarchive_run(backend: Backend, request: Request) -> dict[str, Any]:
    """POST /runs/{id}:unarchive."""
    run = backend.state.get(RUNS, request.names["id"])
    experiment = backend.state.get(EXPERIMENTS, run["experiment_id"])
    if experiment["storage_state"] == "ARCHIVED":
        raise Refused(400, f"Failed precondition: experiment {experiment['experiment_id']} is archived")
    backend.state.change(RUNS, run["run_id"], storage_state="AVAILABLE")
    return {}


def delete_run(backend: Backend, request: Request) -> dict[str, Any]:
    """DELETE /runs/{id}: one that runs is stopped; its artifacts stay in the object store."""
    backend.state.delete(RUNS, request.names["id"])
    backend.controller.terminate(request.names["id"])
    return {}


def pod_logs(backend: Backend, request: Request) -> str:
    """GET /k8s/pod/logs: what a pod has printed so far, as KFP's UI server gives it."""
    run, pod = request.query.get("runid", ""), request.query.get("podname", "")
    if not pod:
        raise Refused(400, "podname argument is required")
    path = _pod_folder(backend, run, pod) / "log.txt"
    if not path.is_file():
        raise Refused(500, f"Could not get main container logs: pods {pod!r} not found")
    return path.read_text(errors="replace")


def artifacts(backend: Backend, request: Request) -> dict[str, Any]:
    """GET /fake/runs/{id}/artifacts: what ML Metadata holds on a real cluster, artifact by artifact."""
    run = backend.state.get(RUNS, request.names["id"])
    return {"artifacts": read_progress(backend.options.runs / run["run_id"]).get("artifacts", [])}


def shown(backend: Backend, run: dict[str, Any]) -> dict[str, Any]:
    """A run with its tasks."""
    progress = read_progress(backend.options.runs / run["run_id"])
    details = [{"run_id": run["run_id"], **fields} for fields in progress.get("nodes", {}).values()]
    answer = {**run, "run_details": {"task_details": details}}
    if progress.get("plugins_output"):
        answer["plugins_output"] = progress["plugins_output"]
    return {name: value for name, value in answer.items() if value is not None}


def move(state: Any, run_id: str, new: str, **fields: Any) -> None:
    """Give a run another state, and note when."""
    with state.lock:
        history = [*state.get(RUNS, run_id)["state_history"], {"update_time": now(), "state": new}]
        state.change(RUNS, run_id, state=new, state_history=history, **fields)


def _check_root(root: str) -> None:
    if root and not _ROOT.fullmatch(root):
        raise invalid(f"pipeline root {root!r} is no minio://, s3:// or gs:// URI")


def _new_run(fields: dict[str, Any]) -> dict[str, Any]:
    """A run as it is at first; what only the server may say is taken from nobody."""
    started = now()
    return {
        "run_id": str(uuid.uuid4()),
        "display_name": fields["display_name"],
        "description": fields.get("description", ""),
        "storage_state": "AVAILABLE",
        "runtime_config": fields.get("runtime_config") or {},
        "service_account": fields.get("service_account") or "pipeline-runner",
        "created_at": started,
        "scheduled_at": started,
        "state": "PENDING",
        "state_history": [{"update_time": started, "state": "PENDING"}],
        "plugins_input": fields.get("plugins_input") or {},
    }


def source_of(backend: Backend, fields: dict[str, Any]) -> tuple[Spec, dict[str, Any]]:
    """The spec of a run, and how the run names it."""
    reference = fields.get("pipeline_version_reference")
    if ("pipeline_spec" in fields) == bool(reference):
        raise invalid("a run needs either a pipeline_spec or a pipeline_version_reference")
    if not reference:
        return read_spec(fields["pipeline_spec"]), {"pipeline_spec": fields["pipeline_spec"]}
    pipeline = reference.get("pipeline_id", "")
    backend.state.get(PIPELINES, pipeline)
    version = _version(backend, pipeline, reference.get("pipeline_version_id", ""))
    return read_spec(version["pipeline_spec"]), {
        "pipeline_version_id": version["pipeline_version_id"],
        "pipeline_version_reference": {
            "pipeline_id": pipeline,
            "pipeline_version_id": version["pipeline_version_id"],
        },
    }


def _version(backend: Backend, pipeline: str, version: str) -> dict[str, Any]:
    """The version named, or the pipeline's newest."""
    own = [item for item in backend.state.all(VERSIONS) if item["pipeline_id"] == pipeline]
    if not version and own:
        return own[-1]
    found = backend.state.get(VERSIONS, version)
    if found not in own:
        raise invalid(f"version {version} is not of pipeline {pipeline}")
    return found


def _pod_folder(backend: Backend, run: str, pod: str) -> Path:
    """Where a pod's files are; names come from a request, so they may not lead elsewhere."""
    if not all(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]*", name) for name in (run or "x", pod)):
        raise Refused(400, "podname and runid are names")
    if run:
        return backend.options.runs / run / "pods" / pod
    return next(backend.options.runs.glob(f"*/pods/{pod}"), backend.options.runs / "none")
