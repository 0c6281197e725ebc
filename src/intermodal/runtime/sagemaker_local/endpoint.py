"""One endpoint: its fleet, its state, and its updates, which lose no request."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from intermodal.runtime.sagemaker_local.answers import now, present
from intermodal.runtime.sagemaker_local.endpoint_configs import find_config
from intermodal.runtime.sagemaker_local.fleet import Fleet, Member
from intermodal.runtime.sagemaker_local.operations import ApiError
from intermodal.runtime.sagemaker_local.rollout import alarms_of, ringing, shifts_of
from intermodal.runtime.sagemaker_local.service import Service

KIND = "Endpoint"
_REASON = 1024


class Endpoint:
    """An endpoint; its record under the service's home outlives the service.

    Args:
        service: The service.
        record: EndpointName, EndpointArn, EndpointConfigName, CreationTime.
    """

    def __init__(self, service: Service, record: dict[str, Any]) -> None:
        self._service, self._record = service, record
        self._lock = threading.RLock()
        self._chance = random.Random(service.options.seed)  # noqa: S311  not for secrets
        self._fleet: Fleet | None = None
        self._next: Fleet | None = None
        self._share = 0.0  # of the traffic that the next fleet has, percent
        self._gone = threading.Event()
        self.status = "Creating"

    @property
    def name(self) -> str:
        """Its name."""
        return str(self._record["EndpointName"])

    @property
    def arn(self) -> str:
        """Its ARN."""
        return str(self._record["EndpointArn"])

    def create(self) -> None:
        """Start its containers, in a thread."""
        self._change(EndpointStatus="Creating")
        threading.Thread(target=self._guarded, args=(self._create,), name=f"endpoint {self.name}", daemon=True).start()

    def update(self, request: dict[str, Any]) -> None:
        """Go over to another configuration, in a thread.

        Raises:
            ApiError: ValidationException, it is not in service, or there is no such configuration.
        """
        config = find_config(self._service, request["EndpointConfigName"])
        with self._lock:
            if self.status != "InService":
                raise ApiError("ValidationException", f'Cannot update in-progress endpoint "{self.arn}".')
            if config["EndpointConfigName"] == self._record["EndpointConfigName"]:
                raise ApiError(
                    "ValidationException", f"Cannot update endpoint {self.arn} to the configuration it already has."
                )
            self._change(EndpointStatus="Updating", FailureReason="")
        words = (config, request)
        threading.Thread(
            target=self._guarded, args=(self._update, *words), name=f"update {self.name}", daemon=True
        ).start()

    def weigh(self, desired: list[dict[str, Any]]) -> None:
        """Give variants other weights and instance counts, at once.

        Raises:
            ApiError: ValidationException, it is not in service, or has no such variant.
        """
        with self._lock:
            if self.status != "InService" or self._fleet is None:
                raise ApiError("ValidationException", f'Cannot update in-progress endpoint "{self.arn}".')
            pairs = [(item, self._fleet.find(item["VariantName"])) for item in desired]
            for item, member in pairs:
                if member is None:
                    name = item["VariantName"]
                    raise ApiError("ValidationException", f'Could not find variant "{name}" of endpoint "{self.arn}".')
            for item, member in pairs:
                assert member is not None
                member.weight = float(item.get("DesiredWeight", member.weight))
                member.instances = int(item.get("DesiredInstanceCount", member.instances))
            self._change()

    @contextmanager
    def serving(self, variant: str) -> Iterator[tuple[Fleet, Member]]:
        """A fleet and the variant of it that answers the next request; neither ends while it is held.

        Args:
            variant: The variant that is asked for; empty for one by weight.

        Raises:
            ApiError: ValidationError, it does not answer yet, or has no such variant.
        """
        with self._lock:
            if self._fleet is None or self.status in ("Creating", "Failed", "Deleting"):
                raise ApiError("ValidationError", f"Endpoint {self.name} of account {self._service.account} not found.")
            second = self._next is not None and self._chance.random() * 100 < self._share
            fleet = self._next if second and self._next is not None else self._fleet
            member = fleet.find(variant) if variant else fleet.choose(self._chance)
            if member is None:
                raise ApiError("ValidationError", f"Variant {variant} not found for Request")
            fleet.enter()
        try:
            yield fleet, member
        finally:
            fleet.leave()

    def chance(self) -> random.Random:
        """Chance, seeded."""
        return self._chance

    def delete(self) -> None:
        """End its containers; the record goes when they have ended."""
        with self._lock:
            self._change(EndpointStatus="Deleting")
            self._gone.set()
            fleets = [item for item in (self._fleet, self._next) if item is not None]
        for fleet in fleets:
            fleet.end()

    def describe(self) -> dict[str, Any]:
        """The answer of DescribeEndpoint."""
        with self._lock:
            fleet, answer = self._fleet, dict(self._record)
            answer["EndpointStatus"] = self.status
            if fleet is not None:
                answer["ProductionVariants"] = [_variant(item) for item in fleet.production]
                answer["ShadowProductionVariants"] = [_variant(item) for item in fleet.shadows]
                answer["DataCaptureConfig"] = _capture(fleet.config)
            if self._next is not None:
                answer["PendingDeploymentSummary"] = {"EndpointConfigName": self._next.config["EndpointConfigName"]}
            return present(answer)

    def _guarded(self, work: Any, *words: Any) -> None:
        try:
            work(*words)
        except Exception as error:  # whatever it is, the endpoint must not stay Creating
            if not self._gone.is_set():
                self._failed(f"InternalServerError: {type(error).__name__}: {error}")

    def _failed(self, reason: str) -> None:
        status = "InService" if self._fleet is not None else "Failed"
        self._change(EndpointStatus=status, FailureReason=reason[:_REASON])

    def _create(self) -> None:
        fleet = Fleet(
            self._service, self.name, self.arn, find_config(self._service, self._record["EndpointConfigName"])
        )
        reason = fleet.start(self._gone)
        with self._lock:
            if not reason and not self._gone.is_set():
                self._fleet = fleet
                self._change(EndpointStatus="InService", FailureReason="")
                return
        fleet.end()
        if not self._gone.is_set():
            self._failed(reason)

    def _update(self, config: dict[str, Any], request: dict[str, Any]) -> None:
        fleet, deployment = Fleet(self._service, self.name, self.arn, config), request.get("DeploymentConfig")
        reason = fleet.start(self._gone)
        if not reason:
            self._keep(fleet, request)
            reason = self._shift(fleet, deployment)
        with self._lock:
            old, self._next, self._share = self._fleet, None, 0.0
            if not reason and not self._gone.is_set():
                self._fleet = fleet
                self._change(EndpointStatus="InService", EndpointConfigName=config["EndpointConfigName"])
                self._record["LastDeploymentConfig"] = deployment
                ending = old
            else:
                ending = fleet
                if not self._gone.is_set():
                    self._failed(reason)
        if ending is not None:
            ending.end()

    def _shift(self, fleet: Fleet, deployment: dict[str, Any] | None) -> str:
        """Shift the traffic; why it went back, or nothing."""
        for shift in shifts_of(deployment):
            with self._lock:
                self._next, self._share = fleet, shift.percent
            rang = ringing(self._service, alarms_of(deployment), shift.seconds, self._gone)
            if rang:
                with self._lock:
                    self._next, self._share = None, 0.0
                    self._change(EndpointStatus="RollingBack")
                return f"Alarm {rang} was triggered during the deployment; the endpoint was rolled back"
        return ""

    def _keep(self, fleet: Fleet, request: dict[str, Any]) -> None:
        """Take over what the old fleet's variants have, where the request retains it."""
        if not request.get("RetainAllVariantProperties") or self._fleet is None:
            return
        given_up = {item["VariantPropertyType"] for item in request.get("ExcludeRetainedVariantProperties", [])}
        for member in fleet.production:
            old = self._fleet.find(member.name)
            if old is not None and "DesiredWeight" not in given_up:
                member.weight = old.weight
            if old is not None and "DesiredInstanceCount" not in given_up:
                member.instances = old.instances

    def _change(self, **told: Any) -> None:
        with self._lock:
            self.status = told.pop("EndpointStatus", self.status)
            self._record.update(told, EndpointStatus=self.status, LastModifiedTime=now())
            if not self._gone.is_set():
                self._service.records(KIND).put(self.name, self._record)


def _variant(member: Member) -> dict[str, Any]:
    told: dict[str, Any] = {"VariantName": member.name}
    told |= {"CurrentWeight": member.weight, "DesiredWeight": member.weight}
    if serverless := member.settings.get("ServerlessConfig"):
        return told | {"CurrentServerlessConfig": serverless}
    return told | {"CurrentInstanceCount": member.instances, "DesiredInstanceCount": member.instances}


def _capture(config: dict[str, Any]) -> dict[str, Any] | None:
    wanted = config.get("DataCaptureConfig")
    if not wanted:
        return None
    return {
        "EnableCapture": wanted.get("EnableCapture", False),
        "CaptureStatus": "Started" if wanted.get("EnableCapture") else "Stopped",
        "CurrentSamplingPercentage": wanted["InitialSamplingPercentage"],
        "DestinationS3Uri": wanted["DestinationS3Uri"],
        "KmsKeyId": wanted.get("KmsKeyId", ""),
    }
