"""Runs the cases on a runtime, and says where it differs from what every runtime must do."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from intermodal.conformance.cancelling import cancelled
from intermodal.conformance.cases import CACHED, OK, Case, Ended
from intermodal.core.config import Settings
from intermodal.errors import IntermodalError, from_json
from intermodal.runtime.base import RunRequest, Runtime, open_runtime
from intermodal.runtime.graph import template_of
from intermodal.runtime.observer import Observer
from intermodal.runtime.pipeline import load_pipeline
from intermodal.runtime.record import RunRecord, TaskRecord

CONTAINERS = "local-container"


@dataclass(frozen=True)
class Place:
    """Where the cases run.

    Attributes:
        name: What was asked for: a runtime's name, or "local-container".
        settings: Where things live; the runs have a home of their own.
        allow_mutable_tags: Submit images that are not named by digest.
    """

    name: str
    settings: Settings
    allow_mutable_tags: bool = False

    @property
    def runtime(self) -> str:
        """Name of the runtime."""
        return "local" if self.name == CONTAINERS else self.name

    @property
    def mode(self) -> str:
        """How tasks run there, where there are several ways."""
        return "container" if self.name == CONTAINERS else "subprocess"

    def open(self) -> Runtime:
        """The runtime.

        Raises:
            UsageError: There is none of that name.
        """
        return open_runtime(self.runtime, self.settings)

    def request(self, case: Case, mark: str) -> RunRequest:
        """What is run for a case."""
        return RunRequest(
            load_pipeline(case.reference),
            {"mark": mark, **case.arguments},
            mode=self.mode,
            allow_mutable_tags=self.allow_mutable_tags,
            on_interrupt="cancel",
        )


@dataclass(frozen=True)
class Result:
    """How a case went.

    Attributes:
        case: The case's name.
        about: What it shows.
        differences: What is otherwise than it must be; empty when all agrees.
        seconds: Wall seconds.
        runs: Names of the runs.
    """

    case: str
    about: str
    differences: tuple[str, ...]
    seconds: float
    runs: tuple[str, ...] = ()

    @property
    def agrees(self) -> bool:
        """Whether all is as it must be."""
        return not self.differences


def place_for(name: str, settings: Settings, *, allow_mutable_tags: bool = False) -> Place:
    """A place with a home of its own, so that the suite's runs are not among the user's.

    Args:
        name: A runtime's name, or "local-container".
        settings: The user's settings.
        allow_mutable_tags: Submit images that are not named by digest.
    """
    home = settings.home / "conformance"
    inside = "://" not in settings.store and Path(settings.store).is_relative_to(settings.home)
    store = str(home / "store") if inside else settings.store  # containers see the home directory alone
    return Place(name, replace(settings, home=home, store=store), allow_mutable_tags)


def run_case(case: Case, place: Place) -> Result:
    """Run one case.

    Args:
        case: The case.
        place: Where.

    Returns:
        How it went; what a runtime raises is a difference, too.
    """
    began, mark = time.monotonic(), secrets.token_hex(6)
    records: list[RunRecord] = []
    try:
        differences = list(_run(case, place, mark, records))
    except IntermodalError as error:
        differences = [f"the runtime raised {type(error).__name__}: {error.headline} ({error.seen})"]
    except Exception as error:  # somebody else's runtime raises what it likes; the other cases still count
        differences = [f"the runtime raised {type(error).__name__}, which is no error of intermodal's: {error}"]
    runs = tuple(record.run_id for record in records)
    return Result(case.name, case.about, tuple(differences), round(time.monotonic() - began, 1), runs)


def _run(case: Case, place: Place, mark: str, records: list[RunRecord]) -> Iterator[str]:
    if case.cancel:
        record, differences = cancelled(case, place, mark)
        yield from differences
        records += [record] if record is not None else []
    else:
        records.append(place.open().run(place.request(case, mark), Observer()))
    for record in records:
        yield from compare(case, record)
    if case.again:
        records.append(place.open().run(place.request(case, mark), Observer()))
        yield from (f"second run: {text}" for text in compare(remembered(case), records[-1]))


def remembered(case: Case) -> Case:
    """What the same case must come to when it is run again: the same, all of it from memory."""
    tasks = {
        name: tuple(replace(item, state=CACHED if item.state == OK else item.state) for item in items)
        for name, items in case.tasks.items()
    }
    return replace(case, tasks=tasks)


def compare(case: Case, record: RunRecord) -> Iterator[str]:
    """What of a run is otherwise than the case says.

    Args:
        case: The case.
        record: The run at its end.
    """
    if record.state != case.state:
        yield f"the run is {record.state}, expected {case.state}{_cause(record)}"
    code = from_json(record.error).exit_code if record.error else 0
    if code != case.exit_code:
        yield f"the run stands for exit code {code}, expected {case.exit_code}"
    found: dict[str, list[TaskRecord]] = {}
    for task in record.tasks:
        found.setdefault(template_of(task.name), []).append(task)
    for name in sorted(case.tasks.keys() - found.keys()):
        yield f"{name}: it is not in the record"
    for name in sorted(found.keys() - case.tasks.keys()):
        yield f"{name}: nobody expected a task of that name"
    for name in sorted(case.tasks.keys() & found.keys()):
        yield from _compare_task(name, case.tasks[name], [_ended(task) for task in found[name]])


def _compare_task(name: str, expected: tuple[Ended, ...], seen: list[Ended]) -> Iterator[str]:
    """Iterations are compared as a set: no runtime promises which one is the first."""
    left = list(seen)
    missing = []
    for item in expected:
        if item in left:
            left.remove(item)
        else:
            missing.append(item)
    for item, other in zip(missing, [*left, *[None] * len(missing)], strict=False):
        yield f"{name}: {_text(other) if other else 'missing'}, expected {_text(item)}"
    for item in left[len(missing) :]:
        yield f"{name}: one too many: {_text(item)}"


def _ended(task: TaskRecord) -> Ended:
    digests = {name: item["digest"] for name, item in task.artifacts.items()}
    return Ended(task.state, task.values.get("Output"), digests)


def _text(item: Ended) -> str:
    value = "" if item.value is None else f" {item.value!r}"
    digests = ", ".join(f"{name} {digest[:12]}" for name, digest in sorted(item.digests.items()))
    return f"{item.state}{value}{f' ({digests})' if digests else ''}"


def _cause(record: RunRecord) -> str:
    return f": {record.error['headline']} ({record.error['seen']})" if record.error else ""
