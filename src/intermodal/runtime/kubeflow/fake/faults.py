"""What goes wrong on purpose: answers of the server, and pods. Nothing here is left to chance.

A fault of the server waits for a request that fits, as often as it is told::

    {"path": "/apis/v2beta1/runs", "method": "POST", "status": 503, "times": 2}
    {"path": "*/runs/*", "delay": 1.5}                 slow; `times` left out means always
    {"path": "*/runs", "drop": "after", "times": 1}    done, but the connection ends without an answer
    {"path": "*/runs", "drop": "before", "times": 1}   not done either

A fault of a pod waits for a task that fits::

    {"task": "train", "pod": "lost", "times": 1, "seconds": 0.5}   killed that long after its start
    {"task": "*", "pod": "slow", "times": 1, "seconds": 2}         PENDING that long
    {"task": "*", "pod": "capacity", "times": 1, "seconds": 3600}  the same: no node has room for it
"""

from __future__ import annotations

import fnmatch
import json
import threading
from pathlib import Path
from typing import Any

from intermodal.runtime.kubeflow.fake.answers import invalid
from intermodal.runtime.outcome import write_atomically

POD_FAULTS = "pod-faults.json"
_SERVER = {"path": str, "method": str, "status": int, "times": int, "delay": (int, float), "drop": str, "skip": int}
_POD = {"task": str, "pod": str, "times": int, "seconds": (int, float)}
_ALWAYS = 1 << 30


class PodFaults:
    """Faults of pods, in a file that the server writes and the processes of runs take from.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, fault: dict[str, Any]) -> None:
        """Add one."""
        with self._locked():
            self._write([*self._read(), {"times": 1, "seconds": 0.0, **fault}])

    def clear(self) -> None:
        """Forget all."""
        with self._locked():
            self._write([])

    def all(self) -> list[dict[str, Any]]:
        """Those that are left."""
        with self._locked():
            return self._read()

    def take(self, task: str, kind: str) -> float | None:
        """Use up one fault.

        Args:
            task: The task whose pod starts.
            kind: "lost", "slow" or "capacity".

        Returns:
            Its seconds; None when there is none.
        """
        with self._locked():
            faults = self._read()
            for fault in faults:
                if fault["times"] > 0 and fault["pod"] == kind and fnmatch.fnmatchcase(task, fault["task"]):
                    fault["times"] -= 1
                    self._write([item for item in faults if item["times"] > 0])
                    return float(fault["seconds"])
        return None

    def _locked(self) -> Any:
        from filelock import FileLock

        self._path.parent.mkdir(parents=True, exist_ok=True)
        return FileLock(f"{self._path}.lock")

    def _read(self) -> list[dict[str, Any]]:
        return list(json.loads(self._path.read_text())) if self._path.is_file() else []

    def _write(self, faults: list[dict[str, Any]]) -> None:
        write_atomically(self._path, json.dumps(faults))


class Faults:
    """Faults of the server, and those of pods.

    Args:
        pods: The latter.
    """

    def __init__(self, pods: PodFaults) -> None:
        self._pods = pods
        self._faults: list[dict[str, Any]] = []
        self._lock = threading.Lock()

    def add(self, fault: dict[str, Any]) -> None:
        """Add a fault of either kind.

        Raises:
            Refused: 400, it is neither.
        """
        if isinstance(fault, dict) and "pod" in fault:
            _check(fault, _POD, {"pod": ("lost", "slow", "capacity")})
            self._pods.add({"task": "*", **fault})
            return
        _check(fault, _SERVER, {"drop": ("before", "after")})
        with self._lock:
            self._faults.append({"path": "*", "method": "*", "times": _ALWAYS, "skip": 0, **fault})

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._faults.clear()
        self._pods.clear()

    def all(self) -> list[dict[str, Any]]:
        """Those that are left."""
        with self._lock:
            return [*(dict(item) for item in self._faults), *self._pods.all()]

    def take(self, method: str, path: str) -> dict[str, Any]:
        """The fault that a request meets; empty for none."""
        with self._lock:
            for fault in self._faults:
                fits = fnmatch.fnmatchcase(path, fault["path"]) and fnmatch.fnmatchcase(method, fault["method"])
                if not fits:
                    continue
                if fault["skip"]:
                    fault["skip"] -= 1
                    continue
                fault["times"] -= 1
                if fault["times"] <= 0:
                    self._faults.remove(fault)
                return dict(fault)
        return {}


def _check(fault: Any, types: dict[str, Any], values: dict[str, tuple[str, ...]]) -> None:
    if not isinstance(fault, dict):
        raise invalid("a fault is a mapping")
    for name, value in fault.items():
        if name not in types or not isinstance(value, types[name]) or isinstance(value, bool):
            raise invalid(f"a fault has no field {name} of value {value!r}; it has {', '.join(types)}")
        if name in values and value not in values[name]:
            raise invalid(f"{name} is {value!r}, expected one of {', '.join(values[name])}")
