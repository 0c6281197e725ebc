"""An endpoint's life: made or updated, waited for until it answers, given other weights, asked."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from intermodal.aws.calls import Calls, Refused
from intermodal.aws.deployment import Deployment
from intermodal.aws.endpoints import render_deployment, update_request, weights_request
from intermodal.aws.jobs import is_absent
from intermodal.aws.request import Request
from intermodal.aws.service_model import check_request
from intermodal.aws.settings import SageMakerSettings
from intermodal.aws.tags import MANAGED
from intermodal.errors import RuntimeFailed, StepFailed, UsageError

IN_SERVICE = "InService"
_BAD = ("Failed", "UpdateRollbackFailed", "OutOfService")
_PATIENCE = 3600.0  # seconds for machines and a model of gigabytes
_LOOK = 0.3


@dataclass(frozen=True)
class Answer:
    """What an endpoint answered.

    Attributes:
        variant: The variant that answered.
        content_type: Type of the body.
        body: The answer.
    """

    variant: str
    content_type: str
    body: bytes


class Endpoints:
    """SageMaker's endpoints of one account and region.

    Args:
        settings: `[sagemaker]`.
        sleep: How to wait; tests replace it.

    Attributes:
        settings: As given.
        calls: SageMaker.
    """

    def __init__(self, settings: SageMakerSettings, sleep: Callable[[float], None] = time.sleep) -> None:
        self.settings = settings
        self.calls = Calls("sagemaker", settings)
        self._sleep = sleep

    def deploy(self, deployment: Deployment) -> dict[str, Any]:
        """Make the endpoint, or update the one of that name; wait until it answers.

        Args:
            deployment: What to deploy; its archives are on S3.

        Returns:
            The endpoint as AWS describes it.

        Raises:
            UsageError: AWS would refuse a request; nothing was sent.
            RuntimeFailed: AWS refused one, or did not answer.
            StepFailed: The endpoint did not come into service, or went back to what it was.
        """
        requests = render_deployment(deployment)
        for request in requests:
            check_request(request.service, request.operation, request.parameters)
        made = {request.operation: request for request in requests}
        config, endpoint = made["CreateEndpointConfig"], made["CreateEndpoint"]
        for request in requests:
            if request.operation in ("CreateModel", "CreateEndpointConfig"):
                self._send(request)
        self._put(deployment, config, endpoint)
        name = config.parameters["EndpointConfigName"]
        # AWS's model lets a description go without the configuration's name, and some services at other addresses do.
        found = {"EndpointConfigName": name, **self.wait_in_service(deployment.endpoint, name)}
        for request in requests:
            if request.service == "application-autoscaling":
                Calls(request.service, self.settings)(request.operation, **request.parameters)
        return found

    def find(self, name: str) -> dict[str, Any] | None:
        """The endpoint as AWS describes it; None when there is none of that name."""
        return self.found("DescribeEndpoint", EndpointName=name)

    def all_of_ours(self) -> list[dict[str, Any]]:
        """Every endpoint that intermodal made, by its tag, as AWS lists them."""
        listed = self.calls.pages("ListEndpoints", "Endpoints")
        return [item for item in listed if MANAGED in self.tags(item["EndpointArn"])]

    def tags(self, arn: str) -> dict[str, str]:
        """Tags of anything of SageMaker's."""
        listed = self.calls.pages("ListTags", "Tags", ResourceArn=arn)
        return {item["Key"]: item["Value"] for item in listed}

    def wait_in_service(self, name: str, config: str = "") -> dict[str, Any]:
        """Wait until an endpoint answers.

        Args:
            name: Its name.
            config: The configuration that it is to have; any when empty.

        Returns:
            Its description.

        Raises:
            StepFailed: It failed, with AWS's reason; or it went back to its old configuration.
            RuntimeFailed: AWS refused, did not answer, or it took longer than an hour beyond its rollout.
        """
        until, pause = time.monotonic() + _PATIENCE + 28_800, _LOOK
        while time.monotonic() < until:
            found = self.find(name)
            if found is None:
                raise StepFailed(f"the endpoint {name} was deleted by somebody else", expected=IN_SERVICE)
            if found["EndpointStatus"] in _BAD:
                raise _failed(found)
            if found["EndpointStatus"] == IN_SERVICE:
                return _as_asked(found, config)
            self._sleep(pause)
            pause = min(1.5 * pause, self.settings.poll)
        raise RuntimeFailed(f"the endpoint {name} is not in service yet", next_step="intermodal endpoint show " + name)

    def share(self, name: str, weights: dict[str, float]) -> dict[str, Any]:
        """Give variants other weights, and wait until they have them.

        Raises:
            UsageError: The weights share out nothing, or name no variant of the endpoint.
            RuntimeFailed: AWS refused, or did not answer.
        """
        known = [item["VariantName"] for item in self._needed(name).get("ProductionVariants", [])]
        if unknown := [item for item in weights if item not in known]:
            raise UsageError(
                f"the endpoint {name} has no such variant", seen=", ".join(unknown), expected=", ".join(known)
            )
        self._send(weights_request(name, weights))
        return self.wait_in_service(name)

    def invoke(self, name: str, body: bytes, content_type: str = "application/json", variant: str = "") -> Answer:
        """Ask an endpoint.

        Args:
            name: Its name.
            body: The request, at most 6 MiB.
            content_type: What it is.
            variant: The variant to ask; chosen by weight by default.

        Raises:
            UsageError: There is no such endpoint.
            RuntimeFailed: The model answered with an error, which is shown.
        """
        more = {"TargetVariant": variant} if variant else {}
        request = {"EndpointName": name, "Body": body, "ContentType": content_type, "Accept": "application/json"}
        try:
            answer = Calls("sagemaker-runtime", self.settings)("InvokeEndpoint", **request, **more)
        except Refused as error:
            if error.code == "ValidationError" and f"Endpoint {name} " in str(error.seen):
                raise _unknown(name) from error
            raise
        return Answer(
            str(answer.get("InvokedProductionVariant", "")),
            str(answer.get("ContentType", "")),
            bytes(answer["Body"].read()),
        )

    def _put(self, deployment: Deployment, config: Request, create: Request) -> None:
        there = self.find(deployment.endpoint)
        if there is None:
            if self._send(create):
                return
            there = self.wait_in_service(deployment.endpoint)  # an answer got lost, or somebody was faster
        name = config.parameters["EndpointConfigName"]
        if there["EndpointStatus"] == "Creating" and there.get("EndpointConfigName") == name:
            return  # this very deployment is on its way, from an earlier attempt
        if there["EndpointStatus"] == "Failed":  # AWS takes no update of an endpoint that never came into service
            self.remove("DeleteEndpoint", EndpointName=deployment.endpoint)
            self.wait_gone(deployment.endpoint)
            self._send(create)
            return
        there = self.wait_in_service(deployment.endpoint)
        if there.get("EndpointConfigName") != name:
            self._send(update_request(deployment, config))

    def remove(self, operation: str, **named: Any) -> None:
        """Delete something; it may be gone already, because an answer got lost.

        Raises:
            RuntimeFailed: AWS refused, or did not answer.
        """
        try:
            self.calls(operation, **named)
        except Refused as refused:
            if not is_absent(refused):
                raise

    def _send(self, request: Request) -> bool:
        """Send a request that may have been done before, its answer lost; False when it was.

        Names of models and configurations are digests of their content: what is there already is the same. Of an
        endpoint that is being updated, whoever waits for it sees to which configuration.
        """
        check_request(request.service, request.operation, request.parameters)
        try:
            self.calls(request.operation, **request.parameters)
        except Refused as refused:
            if not any(words in refused.seen.lower() for words in ("already exist", "in-progress")):
                raise
            return False
        return True

    def wait_gone(self, name: str) -> None:
        """Wait until an endpoint that is being deleted is gone.

        Raises:
            RuntimeFailed: It is in service again, or AWS did not answer.
        """
        while (found := self.find(name)) is not None:
            if found["EndpointStatus"] == IN_SERVICE:
                raise RuntimeFailed(f"the endpoint {name} is not being deleted", seen=IN_SERVICE)
            self._sleep(_LOOK)

    def _needed(self, name: str) -> dict[str, Any]:
        found = self.find(name)
        if found is None:
            raise _unknown(name)
        return found

    def found(self, operation: str, **named: Any) -> dict[str, Any] | None:
        """What a describing operation answers; None when the thing is not there."""
        try:
            return self.calls(operation, **named)
        except Refused as refused:
            if is_absent(refused):
                return None
            raise


def _as_asked(found: dict[str, Any], config: str) -> dict[str, Any]:
    if config and found.get("EndpointConfigName", config) != config:
        raise StepFailed(
            f"the endpoint {found['EndpointName']} went back to its old configuration",
            seen=found.get("FailureReason") or found.get("EndpointConfigName"),
            expected=config,
            next_step="read the alarms of the rollout, and the log of the endpoint",
        )
    return found


def _failed(found: dict[str, Any]) -> StepFailed:
    name = found["EndpointName"]
    return StepFailed(
        f"the endpoint {name} is {found['EndpointStatus']}",
        seen=found.get("FailureReason", "no reason given"),
        expected=IN_SERVICE,
        next_step=f"read its log, /aws/sagemaker/Endpoints/{name}; intermodal endpoint delete {name}",
    )


def _unknown(name: str) -> UsageError:
    return UsageError("there is no such endpoint", seen=name, next_step="intermodal endpoint list")
