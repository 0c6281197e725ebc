"""Work that a token makes unique is stopped once when we are told to stop, whenever that is, and never otherwise."""

from __future__ import annotations

import pytest

from intermodal.aws.following import followed, watched
from intermodal.aws.settings import SageMakerSettings
from intermodal.errors import Interrupted, RuntimeFailed

STOPS = [KeyboardInterrupt(), SystemExit(143), Interrupted("told to stop")]


class Work:
    """A service that notes what it is asked."""

    def __init__(self, starting: BaseException | None = None, waiting: BaseException | None = None) -> None:
        self.starting, self.waiting = starting, waiting
        self.started: set[str] = set()
        self.calls: list[str] = []

    def start(self, settings: SageMakerSettings) -> str:
        self.calls.append(f"start {settings.patience:.0f}")
        self.started.add("token")  # the same token is the same work
        if self.starting is not None:
            error, self.starting = self.starting, None
            raise error
        return "id"

    def wait(self, identifier: str) -> str:
        self.calls.append(f"wait {identifier}")
        if self.waiting is not None:
            raise self.waiting
        return "done"

    def stop(self, identifier: str) -> None:
        self.calls.append(f"stop {identifier}")

    def follow(self, *, leave: bool = False) -> str:
        return followed(
            self.start, self.wait, self.stop, SageMakerSettings(on_interrupt="leave" if leave else "cancel")
        )


def test_work_that_ends_is_not_stopped() -> None:
    work = Work()
    assert work.follow() == "done"
    assert work.calls == ["start 300", "wait id"]


@pytest.mark.parametrize("how", STOPS)
def test_told_to_stop_while_it_runs_it_is_stopped_once(how: BaseException) -> None:
    work = Work(waiting=how)
    with pytest.raises(type(how)):
        work.follow()
    assert work.calls == ["start 300", "wait id", "stop id"]


@pytest.mark.parametrize("how", STOPS)
def test_told_to_stop_before_the_answer_came_it_is_found_and_stopped(how: BaseException) -> None:
    work = Work(starting=how)
    with pytest.raises(type(how)):
        work.follow()
    assert work.calls == ["start 300", "start 60", "stop id"]
    assert work.started == {"token"}


@pytest.mark.parametrize("how", STOPS)
def test_asked_to_leave_it_is_left(how: BaseException) -> None:
    work = Work(waiting=how)
    with pytest.raises(type(how)):
        work.follow(leave=True)
    assert work.calls == ["start 300", "wait id"]


def test_a_service_that_does_not_answer_stops_nothing() -> None:
    work = Work(waiting=RuntimeFailed("no answer"))
    with pytest.raises(RuntimeFailed):
        work.follow()
    assert work.calls == ["start 300", "wait id"]


def test_work_is_looked_at_in_growing_pauses_until_it_ends() -> None:
    looks, pauses = iter(["running"] * 4 + ["done"]), []
    seen = watched(lambda: next(looks), lambda state: state == "done", 60, 0.5, pauses.append)
    assert seen == ("done", True)
    assert pauses == pytest.approx([0.2, 0.3, 0.45, 0.5])


def test_work_that_takes_too_long_is_told_as_it_was_seen_last() -> None:
    assert watched(lambda: "running", lambda state: state == "done", -1, 0.5, pytest.fail) == ("running", False)
