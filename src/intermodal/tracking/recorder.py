"""The recorder: what a run says, written to MLflow.

One parent run for a pipeline, one nested run for a task. Every verb may be applied twice with the same
effect, so that whatever was not acknowledged can be sent again. Run it as a process with
`python -m intermodal.tracking.recorder --uri URI`: JSON-line commands on stdin, JSON-line answers on stdout.
"""

from __future__ import annotations

import getpass
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from intermodal.errors import UsageError
from intermodal.tracking.datasets import dataset_input
from intermodal.tracking.experiments import experiment_id
from intermodal.tracking.limits import (
    METRICS_PER_REQUEST,
    PARAMETER_LENGTH,
    PARAMETERS_PER_REQUEST,
    TAG_LENGTH,
    chunks,
    clean_key,
    fit,
)
from intermodal.tracking.shared_parent import find_or_open, settle_parent, wake_parent
from intermodal.tracking.system_metrics import ProcessTree

HANDLE_TAG = "intermodal.handle"
FINISHED, FAILED, KILLED, RUNNING = "FINISHED", "FAILED", "KILLED", "RUNNING"
TERMINAL = (FINISHED, FAILED, KILLED)


@dataclass
class Followed:
    """A run that this recorder writes to.

    Attributes:
        run_id: Its id in MLflow.
        experiment_id: Its experiment.
        open: Whether this recorder still has to end it.
        tree: The task's processes, while their use of the machine is sampled.
    """

    run_id: str
    experiment_id: str
    open: bool = True
    tree: ProcessTree | None = field(default=None, repr=False)


