"""Whoever is told to stop asks Athena, Redshift and EMR to stop for a minute, however patient a run is otherwise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from intermodal.aws import sending
from intermodal.aws.athena_queries import Athena
from intermodal.aws.client import place_in
from intermodal.aws.data_settings import AthenaSettings, EmrSettings, RedshiftSettings
from intermodal.aws.emr import ON_EKS, SERVERLESS
from intermodal.aws.emr_jobs import Emr, JobRun
from intermodal.aws.redshift_queries import Redshift
from intermodal.aws.settings import STOP_PATIENCE, SageMakerSettings

IDENTIFIER = "0f8fad5b-d9cb-469f-a165-70867728950e"


def athena(settings: SageMakerSettings) -> None:
    Athena(AthenaSettings(), settings, place_in(settings, "123456789012")).stop(IDENTIFIER)


def redshift(settings: SageMakerSettings) -> None:
    Redshift(RedshiftSettings(), settings).cancel(IDENTIFIER)


def spark(where: str) -> Callable[[SageMakerSettings], None]:
    def stop(settings: SageMakerSettings) -> None:
        place = place_in(settings, "123456789012")
        Emr(where, EmrSettings(), settings, place).cancel(JobRun(where, "00abc", "00def"))

    return stop


@pytest.mark.parametrize(
    ("stop", "operation"),
    [
        (athena, "StopQueryExecution"),
        (redshift, "CancelStatement"),
        (spark(SERVERLESS), "CancelJobRun"),
        (spark(ON_EKS), "CancelJobRun"),
    ],
    ids=["athena", "redshift", SERVERLESS, ON_EKS],
)
@pytest.mark.parametrize(("patience", "expected"), [(300.0, STOP_PATIENCE), (5.0, 5.0)])
def test_it_is_asked_to_stop_for_a_minute_at_most(
    stop: Callable[[SageMakerSettings], None],
    operation: str,
    patience: float,
    expected: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[str, float]] = []

    class Asked:
        def __init__(self, _service: str, settings: SageMakerSettings) -> None:
            self.settings = settings

        def __call__(self, name: str, **_parameters: Any) -> dict[str, Any]:
            asked.append((name, self.settings.patience))
            return {}

    monkeypatch.setattr(sending, "Calls", Asked)
    stop(SageMakerSettings(region="us-east-1", patience=patience))
    assert asked == [(operation, expected)]
