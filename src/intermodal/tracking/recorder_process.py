"""The recorder as its caller sees it: say what happened, and go on.

Nothing here waits for MLflow but `ids`, `flush` and `close`, and those give up in time. What is said goes to the
run's journal first and from there to a recorder process; while MLflow is away it stays there, and `flush` says how
much. A recorder that dies is started again and given what it had not acknowledged.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from intermodal.tracking.delivery import Courier, Delivery
from intermodal.tracking.journal import Journal

_STARTS = ("start_pipeline", "start_task", "adopt", "join_pipeline")


@dataclass(frozen=True)
class RunIds:
    """An MLflow run.

    Attributes:
        run_id: Its id.
        experiment_id: Its experiment's id.
        url: Its page; empty when the store is no server.
    """

    run_id: str
    experiment_id: str
    url: str = ""


class RecorderProcess:
    """A recorder process, started with the first command, and the journal before it.

    Args:
        uri: MLflow's tracking URI; "off" makes every call do nothing.
        folder: The run's folder, for the journal and the recorder's log. With the journal of an earlier process,
            its runs are known by their handles, and what it could not deliver is sent.
        patience: Seconds that `flush` bears MLflow's absence.
    """

    def __init__(self, uri: str, folder: Path, patience: float = 10.0) -> None:
        self.uri = uri
        self._enabled = uri != "off"
        self._patience = patience
        self._journal = Journal(folder)
        self._courier = Courier(uri, self._journal, self._introduce, self._hear)
        self._changed = self._courier.changed
        self._commands: dict[int, dict[str, Any]] = {}  # those that `_hear` has to understand
        self._ids: dict[str, RunIds] = {}
        self._open_runs: set[str] = set()
        for command, answer in self._journal.history():
            if answer is None and command["verb"] in _STARTS:
                self._commands[command["seq"]] = command
            elif answer and answer["ok"]:
                self._learn(command, answer)

    @property
    def pid(self) -> int | None:
        """The recorder's process id, once there is one."""
        return self._courier.pid

    def start(self) -> None:
        """Start the process now, so that it imports MLflow while the caller does something else."""
        if self._enabled:
            self._courier.start()

    def start_pipeline(
        self,
        experiment: str,
        name: str,
        params: Mapping[str, Any] | None = None,
        tags: Mapping[str, Any] | None = None,
        datasets: Sequence[Mapping[str, Any]] = (),
        handle: str = "",
    ) -> str:
        """Open the parent run; see `Recorder.start_pipeline`.

        Args:
            experiment: Name of the experiment.
            name: Name of the run.
            params: Parameters, raw.
            tags: Tags.
            datasets: Dataset inputs.
            handle: A name for the run that no other run has; one is made up by default. A handle that was started
                before is reopened, so a resumed pipeline goes on in its run.

        Returns:
            The handle, at once.
        """
        fields = {"name": name, "params": params, "tags": tags, "datasets": datasets}
        return self._open("start_pipeline", handle, experiment=experiment, **fields)

    def start_task(
        self,
        name: str,
        parent: str,
        params: Mapping[str, Any] | None = None,
        tags: Mapping[str, Any] | None = None,
        datasets: Sequence[Mapping[str, Any]] = (),
        handle: str = "",
    ) -> str:
        """Open a run nested under `parent` (a handle or run id); otherwise as `start_pipeline`."""
        fields = {"name": name, "params": params, "tags": tags, "datasets": datasets}
        return self._open("start_task", handle, parent=parent, **fields)

    def adopt(self, run_id: str) -> str:
        """Go on with a run that someone else opened; its id is its handle."""
        if self._enabled:
            self._open("adopt", run_id, run_id=run_id)
        return run_id

    def join_pipeline(self, experiment: str, key: str, name: str, tags: Mapping[str, Any] | None = None) -> str:
        """Find or open the parent run shared by tasks without a common launcher; its handle is `key`."""
        if self._enabled:
            self._open("join_pipeline", key, experiment=experiment, key=key, name=name, tags=dict(tags or {}))
        return key

    def settle_parent(self, run: str) -> None:
        """Give a shared parent run the state its tasks are in."""
        self._say("settle_parent", run=run)

    def log_batch(
        self,
        run: str,
        metrics: Iterable[tuple[str, float, int, int]] = (),
        params: Mapping[str, Any] | None = None,
        tags: Mapping[str, Any] | None = None,
    ) -> None:
        """Record metrics, parameters and tags together.

        Args:
            run: Handle or run id.
            metrics: (name, value, step, epoch milliseconds) each; 0 milliseconds stands for now.
            params: Parameters, raw.
            tags: Tags.
        """
        # The time is set here and not on arrival: sent a second time, a point is then the same point.
        points = [(name, value, step, ms or _now()) for name, value, step, ms in metrics]
        if points or params or tags:
            self._say("log_batch", run=run, metrics=points, params=dict(params or {}), tags=dict(tags or {}))

    def log_inputs(self, run: str, datasets: Sequence[Mapping[str, Any]]) -> None:
        """Record dataset inputs, see `datasets.dataset_input`."""
        self._say("log_inputs", run=run, datasets=list(datasets))

    def log_artifacts(self, run: str, path: Path | str, artifact_path: str = "") -> None:
        """Copy a file, or the content of a directory, to the run; it must stay until `flush`."""
        self._say("log_artifacts", run=run, path=str(Path(path).absolute()), artifact_path=artifact_path)

    def set_tags(self, run: str, tags: Mapping[str, Any]) -> None:
        """Set tags on a run."""
        self._say("set_tags", run=run, tags=dict(tags))

    def watch(self, run: str, pid: int) -> None:
        """Sample what a task's processes use, until its run ends."""
        self._say("watch", run=run, pid=pid)

    def reopen(self, run: str) -> None:
        """Set a run that ended back to RUNNING."""
        self._say("reopen", run=run)
        self._open_runs.add(run)

    def end(self, run: str, status: str) -> None:
        """End a run as FINISHED, FAILED or KILLED; one that ended keeps its state."""
        self._say("end", run=run, status=status, ms=_now())
        self._open_runs.discard(run)

    def mark_dead(self, run_ids: Sequence[str]) -> None:
        """End as KILLED those of the runs that are still RUNNING though their process is gone."""
        self._say("mark_dead", run_ids=list(run_ids))

    def ids(self, handle: str, timeout: float = 30.0) -> RunIds | None:
        """The MLflow run behind a handle.

        Args:
            handle: What `start_pipeline`, `start_task` or `adopt` returned.
            timeout: Seconds to wait for MLflow; while it is known to be away there is no waiting.

        Returns:
            Its ids; None when MLflow did not answer, or refused.
        """

        def settled() -> bool:
            asked = [seq for seq, command in self._commands.items() if command["handle"] == handle]
            return handle in self._ids or self._courier.stuck or any(seq in self._journal.answers for seq in asked)

        with self._changed:
            self._changed.wait_for(settled, timeout)
            return self._ids.get(handle)

    def flush(self, timeout: float = 120.0) -> Delivery:
        """Wait until MLflow has everything.

        Args:
            timeout: Seconds to wait without any progress; while MLflow is away, `patience` seconds in all.

        Returns:
            What was delivered and what was not.
        """
        return self._courier.flush(timeout, self._patience)

    def close(self, timeout: float = 120.0) -> Delivery:
        """`flush`, and end the process."""
        delivery = self.flush(timeout)
        self._courier.close()
        return delivery

    def _open(self, verb: str, handle: str, **fields: Any) -> str:
        handle = handle or uuid.uuid4().hex
        if handle in self._ids:
            self.reopen(handle)
        elif all(command["handle"] != handle for command in self._commands.values()):
            self._say(verb, handle=handle, ms=_now(), **fields)
        return handle

    def _say(self, verb: str, **fields: Any) -> None:
        if not self._enabled:
            return
        command = {"verb": verb, **fields}
        with self._changed:
            sequence = self._journal.append(command)
            if verb in _STARTS:
                self._commands[sequence] = command
            self._changed.notify_all()
        self._courier.start()

    def _hear(self, answer: dict[str, Any]) -> None:
        command = self._commands.get(answer["seq"])
        if command and answer["ok"]:
            self._learn(command, answer)

    def _learn(self, command: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
        if command["verb"] in _STARTS:
            ids = answer["result"]
            self._ids[command["handle"]] = RunIds(**ids, url=run_url(self.uri, **ids))
            if command["verb"] != "join_pipeline":  # others write to it too: it is not ours to end
                self._open_runs.add(command["handle"])
        elif command["verb"] == "end":
            self._open_runs.discard(command["run"])
        elif command["verb"] == "reopen":
            self._open_runs.add(command["run"])

    def _introduce(self) -> dict[str, Any]:
        return {
            name: {"run_id": ids.run_id, "experiment_id": ids.experiment_id, "open": name in self._open_runs}
            for name, ids in self._ids.items()
        }


def run_url(uri: str, run_id: str, experiment_id: str) -> str:
    """The page of a run, which others may see: no user and password in it; empty when the URI is no server's."""
    scheme, _, rest = uri.partition("://")
    host, slash, path = rest.partition("/")
    server = f"{scheme}://{host.rpartition('@')[2]}{slash}{path}".rstrip("/")
    return f"{server}/#/experiments/{experiment_id}/runs/{run_id}" if scheme in ("http", "https") else ""


def redeliver(uri: str, folder: Path) -> Delivery:
    """Send what an earlier process could not deliver, from its journal.

    Args:
        uri: MLflow's tracking URI.
        folder: The run's folder.

    Returns:
        What is delivered by now, and what still is not.
    """
    recorder = RecorderProcess(uri, folder)
    recorder.start()
    return recorder.close()


def _now() -> int:
    return int(time.time() * 1000)
