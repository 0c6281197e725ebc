"""The tasks of one run, as a cluster would run them: a driver, a pod an attempt, and what they leave behind."""

from __future__ import annotations

import re
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from intermodal.errors import Interrupted
from intermodal.runtime.kubeflow.fake import cache
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
from intermodal.runtime.kubeflow.fake.pods import Pod, Pods
from intermodal.runtime.kubeflow.fake.progress import FAILED, PENDING, RUNNING, SKIPPED, SUCCEEDED, Progress
from intermodal.runtime.local.hooks import Labels

_ITERATION = re.compile(r"(.+)-iteration-(\d+)")
_POLL_SECONDS = 0.02


@dataclass(frozen=True)
class Job:
    """A run, as its process is told about it.

    Attributes:
        run_id: Its id.
        workflow: The name of its workflow.
        namespace: Where its pods are.
        service_account: Whose rights they have.
        root: The pipeline root it asked for; empty for the default.
        platform: Its platform spec.
        experiment: Name of its experiment, for MLflow.
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


@dataclass
class Attempt:
    """One try of one task, on its way."""

    name: str
    path: str
    node: str
    execution: str
    places: Places
    names: Names
    fields: dict[str, Any]


class Conductor:
    """Runs the tasks that kfp.local's orchestrator hands out, and writes down what happens.

    Args:
        job: The run.
        pods: How pods run.
        progress: Where it is written down.
        labels: Which task runs.
        mlflow: Called as each task starts (name, attempt) → its variables, and as it ends.
    """

    def __init__(
        self, job: Job, pods: Pods, progress: Progress, labels: Labels, faults: PodFaults, tracking: Any
    ) -> None:
        self.stopped = False
        self._job = job
        self._pods = pods
        self._progress = progress
        self._labels = labels
        self._faults = faults
        self._tracking = tracking
        self._tries: dict[str, int] = {}
        self._lock = threading.Lock()
        self._run_root = f"{pods.root(job.root)}/{job.pipeline}/{job.run_id}"

    def run_task(self, **given: Any) -> tuple[dict[str, Any], Any]:
        """Run one attempt of a task; what `orchestrated` calls."""
        from kfp.local.status import Status

        self._check()
        name, spec, resource = self._labels.task
        path = f"{node_path(resource)}/{name}"
        kept = self._kept(path, spec) or self._cached(path, spec, given)
        if kept is not None:
            return _outputs(given["component_spec"], kept), Status.SUCCESS
        try:
            result = self._attempt(name, path, spec, given)
        except LauncherFailed:
            return {}, Status.FAILURE
        return _outputs(given["component_spec"], result), Status.SUCCESS

    def terminate(self) -> None:
        """Start nothing more and tell whatever runs to stop; a signal handler calls it."""
        self.stopped = True
        self._pods.terminate()

    def entering(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """kfp.local's runner of a task that may be a whole DAG, with its node written down."""

        def execute(**given: Any) -> Any:
            component = given["components"][given["task_spec"].component_ref.name]
            if component.WhichOneof("implementation") != "dag":
                return original(**given)
            path = node_path(f"{given['pipeline_resource_name']}/{given['task_name']}")
            self._open(path)
            return self._closed(path, component.dag, original, given)

        return execute

    def importing(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """kfp.local's importer, with its node and artifact written down."""

        def run(**given: Any) -> Any:
            name, _, resource = self._labels.task
            path = f"{node_path(resource)}/{name}"
            self._progress.move(path, RUNNING)
            outputs, status = original(**given)
            artifact = outputs["artifact"]
            fields = {"name": "artifact", "uri": artifact.uri, "metadata": artifact.metadata, "output": "artifact"}
            fields["type"] = {"schemaTitle": artifact.schema_title}
            self._record(name, path, "", [fields])
            self._progress.move(path, SUCCEEDED)
            return outputs, status

        return run

    def close(self, dag: Any, path: str = "root") -> None:
        """Mark the tasks of a DAG that never began: their condition was false, or what they wait for failed."""
        for name in sorted(dag.tasks):
            if self._progress.child_of(f"{path}/{name}") is None:
                self._progress.move(f"{path}/{name}", SKIPPED)

    def _check(self) -> None:
        if self.stopped:
            raise Interrupted("the run was terminated")

    def _open(self, path: str) -> None:
        parent, _, last = path.rpartition("/")
        if last.startswith("iteration(") and (self._progress.child_of(parent) or {}).get("state") != RUNNING:
            self._progress.move(parent, RUNNING)
        self._progress.move(f"{path}-driver", SUCCEEDED, "system-dag-driver")
        self._progress.move(path, RUNNING)

    def _closed(self, path: str, dag: Any, original: Callable[..., Any], given: dict[str, Any]) -> Any:
        from kfp.local.status import Status

        outputs, status = original(**given)
        self.close(dag, path)
        state = SUCCEEDED if status == Status.SUCCESS else FAILED
        self._progress.move(path, state)
        parent, _, last = path.rpartition("/")
        if last.startswith("iteration("):
            loop = self._progress.child_of(parent) or {}
            if loop.get("state") != FAILED:
                self._progress.move(parent, state)
        return outputs, status

    def _kept(self, path: str, spec: Any) -> dict[str, Any] | None:
        """The result of an earlier try of the run; one that runs whatever happened runs again."""
        return None if spec.trigger_policy.strategy == 2 else self._progress.results.get(path)  # noqa: PLR2004

    def _cached(self, path: str, spec: Any, given: dict[str, Any]) -> dict[str, Any] | None:
        if not self._uses_cache:
            return None
        found = cache.find(self._job.options.home / "cache", self._mark(spec, given))
        if found is None:
            return None
        name = path.rpartition("/")[2]
        self._progress.move(f"{path}-driver", SUCCEEDED, "system-container-driver")
        self._progress.move(path, RUNNING)
        self._progress.move(f"{path}/executor", SKIPPED, "system-container-impl")
        ids = self._record(name, path, "", found["artifacts"])
        self._progress.move(path, SUCCEEDED, outputs=ids)
        self._progress.keep(path, found)
        return found

    @property
    def _uses_cache(self) -> bool:
        return self._job.options.cache and self._labels.cached

    def _mark(self, spec: Any, given: dict[str, Any]) -> str:
        container = given["executor_spec"].container
        return cache.fingerprint(given["component_spec"], container, given["arguments"], spec.caching_options.cache_key)

    def _attempt(self, name: str, path: str, spec: Any, given: dict[str, Any]) -> dict[str, Any]:
        attempt = self._prepared(name, path, spec, given)
        code: str | None = "the launcher failed"
        try:
            self._execute(attempt, given)
            parameters, artifacts = collect(given["component_spec"], attempt.fields, attempt.places)
            code = None
        except LauncherFailed as error:
            code = str(error)
            raise
        finally:
            self._ended(attempt, code, spec)
        result = {"parameters": parameters, "artifacts": artifacts}
        ids = self._record(name, path, attempt.execution, artifacts)
        self._progress.move(path, SUCCEEDED, outputs=ids)
        self._progress.keep(path, result)
        if self._labels.cached:
            cache.remember(self._job.options.home / "cache", self._mark(spec, given), result)
        return result

    def _prepared(self, name: str, path: str, spec: Any, given: dict[str, Any]) -> Attempt:
        """What the driver does: nodes, an execution, the ExecutorInput."""
        with self._lock:
            number = self._tries[path] = self._tries.get(path, -1) + 1
        retried = spec.retry_policy.max_retry_count > 0
        node = f"{path}/executor/executor({number})" if retried else f"{path}/executor"
        execution = str(uuid.uuid4())
        folder = self._folder(self._progress.pod_name(node, "system-container-impl"))
        root = f"{self._run_root}/{name}/{execution}"
        places = self._pods.places(root, self._run_root, folder)
        names = Names(self._job.run_id, self._job.workflow, name, execution, self._run_root)
        fields = executor_input(given["component_spec"], given["arguments"], places, names)
        inputs = {
            key: {"artifact_ids": self._progress.artifact_ids([item["uri"] for item in value["artifacts"]])}
            for key, value in fields.get("inputs", {}).get("artifacts", {}).items()
        }
        self._progress.move(f"{path}-driver", SUCCEEDED, "system-container-driver")
        self._progress.move(path, RUNNING, inputs=inputs, execution_id=execution)
        if retried:
            self._progress.move(f"{path}/executor", RUNNING)
        self._progress.move(node, PENDING, "system-container-impl")
        return Attempt(name, path, node, execution, places, names, fields)

    def _folder(self, pod: str) -> Any:
        folder = self._job.options.runs / self._job.run_id / "pods" / pod
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _execute(self, attempt: Attempt, given: dict[str, Any]) -> None:
        """What the launcher does up to the end of the command."""
        settings = settings_of(self._job.platform, given["component_spec"].executor_label)
        pod = self._pod(attempt, given["executor_spec"].container, settings)
        self._wait_for_capacity(attempt)
        self._prepare_folders(attempt)
        pod.log.touch()  # who sees it RUNNING may ask for its log
        self._progress.move(attempt.node, RUNNING)
        deadline, lost = deadline_of(settings), self._faults.take(attempt.name, "lost")
        began, cause = time.monotonic(), ""

        def watch() -> None:
            nonlocal cause
            seconds = time.monotonic() - began
            if not cause and deadline and seconds > deadline:
                cause = f"Pod was active on the node longer than the specified deadline ({deadline:g} s)"
                self._pods.kill(pod)
            if not cause and lost is not None and seconds >= lost:
                cause = "pod deleted: its node was lost"
                self._pods.kill(pod)

        code = self._pods.run(pod, watch)
        self._check()
        if cause or code:
            raise LauncherFailed(cause or _ended_with(code))

    def _pod(self, attempt: Attempt, container: Any, settings: dict[str, Any]) -> Pod:
        name = self._progress.pod_name(attempt.node, "system-container-impl")
        labels = {
            "pipeline/runid": self._job.run_id,
            "workflows.argoproj.io/workflow": self._job.workflow,
            "pipelines.kubeflow.org/v2_component": "true",
            **metadata_of(settings, "labels"),
        }
        facts = PodFacts(
            name=name,
            uid=str(uuid.uuid5(uuid.NAMESPACE_OID, name + attempt.execution)),
            namespace=self._job.namespace,
            service_account=self._job.service_account,
            labels=labels,
            annotations=metadata_of(settings, "annotations"),
        )
        environment = {
            "KFP_POD_NAME": name,
            "KFP_POD_UID": facts.uid,
            "NAMESPACE": facts.namespace,
            "KUBERNETES_SERVICE_HOST": "127.0.0.1",
            **self._job.options.pod_env,
            **self._tracking.begin(attempt),
            **{item.name: item.value for item in container.env},
            **variables_of(settings, facts, self._job.options),
        }
        return Pod(
            name=name,
            folder=self._folder(name),
            image=container.image,
            command=command_of(container, attempt.fields),
            environment=environment,
            inputs=tuple(_first_uris(attempt.fields)),
            outputs=(attempt.places.root,),
            labels=labels,
        )

    def _wait_for_capacity(self, attempt: Attempt) -> None:
        """The pod stays PENDING for as long as a fault says."""
        seconds = self._faults.take(attempt.name, "slow") or self._faults.take(attempt.name, "capacity") or 0.0
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self._check()
            time.sleep(_POLL_SECONDS)

    def _prepare_folders(self, attempt: Attempt) -> None:
        (attempt.places.answers_here / "outputs").mkdir(parents=True, exist_ok=True)
        self._pods.here(attempt.places.root).mkdir(parents=True, exist_ok=True)
        for uri in _first_uris(attempt.fields):
            if not self._pods.here(uri).exists():
                raise LauncherFailed(f"failed to download input artifact from remote storage URI {uri!r}: not found")

    def _ended(self, attempt: Attempt, error: str | None, spec: Any) -> None:
        """Give the pod's nodes their end."""
        if self.stopped:
            self._tracking.end(attempt, "KILLED")
            return
        self._tracking.end(attempt, "FAILED" if error is not None else "FINISHED")
        state = SUCCEEDED if error is None else FAILED
        self._progress.move(attempt.node, state, error=error or "")
        last = self._tries[attempt.path] >= spec.retry_policy.max_retry_count
        if attempt.node != f"{attempt.path}/executor" and (error is None or last):
            self._progress.move(f"{attempt.path}/executor", state, error=error or "")
        if error is not None and last:
            self._progress.move(attempt.path, FAILED, error=error)

    def _record(self, task: str, path: str, execution: str, artifacts: list[dict[str, Any]]) -> dict[str, Any]:
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
            ids.setdefault(item["output"], {"artifact_ids": []})["artifact_ids"].append(
                self._progress.add_artifact(fields)
            )
        return ids


def node_path(resource: str) -> str:
    """The way to a node, from kfp.local's: "root/for-loop-1/iteration(0)"."""
    words = ["root"]
    for word in resource.split("/")[1:]:
        found = _ITERATION.fullmatch(word)
        words += [found[1], f"iteration({found[2]})"] if found else [word]
    return "/".join(words)


def _outputs(component: Any, result: dict[str, Any]) -> dict[str, Any]:
    """A result as kfp.local passes it on: values, and artifacts of kfp.dsl."""
    from google.protobuf import json_format
    from kfp.local.executor_output_utils import runtime_artifact_to_dsl_artifact
    from kfp.pipeline_spec import pipeline_spec_pb2

    outputs = dict(result["parameters"])
    for item in result["artifacts"]:
        fields = {key: value for key, value in item.items() if key != "output"}
        message = json_format.ParseDict(fields, pipeline_spec_pb2.RuntimeArtifact())
        artifact = runtime_artifact_to_dsl_artifact(message)
        listed = component.output_definitions.artifacts[item["output"]].is_artifact_list
        outputs[item["output"]] = [*outputs.get(item["output"], []), artifact] if listed else artifact
    return outputs


def _first_uris(fields: dict[str, Any]) -> list[str]:
    """Of each input, the artifact that the launcher downloads: the first."""
    items = fields.get("inputs", {}).get("artifacts", {}).values()
    return [item["artifacts"][0]["uri"] for item in items if item["artifacts"]]


def _ended_with(code: int) -> str:
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    return f"Error (exit code {code}): failed to execute component: {how}" if code > 0 else f"main: {how}"