class Recorder:
    """Writes runs to one MLflow store.

    A run is named by the handle that its caller chose when starting it, or by its MLflow id.

    Args:
        client: An `mlflow.tracking.MlflowClient`.
        artifact_root: Where runs of an experiment made here keep artifacts; "" lets the server decide.
    """

    def __init__(self, client: Any, artifact_root: str = "") -> None:
        self._client = client
        self._artifact_root = artifact_root
        self._runs: dict[str, Followed] = {}

    def start_pipeline(
        self,
        experiment: str,
        name: str,
        handle: str = "",
        params: Mapping[str, Any] | None = None,
        tags: Mapping[str, Any] | None = None,
        datasets: Sequence[Mapping[str, Any]] = (),
        ms: int | None = None,
        again: bool = False,
    ) -> dict[str, str]:
        """Open the parent run of a pipeline.

        Args:
            experiment: Name of the experiment; made when new.
            name: Name of the run.
            handle: The caller's name for it.
            params: Parameters, raw.
            tags: Tags.
            datasets: Dataset inputs, see `datasets.dataset_input`.
            ms: When it started, epoch milliseconds; now by default.
            again: Whether the command may have been carried out before; the run is then looked for first.

        Returns:
            {"run_id", "experiment_id"}.

        Raises:
            UsageError: The experiment was deleted.
        """
        place = self._place(experiment)
        return self._start(place, name, handle, params, dict(tags or {}), datasets, ms, again)

    def start_task(
        self,
        name: str,
        parent: str,
        handle: str = "",
        params: Mapping[str, Any] | None = None,
        tags: Mapping[str, Any] | None = None,
        datasets: Sequence[Mapping[str, Any]] = (),
        ms: int | None = None,
        again: bool = False,
    ) -> dict[str, str]:
        """Open a task's run, nested under `parent`; the arguments and answer are `start_pipeline`'s."""
        above = self._follow(parent)
        nested = {**(tags or {}), "mlflow.parentRunId": above.run_id}
        return self._start(above.experiment_id, name, handle, params, nested, datasets, ms, again)

    def join_pipeline(
        self,
        experiment: str,
        key: str,
        name: str,
        handle: str = "",
        tags: Mapping[str, Any] | None = None,
        ms: int | None = None,
    ) -> dict[str, str]:
        """Find or open the parent run that tasks without a common launcher share, see `shared_parent`.

        Args:
            experiment: Name of the experiment; made when new.
            key: The pipeline run's id.
            name: Name for the run, should it be opened here.
            handle: The caller's name for it.
            tags: Tags, should it be opened here.
            ms: When; not used.

        Returns:
            {"run_id", "experiment_id"}; the run is not this recorder's to end.
        """
        run = find_or_open(self._client, self._place(experiment), key, name, None, tags)
        wake_parent(self._client, run.info.run_id)
        answer = self._remember(handle, run)
        self._runs[handle or answer["run_id"]].open = False
        return answer

    def settle_parent(self, run: str) -> None:
        """Give a shared parent run the state its tasks are in, unless a client follows it."""
        settle_parent(self._client, self._follow(run).run_id)

    def adopt(self, run_id: str, handle: str = "", ms: int | None = None) -> dict[str, str]:
        """Go on with a run that someone else opened (an inherited `MLFLOW_RUN_ID`): no second one is made.

        Args:
            run_id: Its MLflow id.
            handle: The caller's name for it.
            ms: When; not used, since the run has begun.

        Returns:
            {"run_id", "experiment_id"}.
        """
        run = self._client.get_run(run_id)
        if run.info.status != RUNNING:
            self._client.update_run(run_id, status=RUNNING)
        return self._remember(handle, run)

    def bind(self, runs: Mapping[str, Mapping[str, Any]]) -> None:
        """Learn which runs the handles of an earlier recorder stand for, and which are still open.

        Args:
            runs: Handle → {"run_id", "experiment_id", "open"}.
        """
        for handle, fields in runs.items():
            self._runs[handle] = Followed(**fields)

    def reopen(self, run: str) -> None:
        """Set a run that ended back to RUNNING, to resume it."""
        followed = self._follow(run)
        self._client.update_run(followed.run_id, status=RUNNING)
        followed.open = True

    def log_batch(
        self,
        run: str,
        metrics: Sequence[Sequence[Any]] = (),
        params: Mapping[str, Any] | None = None,
        tags: Mapping[str, Any] | None = None,
    ) -> None:
        """Record metrics, parameters and tags in as few requests as MLflow allows.

        Args:
            run: Handle or run id.
            metrics: (name, value, step, epoch milliseconds) each.
            params: Parameters, raw; values over 6,000 characters are cut, with a note.
            tags: Tags.
        """
        from mlflow.entities import Metric, Param, RunTag

        run_id = self._follow(run).run_id
        points = [Metric(clean_key(name), float(value), int(ms), int(step)) for name, value, step, ms in metrics]
        pairs = [Param(key, value) for key, value in fit(params or {}, PARAMETER_LENGTH).items()]
        marks = [RunTag(key, value) for key, value in fit(tags or {}, TAG_LENGTH).items()]
        if len(points) + len(pairs) + len(marks) <= PARAMETERS_PER_REQUEST:
            self._client.log_batch(run_id, metrics=points, params=pairs, tags=marks)
            return
        for piece in chunks(pairs, PARAMETERS_PER_REQUEST):
            self._client.log_batch(run_id, params=piece)
        for group in chunks(marks, PARAMETERS_PER_REQUEST):
            self._client.log_batch(run_id, tags=group)
        for part in chunks(points, METRICS_PER_REQUEST):
            self._client.log_batch(run_id, metrics=part)

    def set_tags(self, run: str, tags: Mapping[str, Any]) -> None:
        """Set tags on a run."""
        self.log_batch(run, tags=tags)

    def log_inputs(self, run: str, datasets: Sequence[Mapping[str, Any]]) -> None:
        """Record dataset inputs, see `datasets.dataset_input`."""
        if datasets:
            entities = [dataset_input(item) for item in datasets]
            self._client.log_inputs(self._follow(run).run_id, datasets=entities)

    def log_artifacts(self, run: str, path: str, artifact_path: str = "") -> None:
        """Copy a file, or the content of a directory, to the run's artifacts.

        Raises:
            UsageError: There is nothing at `path`.
        """
        run_id = self._follow(run).run_id
        if not Path(path).exists():
            raise UsageError("nothing to log as an artifact", seen=path, expected="a file or a directory")
        log = self._client.log_artifacts if Path(path).is_dir() else self._client.log_artifact
        log(run_id, path, artifact_path or None)

    def watch(self, run: str, pid: int) -> None:
        """Sample what process `pid` and its descendants use of the machine, until the run ends."""
        self._follow(run).tree = ProcessTree(pid)

    def end(self, run: str, status: str, ms: int | None = None) -> None:
        """End a run; one that has ended keeps its state.

        Args:
            run: Handle or run id.
            status: FINISHED, FAILED or KILLED.
            ms: When, epoch milliseconds; now by default.

        Raises:
            UsageError: The status is not one of these.
        """
        if status not in TERMINAL:
            raise UsageError("unknown final state of a run", seen=status, expected=", ".join(TERMINAL))
        followed = self._follow(run)
        self.sample(at_end=followed)
        if followed.open or self._client.get_run(followed.run_id).info.status not in TERMINAL:
            self._client.set_terminated(followed.run_id, status, ms)
        followed.open = False

    def mark_dead(self, run_ids: Sequence[str]) -> list[str]:
        """End as KILLED those of the runs that are still RUNNING, and say which they were."""
        return mark_dead_runs(self._client, run_ids)

    def sample(self, at_end: Followed | None = None) -> None:
        """Take the samples of watched tasks that are due, and record full batches; all of `at_end`'s."""
        watched = [(item, item.tree) for item in self._runs.values() if item.tree]
        for followed, tree in watched:
            tree.sample_if_due()
            if points := tree.take(everything=followed is at_end):
                self.log_batch(followed.run_id, metrics=points)
        if at_end:
            at_end.tree = None

    def end_open_runs(self, status: str = KILLED) -> None:
        """End every run that is still open here: whoever opened them is gone."""
        for followed in reversed(self._runs.values()):
            if followed.open:
                self.end(followed.run_id, status)

    def _start(
        self,
        place: str,
        name: str,
        handle: str,
        params: Mapping[str, Any] | None,
        tags: dict[str, Any],
        datasets: Sequence[Mapping[str, Any]],
        ms: int | None,
        again: bool,
    ) -> dict[str, str]:
        run = self._find(place, handle) if again and handle else None
        if run is None:
            marks = {"mlflow.user": _user(), "mlflow.source.type": "LOCAL", HANDLE_TAG: handle, **tags}
            started = ms if ms is not None else int(time.time() * 1000)
            run = self._client.create_run(place, started, fit(marks, TAG_LENGTH), name)
        answer = self._remember(handle, run)
        if params:
            self.log_batch(run.info.run_id, params=params)
        self.log_inputs(run.info.run_id, datasets)
        return answer

    def _place(self, experiment: str) -> str:
        return experiment_id(self._client, experiment, self._artifact_root)

    def _find(self, place: str, handle: str) -> Any:
        found = self._client.search_runs([place], f"tags.`{HANDLE_TAG}` = '{handle}'", max_results=1)
        return found[0] if found else None

    def _remember(self, handle: str, run: Any) -> dict[str, str]:
        followed = Followed(run.info.run_id, run.info.experiment_id)
        self._runs[handle or followed.run_id] = followed
        return {"run_id": followed.run_id, "experiment_id": followed.experiment_id}

    def _follow(self, run: str) -> Followed:
        if found := self._runs.get(run) or next((item for item in self._runs.values() if item.run_id == run), None):
            return found
        info = self._client.get_run(run).info
        return self._runs.setdefault(run, Followed(run, info.experiment_id, open=False))


def mark_dead_runs(client: Any, run_ids: Sequence[str]) -> list[str]:
    """End as KILLED those runs that are still RUNNING though their process is gone.

    Args:
        client: An `mlflow.tracking.MlflowClient`.
        run_ids: MLflow run ids; unknown ones are skipped.

    Returns:
        The ids of the runs that were RUNNING.
    """
    from mlflow.exceptions import MlflowException

    dead = []
    for run_id in run_ids:
        try:
            running = client.get_run(run_id).info.status == RUNNING
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            continue
        if running:
            client.set_terminated(run_id, KILLED)
            dead.append(run_id)
    return dead


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user id may have no name
        return "unknown"


if __name__ == "__main__":
    from intermodal.tracking.recorder_loop import main

    raise SystemExit(main())
