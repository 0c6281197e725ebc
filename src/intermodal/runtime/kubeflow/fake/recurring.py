"""Recurring runs: kept, enabled and disabled, but never fired: there is no clock in a fake."""

from __future__ import annotations

import uuid
from typing import Any

from intermodal.runtime.kubeflow.fake.answers import invalid, now
from intermodal.runtime.kubeflow.fake.bodies import read_body
from intermodal.runtime.kubeflow.fake.listing import page
from intermodal.runtime.kubeflow.fake.requests import Backend, Request
from intermodal.runtime.kubeflow.fake.runs import source_of
from intermodal.runtime.kubeflow.fake.specs import check_arguments
from intermodal.runtime.kubeflow.fake.state import DEFAULT_EXPERIMENT, EXPERIMENTS, RECURRING

_KEYS = {
    "id": "recurring_run_id",
    "recurring_run_id": "recurring_run_id",
    "name": "display_name",
    "display_name": "display_name",
    "created_at": "created_at",
    "status": "status",
    "experiment_id": "experiment_id",
}


def create_recurring_run(backend: Backend, request: Request) -> dict[str, Any]:
    """POST /recurringruns."""
    fields = read_body(request.body, "V2beta1RecurringRun")
    if not fields.get("display_name"):
        raise invalid("the recurring run's name is empty")
    if len([item for item in (fields.get("trigger") or {}).values() if item]) != 1:
        raise invalid("a recurring run needs one trigger: a cron_schedule or a periodic_schedule")
    if not 1 <= int(fields.get("max_concurrency") or 0) <= 10:  # noqa: PLR2004  KFP's own bounds
        raise invalid("the max concurrency of the job is out of range: support 1-10")
    experiment = fields.get("experiment_id") or DEFAULT_EXPERIMENT
    backend.state.get(EXPERIMENTS, experiment)
    spec, origin = source_of(backend, fields)
    check_arguments(spec, (fields.get("runtime_config") or {}).get("parameters") or {})
    made = {
        **fields,
        **origin,
        "recurring_run_id": str(uuid.uuid4()),
        "experiment_id": experiment,
        "created_at": now(),
        "updated_at": now(),
        "status": "DISABLED" if fields.get("mode") == "DISABLE" else "ENABLED",
    }
    return backend.state.put(RECURRING, made["recurring_run_id"], made)


def get_recurring_run(backend: Backend, request: Request) -> dict[str, Any]:
    """GET /recurringruns/{id}."""
    return backend.state.get(RECURRING, request.names["id"])


def list_recurring_runs(backend: Backend, request: Request) -> dict[str, Any]:
    """GET /recurringruns."""
    items = backend.state.all(RECURRING)
    if request.query.get("experiment_id"):
        items = [item for item in items if item["experiment_id"] == request.query["experiment_id"]]
    return page(items, request.query, "recurringRuns", _KEYS)


def enable_recurring_run(backend: Backend, request: Request) -> dict[str, Any]:
    """POST /recurringruns/{id}:enable."""
    backend.state.change(RECURRING, request.names["id"], status="ENABLED", mode="ENABLE", updated_at=now())
    return {}


def disable_recurring_run(backend: Backend, request: Request) -> dict[str, Any]:
    """POST /recurringruns/{id}:disable."""
    backend.state.change(RECURRING, request.names["id"], status="DISABLED", mode="DISABLE", updated_at=now())
    return {}


def delete_recurring_run(backend: Backend, request: Request) -> dict[str, Any]:
    """DELETE /recurringruns/{id}."""
    backend.state.delete(RECURRING, request.names["id"])
    return {}
