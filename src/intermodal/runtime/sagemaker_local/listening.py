"""The socket's side: a threaded server that keeps connections, says nothing, and can break them."""

from __future__ import annotations

import contextlib
import socket
import struct
from typing import Any


def make_server(port: int, application: Any) -> Any:
    """A server on 127.0.0.1.

    Args:
        port: 0 takes a free one.
        application: The WSGI application.

    Raises:
        OSError: The port is taken.
    """
    from moto.moto_server.werkzeug_app import MotoRequestHandler
    from werkzeug.serving import ThreadedWSGIServer

    class Quiet(MotoRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log(self, *_words: Any, **_options: Any) -> None:
            """Nothing: `LocalSageMaker.requests` has them."""

    class Server(ThreadedWSGIServer):
        daemon_threads = True
        request_queue_size = 256

        def handle_error(self, *_where: Any) -> None:
            """A client that went away is no error of ours."""

    listener = socket.create_server(("127.0.0.1", port), backlog=256)
    try:
        return Server("127.0.0.1", listener.getsockname()[1], application, Quiet, fd=listener.detach())
    except BaseException:
        listener.close()
        raise


def break_connection(environ: dict[str, Any]) -> None:
    """End a request's connection at once, without an answer."""
    connection = environ["werkzeug.socket"]
    with contextlib.suppress(OSError):
        # Closed without lingering, the other side gets a reset instead of an orderly end.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.shutdown(socket.SHUT_RDWR)
        connection.close()
