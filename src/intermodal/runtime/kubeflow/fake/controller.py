"""Starts a process for each run, watches it, and gives the run its end."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from intermodal.runtime.kubeflow.fake.answers import INTERNAL, Refused, now
from intermodal.runtime.kubeflow.fake.options import FakeOptions
from intermodal.runtime.kubeflow.fake.progress import ENDED, bury
from intermodal.runtime.kubeflow.fake.runs import FINISHED, move
from intermodal.runtime.kubeflow.fake.specs import Spec
from intermodal.runtime.kubeflow.fake.state import EXPERIMENTS, RUNS, State

_POLL_SECONDS = 0.02
_LOST = "the server was killed while the run was on its way"
_STOPPED = "the server was stopped while the run was on its way"
_VANISHED = "the process of the run ended without a word"


class Controller:
    """Runs the runs.

    One thread starts all processes and outlives them, because a process that is to die with its parent
    dies with the thread that started it.

    Args:
        options: The options.
        state: The database.
    """

    def __init__(self, options: FakeOptions, state: State) -> None:
        self._options = options
        self._state = state
        self._waiting: queue.SimpleQueue[tuple[str, dict[str, Any]]] = queue.SimpleQueue()
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._told: set[str] = set()
        self._lock = threading.RLock()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="kubeflow-fake-controller", daemon=True)
        self._bury()
        self._thread.start()

    def start(self, run_id: str, spec: Spec, namespace: str) -> None:
        """Run a run; its process starts soon after."""
        run = self._state.get(RUNS, run_id)
        configuration = run.get("runtime_config") or {}
        reference = run.get("pipeline_version_reference") or {}
        job = {
            "run_id": run_id,
            "workflow": f"{spec.name[:40].rstrip('-')}-{run_id[:5]}",
            "pipeline": spec.name,
            "namespace": namespace or self._options.namespace,
            "service_account": run["service_account"],
            "root": configuration.get("pipeline_root") or spec.message.default_pipeline_root,
            "platform": spec.platform,
        }
        told = {
            "job": job,
            "spec": spec.pipeline,
            "arguments": configuration.get("parameters") or {},
            "options": self._options.for_pods(),
            "experiment": self._state.get(EXPERIMENTS, run["experiment_id"])["display_name"],
            "run": {"run_id": run_id, "display_name": run["display_name"], **reference},
            "parent": os.getpid(),
        }
        self._waiting.put((run_id, told))

    def terminate(self, run_id: str) -> None:
        """Stop a run's pods, if it has any; its end is noted when they have stopped."""
        with self._lock:
            process = self._running.get(run_id)
            if process is not None and run_id not in self._told:
                self._told.add(run_id)
                process.send_signal(signal.SIGTERM)

    def close(self) -> None:
        """Stop all runs, and wait until they have."""
        self._closing.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._closing.wait(_POLL_SECONDS) or self._running:
            if self._closing.is_set():
                for run_id in list(self._running):
                    self.terminate(run_id)
            self._start_waiting()
            for run_id, process in list(self._running.items()):
                if process.poll() is not None:
                    with self._lock:
                        del self._running[run_id]
                        self._told.discard(run_id)
                    self._finish(run_id)

    def _start_waiting(self) -> None:
        with contextlib.suppress(queue.Empty):
            while not self._closing.is_set():
                run_id, told = self._waiting.get_nowait()
                with contextlib.suppress(Refused):  # it was deleted meanwhile
                    self._start(run_id, told)

    def _start(self, run_id: str, told: dict[str, Any]) -> None:
        if self._state.get(RUNS, run_id)["state"] == "CANCELING":
            move(self._state, run_id, "CANCELED", finished_at=now())
            return
        folder = self._options.runs / run_id
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ENDED).unlink(missing_ok=True)
        environment = {name: value for name, value in os.environ.items() if name != "_KFP_RUNTIME"}
        with (folder / "controller.log").open("ab") as log, self._lock, self._state.lock:
            if self._state.get(RUNS, run_id)["state"] == "PENDING":
                move(self._state, run_id, "RUNNING")
            process = subprocess.Popen(
                [sys.executable, "-m", "intermodal.runtime.kubeflow.fake.workflow"],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=environment,
                cwd=folder,
            )
            self._running[run_id] = process
        _tell(process, told)
        if self._state.get(RUNS, run_id)["state"] == "CANCELING":
            self.terminate(run_id)

    def _finish(self, run_id: str) -> None:
        ended = _ended(self._options.runs / run_id)
        with contextlib.suppress(Refused), self._state.lock:  # a run may be deleted while it runs
            canceling = self._state.get(RUNS, run_id)["state"] == "CANCELING"
            state, error = ended.get("state"), ended.get("error", "")
            if state == "CANCELED" and not canceling:
                state, error = "FAILED", _STOPPED
            if state is None:
                why = _STOPPED if self._closing.is_set() else _VANISHED
                state, error = ("CANCELED", "") if canceling else ("FAILED", why)
            self._end(run_id, state, error)

    def _end(self, run_id: str, state: str, error: str) -> None:
        fields = {"error": {"code": INTERNAL, "message": error}} if error else {}
        move(self._state, run_id, state, finished_at=now(), **fields)

    def _bury(self) -> None:
        """Give runs of a server that was killed their true state: their processes died with it."""
        for run in self._state.all(RUNS):
            if run["state"] not in FINISHED:
                bury(self._options.runs / run["run_id"], _LOST)
                self._end(run["run_id"], "FAILED", _LOST)


def _tell(process: subprocess.Popen[bytes], told: dict[str, Any]) -> None:
    if process.stdin is not None:
        with contextlib.suppress(BrokenPipeError), process.stdin as stream:  # it ended at once, which is noted later
            stream.write(json.dumps(told).encode())


def _ended(folder: Path) -> dict[str, Any]:
    try:
        return dict(json.loads((folder / ENDED).read_text()))
    except OSError:
        return {}
