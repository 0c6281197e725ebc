"""Calls that are made again: what passes, what does not, how long, and with which credentials."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from intermodal.aws import calls as module
from intermodal.aws.calls import Calls, Refused
from intermodal.aws.settings import SageMakerSettings
from intermodal.errors import RuntimeFailed


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now, self.pauses = 0.0, []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


class Answers:
    """A client whose answers, or errors, stand in a list."""

    def __init__(self, *items: Any) -> None:
        self.items, self.asked = list(items), []

    def describe_training_job(self, **request: Any) -> dict[str, Any]:
        self.asked.append(request)
        item = self.items.pop(0)
        if isinstance(item, Exception):
            raise item
        return item

    list_training_jobs = describe_log_streams = describe_training_job


def refusal(code: str, status: int = 400, message: str = "no") -> ClientError:
    answer = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "DescribeTrainingJob")


@pytest.fixture
def clock() -> Clock:
    return Clock()


def calls(monkeypatch: pytest.MonkeyPatch, clock: Clock, client: Answers, patience: float = 60.0, **more: Any) -> Calls:
    monkeypatch.setattr(module, "aws_client", lambda _service, _settings: client)
    settings = SageMakerSettings(patience=patience)
    return Calls("sagemaker", settings, sleep=clock.sleep, clock=clock, **more)


@pytest.mark.parametrize(
    "passing",
    [
        refusal("ThrottlingException"),
        refusal("TooManyRequestsException", 429),
        refusal("InternalFailure", 500),
        refusal("Unknown", 503),
        EndpointConnectionError(endpoint_url="https://sagemaker"),
        ConnectionResetError("gone"),
    ],
)
def test_what_passes_is_waited_out_with_growing_pauses(monkeypatch, clock, passing):
    client = Answers(passing, passing, passing, {"done": True})
    assert calls(monkeypatch, clock, client)("DescribeTrainingJob", TrainingJobName="one") == {"done": True}
    assert client.asked == [{"TrainingJobName": "one"}] * 4
    first, second, third = clock.pauses
    assert 0.1 <= first <= 0.2 <= second <= 0.4 <= third <= 0.8


def test_patience_ends_and_says_what_to_do(monkeypatch, clock):
    client = Answers(*[refusal("ThrottlingException")] * 1000)
    with pytest.raises(RuntimeFailed, match="did not answer DescribeTrainingJob for 60 s") as caught:
        calls(monkeypatch, clock, client)("DescribeTrainingJob")
    assert 30 <= clock.now <= 60
    assert "patience" in caught.value.next_step
    assert max(clock.pauses) <= 15.0


@pytest.mark.parametrize(("patience", "asked_for"), [(300.0, 60.0), (5.0, 5.0)])
def test_whoever_has_to_end_is_less_patient_but_never_more(monkeypatch, clock, patience, asked_for):
    client = Answers(*[EndpointConnectionError(endpoint_url="x") for _ in range(1000)])
    with pytest.raises(RuntimeFailed, match=f"for {asked_for:.0f} s"):
        calls(monkeypatch, clock, client, patience=patience).ending()("DescribeTrainingJob", TrainingJobName="a")
    assert 0 < clock.now <= asked_for


def test_a_page_of_html_is_told_in_a_line(monkeypatch, clock):
    told, page = [], "<html>\n <title>502 Bad Gateway</title>\n" + "<p>so</p>\n" * 200
    client = Answers(*[refusal("502", 502, page)] * 1000)
    with pytest.raises(RuntimeFailed) as caught:
        calls(monkeypatch, clock, client, say=told.append)("DescribeTrainingJob")
    for text in (str(caught.value.seen), *told):
        assert "502: <html> <title>502 Bad Gateway</title> <p>so</p>" in text
        assert len(text.splitlines()) == 1
        assert len(text) < 400
    assert len(told) == 1


def test_a_no_is_a_no_at_once(monkeypatch, clock):
    client = Answers(refusal("AccessDeniedException"))
    with pytest.raises(Refused) as caught:
        calls(monkeypatch, clock, client)("DescribeTrainingJob")
    assert caught.value.code == "AccessDeniedException"
    assert "iam-policy" in caught.value.next_step
    assert clock.pauses == []


def test_expired_credentials_are_looked_for_again_and_somebody_is_told(monkeypatch, clock):
    renewed, told = [], []
    monkeypatch.setattr(module, "renew_clients", lambda: renewed.append(clock.now))
    client = Answers(refusal("ExpiredTokenException"), refusal("ExpiredToken"), {"done": True})
    assert calls(monkeypatch, clock, client, say=told.append)("DescribeTrainingJob") == {"done": True}
    assert len(renewed) == 2
    assert len(told) == 1
    assert "renew them" in told[0]


@pytest.mark.parametrize("name", ["NextToken", "nextToken", "PaginationToken"])
def test_every_page_is_read_however_the_service_calls_the_token(monkeypatch, clock, name):
    client = Answers({"items": [1, 2], name: "more"}, {"items": [3]})
    assert list(calls(monkeypatch, clock, client).pages("ListTrainingJobs", "items", Sort="up")) == [1, 2, 3]
    assert client.asked == [{"Sort": "up"}, {"Sort": "up", name: "more"}]
