"""From what a person types to an artifact.

An artifact can be named by its URI or path (of its directory, or of any file in it), as `TASK.OUTPUT` of
the newest run, as `RUN:TASK.OUTPUT`, and by the first eight or more digits of its digest.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from intermodal.core.config import Settings
from intermodal.core.manifest import MANIFEST_NAME
from intermodal.errors import ArtifactCorrupt, UsageError
from intermodal.runtime.record import RunRecord, find_record, list_records
from intermodal.store.base import Store
from intermodal.store.cache_index import CachedResult
from intermodal.store.locate import open_store, read_manifest

_DIGEST = re.compile(r"[0-9a-f]{8,64}")
_FORMS = "a path or URI, TASK.OUTPUT of the newest run, RUN:TASK.OUTPUT, or 8 or more digits of a digest"
_DEPTH = 4  # artifacts/<step>/<attempt>/<output>


@dataclass(frozen=True)
class NamedArtifact:
    """An artifact that somebody asked for.

    Attributes:
        name: What to call it: `TASK.OUTPUT`, a key of the store, or its URI.
        uri: Where it lies.
        digest: The digest it was recorded with; empty when nothing recorded it.
    """

    name: str
    uri: str
    digest: str = ""


def resolve_artifact(name: str, settings: Settings) -> str:
    """The URI of an artifact; see `find_artifact`."""
    return find_artifact(name, settings).uri


def find_artifact(name: str, settings: Settings) -> NamedArtifact:
    """Find the artifact that a name means.

    Args:
        name: A URI or path, `TASK.OUTPUT`, `RUN:TASK.OUTPUT`, or the start of a digest.
        settings: Where runs and artifacts lie.

    Raises:
        UsageError: Nothing has that name; the nearest names are told.
    """
    if "://" in name or "/" in name or Path(name).exists():
        return _at(name if "://" in name else str(Path(name).expanduser().absolute()))
    if _DIGEST.fullmatch(name):
        return _with_digest(name, settings)
    return _of_run(name, settings)


def artifacts_of(record: RunRecord) -> list[NamedArtifact]:
    """The artifacts of a run's tasks, in the order of the pipeline."""
    return [
        NamedArtifact(f"{task.name}.{output}", item["uri"], item["digest"])
        for task in record.tasks
        for output, item in task.artifacts.items()
    ]


def remembered_artifacts(store: Store) -> Iterator[NamedArtifact]:
    """The artifacts that the store's memory of finished work points to."""
    for key in store.keys("cache"):
        try:
            outputs = CachedResult.from_json(store.read(key) or b"").outputs
        except (ValueError, KeyError, TypeError, AttributeError):
            continue  # an entry of another version, which the cache passes over too
        for output in outputs.values():
            yield NamedArtifact(_key(store, output.uri), output.uri, output.digest)


def published_artifacts(store: Store) -> Iterator[NamedArtifact]:
    """Every prefix of the store that holds an artifact, or the remains of one."""
    prefixes = dict.fromkeys("/".join(key.split("/")[:_DEPTH]) for key in store.keys("artifacts"))
    for prefix in prefixes:
        yield NamedArtifact(prefix, store.uri(prefix))


def _key(store: Store, uri: str) -> str:
    """An artifact's prefix in its store; the URI itself when it lies elsewhere."""
    inside = uri.removeprefix(store.root + "/")
    return uri if inside == uri else "/".join(inside.split("/")[:_DEPTH])


def _at(uri: str) -> NamedArtifact:
    """The artifact at a URI, or around it when it names one file of many."""
    place = uri.rstrip("/").removesuffix(f"/{MANIFEST_NAME}")
    candidate, inside = place, ""
    while candidate not in ("", "s3:/", "file:/", "s3:", "file:"):
        content = open_store(candidate).read(MANIFEST_NAME)
        if content is not None and (not inside or _lists(content, inside)):
            return NamedArtifact(candidate, candidate)
        candidate, _, name = candidate.rpartition("/")
        inside = f"{name}/{inside}".rstrip("/")
    if not _anything_at(place):
        raise UsageError("there is nothing at this place", seen=uri, expected=_FORMS, next_step="check the path")
    return NamedArtifact(place, place)


def _lists(content: bytes, inside: str) -> bool:
    """Whether a manifest lists a file, or files of a folder: many a manifest.json in the world is none of ours."""
    try:
        paths = [item["path"] for item in json.loads(content)["files"]]
    except (ValueError, KeyError, TypeError):
        return False
    return any(path == inside or str(path).startswith(f"{inside}/") for path in paths)


def _anything_at(uri: str) -> bool:
    path = Path(uri.removeprefix("file://"))
    return path.exists() if "s3://" not in uri else next(open_store(uri).keys(""), None) is not None


def _with_digest(start: str, settings: Settings) -> NamedArtifact:
    store = open_store(settings.store)
    recorded = (item for record in list_records(settings.runs) for item in artifacts_of(record))
    for place in (recorded, remembered_artifacts(store), _with_own_digest(store)):
        found = [item for item in place if item.digest.startswith(start)]
        digests = sorted({item.digest for item in found})
        if len(digests) > 1:
            raise UsageError("several artifacts have a digest that starts so", seen=start, expected=", ".join(digests))
        if found:
            return found[0]
    where = f"a digest of an artifact in {store.root}"
    raise UsageError("no artifact has a digest that starts so", seen=start, expected=where, next_step=_FORMS)


def _with_own_digest(store: Store) -> Iterator[NamedArtifact]:
    for item in published_artifacts(store):
        try:
            yield NamedArtifact(item.name, item.uri, read_manifest(item.uri).digest)
        except ArtifactCorrupt:
            continue  # what has no sound manifest has no digest to be found by


def _of_run(name: str, settings: Settings) -> NamedArtifact:
    run, _, wanted = name.rpartition(":")
    records = list_records(settings.runs)
    if not records:
        raise UsageError("there is no such artifact: no run yet", seen=name, expected=_FORMS)
    record = find_record(settings.runs, run)
    own = artifacts_of(record)
    found = [item for item in own if _means(wanted, item)] or [item for item in own if _means_task(wanted, item)]
    if len(found) == 1:
        return found[0]
    others = [item.run_id for item in records if any(_means(wanted, have) for have in artifacts_of(item))]
    raise UsageError(
        f"run {record.run_id} has no artifact of that name",
        seen=wanted,
        expected=", ".join(_nearest(wanted, [item.name for item in found or own])) or "none: it made no artifact",
        next_step=f"name it {others[0]}:{wanted}" if others else f"intermodal status {record.run_id} lists them",
    )


def _means(wanted: str, item: NamedArtifact) -> bool:
    """Whether a name is that of an artifact; kfp names the task of step train_model train-model."""
    return wanted.replace("_", "-") == item.name.replace("_", "-")


def _means_task(wanted: str, item: NamedArtifact) -> bool:
    return wanted.replace("_", "-") == item.name.rpartition(".")[0].replace("_", "-")


def _nearest(wanted: str, names: Iterable[str]) -> list[str]:
    names = list(names)
    return difflib.get_close_matches(wanted, names, n=4, cutoff=0.5) or names[:12]
