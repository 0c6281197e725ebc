"""What a careful reviewer refuses in manifests, beyond their schema and Pod Security.

Each rule is a function from one object to sentences. They are the rules that policy scanners rate high, as far as
they can be seen in a manifest.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from intermodal.runtime.manifests.pod_templates import PodTemplate, pod_templates

UNPINNED = "sha256:" + "0" * 64
_DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")
_SECRET_NAME = re.compile(r"PASSWORD|SECRET|TOKEN|ACCESS_KEY|API_KEY|PRIVATE_KEY", re.IGNORECASE)
_URI_WITH_PASSWORD = re.compile(r"://[^/\s:@]+:[^/\s:@]+@")
_POWERS = {"escalate", "bind", "impersonate"}

Rule = Callable[[dict[str, Any]], Iterator[str]]


def broken_rules(document: dict[str, Any]) -> list[str]:
    """The rules that an object breaks.

    Args:
        document: Any object.

    Returns:
        Sentences; none when there is nothing to say.
    """
    return [sentence for rule in RULES for sentence in rule(document)]


def _containers_are_bounded(document: dict[str, Any]) -> Iterator[str]:
    for pod, container in _containers(document):
        resources = container.get("resources") or {}
        for kind, name in (("requests", "cpu"), ("requests", "memory"), ("limits", "memory")):
            if not (resources.get(kind) or {}).get(name):
                yield f"{pod.where}: container {container['name']} sets no resources.{kind}.{name}"


def _root_is_read_only(document: dict[str, Any]) -> Iterator[str]:
    for pod, container in _containers(document):
        if (container.get("securityContext") or {}).get("readOnlyRootFilesystem") is not True:
            yield f"{pod.where}: container {container['name']} may write to its root file system"


def _images_are_pinned(document: dict[str, Any]) -> Iterator[str]:
    for pod, container in _containers(document):
        image = str(container.get("image", ""))
        if not _DIGEST.search(image):
            yield f"{pod.where}: image {image} is named by a tag that can move, not by a digest"


def _tokens_are_mounted_on_purpose(document: dict[str, Any]) -> Iterator[str]:
    if document["kind"] == "SparkApplication":  # its ServiceAccount says
        return
    for pod in pod_templates(document):
        if pod.spec.get("automountServiceAccountToken") is not False:
            yield f"{pod.where}: the Kubernetes API's token is mounted; set automountServiceAccountToken: false"


def _secrets_come_by_reference(document: dict[str, Any]) -> Iterator[str]:
    for pod, container in _containers(document):
        for item in container.get("env") or []:
            if _SECRET_NAME.search(item["name"]) and item.get("value"):
                yield f"{pod.where}: container {container['name']} has the value of {item['name']} in plain sight"
        words = [*(container.get("command") or []), *(container.get("args") or [])]
        if any(_URI_WITH_PASSWORD.search(str(word)) for word in words):
            yield f"{pod.where}: container {container['name']} has a password in its command line"
    for name, value in (document.get("data") or {}).items() if document["kind"] == "ConfigMap" else ():
        if _URI_WITH_PASSWORD.search(value) or (_SECRET_NAME.search(name) and value):
            yield f"data.{name}: a ConfigMap holds what looks like a secret"


def _long_running_pods_are_probed(document: dict[str, Any]) -> Iterator[str]:
    if document["kind"] not in ("Deployment", "StatefulSet", "DaemonSet"):
        return
    for pod in pod_templates(document):
        for container in pod.spec.get("containers") or []:
            for probe in ("livenessProbe", "readinessProbe"):
                if probe not in container:
                    yield f"{pod.where}: container {container['name']} has no {probe}"


def _roles_name_what_they_allow(document: dict[str, Any]) -> Iterator[str]:
    if document["kind"] not in ("Role", "ClusterRole"):
        return
    for index, rule in enumerate(document.get("rules") or []):
        for part in ("apiGroups", "resources", "verbs"):
            if "*" in (rule.get(part) or []):
                yield f"rules[{index}].{part}: a wildcard allows what nobody thought of"
        for verb in sorted(_POWERS & set(rule.get("verbs") or [])):
            yield f"rules[{index}].verbs: {verb} lets the holder take any right"
        if "secrets" in (rule.get("resources") or []) and not rule.get("resourceNames"):
            yield f"rules[{index}]: every secret of the namespace may be read; name them in resourceNames"
        if "pods/exec" in (rule.get("resources") or []):
            yield f"rules[{index}]: pods/exec is a shell in every pod of the namespace"


def _bindings_stay_small(document: dict[str, Any]) -> Iterator[str]:
    if document["kind"] not in ("RoleBinding", "ClusterRoleBinding"):
        return
    if document["roleRef"]["name"] in ("cluster-admin", "admin"):
        yield f"roleRef: {document['roleRef']['name']} is more than a pipeline needs"
    for subject in document.get("subjects") or []:
        if subject["name"] in ("system:unauthenticated", "system:anonymous", "system:authenticated", "default"):
            yield f"subjects: {subject['kind']} {subject['name']} is everybody"


def _services_stay_inside(document: dict[str, Any]) -> Iterator[str]:
    kind = (document.get("spec") or {}).get("type", "ClusterIP") if document["kind"] == "Service" else "ClusterIP"
    if kind != "ClusterIP":
        yield f"spec.type: {kind} opens the service to the world outside the cluster"


def _nothing_lies_in_default(document: dict[str, Any]) -> Iterator[str]:
    if document["metadata"].get("namespace") == "default":
        yield "metadata.namespace: default is nobody's namespace; choose one"


RULES: tuple[Rule, ...] = (
    _containers_are_bounded,
    _root_is_read_only,
    _images_are_pinned,
    _tokens_are_mounted_on_purpose,
    _secrets_come_by_reference,
    _long_running_pods_are_probed,
    _roles_name_what_they_allow,
    _bindings_stay_small,
    _services_stay_inside,
    _nothing_lies_in_default,
)


def _containers(document: dict[str, Any]) -> Iterator[tuple[PodTemplate, dict[str, Any]]]:
    for pod in pod_templates(document):
        for container in pod.containers():
            yield pod, container
