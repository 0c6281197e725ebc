"""Pipelines and their versions: what the API does with them."""

from __future__ import annotations

import uuid
from typing import Any

from intermodal.runtime.kubeflow.fake.answers import invalid, missing, now, taken
from intermodal.runtime.kubeflow.fake.bodies import read_body
from intermodal.runtime.kubeflow.fake.listing import page
from intermodal.runtime.kubeflow.fake.requests import Backend, Request
from intermodal.runtime.kubeflow.fake.specs import Spec, read_spec, read_yaml
from intermodal.runtime.kubeflow.fake.state import PIPELINES, VERSIONS

_PIPELINE_KEYS = {
    "id": "pipeline_id",
    "pipeline_id": "pipeline_id",
    "name": "name",
    "display_name": "display_name",
    "created_at": "created_at",
    "description": "description",
    "namespace": "namespace",
}
_VERSION_KEYS = {
    "id": "pipeline_version_id",
    "pipeline_version_id": "pipeline_version_id",
    "name": "name",
    "display_name": "display_name",
    "created_at": "created_at",
}


def create_pipeline(backend: Backend, request: Request) -> dict[str, Any]:
    """POST /pipelines: a pipeline without a version."""
    return _new_pipeline(backend, read_body(request.body, "V2beta1Pipeline"))


def create_pipeline_and_version(backend: Backend, request: Request) -> dict[str, Any]:
    """POST /pipelines/create."""
    fields = read_body(request.body, "V2beta1CreatePipelineAndVersionRequest")
    version = fields.get("pipeline_version") or {}
    spec = _spec_of(version)
    pipeline = _new_pipeline(backend, fields.get("pipeline") or {})
    _new_version(backend, pipeline["pipeline_id"], {"display_name": pipeline["display_name"], **version}, spec)
    return pipeline


def upload_pipeline(backend: Backend, request: Request) -> dict[str, Any]:
    """POST /pipelines/upload: a pipeline and its first version, of one name."""
    filename, content = request.file()
    spec = read_yaml(content)
    fields = _named(request, filename)
    pipeline = _new_pipeline(backend, {**fields, "namespace": request.query.get("namespace", "")})
    _new_version(backend, pipeline["pipeline_id"], fields, spec)
    return pipeline


def upload_version(backend: Backend, request: Request) -> dict[str, Any]:
    """POST /pipelines/upload_version."""
    filename, content = request.file()
    pipeline = request.query.get("pipelineid", "")
    if not pipeline:
        raise invalid("please specify a pipeline id with pipelineid")
    backend.state.get(PIPELINES, pipeline)
    return _new_version(backend, pipeline, _named(request, filename), read_yaml(content))


def create_version(backend: Backend, request: Request) -> dict[str, Any]:
    """POST /pipelines/{id}/versions."""
    fields = read_body(request.body, "V2beta1PipelineVersion")
    backend.state.get(PIPELINES, request.names["id"])
    return _new_version(backend, request.names["id"], fields, _spec_of(fields))


def get_pipeline(backend: Backend, request: Request) -> dict[str, Any]:
    """GET /pipelines/{id}."""
    return backend.state.get(PIPELINES, request.names["id"])


def get_pipeline_by_name(backend: Backend, request: Request) -> dict[str, Any]:
    """GET /pipelines/names/{name}."""
    for item in backend.state.all(PIPELINES):
        if item["name"] == request.names["name"]:
            return item
    raise missing("Pipeline", request.names["name"])


def list_pipelines(backend: Backend, request: Request) -> dict[str, Any]:
    """GET /pipelines; with several users, the shared ones where no namespace is given."""
    namespace = request.query.get("namespace", "") if backend.options.multi_user else ""
    items = [item for item in backend.state.all(PIPELINES) if item["namespace"] == namespace]
    return page(items, request.query, "pipelines", _PIPELINE_KEYS)


def update_pipeline(backend: Backend, request: Request) -> dict[str, Any]:
    """PATCH /pipelines/{id}: display name, description and tags."""
    fields = read_body(request.body, "V2beta1Pipeline")
    return backend.state.change(PIPELINES, request.names["id"], **_mutable(fields))


