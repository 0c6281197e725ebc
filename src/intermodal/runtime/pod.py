"""A task that no launcher of ours started: a pod of Kubeflow Pipelines, or plain kfp.local.

There the ExecutorInput's paths rule. Kubeflow's launcher has brought the inputs to the local paths of
their URIs, and takes the outputs from the local paths of theirs; it refuses a URI outside the run's own
root. So what the task publishes in our store is also delivered to those paths, under KFP's URIs, and the
artifact's metadata says where it lies in the store and which digest it has.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from intermodal.core.executor_input import ArtifactReference, TaskInput
from intermodal.core.manifest import MANIFEST_NAME
from intermodal.runtime.answer import finite
from intermodal.runtime.outcome import CACHED, SUCCEEDED, Outcome, write_atomically
from intermodal.store.inputs import DIGEST_KEY, URI_KEY, ResolvedInput, resolve_input
from intermodal.store.locate import open_store

RUN_VARIABLE = "INTERMODAL_KFP_RUN_ID"
POD_VARIABLE = "INTERMODAL_POD"
# Where Kubeflow's launcher puts what lies behind a URI; kfp's Artifact.path says the same.
_MOUNTS = {"gs://": "/gcs/", "minio://": "/minio/", "s3://": "/s3/"}
_UUID = re.compile(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}")
_LOCAL_RUN = re.compile(r"-\d{4}(-\d\d){5}-\d{6}$")  # how kfp.local ends the name of a run


@dataclass(frozen=True)
class Place:
    """Where in a pipeline run a task is.

    Attributes:
        run_id: The pipeline run's id, as its orchestrator knows it; empty when nothing tells.
        task: The task's name in the pipeline.
        execution: Mark of this execution of the task; empty where there is none.
    """

    run_id: str
    task: str
    execution: str = ""


@dataclass(frozen=True)
class Told:
    """What a task said of its end.

    Attributes:
        task: The task's name in its pipeline function, which other tasks of sub-pipelines may share.
        pod: The pod it ran in; empty when it was not told.
        ended: Seconds since 1970.
        outcome: How it ended.
    """

    task: str
    pod: str
    ended: float
    outcome: Outcome


def place_of(given: TaskInput, step: str) -> Place:
    """Read a task's place from the URIs of its outputs.

    Kubeflow makes them `ROOT/PIPELINE/RUN/TASK/EXECUTION/OUTPUT`, kfp.local `ROOT/RUN/TASK/OUTPUT`.

    Args:
        given: The task's ExecutorInput.
        step: Name for the task where nothing tells.
    """
    stated = os.environ.get(RUN_VARIABLE, "")
    uri = next((item.uri for item in given.outputs.values()), "")
    parts = uri.split("/")
    if len(parts) >= 5 and _UUID.fullmatch(parts[-2]):
        return Place(stated or parts[-4], parts[-3], parts[-2])
    if len(parts) >= 3 and _LOCAL_RUN.search(parts[-3]):
        return Place(stated or parts[-3], parts[-2])
    return Place(stated, step)


def local_path(uri: str) -> Path:
    """The local path that KFP reads and writes in the place of a URI."""
    for scheme, mount in _MOUNTS.items():
        if uri.startswith(scheme):
            return Path(mount + uri.removeprefix(scheme))
    return Path(uri.removeprefix("file://"))


def with_local_inputs(given: TaskInput) -> TaskInput:
    """The ExecutorInput with every input named by where it can be read.

    That is the local path to which the launcher brought it; where it brought none (it brings the first
    of a list alone), the artifact's place in our store.
    """
    return replace(given, inputs={name: tuple(map(_readable, items)) for name, items in given.inputs.items()})


def deliver(given: TaskInput, outcome: Outcome, cache: Path, store: str, links: dict[str, str]) -> None:
    """Put a task's published outputs where the ExecutorInput wants them, and answer KFP.

    Args:
        given: The ExecutorInput as it came.
        outcome: How the task ended: well.
        cache: Directory for copies from remote stores.
        store: Root of the artifact store.
        links: Further metadata for every artifact, such as the MLflow run.

    Raises:
        ArtifactCorrupt: A remembered output is damaged.
        StoreFailed: The store did not answer.
    """
    artifacts: dict[str, Any] = {}
    for name, item in outcome.outputs.items():
        if name not in given.outputs:
            continue
        wanted = given.outputs[name]
        # A copy made for this task alone may get a second name; what a local store keeps is copied, for safety.
        _place(resolve_input(item.uri, cache, store), local_path(wanted.uri), link="://" in store)
        metadata = {**item.metadata, DIGEST_KEY: item.digest, URI_KEY: item.uri, **links}
        fields = {"name": wanted.name or name, "uri": wanted.uri, "metadata": finite(metadata)}
        artifacts[name] = {"artifacts": [fields]}
    answer = {"parameterValues": outcome.values, "artifacts": artifacts}
    write_atomically(Path(given.output_file), json.dumps({key: value for key, value in answer.items() if value}))


def remember_outcome(store: str, place: Place, outcome: Outcome) -> None:
    """Leave a task's outcome in the store, for whoever follows the run from elsewhere.

    Args:
        store: Root of the artifact store.
        place: The task's place; without a run id nothing is left.
        outcome: How it ended.

    Raises:
        StoreFailed: The store did not answer.
    """
    if place.run_id:
        pod = os.environ.get(POD_VARIABLE, "")
        fields = {**asdict(outcome), "task": place.task, "pod": pod, "ended": time.time()}
        text = json.dumps(fields, indent=1, default=str)
        # Without output artifacts nothing tells executions apart but their pods.
        execution = place.execution or pod or os.environ.get("HOSTNAME") or "only"
        open_store(store).write(f"runs/{place.run_id}/{place.task}/{execution}.json", text.encode())


def outcomes_of(store: str, run_id: str) -> dict[str, Outcome]:
    """How the tasks of a run ended, as far as they have.

    Args:
        store: Root of the artifact store.
        run_id: The pipeline run's id, as its orchestrator knows it.

    Returns:
        Task name → its outcome, the last one of a task that was tried again; where several executions went
        well, which are a loop's iterations, "TASK.0", "TASK.1" in the order they ended.

    Raises:
        StoreFailed: The store did not answer.
    """
    found: dict[str, list[Outcome]] = {}
    for told in told_of(store, run_id):
        found.setdefault(told.task, []).append(told.outcome)
    outcomes: dict[str, Outcome] = {}
    for name, items in found.items():
        well = [item for item in items if item.state in (SUCCEEDED, CACHED)]
        several = {f"{name}.{index}": item for index, item in enumerate(well)}
        outcomes |= several if len(well) > 1 else {name: (well or items)[-1]}
    return outcomes


def told_of(store: str, run_id: str) -> list[Told]:
    """Everything that the tasks of a run said of their ends, in that order.

    Args:
        store: Root of the artifact store.
        run_id: The pipeline run's id, as its orchestrator knows it.

    Raises:
        StoreFailed: The store did not answer.
    """
    found = []
    for fields in _outcome_fields(store, f"runs/{run_id}"):
        task, pod, ended = fields.pop("task"), fields.pop("pod", ""), fields.pop("ended")
        found.append(Told(task, pod, ended, Outcome.from_fields(fields)))
    return sorted(found, key=lambda item: item.ended)


def _outcome_fields(store: str, prefix: str) -> Iterator[dict[str, Any]]:
    opened = open_store(store)
    for key in opened.keys(prefix):
        content = opened.read(key) if key.endswith(".json") else None
        if content is not None:
            yield json.loads(content)


def _readable(item: ArtifactReference) -> ArtifactReference:
    path = local_path(item.uri)
    if path.exists():
        return replace(item, uri=str(path))
    return replace(item, uri=item.metadata.get(URI_KEY) or item.uri)


def _place(made: ResolvedInput, target: Path, *, link: bool) -> None:
    """Put an artifact's files at the path KFP reads; what an earlier attempt left there gives way."""
    if target.is_dir():
        shutil.rmtree(target)
    target.unlink(missing_ok=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    bring = _link_or_copy if link else shutil.copyfile
    if not made.path.is_dir():
        bring(str(made.path), str(target))
        return
    shutil.copytree(made.path, target, copy_function=bring, ignore=shutil.ignore_patterns(MANIFEST_NAME))
    if made.manifest is not None:  # last, as everywhere
        (target / MANIFEST_NAME).write_text(made.manifest.to_json())


def _link_or_copy(source: str, target: str) -> None:
    """On one disk a second name is as good as a copy."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
