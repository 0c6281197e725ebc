"""Which of the things that go on belong to a run that is dead; only those are stopped, and each once.

A run is dead when its record on this machine says that it has ended, or when its process is gone. What
belongs to others, or to nobody who is known here, is left and told.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from intermodal.aws.calls import Calls
from intermodal.aws.client import find_place
from intermodal.aws.data_settings import emr_settings
from intermodal.aws.jobs import stop_job
from intermodal.aws.leftovers import ENDPOINT, Leftover, Unasked, running, running_spark, stop
from intermodal.aws.settings import SageMakerSettings
from intermodal.aws.spark_runs import SparkRuns, named_places
from intermodal.aws.tags import MACHINE, MANAGED, RUN
from intermodal.core.attempt import machine_mark
from intermodal.core.config import Settings
from intermodal.errors import IntermodalError
from intermodal.runtime.record import RUNNING, RunRecord, load_record
from intermodal.store.ownership import Owner, owner_of

STOPPED, WOULD, LEFT, GONE, FAILED = "stopped", "would be stopped", "left", "gone already", "failed"
_PATIENCE = 20.0  # seconds for a listing: there are many, and one that is not answered is told


@dataclass(frozen=True)
class Order:
    """What was asked for.

    Attributes:
        run: A run, or the start of its name, whose things are stopped in any case.
        older_than: Jobs that were made longer ago are stopped, whoever's they are; None for no such limit.
        endpoints: Whether `older_than` counts for endpoints, too.
        dry_run: Stop nothing.
    """

    run: str = ""
    older_than: timedelta | None = None
    endpoints: bool = False
    dry_run: bool = False


@dataclass(frozen=True)
class Verdict:
    """What became of one thing, and why.

    Attributes:
        kind: Such as "training job".
        name: Its name.
        run: The run that it belongs to; empty when nobody knows.
        state: "stopped", "would be stopped", "left", "gone already" or "failed".
        why: Why.
    """

    kind: str
    name: str
    run: str
    state: str
    why: str


def reap(order: Order, settings: Settings, sagemaker: SageMakerSettings) -> Iterator[Verdict | Unasked]:
    """Find what dead runs left behind, and stop it.

    Args:
        order: What was asked for.
        settings: Where runs are recorded.
        sagemaker: `[sagemaker]`.

    Yields:
        A verdict for everything of ours; a kind that could not be listed. What is not ours is not mentioned.

    Raises:
        RuntimeFailed: AWS does not say which account this is.
    """
    store = find_place(sagemaker).store
    for item, halt in _everything(settings, sagemaker):
        if isinstance(item, Unasked):
            yield item
            continue
        owner = _owner(item, store)
        if owner is None:
            continue
        why, dead = _judge(item, owner, order, settings.runs)
        state = LEFT if not dead else WOULD if order.dry_run else ""
        made = Verdict(item.kind, item.name, owner.run, state, why)
        yield made if state else _stopped(halt, item, made)


def _everything(
    settings: Settings, sagemaker: SageMakerSettings
) -> Iterator[tuple[Leftover | Unasked, Callable[[Leftover], bool]]]:
    """What goes on at SageMaker, and on EMR where `[emr]` names a place; each with what stops it."""
    quick = replace(sagemaker, patience=min(sagemaker.patience, _PATIENCE))
    calls = Calls("sagemaker", sagemaker)
    for item in list(running(Calls("sagemaker", quick, say=lambda _: None))):
        yield item, partial(stop, calls)
    for kind in named_places(emr_settings(settings)):
        listing, emr = Calls(kind.service, quick, say=lambda _: None), Calls(kind.service, sagemaker)
        for item in list(running_spark(listing, kind)):
            yield item, partial(_stop_spark, emr, kind)


def _stop_spark(calls: Calls, kind: SparkRuns, item: Leftover) -> bool:
    return stop_job(calls, kind, item.name)


def _stopped(halt: Callable[[Leftover], bool], item: Leftover, verdict: Verdict) -> Verdict:
    try:
        return replace(verdict, state=STOPPED if halt(item) else GONE)
    except IntermodalError as error:
        return replace(verdict, state=FAILED, why=f"{error.headline}: {error.seen}")


def _owner(item: Leftover, store: str) -> Owner | None:
    """Whose it is: of whoever follows it now, else of whoever asked for it; None when it is not ours."""
    if item.kind.endswith(" job"):
        with contextlib.suppress(IntermodalError):  # a store that cannot be read: the tags must do
            if (claimed := owner_of(store, item.name)) is not None:
                return claimed
    if MANAGED not in item.tags:
        return None
    return Owner(item.tags.get(RUN, ""), item.tags.get(MACHINE, ""))


def _judge(item: Leftover, owner: Owner, order: Order, runs: Path) -> tuple[str, bool]:
    """Why it is left or stopped, and whether it is stopped."""
    if order.run:
        named = bool(owner.run) and owner.run.startswith(order.run)
        return ("its run was named", True) if named else (f"it belongs to run {owner.run or 'of nobody'}", False)
    record = load_record(runs / owner.run) if owner.run else None
    why, dead = _of_run(item, owner, record) if owner.run else _of_process(owner, runs)
    if not dead and _is_old(item, order) and not (record is not None and _goes_on(record)):
        return "it is older than asked", True
    return why, dead


def _of_run(item: Leftover, owner: Owner, record: RunRecord | None) -> tuple[str, bool]:
    if record is None:
        place = "this machine, but not in this home" if owner.machine == machine_mark() else "another machine"
        return f"its run is of {place}; intermodal reap --run {owner.run} stops it all the same", False
    if _goes_on(record):
        return "its run goes on", False
    if record.state == "SUCCEEDED" and item.kind == ENDPOINT:
        return f"its run succeeded, and an endpoint is made to stay; intermodal reap --run {owner.run}", False
    return ("its run's process is gone" if record.state == RUNNING else f"its run is {record.state}"), True


def _of_process(owner: Owner, runs: Path) -> tuple[str, bool]:
    """The same of a job that a step on its own has asked for: its process tells."""
    if not owner.process:
        return "it belongs to no run; --older-than stops it", False
    if owner.is_dead(runs):
        return "its process is gone", True
    return "its process goes on, or is of another machine", False


def _goes_on(record: RunRecord) -> bool:
    """Whether a run goes on, or may go on where this machine cannot look."""
    return record.state == RUNNING and not record.abandoned


def _is_old(item: Leftover, order: Order) -> bool:
    if order.older_than is None or item.created is None or (item.kind == ENDPOINT and not order.endpoints):
        return False
    return datetime.now(UTC) - item.created > order.older_than