def update_version(backend: Backend, request: Request) -> dict[str, Any]:
    """PATCH /pipelines/{id}/versions/{version}."""
    found = _version(backend, request)
    fields = read_body(request.body, "V2beta1PipelineVersion")
    return backend.state.change(VERSIONS, found["pipeline_version_id"], **_mutable(fields))


def delete_pipeline(backend: Backend, request: Request) -> dict[str, Any]:
    """DELETE /pipelines/{id}; one with versions only when `cascade` says so."""
    name = request.names["id"]
    versions = [item for item in backend.state.all(VERSIONS) if item["pipeline_id"] == name]
    if versions and request.query.get("cascade", "").lower() != "true":
        raise invalid(f"pipeline {name} has {len(versions)} versions: delete them first, or ask for cascade")
    backend.state.get(PIPELINES, name)
    for item in versions:
        backend.state.delete(VERSIONS, item["pipeline_version_id"])
    backend.state.delete(PIPELINES, name)
    return {}


def list_versions(backend: Backend, request: Request) -> dict[str, Any]:
    """GET /pipelines/{id}/versions."""
    backend.state.get(PIPELINES, request.names["id"])
    items = [item for item in backend.state.all(VERSIONS) if item["pipeline_id"] == request.names["id"]]
    return page(items, request.query, "pipeline_versions", _VERSION_KEYS)


def get_version(backend: Backend, request: Request) -> dict[str, Any]:
    """GET /pipelines/{id}/versions/{version}."""
    return _version(backend, request)


def delete_version(backend: Backend, request: Request) -> dict[str, Any]:
    """DELETE /pipelines/{id}/versions/{version}."""
    backend.state.delete(VERSIONS, _version(backend, request)["pipeline_version_id"])
    return {}


def _version(backend: Backend, request: Request) -> dict[str, Any]:
    found = backend.state.get(VERSIONS, request.names["version"])
    if found["pipeline_id"] != request.names["id"]:
        raise missing("PipelineVersion", request.names["version"])
    return found


def _new_pipeline(backend: Backend, fields: dict[str, Any]) -> dict[str, Any]:
    name = fields.get("name") or fields.get("display_name", "")
    if not name or name.isspace():
        raise invalid("pipeline's name cannot be empty")
    namespace = fields.get("namespace", "") if backend.options.multi_user else ""
    for item in backend.state.all(PIPELINES):
        if (item["name"], item["namespace"]) == (name, namespace):
            raise taken("pipeline", name)
    made = {
        "pipeline_id": str(uuid.uuid4()),
        "display_name": fields.get("display_name") or name,
        "name": name,
        "created_at": now(),
        "namespace": namespace,
        **_mutable({key: value for key, value in fields.items() if key != "display_name"}),
    }
    return backend.state.put(PIPELINES, made["pipeline_id"], made)


def _new_version(backend: Backend, pipeline: str, fields: dict[str, Any], spec: Spec) -> dict[str, Any]:
    name = fields.get("name") or fields.get("display_name", "")
    if not name:
        raise invalid("pipeline version's name cannot be empty")
    for item in backend.state.all(VERSIONS):
        if (item["pipeline_id"], item["name"]) == (pipeline, name):
            raise taken("pipeline version", name)
    made = {
        "pipeline_id": pipeline,
        "pipeline_version_id": str(uuid.uuid4()),
        "display_name": fields.get("display_name") or name,
        "name": name,
        "created_at": now(),
        "pipeline_spec": spec.to_json(),
        **_mutable({key: value for key, value in fields.items() if key != "display_name"}),
    }
    return backend.state.put(VERSIONS, made["pipeline_version_id"], made)


def _mutable(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: fields[name] for name in ("display_name", "description", "tags") if fields.get(name)}


def _named(request: Request, filename: str) -> dict[str, str]:
    """Name and description of an upload; the file's name where the query gives none."""
    given = {name: request.query.get(name, "") for name in ("name", "display_name", "description")}
    name = given["name"] or given["display_name"] or filename
    return {**given, "name": name, "display_name": given["display_name"] or name}


def _spec_of(fields: dict[str, Any]) -> Spec:
    """The spec in the body itself; KFP can also fetch one, which a fake on loopback does not."""
    if "pipeline_spec" not in fields:
        raise invalid("this server fetches no package_url; give the pipeline_spec, or upload the file")
    return read_spec(fields["pipeline_spec"])
