"""One attempt of one task: what KFP's driver, the kubelet and KFP's launcher do for its pod."""

from __future__ import annotations

import shutil
import threading
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from intermodal.errors import Interrupted
from intermodal.runtime.kubeflow.fake.faults import PodFaults
from intermodal.runtime.kubeflow.fake.launcher import (
    LauncherFailed,
    Names,
    Places,
    collect,
    command_of,
    executor_input,
)
from intermodal.runtime.kubeflow.fake.options import FakeOptions
from intermodal.runtime.kubeflow.fake.platform import PodFacts, deadline_of, metadata_of, settings_of, variables_of
from intermodal.runtime.kubeflow.fake.pods import Pod, Pods, Watch
from intermodal.runtime.kubeflow.fake.progress import FAILED, PENDING, RUNNING, SUCCEEDED, Progress
from intermodal.runtime.kubeflow.fake.tracking import NoTracking

POD = "system-container-impl"
DRIVER = "system-container-driver"
_POLL_SECONDS = 0.02


@dataclass(frozen=True)
class Job:
    """A run, as its process is told about it.

    Attributes:
        run_id: Its id.
        workflow: The name of its workflow.
        pipeline: The name of its pipeline.
        namespace: Where its pods are.
        service_account: Whose rights they have.
        root: The pipeline root it asked for; empty for the default.
        platform: Its platform spec.
        options: The fake's options.
    """

    run_id: str
    workflow: str
    pipeline: str
    namespace: str
    service_account: str
    root: str
    platform: dict[str, Any]
    options: FakeOptions


@dataclass(frozen=True)
class Attempt:
    """One try of one task.

    Attributes:
        name: The task's name.
        path: The way to the task's node.
        node: The way to the pod's node.
        last: Whether the task has failed when this has.
        execution: Id of this execution.
        places: Where the pod finds things.
        fields: Its ExecutorInput.
    """

    name: str
    path: str
    node: str
    last: bool
    execution: str
    places: Places
    fields: dict[str, Any]

    @property
    def group(self) -> str:
        """The node around the pods of all attempts; empty for a task that is tried once."""
        parent = self.node.rpartition("/")[0]
        return parent if parent != self.path else ""


