"""A task inside a SageMaker job: the same wrapper as everywhere, on the folders that SageMaker gives a container.

Inputs that SageMaker has brought are used where they lie, after every byte was compared with their
manifests. Outputs go straight to the store, the manifest last; the model also to /opt/ml/model, which
SageMaker packs as model.tar.gz. How it ended, and all it said, is left in the store under the job's name.
"""

from __future__ import annotations

import contextlib
import copy
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from intermodal.core.events import JOURNAL_VARIABLE
from intermodal.core.executor_input import OPTIONS, ArtifactReference, TaskInput
from intermodal.core.hosts import hosts_here
from intermodal.core.manifest import MANIFEST_NAME, Manifest
from intermodal.core.metric_lines import metric_line
from intermodal.core.step import spec_of
from intermodal.errors import IntermodalError, StoreFailed
from intermodal.runtime.context import TaskContext
from intermodal.runtime.failure import failure_of
from intermodal.runtime.outcome import CACHED, FAILED, SUCCEEDED, Outcome
from intermodal.runtime.sagemaker.job_files import (
    END_MARK,
    ISOLATED_VARIABLE,
    JOB_VARIABLE,
    in_container,
    is_training,
    isolated_output,
    journal_key,
    opt_ml,
    outcome_key,
)
from intermodal.runtime.sagemaker.members import run_with_others
from intermodal.runtime.sagemaker.shipping import shipped_name
from intermodal.runtime.tail import Tail
from intermodal.runtime.task import Task
from intermodal.store.base import Store
from intermodal.store.copying import copy_plainly
from intermodal.store.inputs import URI_KEY
from intermodal.store.locate import find_manifest, open_store

_KEPT = {"INTERMODAL_CHECKPOINTS": "checkpoints", "INTERMODAL_TENSORBOARD": "output/tensorboard"}
_LOOK_SECONDS = 0.5
_LEAVING_SECONDS = 30.0  # for each of the two files that tell how a task ended
_PROGRESS_SECONDS = 5.0  # between two lines of progress: CloudWatch is paid by the byte
_FAILURE_CHARACTERS = 1000  # SageMaker shows 1,024


def run_job_task(function: Callable[..., Any], given: TaskInput, context: TaskContext) -> Outcome:
    """Run a task inside a SageMaker job.

    Args:
        function: The step's function.
        given: The ExecutorInput, its artifacts on S3.
        context: The surroundings, from the environment.

    Returns:
        How it ended; the same is in the store.
    """
    job = os.environ[JOB_VARIABLE]
    with _home(context) as placed:
        placed = replace(placed, run_id=job)
        placed.folder.mkdir(parents=True, exist_ok=True)
        os.environ[JOURNAL_VARIABLE] = str(placed.journal)
        _offer_folders()
        isolated = os.environ.get(ISOLATED_VARIABLE) == "1"
        if isolated:
            store = str(isolated_output() / "store")
            placed = replace(placed, settings=replace(placed.settings, store=store))
        ready = _with_delivered(function, given, placed)
        with _said(placed.journal):
            outcome = run_with_others(Task(function, ready, placed))
        if hosts_here().is_first:
            outcome = _handed_over(outcome, placed)
            _leave(job, placed, outcome, isolated=isolated)
        elif outcome.error:
            tell_failure(outcome)
    print(END_MARK, flush=True)
    return outcome


def _offer_folders() -> None:
    """Tell the step of folders that SageMaker keeps on S3, where the job was given them."""
    for variable, folder in _KEPT.items():
        if is_training() and (opt_ml() / folder).is_dir():
            os.environ.setdefault(variable, str(opt_ml() / folder))


@contextlib.contextmanager
def _home(context: TaskContext) -> Iterator[TaskContext]:
    """A home directory of the job's own, which goes with it; on the disk of its store, which moves what it takes."""
    place = None
    if os.environ.get(ISOLATED_VARIABLE) == "1":
        place = isolated_output()
        place.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="intermodal-job-", dir=place, ignore_cleanup_errors=True) as folder:
        settings = replace(context.settings, home=Path(folder))
        yield replace(context, settings=settings, folder=Path(folder) / "task")


def _with_delivered(function: Callable[..., Any], given: TaskInput, context: TaskContext) -> TaskInput:
    """The ExecutorInput, ready to be run here: inputs that SageMaker brought are known by their content.

    Data that was shipped from somebody's machine is brought to a local path, since a step may read it there only.
    """
    raw = copy.deepcopy(given.raw)
    options = raw.get(OPTIONS, {})
    inputs = {}
    for name, items in given.inputs.items():
        paths = options.get("delivered", {}).get(name, [])
        found = [
            _delivered(item, paths[index] if index < len(paths) else "", name in options.get("sharded", []), context)
            for index, item in enumerate(items)
        ]
        inputs[name] = tuple(found)
        for field, item in zip(raw["inputs"]["artifacts"][name]["artifacts"], found, strict=True):
            field["metadata"] = dict(item.metadata)
    spec, store = spec_of(function), os.environ.get("INTERMODAL_STORE", context.settings.store)
    parameters = {
        name: _local_copy(value, store, context.settings.home) if name in spec.needs.sources else value
        for name, value in given.parameters.items()
    }
    output_file = str(context.settings.home / "executor_output.json")
    return replace(given, raw=raw, inputs=inputs, parameters=parameters, output_file=output_file)


