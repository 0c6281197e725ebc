"""Following a job's log: every line once, whatever CloudWatch does with its tokens."""

from __future__ import annotations

from typing import Any

from intermodal.aws.calls import Refused
from intermodal.aws.job_kinds import TRAINING
from intermodal.aws.logs import JobLog


class CloudWatch:
    """Log streams in memory, read page by page; its tokens can be made invalid."""

    def __init__(self, page: int = 2) -> None:
        self.streams: dict[str, list[tuple[int, str]]] = {}
        self.page, self.generation = page, 0

    def say(self, stream: str, time: int, message: str) -> None:
        self.streams.setdefault(stream, []).append((time, message))

    def pages(self, _operation: str, _member: str, **request: Any) -> list[dict[str, str]]:
        return [{"logStreamName": name} for name in self.streams if name.startswith(request["logStreamNamePrefix"])]

    def __call__(self, _operation: str, **request: Any) -> dict[str, Any]:
        events = self.streams.get(request["logStreamName"])
        if events is None:
            raise Refused("no", code="ResourceNotFoundException")
        generation, _, at = request.get("nextToken", "").partition("/")
        if at and int(generation) != self.generation:
            raise Refused("no", code="InvalidParameterException")
        start = next((n for n, item in enumerate(events) if item[0] >= request.get("startTime", 0)), len(events))
        first = int(at) if at else start
        found = [{"timestamp": time, "message": text} for time, text in events[first : first + self.page]]
        return {"events": found, "nextForwardToken": f"{self.generation}/{first + len(found)}"}


def test_every_line_comes_once_over_pages_and_looks():
    service = CloudWatch()
    log = JobLog(service, TRAINING, "job")
    assert log.lines() == []
    for number in range(5):
        service.say("job/algo-1-77", number, f"line {number}")
    assert log.lines() == [f"line {number}" for number in range(5)]
    assert log.lines() == []
    service.say("job/algo-1-77", 9, "last")
    assert log.lines() == ["last"]


def test_a_token_that_is_no_longer_valid_costs_and_repeats_no_line():
    service = CloudWatch()
    log = JobLog(service, TRAINING, "job")
    for text in ("one", "same", "same"):
        service.say("job/algo-1-77", 5, text)
    assert log.lines() == ["one", "same", "same"]
    service.generation += 1
    for text in ("same", "two"):
        service.say("job/algo-1-77", 5, text)
    service.say("job/algo-1-77", 6, "three")
    assert log.lines() == ["same", "two", "three"]


def test_lines_of_several_hosts_name_them_in_the_order_of_time():
    service = CloudWatch()
    log = JobLog(service, TRAINING, "job", hosts=2)
    service.say("job/algo-1-77", 1, "a")
    service.say("job/algo-2-77", 2, "b")
    service.say("job/algo-1-77", 3, "c")
    service.say("other/algo-1-77", 3, "not ours")
    assert log.lines() == ["[algo-1] a", "[algo-2] b", "[algo-1] c"]


def test_the_stream_of_a_job_that_was_started_again_is_found_at_the_end():
    service = CloudWatch()
    log = JobLog(service, TRAINING, "job")
    service.say("job/algo-1-77", 1, "before")
    assert log.lines() == ["before"]
    service.say("job/algo-1-99", 2, "after the interruption")
    assert log.lines(search=True) == ["after the interruption"]