class Attempts:
    """Runs attempts, and writes down what happens.

    Args:
        job: The run.
        pods: How pods run.
        progress: Where it is written down.
        tracking: KFP's native MLflow, or none.
    """

    def __init__(self, job: Job, pods: Pods, progress: Progress, faults: PodFaults, tracking: NoTracking) -> None:
        self.stopped = False
        self._job = job
        self._pods = pods
        self._progress = progress
        self._faults = faults
        self._tracking = tracking
        self._tries: dict[str, int] = {}
        self._lock = threading.Lock()
        self._run_root = f"{pods.root(job.root)}/{job.pipeline}/{job.run_id}"

    def run(self, name: str, path: str, spec: Any, given: dict[str, Any]) -> dict[str, Any]:
        """Run one attempt.

        Args:
            name: The task's name.
            path: The way to its node.
            spec: Its `PipelineTaskSpec`.
            given: What kfp.local gives its own runner of a task.

        Returns:
            Output parameters, and artifacts as JSON of `RuntimeArtifact`.

        Raises:
            LauncherFailed: It failed, which is written down.
            Interrupted: The run was terminated.
        """
        attempt = self._prepared(name, path, spec, given)
        error: str | None = "the run was terminated"
        try:
            self._execute(attempt, given)
            parameters, artifacts = collect(given["component_spec"], attempt.fields, attempt.places)
            error = None
        except LauncherFailed as failed:
            error = str(failed)
            raise
        finally:
            self._ended(attempt, error)
        ids = self.record(name, path, attempt.execution, artifacts)
        self._progress.move(path, SUCCEEDED, outputs=ids)
        return {"parameters": parameters, "artifacts": artifacts}

    def check(self) -> None:
        """Go on only while the run was not terminated.

        Raises:
            Interrupted: It was.
        """
        if self.stopped:
            raise Interrupted("the run was terminated")

    def record(self, task: str, path: str, execution: str, artifacts: list[dict[str, Any]]) -> dict[str, Any]:
        """Note artifacts; output → their ids."""
        ids: dict[str, Any] = {}
        for item in artifacts:
            here = self._pods.here(item["uri"])
            fields = {
                "task": task,
                "node": path,
                "execution_id": execution,
                "name": item["output"],
                "type": item["type"].get("schemaTitle", ""),
                "uri": item["uri"],
                "metadata": item.get("metadata", {}),
                "local_path": str(here),
                "exists": here.exists(),
            }
            known = ids.setdefault(item["output"], {"artifact_ids": []})
            known["artifact_ids"].append(self._progress.add_artifact(fields))
        return ids

    def _prepared(self, name: str, path: str, spec: Any, given: dict[str, Any]) -> Attempt:
        """What the driver does: nodes, an execution, the ExecutorInput."""
        with self._lock:
            number = self._tries[path] = self._tries.get(path, -1) + 1
        retries, execution = spec.retry_policy.max_retry_count, str(uuid.uuid4())
        node = f"{path}/executor/executor({number})" if retries else f"{path}/executor"
        folder = self._folder(self._progress.pod_name(node, POD))
        places = self._pods.places(f"{self._run_root}/{name}/{execution}", self._run_root, folder)
        names = Names(self._job.run_id, self._job.workflow, name, execution, self._run_root)
        fields = executor_input(given["component_spec"], given["arguments"], places, names)
        attempt = Attempt(name, path, node, number >= retries, execution, places, fields)
        self._progress.move(f"{path}-driver", SUCCEEDED, DRIVER)
        self._progress.move(path, RUNNING, inputs=self._known(fields), execution_id=execution)
        if attempt.group:
            self._progress.move(attempt.group, RUNNING)
        self._progress.move(node, PENDING, POD)
        return attempt

    def _known(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Input → ids of its artifacts."""
        items = fields.get("inputs", {}).get("artifacts", {}).items()
        uris = {name: [item["uri"] for item in value["artifacts"]] for name, value in items}
        return {name: {"artifact_ids": self._progress.artifact_ids(found)} for name, found in uris.items()}

    def _folder(self, pod: str) -> Path:
        folder = self._job.options.runs / self._job.run_id / "pods" / pod
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _execute(self, attempt: Attempt, given: dict[str, Any]) -> None:
        """From the pod's making to the end of its command."""
        settings = settings_of(self._job.platform, given["component_spec"].executor_label)
        pod = self._pod(attempt, given["executor_spec"].container, settings)
        self._wait_for_capacity(attempt)
        self._prepare_folders(attempt)
        pod.log.write_bytes(b"")  # who sees it RUNNING may ask for its log
        self._progress.move(attempt.node, RUNNING)
        causes: list[str] = []
        code = self._pods.run(pod, self._watch(pod, attempt, deadline_of(settings), causes))
        self.check()
        if causes or code:
            raise LauncherFailed(causes[0] if causes else _ended_with(code))

    def _watch(self, pod: Pod, attempt: Attempt, deadline: float, causes: list[str]) -> Watch:
        """Ends the pod when its time is over, or a fault is due; notes why."""
        lost, began = self._faults.take(attempt.name, "lost"), time.monotonic()

        def watch() -> None:
            seconds = time.monotonic() - began
            if causes:
                return
            if deadline and seconds > deadline:
                causes.append(f"Pod was active on the node longer than the specified deadline ({deadline:g} s)")
            elif lost is not None and seconds >= lost:
                causes.append("pod deleted: its node was lost")
            if causes:
                self._pods.kill(pod)

        return watch

    def _pod(self, attempt: Attempt, container: Any, settings: dict[str, Any]) -> Pod:
        facts = self._facts(attempt, settings)
        environment = {
            "KFP_POD_NAME": facts.name,
            "KFP_POD_UID": facts.uid,
            "NAMESPACE": facts.namespace,
            "KUBERNETES_SERVICE_HOST": "127.0.0.1",
            **self._job.options.pod_env,
            **self._tracking.begin(attempt),
            **{item.name: item.value for item in container.env},
            **variables_of(settings, facts, self._job.options),
        }
        return Pod(
            name=facts.name,
            folder=self._folder(facts.name),
            image=container.image,
            command=command_of(container, attempt.fields),
            environment=environment,
            inputs=tuple(_first_uris(attempt.fields)),
            outputs=(attempt.places.root,),
        )

    def _facts(self, attempt: Attempt, settings: dict[str, Any]) -> PodFacts:
        name = self._progress.pod_name(attempt.node, POD)
        labels = {
            "pipeline/runid": self._job.run_id,
            "workflows.argoproj.io/workflow": self._job.workflow,
            "pipelines.kubeflow.org/v2_component": "true",
            **metadata_of(settings, "labels"),
        }
        return PodFacts(
            name=name,
            uid=attempt.execution,
            namespace=self._job.namespace,
            service_account=self._job.service_account,
            labels=labels,
            annotations=metadata_of(settings, "annotations"),
        )

    def _wait_for_capacity(self, attempt: Attempt) -> None:
        """The pod stays PENDING for as long as a fault says."""
        seconds = self._faults.take(attempt.name, "slow") or self._faults.take(attempt.name, "capacity") or 0.0
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.check()
            time.sleep(_POLL_SECONDS)

    def _prepare_folders(self, attempt: Attempt) -> None:
        shutil.rmtree(attempt.places.answers_here, ignore_errors=True)  # an earlier try of the run may have left some
        (attempt.places.answers_here / "outputs").mkdir(parents=True)
        self._pods.here(attempt.places.root).mkdir(parents=True, exist_ok=True)
        for uri in _first_uris(attempt.fields):
            if not self._pods.here(uri).exists():
                raise LauncherFailed(f"failed to download input artifact from remote storage URI {uri!r}: not found")

    def _ended(self, attempt: Attempt, error: str | None) -> None:
        """Give the pod's nodes their end; those of a terminated run get theirs with the run."""
        if self.stopped:
            self._tracking.end(attempt, "KILLED")
            return
        self._tracking.end(attempt, "FAILED" if error is not None else "FINISHED")
        state = SUCCEEDED if error is None else FAILED
        self._progress.move(attempt.node, state, error=error or "")
        if attempt.group and (error is None or attempt.last):
            self._progress.move(attempt.group, state, error=error or "")
        if error is not None and attempt.last:
            self._progress.move(attempt.path, FAILED, error=error)


def _first_uris(fields: dict[str, Any]) -> list[str]:
    """Of each input, the artifact that the launcher downloads: the first."""
    items = fields.get("inputs", {}).get("artifacts", {}).values()
    return [item["artifacts"][0]["uri"] for item in items if item["artifacts"]]


def _ended_with(code: int) -> str:
    how = f"exit code {code}" if code > 0 else f"signal {-code}"
    return f"Error (exit code {code if code > 0 else 128 - code}): failed to execute component: {how}"
