"""The task wrapper: the one entry of every container, everywhere.

ExecutorInput in; cache; inputs verified; the function called through KFP's own executor; outputs
published with the manifest last; `executor_output.json` and a true outcome out. It knows nothing of
pipelines, and it is the same on a laptop, in a pod and in a SageMaker job.
"""

from __future__ import annotations

import contextlib
import copy
import json
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from intermodal import __version__
from intermodal.aws.secrets import read_secret, with_secrets
from intermodal.core.attempt import attempt_name
from intermodal.core.cachekey import KeyParts
from intermodal.core.environment import environment_digest
from intermodal.core.executor_input import ArtifactReference, TaskInput
from intermodal.core.manifest import Origin
from intermodal.core.source import source_digest
from intermodal.core.step import StepSpec, spec_of
from intermodal.errors import ArtifactCorrupt
from intermodal.runtime.answer import returned_values, write_executor_output
from intermodal.runtime.context import TaskContext
from intermodal.runtime.failure import failure_of, is_disk_full
from intermodal.runtime.keys import key_parts, stated
from intermodal.runtime.outcome import CACHED, CANCELLED, FAILED, SUCCEEDED, Outcome
from intermodal.runtime.revalidate import still_valid
from intermodal.runtime.sagemaker.cluster import cluster_of
from intermodal.runtime.sagemaker.distributed import call_in_processes
from intermodal.store.cache_index import CachedOutput, CachedResult, CacheIndex
from intermodal.store.inputs import DELIVERY_KEYS, URI_KEY, ResolvedInput, resolve_input
from intermodal.store.locate import open_store
from intermodal.store.publish import MadeOutput, publish_output, published_folder


@dataclass(frozen=True)
class Task:
    """One task, ready to run.

    Attributes:
        function: The step's function.
        given: Its ExecutorInput.
        context: The run it belongs to.
        keeps_copies: Whether outputs that went to a remote store are kept on this machine too, because
            they will be read here at once.
    """

    function: Callable[..., Any]
    given: TaskInput
    context: TaskContext
    keeps_copies: bool = False


def run_task(task: Task) -> Outcome:
    """Run a task to its true end.

    Args:
        task: The task.

    Returns:
        How it ended; the same is in `context.outcome`. No error escapes.
    """
    return _to_its_end(task, _hit_or_work)


def run_share(task: Task) -> Outcome:
    """Do this host's share of a task that several hosts work on, and whose outputs another one publishes.

    Args:
        task: The task.

    Returns:
        How it ended, without outputs. No error escapes.
    """
    return _to_its_end(task, _share)


def _to_its_end(task: Task, work: Callable[[Task, float], Outcome]) -> Outcome:
    started = time.monotonic()
    task.context.folder.mkdir(parents=True, exist_ok=True)
    try:
        outcome = work(task, started)
    except BaseException as error:  # SystemExit and KeyboardInterrupt must leave a true state behind too
        failure = failure_of(error, task.context.task)
        state = CANCELLED if failure.exit_code == 130 else FAILED
        outcome = Outcome(state=state, seconds=round(time.monotonic() - started, 3), error=failure.to_json())
    outcome.save(task.context.outcome)
    return outcome


def _share(task: Task, started: float) -> Outcome:
    spec = spec_of(task.function)
    staging = task.context.settings.home / "tmp" / attempt_name()
    staging.mkdir(parents=True)
    try:
        parts = key_parts(spec, task.given, task.context.settings, task.context.image)
        _call(task, spec, parts, _inputs(task), staging)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return Outcome(SUCCEEDED, "another host publishes", seconds=round(time.monotonic() - started, 3))


def look_up(task: Task) -> tuple[KeyParts, CachedResult | None, str]:
    """Ask the memory for a task's result, without doing anything.

    Args:
        task: The task.

    Returns:
        The parts of its key; the remembered result, or None; and why.
    """
    spec = spec_of(task.function)
    parts = key_parts(spec, task.given, task.context.settings, task.context.image)
    off = _why_uncached(task, spec)
    if off:
        return parts, None, off
    result, why = CacheIndex(open_store(task.context.settings.store)).find(parts)
    if result is not None and spec.needs.still_valid:
        stale = still_valid(spec.needs.still_valid, result, task.context.engine)
        if stale:
            return parts, None, stale
    return parts, result, why


