"""Keeps web pages out: whoever can create a job runs programs here, so no page in a browser may reach the service.

A browser names the page's origin in what it sends across origins, and names the page's host in what it sends
to a name that was made to lead here. Clients of AWS do neither.
"""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from werkzeug.wrappers import Request, Response


def refused(request: Request) -> Response | None:
    """The refusal of a request that comes from a web page elsewhere; None for every other."""
    origin = request.headers.get("Origin", "")
    if (origin and not _is_here(urlsplit(origin).hostname)) or not _is_here(urlsplit(f"//{request.host}").hostname):
        return Response("only for clients on this machine\n", 403, content_type="text/plain")
    return None


def _is_here(host: str | None) -> bool:
    """Whether a name is this machine's: localhost, a name below it (as a bucket has), or an address of loopback."""
    if not host:
        return False
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
