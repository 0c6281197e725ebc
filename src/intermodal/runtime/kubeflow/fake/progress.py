"""How far a run is: its nodes, artifacts and results, in one file that the server reads while the run writes it.

The nodes are those of the Argo workflow that KFP makes of a pipeline, because that is what the API's
`task_details` show: for a task `train` there is a node of that name, which is no pod; under it the pod
`executor`, and beside it the pod `train-driver`. A result from KFP's cache makes `executor` SKIPPED and
`train` SUCCEEDED. With a retry policy `executor` holds one pod an attempt: `executor(0)`, `executor(1)`.
"""

from __future__ import annotations

import hashlib
import json
import threading
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from intermodal.runtime.kubeflow.fake.answers import INTERNAL, now
from intermodal.runtime.outcome import write_atomically

FILE = "progress.json"
ENDED = "ended.json"  # how the process of a run says how the run ended
PENDING, RUNNING, SUCCEEDED, SKIPPED, FAILED, CANCELED = (
    "PENDING",
    "RUNNING",
    "SUCCEEDED",
    "SKIPPED",
    "FAILED",
    "CANCELED",
)


def read_progress(folder: Path) -> dict[str, Any]:
    """What a run has written so far; empty before it began."""
    try:
        return dict(json.loads((folder / FILE).read_text()))
    except OSError:
        return {}


def bury(folder: Path, error: str) -> None:
    """Give the nodes of a run whose process was killed their true state."""
    fields = read_progress(folder)
    for node in fields.get("nodes", {}).values():
        if node["state"] in (PENDING, RUNNING):
            node.update(state=FAILED, end_time=now(), error={"code": INTERNAL, "message": error})
            node["state_history"].append({"update_time": node["end_time"], "state": FAILED})
    if fields:
        write_atomically(folder / FILE, json.dumps(fields))


class Progress:
    """Writes down what happens in a run.

    Args:
        folder: The run's folder; what an earlier try of the run left there is gone on with.
        workflow: Name of the workflow, from which pods have theirs.
    """

    def __init__(self, folder: Path, workflow: str) -> None:
        before = read_progress(folder)
        nodes = before.get("nodes", {})
        self._folder = folder
        self._workflow = workflow
        self._lock = threading.RLock()
        self._nodes: dict[str, dict[str, Any]] = {key: node for key, node in nodes.items() if _is_kept(key, node)}
        self._artifacts: list[dict[str, Any]] = before.get("artifacts", [])
        self._plugins: dict[str, Any] = before.get("plugins_output", {})
        self.results: dict[str, Any] = before.get("results", {})

    def move(self, path: str, state: str, kind: str = "", error: str = "", **fields: Any) -> dict[str, Any]:
        """Give a node a state, making it when it is new.

        Args:
            path: The way to it: "root/train/executor".
            state: PENDING, RUNNING, SUCCEEDED, SKIPPED, FAILED or CANCELED.
            kind: The template it runs, which is part of its pod's name.
            error: Why it failed.
            fields: More of the node's fields.

        Returns:
            The node.
        """
        with self._lock:
            node = self._nodes.get(path) or self._new(path, kind)
            time = now()
            status: dict[str, Any] = {"update_time": time, "state": state}
            if error:
                status["error"] = node["error"] = {"code": INTERNAL, "message": error}
            node["state"] = state
            node["state_history"].append(status)
            node["start_time"] = node.get("start_time") or (time if state != PENDING else None)
            node["end_time"] = time if state not in (PENDING, RUNNING) else None
            node.update(fields)
            self._save()
            return node

    def child_of(self, path: str) -> dict[str, Any] | None:
        """A node, if it is there."""
        return self._nodes.get(path)

    def keep(self, key: str, result: Mapping[str, Any]) -> None:
        """Keep a task's result, for a retry of the run."""
        with self._lock:
            self.results[key] = dict(result)
            self._save()

    def add_artifact(self, fields: dict[str, Any]) -> str:
        """Note an artifact; its id."""
        with self._lock:
            fields = {"artifact_id": str(len(self._artifacts) + 1), **fields}
            self._artifacts.append(fields)
            self._save()
            return str(fields["artifact_id"])

    def artifact_ids(self, uris: list[str]) -> list[str]:
        """Ids of the artifacts behind some URIs, where this run knows them."""
        with self._lock:
            known = {item["uri"]: item["artifact_id"] for item in self._artifacts}
        return [known[uri] for uri in uris if uri in known]

    def plugin(self, name: str, output: dict[str, Any]) -> None:
        """Note what a plugin of the server, such as MLflow's, says about the run."""
        with self._lock:
            self._plugins[name] = output
            self._save()

    def plugin_entry(self, name: str, entry: str) -> str:
        """What a plugin has said; empty before it did."""
        return str(self._plugins.get(name, {}).get("entries", {}).get(entry, {}).get("value", ""))

    def close(self, state: str, error: str = "") -> None:
        """End whatever still runs."""
        with self._lock:
            for path, node in list(self._nodes.items()):
                if node["state"] in (PENDING, RUNNING):
                    self.move(path, state, error=error)

    def failures(self) -> list[str]:
        """What went wrong in which task."""
        with self._lock:
            failed = [(path, node) for path, node in self._nodes.items() if node["state"] == FAILED]
        return [
            f"task {path.removeprefix('root/')} failed: {node['error']['message']}"
            for path, node in failed
            if "error" in node and "/executor" not in path
        ]

    def pod_name(self, path: str, kind: str) -> str:
        """A pod's name: as Argo gives it, from the workflow, the template and a hash of the way to the node."""
        number = int(hashlib.sha256(f"{self._workflow}/{path}".encode()).hexdigest()[:8], 16)
        return f"{self._workflow}-{kind}-{number}" if kind else f"{self._workflow}-{number}"

    def _new(self, path: str, kind: str) -> dict[str, Any]:
        parent = path.rpartition("/")[0]
        node = {
            "task_id": self._task_id(path),
            "display_name": path.rpartition("/")[2],
            "create_time": now(),
            "parent_task_id": self._task_id(parent) if parent else "",
            "pod_name": self.pod_name(path, kind),
            "state_history": [],
        }
        self._nodes[path] = node
        for around in (path, parent):
            if around in self._nodes:
                inside = [item for key, item in self._nodes.items() if key.rpartition("/")[0] == around]
                self._nodes[around]["child_tasks"] = [{"pod_name": item["pod_name"]} for item in inside]
        return node

    def _task_id(self, path: str) -> str:
        """The same in every try of a run, so that what is kept still names its parent."""
        return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{self._workflow}/{path}"))

    def _save(self) -> None:
        fields = {
            "nodes": self._nodes,
            "artifacts": self._artifacts,
            "plugins_output": self._plugins,
            "results": self.results,
        }
        write_atomically(self._folder / FILE, json.dumps(fields))


def _is_kept(path: str, node: dict[str, Any]) -> bool:
    """Whether a retry of the run keeps a node: what succeeded, and the pod that a cached result made needless."""
    return node["state"] == SUCCEEDED or (node["state"] == SKIPPED and path.endswith("/executor"))