def _why_uncached(task: Task, spec: StepSpec) -> str:
    """Why a remembered result may not be used; empty when it may."""
    if spec.injected:
        return "it is told about this very run, so it always runs"
    if not task.given.use_cache:
        return "the pipeline switched its cache off"
    return "" if task.context.use_cache else "the cache is switched off"


def serve(task: Task, result: CachedResult, why: str, started: float) -> Outcome:
    """Answer a task with a remembered result."""
    write_executor_output(task.given, result)
    return Outcome.of_result(result, CACHED, why, time.monotonic() - started)


def _known_miss(task: Task) -> tuple[KeyParts, CachedResult | None, str] | None:
    """What the launcher has found out already, when it is about this task."""
    if not task.context.missed:
        return None
    parts = KeyParts.from_json(json.loads(Path(task.context.missed).read_text()))
    spec = spec_of(task.function)
    own = parts.target == spec.target and task.context.missed.startswith(f"{task.context.folder}/")
    return (parts, None, "") if own else None


def _hit_or_work(task: Task, started: float) -> Outcome:
    parts, result, why = _known_miss(task) or look_up(task)
    if result is not None:
        return serve(task, result, why, started)
    staging = task.context.settings.home / "tmp" / attempt_name()
    staging.mkdir(parents=True)
    try:
        result = _work(task, parts, staging, started)
    except Exception as error:
        if not is_disk_full(error):
            _keep_remains(staging / "outputs", task.context.folder / "failed")
        raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    write_executor_output(task.given, result)
    return Outcome.of_result(result, SUCCEEDED, why, time.monotonic() - started)


def _work(task: Task, parts: KeyParts, staging: Path, started: float) -> CachedResult:
    """Call the function, publish what it made, remember it."""
    spec = spec_of(task.function)
    inputs = _inputs(task)
    answer = _call(task, spec, parts, inputs, staging)
    values = returned_values(spec, answer)
    made = _made(task.given, answer, staging)
    store = open_store(task.context.settings.store)
    base = f"artifacts/{spec.name}/{parts.key[:16]}-{staging.name}"
    origin = _origin(task, spec, parts, inputs)
    outputs = {item.name: publish_output(store, item, staging, f"{base}/{item.name}", origin) for item in made}
    if task.keeps_copies:
        _keep_copies(made, outputs, staging, task.context.settings.home / "inputs")
    result = CachedResult(
        parts=parts,
        outputs=outputs,
        values=values,
        mlflow_run_id=task.context.mlflow_run_id,
        seconds=round(time.monotonic() - started, 3),
    )
    again = bool(_why_uncached(task, spec)) or _is_stale(task, spec)
    return CacheIndex(store).remember(result, task.context.task, replace=again)


def _is_stale(task: Task, spec: StepSpec) -> bool:
    """Whether what is remembered no longer stands, so that the new result must take its place."""
    return bool(spec.needs.still_valid) and look_up(task)[1] is None


def _inputs(task: Task) -> dict[str, list[ResolvedInput]]:
    cache, store = task.context.settings.home / "inputs", task.context.settings.store
    return {name: [_resolved(item, cache, store) for item in items] for name, items in task.given.inputs.items()}


def _resolved(item: ArtifactReference, cache: Path, store: str) -> ResolvedInput:
    """An input where it lies, under the URI it was published at; a damaged copy gives way to the original."""
    published = str(item.metadata.get(URI_KEY) or item.uri)
    try:
        return replace(resolve_input(item.uri, cache, store, stated(item)), uri=published)
    except ArtifactCorrupt:
        if published == item.uri:
            raise
        return resolve_input(published, cache, store, stated(item))


