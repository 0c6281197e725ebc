"""How often a job is looked at."""

from __future__ import annotations

import pytest

from intermodal.aws.client import longest_pause
from intermodal.aws.settings import SageMakerSettings


@pytest.mark.parametrize(
    ("address", "poll", "pause"),
    [
        ("", 5.0, 5.0),
        ("https://vpce-1.sagemaker.us-east-1.vpce.amazonaws.com", 5.0, 5.0),
        ("http://127.0.0.1:4566", 5.0, 1.0),
        ("http://127.0.0.1:4566", 0.3, 0.3),
    ],
)
def test_a_service_on_this_machine_is_asked_more_often(
    monkeypatch: pytest.MonkeyPatch, address: str, poll: float, pause: float
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL_SAGEMAKER", raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", address)
    assert longest_pause(SageMakerSettings(poll=poll)) == pause
