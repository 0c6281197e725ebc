"""Another S3 server behind the service's address: each request is signed anew with that server's key."""

from __future__ import annotations

import re
import threading
import time
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

from werkzeug.wrappers import Request, Response

_SECONDS = 120
_HOP = frozenset(("connection", "keep-alive", "transfer-encoding", "te", "upgrade", "expect", "host"))
_OLD = frozenset(("authorization", "x-amz-date", "x-amz-security-token", "content-length", "x-amz-content-sha256"))
_OLD_STYLE = ("AWSAccessKeyId=", "Signature=", "Expires=", "x-amz-security-token=")  # presigned before version 4
_CHUNK = re.compile(rb"([0-9a-fA-F]+)(?:;[^\r\n]*)?\r\n")


class StorageProxy:
    """Passes requests on to an S3 server.

    Args:
        url: The server's URL.
        key: Its access key.
        secret: The key's secret.
        region: The region to sign for.
    """

    def __init__(self, url: str, key: str, secret: str, *, region: str) -> None:
        self._url = urlsplit(url)
        self._key, self._secret, self._region = key, secret, region
        self._local = threading.local()

    def answer(self, request: Request) -> Response:
        """See `Storage.answer`."""
        if _expired(request):
            text = "<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"
            return Response(text, 403, content_type="application/xml")
        body, headers = _plain(request)
        path = _path_of(request)
        signed = self._signed(request.method, path, headers, body)
        try:
            return self._asked(request.method, path, signed, body)
        except (HTTPException, OSError):
            self._local.connection = None  # it was closed while nobody asked
            return self._asked(request.method, path, signed, body)

    def _asked(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Response:
        connection = self._connection()
        connection.request(method, path, body=body, headers=headers)
        answer = connection.getresponse()
        content = answer.read()
        kept = [(name, value) for name, value in answer.getheaders() if name.lower() not in _HOP]
        if method != "HEAD":
            kept = [(name, value) for name, value in kept if name.lower() != "content-length"]
        return Response([content], answer.status, headers=kept)  # bytes alone would set the length of a HEAD to 0

    def _connection(self) -> Any:
        found = getattr(self._local, "connection", None)
        if found is None:
            kind = HTTPSConnection if self._url.scheme == "https" else HTTPConnection
            found = kind(self._url.hostname or "127.0.0.1", self._url.port, timeout=_SECONDS)
            self._local.connection = found
        return found

    def _signed(self, method: str, path: str, headers: dict[str, str], body: bytes) -> dict[str, str]:
        from botocore.auth import S3SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials

        given = AWSRequest(method, f"{self._url.scheme}://{self._url.netloc}{path}", headers=headers, data=body)
        S3SigV4Auth(Credentials(self._key, self._secret), "s3", self._region).add_auth(given)
        return {**dict(given.headers.items()), "Host": self._url.netloc, "Content-Length": str(len(body))}


def _path_of(request: Request) -> str:
    """Path and query as they were sent, without what a presigned URL carries."""
    raw = request.environ.get("RAW_URI") or request.environ.get("REQUEST_URI") or request.path
    path, _, query = raw.partition("?")
    signature = _OLD_STYLE if "Signature=" in query else ()
    kept = [part for part in query.split("&") if part and not part.startswith(("X-Amz-", *signature))]
    return f"{path}?{'&'.join(kept)}" if kept else path


def _plain(request: Request) -> tuple[bytes, dict[str, str]]:
    """Body and headers without the framing of aws-chunked, whose signatures would be wrong."""
    body = request.get_data()
    headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP | _OLD}
    if request.headers.get("X-Amz-Content-Sha256", "").startswith("STREAMING-"):
        body = _unframed(body)
        headers = {name: value for name, value in headers.items() if name.lower() not in _FRAMING}
        encodings = [item.strip() for item in request.headers.get("Content-Encoding", "").split(",")]
        kept = ",".join(item for item in encodings if item not in ("", "aws-chunked"))
        headers = {name: value for name, value in headers.items() if name.lower() != "content-encoding"}
        headers |= {"Content-Encoding": kept} if kept else {}
    return body, headers


_FRAMING = frozenset(("x-amz-trailer", "x-amz-decoded-content-length", "x-amz-sdk-checksum-algorithm"))


def _unframed(body: bytes) -> bytes:
    parts, at = [], 0
    while match := _CHUNK.match(body, at):
        size = int(match.group(1), 16)
        if size == 0:
            break
        parts.append(body[match.end() : match.end() + size])
        at = match.end() + size + 2
    return b"".join(parts)


def _expired(request: Request) -> bool:
    """Whether a presigned URL's time is over; the server behind cannot tell any more."""
    until = request.args.get("Expires", "")
    if "Signature" in request.args and until.isdigit():
        return time.time() > int(until)
    made, seconds = request.args.get("X-Amz-Date", ""), request.args.get("X-Amz-Expires", "")
    if not made or not seconds.isdigit():
        return False
    start = datetime.strptime(made, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    return time.time() > start + int(seconds)
