"""Which request is answered by what."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

from intermodal.runtime.kubeflow.fake import experiments, pipelines, recurring, runs
from intermodal.runtime.kubeflow.fake.answers import Refused, invalid
from intermodal.runtime.kubeflow.fake.requests import Backend, Request

Answer = dict[str, Any] | str
_API = "/apis/v2beta1"


def healthz(backend: Backend, _request: Request) -> dict[str, Any]:
    """GET /healthz."""
    return {"multi_user": backend.options.multi_user, "pipeline_store": "database"}


def add_fault(backend: Backend, request: Request) -> dict[str, Any]:
    """POST /fake/faults."""
    try:
        fields = json.loads(request.body)
    except ValueError as error:
        raise invalid(f"the body is not JSON: {error}") from error
    for fault in fields if isinstance(fields, list) else [fields]:
        backend.faults.add(fault)
    return list_faults(backend, request)


def list_faults(backend: Backend, _request: Request) -> dict[str, Any]:
    """GET /fake/faults."""
    return {"faults": backend.faults.all()}


def clear_faults(backend: Backend, _request: Request) -> dict[str, Any]:
    """DELETE /fake/faults."""
    backend.faults.clear()
    return {}


_ROUTES: dict[str, Callable[[Backend, Request], Answer]] = {
    f"GET {_API}/healthz": healthz,
    f"GET {_API}/experiments": experiments.list_experiments,
    f"POST {_API}/experiments": experiments.create_experiment,
    f"GET {_API}/experiments/{{id}}": experiments.get_experiment,
    f"DELETE {_API}/experiments/{{id}}": experiments.delete_experiment,
    f"POST {_API}/experiments/{{id}}:archive": experiments.archive_experiment,
    f"POST {_API}/experiments/{{id}}:unarchive": experiments.unarchive_experiment,
    f"GET {_API}/pipelines": pipelines.list_pipelines,
    f"POST {_API}/pipelines": pipelines.create_pipeline,
    f"POST {_API}/pipelines/create": pipelines.create_pipeline_and_version,
    f"POST {_API}/pipelines/upload": pipelines.upload_pipeline,
    f"POST {_API}/pipelines/upload_version": pipelines.upload_version,
    f"GET {_API}/pipelines/names/{{name}}": pipelines.get_pipeline_by_name,
    f"GET {_API}/pipelines/{{id}}": pipelines.get_pipeline,
    f"PATCH {_API}/pipelines/{{id}}": pipelines.update_pipeline,
    f"DELETE {_API}/pipelines/{{id}}": pipelines.delete_pipeline,
    f"GET {_API}/pipelines/{{id}}/versions": pipelines.list_versions,
    f"POST {_API}/pipelines/{{id}}/versions": pipelines.create_version,
    f"GET {_API}/pipelines/{{id}}/versions/{{version}}": pipelines.get_version,
    f"PATCH {_API}/pipelines/{{id}}/versions/{{version}}": pipelines.update_version,
    f"DELETE {_API}/pipelines/{{id}}/versions/{{version}}": pipelines.delete_version,
    f"GET {_API}/runs": runs.list_runs,
    f"POST {_API}/runs": runs.create_run,
    f"GET {_API}/runs/{{id}}": runs.get_run,
    f"DELETE {_API}/runs/{{id}}": runs.delete_run,
    f"POST {_API}/runs/{{id}}:terminate": runs.terminate_run,
    f"POST {_API}/runs/{{id}}:retry": runs.retry_run,
    f"POST {_API}/runs/{{id}}:archive": runs.archive_run,
    f"POST {_API}/runs/{{id}}:unarchive": runs.unarchive_run,
    f"GET {_API}/recurringruns": recurring.list_recurring_runs,
    f"POST {_API}/recurringruns": recurring.create_recurring_run,
    f"GET {_API}/recurringruns/{{id}}": recurring.get_recurring_run,
    f"DELETE {_API}/recurringruns/{{id}}": recurring.delete_recurring_run,
    f"POST {_API}/recurringruns/{{id}}:enable": recurring.enable_recurring_run,
    f"POST {_API}/recurringruns/{{id}}:disable": recurring.disable_recurring_run,
    "GET /k8s/pod/logs": runs.pod_logs,
    "GET /fake/runs/{id}/artifacts": runs.artifacts,
    "GET /fake/faults": list_faults,
    "POST /fake/faults": add_fault,
    "DELETE /fake/faults": clear_faults,
}


def answer(backend: Backend, request: Request) -> Answer:
    """Answer a request.

    Raises:
        Refused: There is no such path, or what answers it refuses.
    """
    for pattern, handler in _PATTERNS:
        found = pattern.fullmatch(f"{request.method} {request.path}")
        if found:
            names = {name: unquote(value) for name, value in found.groupdict().items()}
            return handler(backend, replace(request, names=names))
    raise Refused(404, f"Not Found: {request.method} {request.path}")


def _pattern(route: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/:]+)", re.escape(route)))


# A fixed word goes before a variable: "pipelines/create" is no pipeline called "create".
_PATTERNS = [(_pattern(route), _ROUTES[route]) for route in sorted(_ROUTES, key=lambda text: text.count("{"))]
