"""What a service's own job was charged with, put into the step's journal: the children of a tuning, a transform."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from intermodal.aws.billing import Bill, billed, shared_bill, sum_of
from intermodal.aws.calls import Calls
from intermodal.aws.job_kinds import TRAINING, TRANSFORM, TUNING, JobKind
from intermodal.aws.prices import load_prices
from intermodal.core.events import log_bill
from intermodal.errors import IntermodalError


def log_bills(
    calls: Calls, kind: JobKind, description: dict[str, Any], paid_by: Callable[[], str] = lambda: ""
) -> None:
    """Record what a job that has ended was charged with; a bill that cannot be had ends no step.

    Args:
        calls: SageMaker.
        kind: The job's kind.
        description: As AWS describes it at its end.
        paid_by: Tells the other run that is charged with it, in words; empty when this one is.
    """
    try:
        bill = shared_bill(sum_of(bills_of(calls, kind, description)), paid_by())
    except (IntermodalError, KeyError) as error:
        print(f"warning: what the job was charged with is not known: {error}", flush=True)
        return
    if bill:
        log_bill(bill)


def bills_of(calls: Calls, kind: JobKind, description: dict[str, Any]) -> list[Bill]:
    """The bills of a job, or of the jobs that it has started; none for kinds that do not say which they are.

    Args:
        calls: SageMaker.
        kind: The job's kind.
        description: As AWS describes it at its end.

    Raises:
        RuntimeFailed: AWS refused, or did not answer.
        UsageError: The price table cannot be read.
    """
    prices = load_prices(calls.settings.prices)
    if kind == TRANSFORM:
        return [billed("transform", description, prices)]
    if kind != TUNING:
        return []  # Autopilot chooses its instances, and its request does not say which
    asked = TUNING.named(description[TUNING.name_member])
    children = calls.pages("ListTrainingJobsForHyperParameterTuningJob", "TrainingJobSummaries", **asked)
    names = [item["TrainingJobName"] for item in children]
    return [billed("training", calls(TRAINING.describe, **TRAINING.named(name)), prices) for name in names]
