"""The tasks of one run, as kfp.local's orchestrator hands them out: kept, cached, or tried."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from typing import Any

from intermodal.runtime.kubeflow.fake import cache
from intermodal.runtime.kubeflow.fake.attempts import DRIVER, POD, Attempts
from intermodal.runtime.kubeflow.fake.launcher import LauncherFailed
from intermodal.runtime.kubeflow.fake.options import FakeOptions
from intermodal.runtime.kubeflow.fake.progress import FAILED, RUNNING, SKIPPED, SUCCEEDED, Progress
from intermodal.runtime.local.hooks import Labels

_ITERATION = re.compile(r"(.+)-iteration-(\d+)")
_WHATEVER_HAPPENED = 2  # TriggerStrategy.ALL_UPSTREAM_TASKS_COMPLETED


class Conductor:
    """Runs the tasks that kfp.local's orchestrator hands out, and writes down what happens.

    Args:
        attempts: Runs one attempt of a task.
        progress: Where it is written down.
        labels: Which task runs.
        options: The fake's options.
    """

    def __init__(self, attempts: Attempts, progress: Progress, labels: Labels, options: FakeOptions) -> None:
        self._attempts = attempts
        self._progress = progress
        self._labels = labels
        self._options = options
        self._lock = threading.Lock()

    def run_task(self, **given: Any) -> tuple[dict[str, Any], Any]:
        """Run a task once; what `orchestrated` calls, again for each retry."""
        from kfp.local.status import Status

        self._attempts.check()
        name, spec, resource = self._labels.task
        path = f"{node_path(resource)}/{name}"
        result = self._kept(path, spec) or self._cached(name, path, spec, given)
        if result is None:
            try:
                result = self._attempts.run(name, path, spec, given)
            except LauncherFailed:
                return {}, Status.FAILURE
            self._remember(path, spec, given, result)
        return _outputs(given["component_spec"], result), Status.SUCCESS

    def entering(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """kfp.local's runner of a task that may be a whole DAG, with its node written down."""
        from kfp.local.status import Status

        def execute(**given: Any) -> Any:
            component = given["components"][given["task_spec"].component_ref.name]
            if component.WhichOneof("implementation") != "dag":
                return original(**given)
            path = node_path(f"{given['pipeline_resource_name']}/{given['task_name']}")
            self._open(path)
            outputs, status = original(**given)
            self.close(component.dag, path, SUCCEEDED if status == Status.SUCCESS else FAILED)
            return outputs, status

        return execute

    def importing(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """kfp.local's importer, with its node and artifact written down."""

        def run(**given: Any) -> Any:
            name, _, resource = self._labels.task
            path = f"{node_path(resource)}/{name}"
            self._progress.move(path, RUNNING)
            outputs, status = original(**given)
            made = outputs["artifact"]
            fields = {"output": "artifact", "uri": made.uri, "metadata": made.metadata}
            ids = self._attempts.record(name, path, "", [{**fields, "type": {"schemaTitle": made.schema_title}}])
            self._progress.move(path, SUCCEEDED, outputs=ids)
            return outputs, status

        return run

    def close(self, dag: Any, path: str, state: str) -> None:
        """End a DAG's node. Its tasks that never began had a false condition, or wait for one that failed."""
        for name in sorted(dag.tasks):
            if self._progress.child_of(f"{path}/{name}") is None:
                self._progress.move(f"{path}/{name}", SKIPPED)
        self._progress.move(path, state)
        loop, iterates = _loop(path)
        if iterates and (self._progress.child_of(loop) or {}).get("state") != FAILED:
            self._progress.move(loop, state)

    def _open(self, path: str) -> None:
        loop, iterates = _loop(path)
        if iterates and (self._progress.child_of(loop) or {}).get("state") not in (RUNNING, FAILED):
            self._progress.move(loop, RUNNING)
        self._progress.move(f"{path}-driver", SUCCEEDED, "system-dag-driver")
        self._progress.move(path, RUNNING)

    def _kept(self, path: str, spec: Any) -> dict[str, Any] | None:
        """The result of an earlier try of the run; a task that runs whatever happened runs again."""
        runs_again = spec.trigger_policy.strategy == _WHATEVER_HAPPENED
        return None if runs_again else self._progress.results.get(path)

    def _cached(self, name: str, path: str, spec: Any, given: dict[str, Any]) -> dict[str, Any] | None:
        if not self._options.cache or not self._labels.cached:
            return None
        found = cache.find(self._options.home / "cache", _mark(spec, given))
        if found is not None:
            self._progress.move(f"{path}-driver", SUCCEEDED, DRIVER)
            self._progress.move(path, RUNNING)
            self._progress.move(f"{path}/executor", SKIPPED, POD)
            self._progress.move(path, SUCCEEDED, outputs=self._attempts.record(name, path, "", found["artifacts"]))
            self._progress.keep(path, found)
        return found

    def _remember(self, path: str, spec: Any, given: dict[str, Any], result: dict[str, Any]) -> None:
        self._progress.keep(path, result)
        if self._labels.cached:
            with self._lock:  # iterations of a loop may do the same work side by side
                cache.remember(self._options.home / "cache", _mark(spec, given), result)


def node_path(resource: str) -> str:
    """The way to a node, from kfp.local's: "root/for-loop-1/iteration(0)"."""
    words = ["root"]
    for word in resource.split("/")[1:]:
        found = _ITERATION.fullmatch(word)
        words += [found[1], f"iteration({found[2]})"] if found else [word]
    return "/".join(words)


def _loop(path: str) -> tuple[str, bool]:
    """The loop that a node is in, and whether the node is one of its iterations."""
    parent, _, last = path.rpartition("/")
    return parent, last.startswith("iteration(")


def _mark(spec: Any, given: dict[str, Any]) -> str:
    container, key = given["executor_spec"].container, spec.caching_options.cache_key
    return cache.fingerprint(given["component_spec"], container, given["arguments"], key)


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
