"""What an object must satisfy before it is stored: its shape, its name, its namespace, Pod Security, fixed fields."""

from __future__ import annotations

import re
from typing import Any

from intermodal.runtime.kubernetes_fake.fault import ApiFault
from intermodal.runtime.manifests.kinds import Kind
from intermodal.runtime.manifests.pod_security import ENFORCE, violations
from intermodal.runtime.manifests.pod_templates import pod_templates
from intermodal.runtime.manifests.schemas import problems_of

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(rf"{_LABEL.pattern}(\.{_LABEL.pattern})*")
_RBAC = re.compile(r"[^/%]+")
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?")
_STRICT_LABEL_KINDS = ("Namespace", "Service")
_FIXED = {
    "Deployment": ("selector",),
    "DaemonSet": ("selector",),
    "StatefulSet": ("selector", "serviceName", "podManagementPolicy", "volumeClaimTemplates"),
    "Job": ("selector", "template", "completionMode"),
    "Service": (),
    "PersistentVolumeClaim": ("accessModes", "storageClassName", "volumeName"),
}


def check_shape(document: dict[str, Any], kind: Kind) -> None:
    """Refuse an object that is not what its kind says.

    Raises:
        ApiFault: Another kind than the address says, an unknown field, a wrong type, or an impossible name.
    """
    said = (document.get("apiVersion"), document.get("kind"))
    if said != (kind.api_version, kind.name):
        raise ApiFault(400, f"{said[0]}, Kind={said[1]} does not belong here: expected {kind.api_version} {kind.name}")
    problems = problems_of(document, kind)
    unknown = [problem for problem in problems if problem.startswith("unknown field")]
    if unknown:
        raise ApiFault(
            400,
            f"{kind.name} in version {kind.version!r} cannot be handled: strict decoding error: {', '.join(unknown)}",
        )
    name = document["metadata"].get("name", "")
    if problems:
        raise ApiFault(422, f'{kind.name}.{kind.group} "{name}" is invalid: {"; ".join(problems[:5])}')
    _check_name(name, kind)
    for key, value in (document["metadata"].get("labels") or {}).items():
        if len(value) > 63 or not _LABEL_VALUE.fullmatch(value):
            raise ApiFault(422, f'{kind.name} "{name}" is invalid: metadata.labels: Invalid value: {key}={value}')


def check_pods(document: dict[str, Any], namespace: dict[str, Any] | None) -> None:
    """Refuse pods, and templates of pods, that the namespace's Pod Security level forbids.

    Kubernetes itself warns of a template and refuses its pods later, when nobody looks; here it is refused at once.

    Raises:
        ApiFault: A pod breaks the level that the namespace enforces.
    """
    level = ((namespace or {}).get("metadata", {}).get("labels") or {}).get(ENFORCE, "privileged")
    for pod in pod_templates(document):
        found = violations(pod, level)
        if found:
            name = document["metadata"].get("name", "")
            said = f'violates PodSecurity "{level}:latest": {", ".join(found)}'
            raise ApiFault(403, f'{document["kind"].lower()}s "{name}" is forbidden: {pod.where} {said}')


def check_change(old: dict[str, Any], new: dict[str, Any], kind: Kind) -> None:
    """Refuse a change to what may not change.

    Raises:
        ApiFault: A fixed field differs, or the object was changed since it was read.
    """
    wanted = new["metadata"].get("resourceVersion")
    if wanted and wanted != old["metadata"]["resourceVersion"]:
        text = "the object has been modified; please apply your changes to the latest version and try again"
        raise ApiFault(409, f'Operation cannot be fulfilled on {kind.plural} "{old["metadata"]["name"]}": {text}')
    for field in _FIXED.get(kind.name, ()):
        before, after = (item.get("spec", {}).get(field) for item in (old, new))
        if before != after and before is not None:
            name = old["metadata"]["name"]
            raise ApiFault(422, f'{kind.name}.{kind.group} "{name}" is invalid: spec.{field}: field is immutable')
    if kind.name in ("Role", "RoleBinding", "ClusterRoleBinding") and old.get("roleRef") != new.get("roleRef"):
        raise ApiFault(422, f"{kind.name} is invalid: roleRef: cannot change roleRef")


def _check_name(name: str, kind: Kind) -> None:
    pattern = _LABEL if kind.name in _STRICT_LABEL_KINDS else _SUBDOMAIN
    pattern = _RBAC if kind.group == "rbac.authorization.k8s.io" else pattern
    limit = 63 if pattern is _LABEL else 253
    if not pattern.fullmatch(name) or len(name) > limit:
        raise ApiFault(
            422, f'{kind.name} "{name}" is invalid: metadata.name: Invalid value: a lowercase RFC 1123 name is needed'
        )
