"""The fake's database: one JSON file an object, so that what a killed server knew is there when it starts again."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

from intermodal.runtime.kubeflow.fake.answers import missing, now
from intermodal.runtime.outcome import write_atomically

EXPERIMENTS, PIPELINES, VERSIONS, RUNS, RECURRING = "experiments", "pipelines", "versions", "runs", "recurringruns"
KINDS = (EXPERIMENTS, PIPELINES, VERSIONS, RUNS, RECURRING)
DEFAULT_EXPERIMENT = "00000000-0000-4000-8000-000000000001"
_NAMES = {EXPERIMENTS: "Experiment", PIPELINES: "Pipeline", VERSIONS: "PipelineVersion", RUNS: "Run", RECURRING: "Job"}


class State:
    """Objects by kind and id, in memory and on disk.

    Args:
        folder: Where they are kept.
        namespace: Namespace of the experiment that KFP itself makes, "Default"; None makes none.
    """

    def __init__(self, folder: Path, namespace: str | None = "") -> None:
        self.lock = threading.RLock()
        self._folder = folder
        self._tables: dict[str, dict[str, dict[str, Any]]] = {kind: self._load(kind) for kind in KINDS}
        if namespace is not None and DEFAULT_EXPERIMENT not in self._tables[EXPERIMENTS]:
            self.put(EXPERIMENTS, DEFAULT_EXPERIMENT, _default_experiment(namespace))

    def all(self, kind: str) -> list[dict[str, Any]]:
        """All objects of a kind, in the order of their making."""
        with self.lock:
            return sorted(self._tables[kind].values(), key=lambda item: item["created_at"])

    def get(self, kind: str, name: str) -> dict[str, Any]:
        """One object.

        Raises:
            Refused: 404, there is none.
        """
        with self.lock:
            found = self._tables[kind].get(name)
        if found is None:
            raise missing(_NAMES[kind], name)
        return found

    def put(self, kind: str, name: str, fields: dict[str, Any]) -> dict[str, Any]:
        """Keep an object; it is on disk when this returns."""
        with self.lock:
            write_atomically(self._path(kind, name), json.dumps(fields, indent=1))
            self._tables[kind][name] = fields
        return fields

    def change(self, kind: str, name: str, **fields: Any) -> dict[str, Any]:
        """Change some fields of an object."""
        with self.lock:
            return self.put(kind, name, {**self.get(kind, name), **fields})

    def delete(self, kind: str, name: str) -> None:
        """Forget an object."""
        with self.lock:
            self.get(kind, name)
            self._path(kind, name).unlink(missing_ok=True)
            del self._tables[kind][name]

    def _path(self, kind: str, name: str) -> Path:
        return self._folder / kind / f"{name}.json"

    def _load(self, kind: str) -> dict[str, dict[str, Any]]:
        return {path.stem: json.loads(path.read_text()) for path in (self._folder / kind).glob("[!.]*.json")}


def _default_experiment(namespace: str) -> dict[str, Any]:
    return {
        "experiment_id": DEFAULT_EXPERIMENT,
        "display_name": "Default",
        "description": "All runs created without specifying an experiment will be grouped here.",
        "created_at": now(),
        "storage_state": "AVAILABLE",
        "namespace": namespace,
    }
