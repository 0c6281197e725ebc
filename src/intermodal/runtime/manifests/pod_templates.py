"""Where the pods are in an object: a Deployment's template, a TrainingRuntime's, a SparkApplication's two halves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class PodTemplate:
    """A pod that an object describes.

    Attributes:
        where: The path of its spec within the object: "spec.template.spec".
        spec: The pod's spec.
        labels: The pod's labels.
    """

    where: str
    spec: dict[str, Any]
    labels: dict[str, str]

    def containers(self) -> Iterator[dict[str, Any]]:
        """Every container, init containers and ephemeral ones too."""
        for group in ("initContainers", "containers", "ephemeralContainers"):
            yield from self.spec.get(group) or []


def pod_templates(document: dict[str, Any]) -> list[PodTemplate]:
    """The pods that an object describes.

    Args:
        document: Any object.

    Returns:
        A Pod itself, every template within the object, and the two pods of a SparkApplication.
    """
    if document.get("kind") == "SparkApplication":
        return [_spark_pod(document["spec"], role) for role in ("driver", "executor")]
    if document.get("kind") == "Pod":
        return [PodTemplate("spec", document.get("spec") or {}, document.get("metadata", {}).get("labels") or {})]
    return list(_templates_below(document.get("spec"), "spec"))


def _templates_below(node: Any, where: str) -> Iterator[PodTemplate]:
    if isinstance(node, list):
        for index, item in enumerate(node):
            yield from _templates_below(item, f"{where}[{index}]")
    if not isinstance(node, dict):
        return
    template = node.get("template")
    spec = template.get("spec") if isinstance(template, dict) else None
    if isinstance(template, dict) and isinstance(spec, dict) and isinstance(spec.get("containers"), list):
        yield PodTemplate(f"{where}.template.spec", spec, (template.get("metadata") or {}).get("labels") or {})
        return
    for name, value in node.items():
        yield from _templates_below(value, f"{where}.{name}")


def _spark_pod(spec: dict[str, Any], role: str) -> PodTemplate:
    """The pod that Spark's operator makes of one half of a SparkApplication."""
    half = spec.get(role) or {}
    container = {
        "name": f"spark-kubernetes-{role}",
        "image": half.get("image") or spec.get("image", ""),
        "imagePullPolicy": spec.get("imagePullPolicy", ""),
        "securityContext": half.get("securityContext") or {},
        "resources": {"requests": {"cpu": half.get("cores"), "memory": half.get("memory")}, "limits": half},
        "env": half.get("env") or [],
    }
    pod = {
        "containers": [container],
        "securityContext": half.get("podSecurityContext") or {},
        "serviceAccountName": half.get("serviceAccount", ""),
        "hostNetwork": half.get("hostNetwork", False),
        "volumes": spec.get("volumes") or [],
    }
    return PodTemplate(f"spec.{role}", pod, half.get("labels") or {})
