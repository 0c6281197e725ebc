"""Every check over a set of manifests: schema, Pod Security, policy, and what one manifest says of another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from intermodal.errors import UsageError
from intermodal.runtime.manifests.kinds import Kind, built_in_kinds, custom_kinds
from intermodal.runtime.manifests.pod_security import ENFORCE, LEVELS, violations
from intermodal.runtime.manifests.pod_templates import pod_templates
from intermodal.runtime.manifests.policy import UNPINNED, broken_rules
from intermodal.runtime.manifests.schemas import problems_of

Documents = list[dict[str, Any]]


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        check: schema, pod-security, policy, isolation or image.
        what: The object: "Deployment mlflow/mlflow".
        sentence: What is wrong with it.
    """

    check: str
    what: str
    sentence: str


def read_documents(text: str, where: str = "standard input") -> Documents:
    """Parse YAML into objects.

    Raises:
        UsageError: It is no YAML, or not a list of objects with apiVersion, kind and metadata.
    """
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, where libyaml is
    try:
        documents = [item for item in yaml.load_all(text, loader) if item is not None]  # noqa: S506 - both are safe
    except yaml.YAMLError as error:
        raise UsageError(f"{where} is not YAML", seen=error) from error
    for item in documents:
        if not isinstance(item, dict) or not {"apiVersion", "kind", "metadata"} <= set(item):
            raise UsageError(
                f"{where} holds something that is no object", seen=str(item)[:80], expected="apiVersion, kind, metadata"
            )
    return documents


def known_kinds(crds: Path | None = None) -> dict[tuple[str, str], Kind]:
    """Every kind by (apiVersion, kind): the built-in ones, and those of a folder of CustomResourceDefinitions.

    Raises:
        UsageError: The folder holds no definition.
    """
    kinds = built_in_kinds()
    for definition in read_definitions(crds) if crds else ():
        kinds += custom_kinds(definition)
    return {(kind.api_version, kind.name): kind for kind in kinds}


def read_definitions(folder: Path) -> Documents:
    """The CustomResourceDefinitions in a folder's YAML files."""
    texts = {path: path.read_text() for path in sorted(folder.glob("*.y*ml"))}
    documents = [item for path, text in texts.items() for item in read_documents(text, str(path))]
    found = [item for item in documents if item["kind"] == "CustomResourceDefinition"]
    if not found:
        raise UsageError("the folder holds no CustomResourceDefinition", seen=folder, expected="files *.yaml of them")
    return found


def check(documents: Documents, kinds: dict[tuple[str, str], Kind], *, pinned: bool = True) -> list[Finding]:
    """Every check over a set of manifests that are applied together.

    Args:
        documents: The objects.
        kinds: The kinds there are; see `known_kinds`.
        pinned: Whether a digest of zeros, which nobody has filled in yet, is a finding.

    Returns:
        What is wrong, object by object.
    """
    levels = {item["metadata"]["name"]: _level(item) for item in documents if item["kind"] == "Namespace"}
    found = [finding for item in documents for finding in _check_one(item, kinds, levels, pinned)]
    return [*found, *_isolation(documents, levels)]


def name_of(document: dict[str, Any]) -> str:
    """What a person calls an object: Deployment mlflow/mlflow."""
    metadata = document["metadata"]
    parts = (metadata.get("namespace", ""), metadata.get("name") or metadata.get("generateName", ""))
    return f"{document['kind']} {'/'.join(part for part in parts if part)}"


def _check_one(
    document: dict[str, Any], kinds: dict[tuple[str, str], Kind], levels: dict[str, str], pinned: bool
) -> Iterator[Finding]:
    what = name_of(document)
    kind = kinds.get((document["apiVersion"], document["kind"]))
    if kind is None:
        yield Finding("schema", what, f"no schema is known for {document['apiVersion']} {document['kind']}")
        return
    yield from (Finding("schema", what, sentence) for sentence in problems_of(document, kind))
    level = levels.get(document["metadata"].get("namespace", ""), "restricted")
    for pod in pod_templates(document):
        yield from (Finding("pod-security", what, f"{pod.where}: {said}") for said in violations(pod, level))
        images = {str(container.get("image", "")) for container in pod.containers()}
        for image in sorted(images) if pinned else ():
            if image.endswith(UNPINNED):
                yield Finding("image", what, f"{image.partition('@')[0]} has no digest yet: intermodal manifests pin")
    yield from (Finding("policy", what, sentence) for sentence in broken_rules(document))


def _isolation(documents: Iterable[dict[str, Any]], levels: dict[str, str]) -> Iterator[Finding]:
    """A namespace that the manifests make denies all traffic that no policy names."""
    denied = {item["metadata"].get("namespace") for item in documents if _denies_all(item)}
    for name in levels:
        if name not in denied:
            yield Finding("isolation", f"Namespace {name}", "no NetworkPolicy denies traffic by default")


def _denies_all(document: dict[str, Any]) -> bool:
    spec = document.get("spec") or {}
    everything = not spec.get("podSelector") and set(spec.get("policyTypes") or []) == {"Ingress", "Egress"}
    return document["kind"] == "NetworkPolicy" and everything and not spec.get("ingress") and not spec.get("egress")


def _level(namespace: dict[str, Any]) -> str:
    level = (namespace["metadata"].get("labels") or {}).get(ENFORCE, "privileged")
    return level if level in LEVELS else "restricted"
