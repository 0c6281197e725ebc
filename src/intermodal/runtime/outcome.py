"""How a task ended, as a value and as a file."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from intermodal.store.cache_index import CachedOutput, CachedResult

SUCCEEDED = "SUCCEEDED"
CACHED = "CACHED"
FAILED = "FAILED"
CANCELLED = "CANCELLED"


@dataclass(frozen=True)
class Outcome:
    """How a task ended.

    Attributes:
        state: SUCCEEDED, CACHED, FAILED or CANCELLED.
        reason: Why the cache hit or missed.
        seconds: Wall seconds, publishing included.
        cache_key: The key of the result.
        outputs: Output name → published artifact.
        values: Returned plain value → value.
        error: What `IntermodalError.to_json` gave; empty when all went well.
        step_seconds: Wall seconds of the work behind a cached result.
        produced_by: MLflow run that recorded the work behind a cached result.
    """

    state: str
    reason: str = ""
    seconds: float = 0.0
    cache_key: str = ""
    outputs: dict[str, CachedOutput] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    error: dict[str, Any] = field(default_factory=dict)
    step_seconds: float = 0.0
    produced_by: str = ""

    @classmethod
    def of_result(cls, result: CachedResult, state: str, reason: str, seconds: float) -> Outcome:
        """The outcome of a task whose outputs are published."""
        return cls(
            state=state,
            reason=reason,
            seconds=round(seconds, 3),
            cache_key=result.parts.key,
            outputs=result.outputs,
            values=result.values,
            step_seconds=result.seconds,
            produced_by=result.mlflow_run_id,
        )

    def save(self, path: Path) -> None:
        """Write the outcome atomically."""
        write_atomically(path, json.dumps(asdict(self), indent=1, default=str) + "\n")

    @classmethod
    def load(cls, path: Path) -> Outcome | None:
        """Read an outcome; None when the task left none."""
        try:
            fields = json.loads(path.read_text())
        except (OSError, ValueError):
            return None
        return cls.from_fields(fields)

    @classmethod
    def from_fields(cls, fields: dict[str, Any]) -> Outcome:
        """The outcome behind the mapping that was saved."""
        outputs = {name: CachedOutput(**item) for name, item in fields["outputs"].items()}
        return cls(**{**fields, "outputs": outputs})


def write_atomically(path: Path, text: str) -> None:
    """Write a small file so that a reader sees the old or the new content, never half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text)
    os.replace(temporary, path)


def remove_unfinished(folder: Path) -> None:
    """Remove what `write_atomically` leaves when its process is killed in the middle."""
    for path in folder.rglob(".*"):
        if path.suffix[1:].isdigit():
            path.unlink(missing_ok=True)
