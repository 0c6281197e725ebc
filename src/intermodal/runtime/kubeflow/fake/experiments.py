"""Experiments: what the API does with them."""

from __future__ import annotations

import uuid
from typing import Any

from intermodal.runtime.kubeflow.fake.answers import invalid, now, taken
from intermodal.runtime.kubeflow.fake.bodies import read_body
from intermodal.runtime.kubeflow.fake.listing import page
from intermodal.runtime.kubeflow.fake.requests import Backend, Request
from intermodal.runtime.kubeflow.fake.state import EXPERIMENTS, RUNS

_KEYS = {
    "id": "experiment_id",
    "experiment_id": "experiment_id",
    "name": "display_name",
    "display_name": "display_name",
    "created_at": "created_at",
    "last_run_created_at": "last_run_created_at",
    "namespace": "namespace",
    "storage_state": "storage_state",
}


def create_experiment(backend: Backend, request: Request) -> dict[str, Any]:
    """POST /experiments."""
    fields = read_body(request.body, "V2beta1Experiment")
    name, namespace = fields.get("display_name", ""), _namespace(backend, fields.get("namespace", ""))
    if not name:
        raise invalid("experiment's name is empty")
    for item in backend.state.all(EXPERIMENTS):
        if (item["display_name"], item["namespace"]) == (name, namespace):
            raise taken("experiment", name)
    made = {
        "experiment_id": str(uuid.uuid4()),
        "display_name": name,
        "description": fields.get("description", ""),
        "created_at": now(),
        "namespace": namespace,
        "storage_state": "AVAILABLE",
    }
    return backend.state.put(EXPERIMENTS, made["experiment_id"], made)


def get_experiment(backend: Backend, request: Request) -> dict[str, Any]:
    """GET /experiments/{id}."""
    return backend.state.get(EXPERIMENTS, request.names["id"])


def list_experiments(backend: Backend, request: Request) -> dict[str, Any]:
    """GET /experiments."""
    namespace = _namespace(backend, request.query.get("namespace", ""))
    items = [item for item in backend.state.all(EXPERIMENTS) if item["namespace"] == namespace]
    return page(items, request.query, "experiments", _KEYS)


def delete_experiment(backend: Backend, request: Request) -> dict[str, Any]:
    """DELETE /experiments/{id}; its runs stay, as in KFP."""
    backend.state.delete(EXPERIMENTS, request.names["id"])
    return {}


def archive_experiment(backend: Backend, request: Request) -> dict[str, Any]:
    """POST /experiments/{id}:archive; its runs are archived with it."""
    name = request.names["id"]
    backend.state.change(EXPERIMENTS, name, storage_state="ARCHIVED")
    for run in backend.state.all(RUNS):
        if run["experiment_id"] == name:
            backend.state.change(RUNS, run["run_id"], storage_state="ARCHIVED")
    return {}


def unarchive_experiment(backend: Backend, request: Request) -> dict[str, Any]:
    """POST /experiments/{id}:unarchive."""
    backend.state.change(EXPERIMENTS, request.names["id"], storage_state="AVAILABLE")
    return {}


def _namespace(backend: Backend, given: str) -> str:
    if not backend.options.multi_user:
        return ""
    if not given:
        raise invalid("namespace is empty, and this server has several users")
    return given
