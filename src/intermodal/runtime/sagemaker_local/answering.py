"""The WSGI application: faults, checks, operations, and moto for what none answers."""

from __future__ import annotations

import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from werkzeug.wrappers import Request, Response

from intermodal.aws.service_model import problems
from intermodal.runtime.sagemaker_local.faults import error_of
from intermodal.runtime.sagemaker_local.guarding import refused
from intermodal.runtime.sagemaker_local.listening import break_connection
from intermodal.runtime.sagemaker_local.operations import ApiError, ToMoto, find_operation, find_route
from intermodal.runtime.sagemaker_local.protocol import (
    Call,
    access_key,
    find_call,
    read_request,
    signing_scope,
    write_answer,
    write_error,
)
from intermodal.runtime.sagemaker_local.service import OWN_KEY, Service
from intermodal.runtime.sagemaker_local.simulation import simulated
from intermodal.runtime.sagemaker_local.storage import answer_of, error_answer, is_storage, make_storage
from intermodal.runtime.sagemaker_local.wording import refusal

_BROKEN = 0
Answer = tuple[Response | None, dict[str, Any]]  # None for moto; what was asked


@dataclass(frozen=True)
class Seen:
    """A call that came in.

    Attributes:
        service: The service's name in boto3, or its signing name for what moto answers.
        operation: The operation; method and path for what has none.
        access_key: Who called.
        status: HTTP status; 0 when the connection was broken on purpose.
        request: What was asked, for our own operations.
    """

    service: str
    operation: str
    access_key: str
    status: int
    request: dict[str, Any]


class Application:
    """Answers requests.

    Args:
        service: The service.
        seen: Where calls are noted.
    """

    def __init__(self, service: Service, seen: deque[Seen]) -> None:
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

        self._service, self._seen = service, seen
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._storage = make_storage(service.options, self._moto)

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        """WSGI."""
        request = Request(environ)
        stranger = refused(request)
        if stranger is not None:
            return stranger(environ, start)
        name, operation = _named(request)
        key = access_key(request)
        spared = key == OWN_KEY or request.path.startswith("/_local/")
        fault = None if spared else self._service.faults.of_call(name, operation, key)
        time.sleep(fault.seconds if fault is not None and fault.fault == "delay" else 0)
        if fault is not None and fault.fault == "reset-before":
            return self._broken(environ, start, Seen(name, operation, key, _BROKEN, {}))
        failed = error_of(fault) if fault is not None else None
        answer, asked = (error_answer(request, failed), {}) if failed else self._answer(request)
        if answer is None:
            answer = self._behind(request)
        status = answer.status_code
        if fault is not None and fault.fault == "reset-after":
            return self._broken(environ, start, Seen(name, operation, key, _BROKEN, asked))
        if not spared:
            self._seen.append(Seen(name, operation, key, status, asked))
        return answer(environ, start)

    def _answer(self, request: Request) -> Answer:
        asked: dict[str, Any] = {}
        try:
            found = find_route(request.method, request.path)
            if found is not None:
                return found[0](self._service, request, *found[1]), asked
            call = find_call(request)
            function = find_operation(call.service, call.operation) if call is not None else None
            if call is None:
                return simulated(request), asked
            asked = read_request(call, request)
            _check(call, asked)
            if function is None:
                return None, asked
            return write_answer(call, function(self._service, asked)), asked
        except ToMoto:
            return None, asked
        except ApiError as error:
            return write_error(error), asked
        except Exception:  # a defect of ours: the client gets what AWS would send, and we say where it is
            traceback.print_exc()
            return write_error(ApiError("InternalFailure", "the local service failed; see its log", 500)), asked

    def _behind(self, request: Request) -> Response:
        """What S3 or moto answers, read whole, so that it is known before anything is sent."""
        return self._storage.answer(request) if is_storage(request) else answer_of(self._moto, request)

    def _broken(self, environ: dict[str, Any], start: Callable[..., Any], seen: Seen) -> Iterable[bytes]:
        self._seen.append(seen)
        break_connection(environ)
        start("500 Broken", [])
        return [b""]


def _named(request: Request) -> tuple[str, str]:
    """Service and operation, as faults and tests name them."""
    call = find_call(request)
    if call is not None:
        return call.service, call.operation
    target = request.headers.get("X-Amz-Target", "").rpartition(".")[2]
    scope = signing_scope(request) or ("s3" if not target else "")
    return scope, target or f"{request.method} {request.path}"


def _check(call: Call, asked: dict[str, Any]) -> None:
    found = problems(call.service, call.operation, asked)
    if found:
        raise refusal(found)
