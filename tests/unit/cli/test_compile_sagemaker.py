"""`compile --to sagemaker-pipeline --start` that is told to stop: its execution is stopped, whenever that is."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from intermodal.aws.settings import SageMakerSettings
from intermodal.cli import compile_sagemaker
from intermodal.errors import Interrupted

ARN = "arn:aws:sagemaker:us-east-1:123456789012:pipeline/toy/execution/x"


class Service:
    """Stands for `Calls` and a pipeline behind it; sends this process a signal in the middle of one operation."""

    def __init__(self, interrupted: str, number: int, on_interrupt: str = "cancel") -> None:
        self.settings = SageMakerSettings(on_interrupt=on_interrupt)
        self.asked: list[str] = []
        self._interrupted, self._number, self._status = interrupted, number, "Executing"

    def ending(self) -> Service:
        return self

    def __call__(self, operation: str, **_given: Any) -> dict[str, str]:
        self.asked.append(operation)
        if operation == "StopPipelineExecution":
            self._status = "Stopped"
        if operation == self._interrupted and self.asked.count(operation) == 1:
            os.kill(os.getpid(), self._number)
        return {"PipelineExecutionArn": ARN, "PipelineExecutionStatus": self._status}

    def pages(self, *_asked: str, **_given: Any) -> list[dict[str, Any]]:
        return []


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    """The handlers of this process are as they were."""
    known = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in known.items():
        signal.signal(number, handler)


def followed(service: Service) -> Any:
    from intermodal.runtime.sagemaker.pipelines.executions import start

    return compile_sagemaker._followed(partial(start, "toy", [], "a" * 32), service, "toy: 1 steps")  # type: ignore[arg-type]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("operation", ["StartPipelineExecution", "DescribePipelineExecution"])
def test_it_is_stopped_once_even_before_the_answer_that_it_was_started(operation: str, number: int) -> None:
    service = Service(operation, number)
    ended = followed(service)
    assert (ended.arn, ended.status) == (ARN, "Stopped")
    assert service.asked.count("StopPipelineExecution") == 1
    # started again with the same token, it is the same execution
    assert service.asked.count("StartPipelineExecution") == (2 if operation.startswith("Start") else 1)


def test_it_is_left_where_the_settings_say_so() -> None:
    service = Service("StartPipelineExecution", signal.SIGTERM, "leave")
    with pytest.raises(Interrupted, match="goes on without this command"):
        followed(service)
    assert service.asked == ["StartPipelineExecution"]
