"""The settings of kfp-kubernetes that a fake can honour: variables, deadlines; the rest needs a cluster."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from intermodal.runtime.kubeflow.fake.launcher import LauncherFailed
from intermodal.runtime.kubeflow.fake.options import FakeOptions


@dataclass(frozen=True)
class PodFacts:
    """What the downward API knows about a pod.

    Attributes:
        name: Its name.
        uid: Its uid.
        namespace: Its namespace.
        service_account: Its service account.
        labels: Its labels.
        annotations: Its annotations.
    """

    name: str
    uid: str
    namespace: str
    service_account: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]

    def field(self, path: str) -> str:
        """The value of a field path.

        Raises:
            LauncherFailed: Kubernetes would refuse the pod.
        """
        found = re.fullmatch(r"metadata\.(labels|annotations)\['([^']+)'\]", path)
        if found:
            return (self.labels if found[1] == "labels" else self.annotations).get(found[2], "")
        known = {
            "metadata.name": self.name,
            "metadata.uid": self.uid,
            "metadata.namespace": self.namespace,
            "spec.serviceAccountName": self.service_account,
            "spec.nodeName": "fake-node",
            "status.podIP": "127.0.0.1",
            "status.hostIP": "127.0.0.1",
        }
        if path not in known:
            raise LauncherFailed(f'Pod "{self.name}" is invalid: fieldPath {path!r} is not supported')
        return known[path]


def settings_of(platform: dict[str, Any], executor: str) -> dict[str, Any]:
    """What the platform spec says about an executor."""
    kubernetes = platform.get("platforms", {}).get("kubernetes", {})
    return dict(kubernetes.get("deploymentSpec", {}).get("executors", {}).get(executor, {}))


def metadata_of(settings: dict[str, Any], kind: str) -> dict[str, str]:
    """Labels or annotations that the pipeline gives a pod."""
    return dict(settings.get("podMetadata", {}).get(kind, {}))


def deadline_of(settings: dict[str, Any]) -> float:
    """Seconds after which Kubernetes ends the pod; 0 for none."""
    return float(settings.get("activeDeadlineSeconds", 0))


def variables_of(settings: dict[str, Any], facts: PodFacts, options: FakeOptions) -> dict[str, str]:
    """Variables from secrets, config maps and fields of the pod.

    Raises:
        LauncherFailed: Something they name is not there, on which a real pod would wait for ever.
    """
    found: dict[str, str] = {}
    for kind, name, key, values in (
        ("secretAsEnv", "secretName", "secretKey", options.secrets),
        ("configMapAsEnv", "configMapName", "configMapKey", options.config_maps),
    ):
        for item in settings.get(kind, []):
            found |= _from_object(item, _object_name(item, name), key, values)
    for item in settings.get("fieldPathAsEnv", []):
        found[item["name"]] = facts.field(item["fieldPath"])
    return found


def _object_name(item: dict[str, Any], name: str) -> str:
    constant = item.get(f"{name}Parameter", {}).get("runtimeValue", {}).get("constant")
    return str(constant or item.get(name, ""))


def _from_object(item: dict[str, Any], owner: str, key: str, values: Mapping[str, str]) -> dict[str, str]:
    found = {}
    for pair in item.get("keyToEnv", []):
        where = f"{owner}.{pair[key]}"
        if where in values:
            found[pair["envVar"]] = values[where]
        elif not item.get("optional"):
            raise LauncherFailed(f"CreateContainerConfigError: {where} not found")
    return found
