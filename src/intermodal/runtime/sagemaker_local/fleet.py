"""The containers of one endpoint configuration: started together, chosen by weight, ended together."""

from __future__ import annotations

import hashlib
import random
import threading
from dataclasses import dataclass
from functools import partial
from typing import Any

from intermodal.runtime.sagemaker_local.hosting import PATIENCE, Hosted, ModelServer
from intermodal.runtime.sagemaker_local.logs import write_line
from intermodal.runtime.sagemaker_local.models import find_model
from intermodal.runtime.sagemaker_local.operations import ApiError
from intermodal.runtime.sagemaker_local.service import Service

_DRAIN_SECONDS = 60.0  # the longest that one request may take
_LOG_GROUP = "/aws/sagemaker/Endpoints"


@dataclass
class Member:
    """One variant and its container.

    Attributes:
        name: The variant's name.
        settings: As the configuration says it.
        weight: Its weight now.
        instances: Instances that it says it has; one container answers for all of them.
        shadow: Whether it only gets copies.
        server: Its container.
    """

    name: str
    settings: dict[str, Any]
    weight: float
    instances: int
    shadow: bool
    server: ModelServer | None = None


class Fleet:
    """The variants of one configuration.

    Args:
        service: The service.
        endpoint: The endpoint's name.
        arn: Its ARN.
        config: The configuration.
    """

    def __init__(self, service: Service, endpoint: str, arn: str, config: dict[str, Any]) -> None:
        self._service, self._endpoint, self._arn = service, endpoint, arn
        self.config = config
        pairs = [(item, False) for item in config["ProductionVariants"]]
        pairs += [(item, True) for item in config.get("ShadowProductionVariants", [])]
        self.members = [_member(item, shadow) for item, shadow in pairs]
        self._idle = threading.Condition()
        self._requests = 0

    @property
    def production(self) -> list[Member]:
        """The variants that answer."""
        return [item for item in self.members if not item.shadow]

    @property
    def shadows(self) -> list[Member]:
        """The variants that get copies."""
        return [item for item in self.members if item.shadow]

    def find(self, name: str) -> Member | None:
        """A variant that answers, by name."""
        return next((item for item in self.production if item.name == name), None)

    def choose(self, chance: random.Random) -> Member:
        """A variant that answers, by weight; of equal chances when all weights are 0."""
        weights = [item.weight for item in self.production]
        return chance.choices(self.production, weights if any(weights) else None)[0]

    def start(self, given_up: threading.Event) -> str:
        """Start every container and wait until all answer.

        Args:
            given_up: Set when nobody wants it any more.

        Returns:
            Why it never will, in AWS's words; empty when all answer.
        """
        for member in self.members:
            try:
                member.server = ModelServer(self._service, self._hosted(member))
            except ApiError as error:
                return f"The container for production variant {member.name} could not be started: {error.message}"
        for member in self.members:
            assert member.server is not None
            if reason := member.server.wait_until_up(given_up):
                return (
                    f"The primary container for production variant {member.name} did not pass the ping health check "
                    f"({reason}). Please check CloudWatch logs for this endpoint."
                )
        return ""

    def enter(self) -> None:
        """A request begins that this fleet will answer."""
        with self._idle:
            self._requests += 1

    def leave(self) -> None:
        """A request has been answered."""
        with self._idle:
            self._requests -= 1
            self._idle.notify_all()

    def end(self) -> None:
        """Let requests finish, and end every container."""
        with self._idle:
            self._idle.wait_for(lambda: self._requests == 0, _DRAIN_SECONDS)
        threads = [
            threading.Thread(target=item.server.end, daemon=True) for item in self.members if item.server is not None
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _hosted(self, member: Member) -> Hosted:
        model = find_model(self._service, member.settings["ModelName"])
        mark = hashlib.sha256(f"{self.config['EndpointConfigName']} {id(self)}".encode()).hexdigest()[:16]
        stream = f"{member.name}/i-{mark}"
        log = partial(write_line, self._service, f"{_LOG_GROUP}/{self._endpoint}", stream)
        folder = self._service.home / "endpoints" / self._endpoint / mark / member.name
        patience = member.settings.get("ContainerStartupHealthCheckTimeoutInSeconds", PATIENCE)
        return Hosted(self._arn, folder, model, {}, float(patience), log)


def _member(settings: dict[str, Any], shadow: bool) -> Member:
    weight = float(settings.get("InitialVariantWeight", 1.0))
    return Member(settings["VariantName"], settings, weight, int(settings.get("InitialInstanceCount", 1)), shadow)
