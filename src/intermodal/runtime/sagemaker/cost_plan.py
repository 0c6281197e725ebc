"""What a pipeline would cost on SageMaker: its requests, the prices, and how long its tasks took before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from intermodal.aws.client import region_of
from intermodal.aws.cost import Remembered, RunEstimate, estimate
from intermodal.aws.prices import load_prices
from intermodal.aws.request import Place
from intermodal.aws.settings import SageMakerSettings
from intermodal.core.config import Settings
from intermodal.errors import IntermodalError
from intermodal.runtime.graph import tasks_of, template_of
from intermodal.runtime.pipeline import Pipeline
from intermodal.runtime.plan import HIT, SKIPPED, PlannedTask, make_plan
from intermodal.runtime.record import SUCCEEDED, list_records
from intermodal.runtime.sagemaker.rendered_pipeline import NAME, TaskRequests, rendered_pipeline
from intermodal.store.cache_index import CacheIndex
from intermodal.store.locate import open_store


def estimate_pipeline(
    pipeline: Pipeline,
    arguments: dict[str, Any],
    settings: Settings,
    sagemaker: SageMakerSettings,
    place: Place,
    placements: Mapping[str, str] | None = None,
    runtime: str = NAME,
) -> tuple[list[PlannedTask], RunEstimate]:
    """Plan a run on SageMaker, and estimate what its jobs cost; remembered and skipped tasks cost nothing.

    Args:
        pipeline: The pipeline.
        arguments: Its arguments.
        settings: Where things live; the store is the jobs'.
        sagemaker: `[sagemaker]`.
        place: The account's places.
        placements: Task or step → runtime, where it differs.
        runtime: The runtime of all others.

    Returns:
        The plan, and the estimate of the tasks that would run on SageMaker.

    Raises:
        UsageError: Something in a task cannot be sent to AWS, or the price table cannot be read.
    """
    planned = make_plan(pipeline, arguments, settings, placements, runtime)
    rendered = rendered_pipeline(pipeline, arguments, settings, sagemaker, place, placements, runtime)
    return planned, estimate_rendered(pipeline, rendered, planned, settings, sagemaker)


def estimate_rendered(
    pipeline: Pipeline,
    rendered: list[TaskRequests],
    planned: list[PlannedTask],
    settings: Settings,
    sagemaker: SageMakerSettings,
) -> RunEstimate:
    """Estimate what has been rendered already.

    Args:
        pipeline: The pipeline.
        rendered: Its requests.
        planned: Its plan; empty when every task counts.
        settings: Where things live.
        sagemaker: `[sagemaker]`.
    """
    free = {item.name for item in planned if item.verdict in (HIT, SKIPPED)}
    requests = [
        replace(request, task=item.task)
        for item in rendered
        if item.task not in free and template_of(item.task) not in free
        for request in item.requests
    ]
    known = earlier_durations(pipeline, settings)
    found = {item.task: known[template_of(item.task)] for item in requests if template_of(item.task) in known}
    return estimate(requests, load_prices(sagemaker.prices), found, region_of(sagemaker))


def earlier_durations(pipeline: Pipeline, settings: Settings) -> dict[str, Remembered]:
    """How long the tasks of a pipeline took: on SageMaker, else on this machine, else as the store remembers.

    Args:
        pipeline: The pipeline.
        settings: Where runs are recorded, and the store.
    """
    billed: dict[str, Remembered] = {}
    timed: dict[str, Remembered] = {}
    for record in list_records(settings.runs):
        for task in record.tasks if record.pipeline == pipeline.name else ():
            if task.state != SUCCEEDED or task.cached or not task.seconds:
                continue
            name, bill = template_of(task.name), task.bill
            if bill:
                basis = f"as in {record.run_id}"
                billed.setdefault(name, Remembered(task.seconds, basis, float(bill.get("billed_seconds", 0.0))))
            timed.setdefault(name, Remembered(task.seconds, f"as in {record.run_id}, on {record.runtime}"))
    return {**_remembered(pipeline, settings, {*billed, *timed}), **timed, **billed}


def _remembered(pipeline: Pipeline, settings: Settings, known: set[str]) -> dict[str, Remembered]:
    """What the store remembers of tasks that no run of this machine has done."""
    try:
        index = CacheIndex(open_store(settings.store))
        tasks = [task for task in tasks_of(pipeline.spec) if task.step and task.name not in known]
        seconds = {task.name: index.last_seconds(task.step, task.name) for task in tasks}
    except IntermodalError:
        return {}  # a store that cannot be read remembers nothing
    return {name: Remembered(value, "as the store remembers") for name, value in seconds.items() if value}
