"""The operations that every kind of job has: Create, Describe, Stop, Delete and List."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic

from intermodal.runtime.sagemaker_local.answers import page, select
from intermodal.runtime.sagemaker_local.jobs import Kind
from intermodal.runtime.sagemaker_local.operations import ApiError, operation
from intermodal.runtime.sagemaker_local.service import Service


@dataclass(frozen=True)
class JobOperations(Generic[Kind]):
    """How one kind of job is made, told of and ended.

    Attributes:
        job: The kind's class.
        check: Refuses a request to make one that AWS refuses though its model allows it.
        summary: A job as List tells it.
        listed: How many jobs a page of List has unless the request says.
        ended: What is said when a job that has ended is to stop; {words} and {status} are filled in.
        running: What is said when a job that runs is to be deleted; {Words}, {name} and {status} are filled in.
        running_code: The code of that error.
        version: What AWS wrote behind Create and Describe, such as "V2".
    """

    job: type[Kind]
    check: Callable[[Service, dict[str, Any]], None]
    summary: Callable[[Kind], dict[str, Any]]
    listed: int = 10
    ended: str = "The request was rejected because the {words} is in status {status}."
    running: str = "{Words} {name} is in status {status} and cannot be deleted."
    running_code: str = "ResourceInUse"
    version: str = ""

    def register(self, *but: str) -> None:
        """Let this kind's operations be answered here.

        Args:
            but: Those that the kind does not have or answers itself: "Delete", "List".
        """
        answers = {
            f"Create{self.job.kind}{self.version}": self._create,
            f"Describe{self.job.kind}{self.version}": self._describe,
            f"Stop{self.job.kind}": self._stop,
            f"Delete{self.job.kind}": self._delete,
            f"List{self.job.kind}s": self._list,
        }
        for name, answer in answers.items():
            if not name.startswith(but):
                operation(name)(answer)

    def find(self, service: Service, request: dict[str, Any]) -> Kind:
        """The job that a request names.

        Args:
            service: The service.
            request: A request of any operation on one job.

        Raises:
            ApiError: ValidationException, there is none.
        """
        return service.jobs.get(self.job, request[f"{self.job.kind}Name"])

    def page(self, summaries: list[dict[str, Any]], request: dict[str, Any]) -> dict[str, Any]:
        """The answer of List.

        Args:
            summaries: All summaries.
            request: Which of them are wanted, and in which order.
        """
        kind = self.job.kind
        return page(
            select(summaries, request, f"{kind}Name", f"{kind}Status"), request, f"{kind}Summaries", self.listed
        )

    def _create(self, service: Service, request: dict[str, Any]) -> dict[str, Any]:
        self.check(service, request)
        return {f"{self.job.kind}Arn": service.jobs.add(self.job, request[f"{self.job.kind}Name"], request).arn}

    def _describe(self, service: Service, request: dict[str, Any]) -> dict[str, Any]:
        return self.find(service, request).describe()

    def _stop(self, service: Service, request: dict[str, Any]) -> dict[str, Any]:
        job = self.find(service, request)
        if job.ended:
            raise ApiError("ValidationException", self._say(self.ended, job))
        job.stop()
        return {}

    def _delete(self, service: Service, request: dict[str, Any]) -> dict[str, Any]:
        job = self.find(service, request)
        if not job.ended:
            raise ApiError(self.running_code, self._say(self.running, job))
        service.jobs.remove(self.job, job.name)
        return {}

    def _list(self, service: Service, request: dict[str, Any]) -> dict[str, Any]:
        return self.page([self.summary(job) for job in service.jobs.all(self.job)], request)

    def _say(self, text: str, job: Kind) -> str:
        words = self.job.arn_part.replace("-", " ")
        return text.format(words=words, Words=words.capitalize(), name=job.name, status=job.status)