def _delivered(item: ArtifactReference, path: str, sharded: bool, context: TaskContext) -> ArtifactReference:
    """The input as the wrapper finds it fastest, with the metadata of its manifest.

    What SageMaker did not bring is fetched from the store; a share of an artifact has no manifest of its own.
    """
    place = in_container(path) if path else None
    if sharded and place is not None:
        return replace(item, uri=str(_share(place, context.settings.home)))
    manifest, here = _manifest_of(item, place)
    if manifest is None:
        return item if place is None or not place.exists() else replace(item, uri=str(place))
    metadata = {**manifest.metadata, URI_KEY: item.uri}
    return replace(item, uri=str(place) if here else item.uri, metadata=metadata)


def _share(place: Path, home: Path) -> Path:
    """A share of an artifact's files, without the manifest, which speaks of all of them."""
    if not (place / MANIFEST_NAME).is_file():
        return place
    folder = Path(tempfile.mkdtemp(prefix="share-", dir=home))
    for name in [item.relative_to(place) for item in place.rglob("*") if item.is_file()]:
        if str(name) != MANIFEST_NAME:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).symlink_to(place / name)
    return folder


def _manifest_of(item: ArtifactReference, place: Path | None) -> tuple[Manifest | None, bool]:
    """An input's manifest, and whether it was delivered with it; from the store otherwise."""
    for folder in (place, place.parent) if place is not None else ():
        text = (folder / MANIFEST_NAME).read_text() if (folder / MANIFEST_NAME).is_file() else ""
        if text:
            return Manifest.from_json(text, item.uri), True
    if os.environ.get(ISOLATED_VARIABLE) == "1":
        return None, False
    found = find_manifest(item.uri)
    return (found[1], False) if found else (None, False)


def _local_copy(value: Any, store: str, home: Path) -> Any:
    """Data that was shipped to the store, as a local path; every other value as it is."""
    if isinstance(value, list):
        return [_local_copy(item, store, home) for item in value]
    key = shipped_name(value, store)
    if not key:
        return value
    opened, target = open_store(store), home / key
    below = [name.removeprefix(f"{key}/") for name in opened.keys(key)]
    if below:
        opened.fetch(key, below, target)
        return str(target)
    folder, _, name = key.rpartition("/")
    opened.fetch(folder, [name], target.parent)
    return str(target)


@contextlib.contextmanager
def _said(journal: Path) -> Iterator[None]:
    """While the step runs, its curves and its progress stand in the log, from which the launcher reads them."""
    tail, over, last = Tail(journal), threading.Event(), 0.0

    def look(*, end: bool = False) -> None:
        nonlocal last
        events = [json.loads(line) for line in tail.lines(last=end)]
        progress = [event for event in events if event["event"] == "progress"]
        due = progress[-1:] if time.monotonic() - last >= _PROGRESS_SECONDS or end else []
        last = time.monotonic() if due else last
        for event in [event for event in events if event["event"] == "metric"] + due:
            print(metric_line(event), flush=True)

    def follow() -> None:
        while not over.wait(_LOOK_SECONDS):
            look()

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        look(end=True)


def _handed_over(outcome: Outcome, context: TaskContext) -> Outcome:
    """Put the model where SageMaker packs it, and the reason of a failure where SageMaker shows it."""
    if outcome.state not in (SUCCEEDED, CACHED):
        tell_failure(outcome)
        return outcome
    try:
        for item in outcome.outputs.values() if is_training() else ():
            if item.schema == "system.Model":
                _copy_model(item.uri, context)
    except OSError as error:  # the artifacts are published all the same
        print(f"warning: no model.tar.gz: {error}; SageMaker wants images that run as root", file=sys.stderr)
    except Exception as error:  # what was made is published, but native tools would find no model
        failed = replace(outcome, state=FAILED, error=failure_of(error, context.task).to_json())
        tell_failure(failed)
        return failed
    return outcome


def _copy_model(uri: str, context: TaskContext) -> None:
    from intermodal.store.inputs import resolve_input

    target = opt_ml() / "model"
    target.mkdir(parents=True, exist_ok=True)
    copy_plainly(resolve_input(uri, context.settings.home / "inputs").path, target)


def tell_failure(outcome: Outcome) -> None:
    """Leave the headline and what was seen where SageMaker's own tools show it.

    Args:
        outcome: How the task ended: not well.
    """
    error = outcome.error
    text = "; ".join(part for part in (error.get("headline", ""), error.get("seen", "")) if part) or outcome.state
    name = "failure" if is_training() else "message"
    with contextlib.suppress(OSError):
        (opt_ml() / "output").mkdir(parents=True, exist_ok=True)
        (opt_ml() / "output" / name).write_text(text[:_FAILURE_CHARACTERS])


def _leave(job: str, context: TaskContext, outcome: Outcome, *, isolated: bool) -> None:
    """Leave the journal and, last, the outcome: whoever follows the job reads them when it has ended."""
    journal = context.journal.read_bytes() if context.journal.is_file() else b""
    text = json.dumps(asdict(outcome), indent=1, default=str).encode()
    if isolated:
        folder = isolated_output()
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "journal.jsonl").write_bytes(journal)
        (folder / "outcome.json").write_bytes(text)
        return
    try:
        store = open_store(context.settings.store)
        for key, content in ((journal_key(job), journal), (outcome_key(job), text)):
            _write(store, key, content)
    except IntermodalError as error:
        print(f"warning: how this task ended could not be left in the store: {error}", file=sys.stderr)


def _write(store: Store, key: str, content: bytes) -> None:
    """Write what nobody can write later: a store that does not answer is asked again for a while."""
    until, pause = time.monotonic() + _LEAVING_SECONDS, 0.5
    while True:
        try:
            store.write(key, content)
            return
        except StoreFailed:
            if time.monotonic() + pause > until:
                raise
        time.sleep(pause)
        pause *= 2
