"""S3: moto's, with writes that are conditional for real, or another server's, behind one address all the same."""

from __future__ import annotations

import threading
from io import BytesIO
from typing import TYPE_CHECKING, Any, Protocol
from xml.sax.saxutils import escape

from werkzeug.wrappers import Request, Response

from intermodal.runtime.sagemaker_local.operations import ApiError
from intermodal.runtime.sagemaker_local.protocol import signing_scope, write_error

if TYPE_CHECKING:
    from intermodal.runtime.sagemaker_local.service import LocalOptions

_LOCKS = 64
_CODES = {"ThrottlingException": ("SlowDown", 503), "ExpiredTokenException": ("ExpiredToken", 400)}
_CODES["InternalFailure"] = ("InternalError", 500)


class Storage(Protocol):
    """An S3."""

    def answer(self, request: Request) -> Response:
        """Its answer to a request."""


class MotoStorage:
    """S3 in memory.

    Args:
        application: moto.
    """

    def __init__(self, application: Any) -> None:
        self._application = application
        self._locks = [threading.Lock() for _ in range(_LOCKS)]

    def answer(self, request: Request) -> Response:
        """See `Storage.answer`. One after the other for one key: moto looks first and writes later."""
        if request.method not in ("PUT", "POST", "DELETE"):
            return answer_of(self._application, request)
        with self._locks[hash(request.path) % _LOCKS]:
            return answer_of(self._application, request)


def make_storage(options: LocalOptions, application: Any) -> Storage:
    """The storage that the options name.

    Args:
        options: The service's options.
        application: moto.
    """
    if not options.s3:
        return MotoStorage(application)
    from intermodal.runtime.sagemaker_local.storage_proxy import StorageProxy

    return StorageProxy(options.s3, *options.s3_key, region=options.region)


def is_storage(request: Request) -> bool:
    """Whether a request that no operation answers is for S3."""
    scope = signing_scope(request)
    if scope:
        return scope == "s3"
    if "X-Amz-Target" in request.headers or request.path.startswith(("/moto-api", "/latest/")):
        return False
    form = request.mimetype == "application/x-www-form-urlencoded" and request.path == "/"
    return not form


def answer_of(application: Any, request: Request) -> Response:
    """What a WSGI application answers, read whole.

    Args:
        application: The application.
        request: The request.
    """
    body = request.get_data()
    environ = {**request.environ, "wsgi.input": BytesIO(body), "CONTENT_LENGTH": str(len(body))}
    environ.pop("HTTP_TRANSFER_ENCODING", None)
    return Response.from_app(application, environ, buffered=True)


def error_answer(request: Request, error: ApiError) -> Response:
    """An error as the service that was asked says it: XML for S3 and the query protocol."""
    if is_storage(request):
        code, status = _CODES.get(error.code, (error.code, error.status))
        text = f"<Error><Code>{code}</Code><Message>{escape(error.message)}</Message></Error>"
        return Response(f'<?xml version="1.0" encoding="UTF-8"?>{text}', status, content_type="application/xml")
    if request.mimetype == "application/x-www-form-urlencoded":
        text = f"<Error><Code>{error.code}</Code><Message>{escape(error.message)}</Message></Error>"
        return Response(f"<ErrorResponse>{text}</ErrorResponse>", error.status, content_type="text/xml")
    return write_error(error)
