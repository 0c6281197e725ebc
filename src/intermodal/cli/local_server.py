"""What the verbs that serve on this machine have in common: faults as JSON, a port to listen on, an end by signal."""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from intermodal.errors import RuntimeFailed, UsageError

_PORTS = 2**16


def read_fault(text: str, example: str) -> dict[str, Any]:
    """A fault of `--fault`.

    Args:
        text: A JSON object.
        example: One that is right.

    Raises:
        UsageError: The text is no JSON object.
    """
    try:
        return dict(json.loads(text))
    except (ValueError, TypeError) as error:
        raise UsageError("--fault takes JSON", seen=text, expected=example) from error


@contextmanager
def adding_faults(refused: type[Exception], close: Callable[[], None], example: str) -> Iterator[None]:
    """While faults are given to a server that is not open yet.

    Args:
        refused: How the server refuses a fault; the error has a `message`.
        close: Ends the server then.
        example: A fault that is right.

    Raises:
        UsageError: A fault is refused.
    """
    try:
        yield
    except refused as error:
        close()
        seen = getattr(error, "message", str(error))
        raise UsageError("--fault is not understood", seen=seen, expected=example) from error


@contextmanager
def listening(port: int) -> Iterator[None]:
    """While a server takes its port.

    Raises:
        UsageError: No port has that number.
        RuntimeFailed: It cannot.
    """
    if not 0 <= port < _PORTS:
        raise UsageError("there is no such port", seen=port, expected=f"0 to {_PORTS - 1}; 0 takes a free one")
    try:
        yield
    except OSError as error:
        raise RuntimeFailed(
            f"cannot listen on 127.0.0.1:{port}", seen=error, next_step="choose another --port"
        ) from error


def serve(server: AbstractContextManager[Any], told: dict[str, str], sentence: str, *, as_json: bool) -> int:
    """Serve until Ctrl-C or SIGTERM.

    Args:
        server: Open while it is entered.
        told: What is printed of it as JSON.
        sentence: What is printed of it for people.
        as_json: Which of the two.

    Returns:
        0 after it was told to stop.
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with server:
        print(json.dumps(told) if as_json else sentence, flush=True)
        sys.stdout.flush()
        stop.wait()
    return 0
