"""Paths below /_local, for what AWS has no operation for: faults, preemption, what is running."""

from __future__ import annotations

import json

from werkzeug.wrappers import Request, Response

from intermodal.runtime.sagemaker_local.jobs import NOT_FOUND
from intermodal.runtime.sagemaker_local.operations import ApiError, route
from intermodal.runtime.sagemaker_local.service import Service


@route("GET", "/_local/health")
def health(service: Service, _request: Request) -> Response:
    """Whether it is there, and how it executes."""
    return _json({"status": "ok", "engine": service.executor.name, "region": service.region, "home": str(service.home)})


@route("GET", "/_local/faults")
def list_faults(service: Service, _request: Request) -> Response:
    """The faults that are waiting."""
    return _json({"faults": service.faults.all()})


@route("POST", "/_local/faults")
def add_faults(service: Service, request: Request) -> Response:
    """Add one fault, or a list of them."""
    given = request.get_json(force=True)
    for fault in given if isinstance(given, list) else [given]:
        service.faults.add(fault)
    return _json({"faults": service.faults.all()})


@route("DELETE", "/_local/faults")
def clear_faults(service: Service, _request: Request) -> Response:
    """Forget all faults."""
    service.faults.clear()
    return _json({"faults": []})


@route("POST", "/_local/preempt/(.+)")
def preempt(service: Service, _request: Request, name: str) -> Response:
    """Take a training job's spot capacity away, now."""
    from intermodal.runtime.sagemaker_local.training import TrainingJob

    job = service.jobs.find(TrainingJob.kind, name)
    if not isinstance(job, TrainingJob) or job.ended:
        raise ApiError("ValidationException", NOT_FOUND)
    if not job.spot:
        raise ApiError("ValidationException", f"{name} does not run on spot capacity (EnableManagedSpotTraining)")
    job.preempt()
    return _json({"preempted": name})


def _json(content: object) -> Response:
    return Response(json.dumps(content), content_type="application/json")