def _call(
    task: Task, spec: StepSpec, parts: KeyParts, inputs: dict[str, list[ResolvedInput]], staging: Path
) -> dict[str, Any]:
    """Call the function through KFP's executor on local paths; its answer as written by KFP."""
    local = copy.deepcopy(task.given.raw)
    given = {name: value for name, value in task.given.parameters.items() if name not in parts.parameters}
    used = {name: value for name, value in parts.parameters.items() if name not in spec.needs.sources}
    sources = {name: task.given.parameters.get(name, spec.parameter(name).default) for name in spec.needs.sources}
    # A secret is looked up for the call alone: key, manifest, MLflow and log know its name.
    values = with_secrets({**given, **used, **sources}, lambda name: _read_secret(task, name))
    local.setdefault("inputs", {})["parameterValues"] = values
    for name, items in inputs.items():
        for field, item in zip(local["inputs"]["artifacts"][name]["artifacts"], items, strict=True):
            field["uri"] = str(item.path)
            # Marks of where and when the input was made are the wrapper's; a step would hand them on with its own.
            told = field.get("metadata", {})
            field["metadata"] = {key: value for key, value in told.items() if key not in DELIVERY_KEYS}
    for name, value in local["outputs"].get("artifacts", {}).items():
        value["artifacts"][0]["uri"] = str(staging / "outputs" / name)
    local["outputs"]["outputFile"] = str(staging / "executor_output.json")
    (staging / "outputs").mkdir()
    _execute(task.function, spec, local, staging)
    return dict(json.loads((staging / "executor_output.json").read_text()))


def _read_secret(task: Task, name: str) -> str:
    from intermodal.aws.client import aws_client
    from intermodal.aws.settings import sagemaker_settings

    return read_secret(aws_client("secretsmanager", sagemaker_settings(task.context.settings)), name)


def _execute(function: Callable[..., Any], spec: StepSpec, local: dict[str, Any], staging: Path) -> None:
    """Call the function here, or in the processes that share its work."""
    cluster = cluster_of(spec)
    if cluster.size > 1 and spec.needs.parallel == "processes":
        call_in_processes(spec, local, cluster, staging / "processes")
        return
    from kfp.dsl.executor import Executor

    Executor(executor_input=local, function_to_execute=function).execute()


def _made(given: TaskInput, answer: dict[str, Any], staging: Path) -> list[MadeOutput]:
    told = answer.get("artifacts", {})
    metadata = {name: value["artifacts"][0].get("metadata", {}) for name, value in told.items()}
    return [
        MadeOutput(name, item.schema, staging / "outputs" / name, metadata.get(name, {}))
        for name, item in sorted(given.outputs.items())
    ]


def _origin(task: Task, spec: StepSpec, parts: KeyParts, inputs: dict[str, list[ResolvedInput]]) -> Origin:
    given = {name: task.given.parameters.get(name, spec.parameter(name).default) for name in spec.needs.sources}
    return Origin(
        step=spec.name,
        task=task.context.task,
        run_id=task.context.run_id,
        mlflow_run_id=task.context.mlflow_run_id,
        cache_key=parts.key,
        source_digest=source_digest(parts.source),
        environment_digest=environment_digest(parts.environment),
        image=parts.image,
        parameters={**parts.parameters, **given},
        inputs={name: [{"uri": item.uri, "digest": item.digest} for item in items] for name, items in inputs.items()},
        sources=parts.sources,
        produced=datetime.now(UTC).isoformat(timespec="seconds"),
        intermodal=__version__,
    )


def _keep_copies(made: list[MadeOutput], outputs: dict[str, CachedOutput], staging: Path, cache: Path) -> None:
    """Keep what was sent to a remote store, as if it had been fetched; a local store took the files themselves."""
    cache.mkdir(parents=True, exist_ok=True)
    for item in made:
        folders = [folder for folder in (published_folder(item, staging), item.path) if folder.is_dir()]
        if folders and not (cache / outputs[item.name].digest).exists():
            os.rename(folders[0], cache / outputs[item.name].digest)


def _keep_remains(outputs: Path, folder: Path) -> None:
    """Keep what a failed step had written (a validation report, say) with the task, outside the store."""
    shutil.rmtree(folder, ignore_errors=True)
    if outputs.is_dir() and any(outputs.iterdir()):
        with contextlib.suppress(OSError):  # the step's own failure is what must be told
            shutil.move(outputs, folder)
