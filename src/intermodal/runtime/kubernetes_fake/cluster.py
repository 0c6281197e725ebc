"""The objects of the fake, in memory: stored only after admission, versioned, and watched."""

from __future__ import annotations

import copy
import threading
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from intermodal.runtime.kubernetes_fake.admission import check_change, check_pods, check_shape
from intermodal.runtime.kubernetes_fake.fault import ApiFault
from intermodal.runtime.kubernetes_fake.patches import APPLY, applied, patched
from intermodal.runtime.manifests.kinds import Kind, built_in_kinds, custom_kinds

Document = dict[str, Any]
_NAMESPACES = ("default", "kube-system")
_QUIET_SECONDS = 1.0


@dataclass(frozen=True)
class Address:
    """What a URL names.

    Attributes:
        kind: The kind of object.
        namespace: The namespace; empty for a cluster-wide kind, and for a list over all namespaces.
        name: The object; empty for the list.
        part: A subresource, such as "status"; empty for the object itself.
    """

    kind: Kind
    namespace: str = ""
    name: str = ""
    part: str = ""


class Cluster:
    """An API server's storage.

    Args:
        definitions: CustomResourceDefinitions that are there from the start.
    """

    def __init__(self, definitions: Iterable[Document] = ()) -> None:
        self.kinds: dict[tuple[str, str], Kind] = {(kind.api_version, kind.plural): kind for kind in built_in_kinds()}
        self.changed = threading.Condition(threading.RLock())
        self._objects: dict[Address, Document] = {}
        self._wants: dict[tuple[Address, str], Document] = {}
        self._events: list[tuple[int, Address, Document]] = []
        self._revision = 0
        self._terminating: dict[str, float] = {}
        for name in _NAMESPACES:
            self.create(self._address("Namespace", name), _named("v1", "Namespace", name))
        for item in definitions:
            self.create(self._address("CustomResourceDefinition", item["metadata"]["name"]), item)

    @property
    def revision(self) -> int:
        """How many changes there were."""
        return self._revision

    def get(self, address: Address) -> Document:
        """One object.

        Raises:
            ApiFault: It is not there.
        """
        with self.changed:
            self._settle()
            found = self._objects.get(_whole(address))
            if found is None:
                raise _missing(address)
            return copy.deepcopy(found)

    def listed(self, address: Address) -> list[Document]:
        """Every object of a kind, in a namespace or in all of them, by namespace and name."""
        with self.changed:
            self._settle()
            found = [(key, item) for key, item in self._objects.items() if _covers(address, key)]
            return [
                copy.deepcopy(item) for _, item in sorted(found, key=lambda pair: (pair[0].namespace, pair[0].name))
            ]

    def create(self, address: Address, document: Document, *, dry_run: bool = False) -> Document:
        """Store a new object.

        Raises:
            ApiFault: It is refused, or there is one of that name.
        """
        with self.changed:
            self._settle()
            name = address.name or _own_name(document)
            address = Address(address.kind, address.namespace, name)
            if address in self._objects:
                raise ApiFault(409, f'{address.kind.plural} "{name}" already exists', "AlreadyExists")
            return self._store(address, document, None, dry_run)

    def replace(self, address: Address, document: Document, *, dry_run: bool = False) -> Document:
        """Store another version of an object, or of its status."""
        with self.changed:
            old = self.get(address)
            if address.part == "status":
                document = {**old, "status": document.get("status", {})}
            return self._store(_whole(address), document, old, dry_run)

    def patch(
        self, address: Address, patch: Document, content_type: str, manager: str, *, dry_run: bool = False
    ) -> Document:
        """Change an object by a patch; server-side apply makes it when it is not there."""
        with self.changed:
            old = self._objects.get(_whole(address))
            if content_type != APPLY:
                return self.replace(
                    address, patched(self.get(address), patch, content_type, address.kind), dry_run=dry_run
                )
            mine = (_whole(address), manager)
            new = applied(old or {}, self._wants.get(mine, {}), patch, address.kind)
            stored = self._store(_whole(address), new, copy.deepcopy(old), dry_run)
            if not dry_run:
                self._wants[mine] = copy.deepcopy(patch)
            return stored

    def delete(self, address: Address) -> Document:
        """Remove an object; a definition goes with its objects.

        A namespace is only marked, as Kubernetes does it: it goes, with all that is in it, when nothing was deleted
        there for a second.
        """
        with self.changed:
            gone = self.get(address)
            if address.kind.name == "Namespace":
                return self._terminate(_whole(address), gone)
            if address.namespace in self._terminating:
                self._terminating[address.namespace] = time.monotonic() + _QUIET_SECONDS
            return self._remove(address, gone)

    def _terminate(self, address: Address, namespace: Document) -> Document:
        self._terminating.setdefault(address.name, time.monotonic() + _QUIET_SECONDS)
        namespace["metadata"].setdefault("deletionTimestamp", _now())
        self._objects[address] = {**namespace, "status": {"phase": "Terminating"}}
        return namespace

    def _settle(self) -> None:
        """Remove the namespaces whose time is up."""
        for name in [name for name, until in self._terminating.items() if until <= time.monotonic()]:
            del self._terminating[name]
            address = self._address("Namespace", name)
            self._remove(address, self._objects[address])

    def _remove(self, address: Address, gone: Document) -> Document:
        del self._objects[_whole(address)]
        self._wants = {key: value for key, value in self._wants.items() if key[0] != _whole(address)}
        self._note("DELETED", _whole(address), gone)
        for key in [key for key in self._objects if _belongs(key, address, gone)]:
            self._remove(key, self._objects[key])
        if address.kind.name == "CustomResourceDefinition":
            defined = (gone["spec"]["group"], gone["spec"]["names"]["plural"])
            self.kinds = {key: kind for key, kind in self.kinds.items() if (kind.group, kind.plural) != defined}
        return gone

    def events_after(self, address: Address, revision: int, patience: float) -> list[tuple[int, Document]]:
        """The watch events of a kind after a revision; waits a while when there are none."""
        with self.changed:
            if self._revision <= revision:
                self.changed.wait(patience)
            self._settle()
            return [(at, event) for at, key, event in self._events if at > revision and _covers(address, key)]

    def _store(self, address: Address, document: Document, old: Document | None, dry_run: bool) -> Document:
        new = copy.deepcopy(document)
        self._place(address, new)
        check_shape(new, address.kind)
        check_pods(new, self._namespace(address))
        if old:
            check_change(old, new, address.kind)
        changed = old is None or _content(old) != _content(new)
        if changed and not dry_run:
            self._revision += 1
        self._stamp(new, old, changed)
        if dry_run or not changed:
            return new
        self._objects[address] = copy.deepcopy(new)
        if address.kind.name == "CustomResourceDefinition":
            self.kinds.update({(kind.api_version, kind.plural): kind for kind in custom_kinds(new)})
        self._note("MODIFIED" if old else "ADDED", address, new)
        return new

    def _place(self, address: Address, document: Document) -> None:
        """Hold an object's name and namespace against its address; a kind that is not said is the address's."""
        document.setdefault("apiVersion", address.kind.api_version)
        document.setdefault("kind", address.kind.name)
        metadata = document.setdefault("metadata", {})
        for field, wanted in (("name", address.name), ("namespace", address.namespace)):
            said = metadata.get(field) or wanted
            if said != wanted:
                raise ApiFault(400, f"the {field} of the object ({said}) does not match that of the URL ({wanted})")
            if wanted:
                metadata[field] = wanted
        self._namespace(address)

    def _namespace(self, address: Address) -> Document | None:
        if not address.namespace:
            return None
        found = self._objects.get(self._address("Namespace", address.namespace))
        if found is None:
            raise ApiFault(404, f'namespaces "{address.namespace}" not found')
        if address.namespace in self._terminating and address not in self._objects:
            raise ApiFault(403, f"namespace {address.namespace} is being terminated: nothing new may be made in it")
        return found

    def _stamp(self, new: Document, old: Document | None, changed: bool) -> None:
        before = (old or {}).get("metadata", {})
        version = str(self._revision) if changed else before["resourceVersion"]
        new["metadata"]["resourceVersion"] = version
        new["metadata"]["uid"] = before.get("uid") or str(uuid.uuid4())
        new["metadata"]["creationTimestamp"] = before.get("creationTimestamp") or _now()

    def _note(self, what: str, address: Address, document: Document) -> None:
        seen = copy.deepcopy(document)
        if what == "DELETED":
            self._revision += 1
            seen["metadata"]["resourceVersion"] = str(self._revision)
        self._events.append((self._revision, address, {"type": what, "object": seen}))
        self.changed.notify_all()

    def _address(self, kind: str, name: str) -> Address:
        plural = {"Namespace": ("v1", "namespaces")}.get(kind, ("apiextensions.k8s.io/v1", "customresourcedefinitions"))
        return Address(self.kinds[plural], "", name)


