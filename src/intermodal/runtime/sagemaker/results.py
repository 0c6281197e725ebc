"""What a job left in the store: how its task ended."""

from __future__ import annotations

import json
from dataclasses import asdict

from intermodal.errors import ArtifactCorrupt
from intermodal.runtime.outcome import CACHED, SUCCEEDED, Outcome
from intermodal.runtime.sagemaker.job_files import outcome_key
from intermodal.store.locate import find_manifest, open_store


def outcome_of(store: str, job: str) -> Outcome | None:
    """How a job's task ended; None when it left no word.

    Args:
        store: Root of the artifact store.
        job: The job's name.

    Raises:
        StoreFailed: The store did not answer.
    """
    content = open_store(store).read(outcome_key(job))
    try:
        return Outcome.from_fields(json.loads(content)) if content else None
    except (ValueError, KeyError, TypeError):
        return None


def leave_outcome(store: str, job: str, outcome: Outcome) -> None:
    """Leave the outcome of a job that could not do so itself.

    Args:
        store: Root of the artifact store.
        job: The job's name.
        outcome: How its task ended.

    Raises:
        StoreFailed: The store did not answer.
    """
    open_store(store).write(outcome_key(job), json.dumps(asdict(outcome), indent=1, default=str).encode())


def usable_outcome(store: str, job: str) -> Outcome | None:
    """The outcome of a job that went well, as long as everything it made is still there.

    Args:
        store: Root of the artifact store.
        job: The job's name.
    """
    outcome = outcome_of(store, job)
    if outcome is None or outcome.state not in (SUCCEEDED, CACHED):
        return None
    # Its entry in the store's memory is taken back when an artifact turns out to be damaged.
    if open_store(store).read(f"cache/{outcome.cache_key}.json") is None:
        return None
    return outcome if all(_is_whole(item.uri, item.digest) for item in outcome.outputs.values()) else None


def _is_whole(uri: str, digest: str) -> bool:
    try:
        found = find_manifest(uri)
    except ArtifactCorrupt:
        return False
    return found is not None and found[1].digest == digest
