"""Resources that are a request kept under a name, such as models: created, described, listed and deleted alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from intermodal.runtime.sagemaker_local.answers import now, page, present, select
from intermodal.runtime.sagemaker_local.operations import ApiError, operation
from intermodal.runtime.sagemaker_local.service import Service


@dataclass(frozen=True)
class NamedResource:
    """A kind of resource whose name never changes its meaning.

    Attributes:
        kind: As operations say it: "EndpointConfig".
        path: As ARNs say it: "endpoint-config".
        words: As AWS's messages say it: "endpoint configuration".
        check: Refuses a request to make one that AWS refuses though its model allows it.
    """

    kind: str
    path: str
    words: str
    check: Callable[[Service, dict[str, Any]], None]

    def register(self) -> None:
        """Let the four operations of this kind be answered here."""
        operation(f"Create{self.kind}")(self._create)
        operation(f"Describe{self.kind}")(self._describe)
        operation(f"List{self.kind}s")(self._list)
        operation(f"Delete{self.kind}")(self._delete)

    def find(self, service: Service, name: str) -> dict[str, Any]:
        """A record, as Describe answers it.

        Args:
            service: The service.
            name: The resource's name.

        Raises:
            ApiError: ValidationException, there is none.
        """
        found = service.records(self.kind).get(name)
        if found is None:
            raise ApiError("ValidationException", f'Could not find {self.words} "{self._arn(service, name)}".')
        return present(found)

    def _arn(self, service: Service, name: str) -> str:
        return service.arn(f"{self.path}/{name.lower()}")

    def _create(self, service: Service, request: dict[str, Any]) -> dict[str, Any]:
        name = request[f"{self.kind}Name"]
        arn = self._arn(service, name)
        if service.records(self.kind).get(name) is not None:
            raise ApiError("ValidationException", f'Cannot create already existing {self.words} "{arn}".')
        self.check(service, request)
        service.tags.put(arn, request.get("Tags", []))
        kept = {key: value for key, value in request.items() if key != "Tags"}
        service.records(self.kind).put(name, {**kept, f"{self.kind}Arn": arn, "CreationTime": now()})
        return {f"{self.kind}Arn": arn}

    def _describe(self, service: Service, request: dict[str, Any]) -> dict[str, Any]:
        return self.find(service, request[f"{self.kind}Name"])

    def _list(self, service: Service, request: dict[str, Any]) -> dict[str, Any]:
        names = (f"{self.kind}Name", f"{self.kind}Arn", "CreationTime")
        found = [{key: item[key] for key in names} for item in service.records(self.kind).all().values()]
        return page(select(found, request, f"{self.kind}Name"), request, f"{self.kind}s")

    def _delete(self, service: Service, request: dict[str, Any]) -> dict[str, Any]:
        found = self.find(service, request[f"{self.kind}Name"])
        service.records(self.kind).remove(request[f"{self.kind}Name"])
        service.tags.forget(found[f"{self.kind}Arn"])
        return {}
