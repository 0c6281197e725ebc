"""Spark job runs of EMR as one more kind of job: found by their names, though EMR knows them by ids of its own."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from intermodal.aws.calls import Calls, Refused
from intermodal.aws.data_settings import EmrSettings
from intermodal.aws.emr import ON_EKS, PLACES, SERVERLESS
from intermodal.aws.emr_jobs import JobRun
from intermodal.aws.job_kinds import COMPLETED, FAILED, IN_PROGRESS, STOPPED, STOPPING, JobKind, console_of

_STATES = {
    "SUCCESS": COMPLETED,
    "COMPLETED": COMPLETED,
    "FAILED": FAILED,
    "CANCELLED": STOPPED,
    "CANCELLING": STOPPING,
    "CANCEL_PENDING": STOPPING,
}
_LOOK_BACK = timedelta(days=30)  # what ended earlier is answered by the store's memory, if at all
_PAGE = 50  # EMR gives no longer ones
_GOING = {SERVERLESS: ("SUBMITTED", "PENDING", "SCHEDULED", "RUNNING"), ON_EKS: ("SUBMITTED", "PENDING", "RUNNING")}


@dataclass(frozen=True)
class SparkRuns(JobKind):
    """The job runs of one application or virtual cluster.

    Attributes:
        where: One of `emr.PLACES`.
        group: Id of the application or the virtual cluster.
        ids: Name → id of the runs that were seen: EMR may list a new one only after a moment.
    """

    where: str = SERVERLESS
    group: str = ""
    ids: dict[str, str] = field(default_factory=dict, compare=False)

    @property
    def name_member(self) -> str:
        """See `JobKind.name_member`."""
        return "name"

    def status(self, description: dict[str, Any]) -> str:
        """See `JobKind.status`."""
        return _STATES.get(str(description.get("state", "")), IN_PROGRESS)

    def start(self, calls: Calls, parameters: dict[str, Any]) -> None:
        """See `JobKind.start`; the request's token makes two that come at the same time one."""
        name = str(parameters["name"])
        if self._found(calls, name):
            raise Refused("the name of a job run is taken", code="ConflictException", seen=name)
        answer = calls(self.create, **parameters)
        self.ids[name] = str(answer.get("jobRunId") or answer["id"])

    def look(self, calls: Calls, name: str) -> dict[str, Any]:
        """See `JobKind.look`."""
        request = self.run_of(calls, name).request("describe")
        found: dict[str, Any] = calls(request.operation, **request.parameters)["jobRun"]
        reason = str(found.get("stateDetails") or found.get("failureReason") or "")
        return {**found, "SecondaryStatus": found["state"], "FailureReason": reason}

    def halt(self, calls: Calls, name: str) -> None:
        """See `JobKind.halt`."""
        request = self.run_of(calls, name).request("cancel")
        calls(request.operation, **request.parameters)

    def address(self, name: str, region: str) -> str:
        """See `JobKind.address`: a run's own page opens only through EMR Studio."""
        page = "serverless" if self.where == SERVERLESS else "virtualClusters"
        return f"{console_of(region)}/emr/home?region={region}#/{page}"

    def run_of(self, calls: Calls, name: str) -> JobRun:
        """The run of a name.

        Args:
            calls: EMR.
            name: Its name.

        Raises:
            RuntimeFailed: There is none; EMR refused, or did not answer.
        """
        identifier = self._found(calls, name)
        if not identifier:
            raise Refused("there is no such job run", code="ResourceNotFoundException", seen=name)
        return JobRun(self.where, self.group, identifier)

    def going(self, calls: Calls) -> list[dict[str, Any]]:
        """Every run that goes on, whoever's: id, name, arn, createdAt, and tags where EMR lists them.

        Args:
            calls: EMR.

        Raises:
            RuntimeFailed: EMR refused, or did not answer.
        """
        return self._listed(calls, states=list(_GOING[self.where]))

    def _found(self, calls: Calls, name: str) -> str:
        """The id of the newest run of a name; empty when there is none."""
        if name not in self.ids:
            named = {} if self.where == SERVERLESS else {"name": name}  # only one of the two can be asked for a name
            since = datetime.now(UTC) - _LOOK_BACK
            times = {"createdAtAfter" if self.where == SERVERLESS else "createdAfter": since}
            found = [item for item in self._listed(calls, **named, **times) if item.get("name") == name]
            if not found:
                return ""
            self.ids[name] = str(max(found, key=lambda item: item["createdAt"])["id"])
        return self.ids[name]

    def _listed(self, calls: Calls, **asked: Any) -> list[dict[str, Any]]:
        group = {"applicationId" if self.where == SERVERLESS else "virtualClusterId": self.group}
        return list(calls.pages("ListJobRuns", "jobRuns", maxResults=_PAGE, **group, **asked))


def spark_runs(where: str, settings: EmrSettings) -> SparkRuns:
    """The job runs of a place.

    Args:
        where: One of `emr.PLACES`.
        settings: `[emr]`, which names the application or virtual cluster.
    """
    service = "emr-serverless" if where == SERVERLESS else "emr-containers"
    group = settings.application if where == SERVERLESS else settings.virtual_cluster
    return SparkRuns("Spark", "JobRun", "StartJobRun", "", "", service, where, group)


def named_places(settings: EmrSettings) -> list[SparkRuns]:
    """The job runs of every place that the settings name.

    Args:
        settings: `[emr]`.
    """
    return [kind for kind in (spark_runs(where, settings) for where in PLACES) if kind.group]