def _whole(address: Address) -> Address:
    return Address(address.kind, address.namespace, address.name)


def _covers(address: Address, key: Address) -> bool:
    same_kind = address.kind == key.kind and address.namespace in ("", key.namespace)
    return same_kind and address.name in ("", key.name)


def _belongs(key: Address, gone: Address, document: Document) -> bool:
    if gone.kind.name == "Namespace":
        return key.namespace == gone.name
    names = document.get("spec", {}).get("names", {}) if gone.kind.name == "CustomResourceDefinition" else {}
    return bool(names) and key.kind.plural == names["plural"] and key.kind.group == document["spec"]["group"]


def _own_name(document: Document) -> str:
    metadata = document.get("metadata") or {}
    prefix = metadata.get("generateName", "")
    return str(metadata.get("name") or (prefix and f"{prefix}{uuid.uuid4().hex[:5]}"))


def _content(document: Document) -> Document:
    own = ("resourceVersion", "uid", "creationTimestamp", "managedFields")
    metadata = {name: value for name, value in document["metadata"].items() if name not in own}
    return {**document, "metadata": metadata}


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _named(api_version: str, kind: str, name: str) -> Document:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}}


def _missing(address: Address) -> ApiFault:
    plural = f"{address.kind.plural}.{address.kind.group}".rstrip(".")
    return ApiFault(404, f'{plural} "{address.name}" not found')
