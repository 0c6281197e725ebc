"""Asking a server that may not answer: again, with growing pauses, for as long as one is patient."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from intermodal.errors import IntermodalError, RuntimeFailed

Answer = TypeVar("Answer")
_FIRST, _LONGEST = 0.2, 15.0  # seconds between two attempts
_QUIET = 3.0  # seconds after which silence is explained
_PASSING = (408, 429, 500, 502, 503, 504)  # statuses of a server that may do better the next time


def _to_standard_error(line: str) -> None:
    print(f"warning: {line}", file=sys.stderr, flush=True)


class Lost(Exception):
    """Nobody knows whether the server did what it was asked: the connection broke, or it stumbled."""


@dataclass(frozen=True)
class Patience:
    """How long a server is asked again.

    Attributes:
        seconds: After which it is given up, counted from the first attempt that failed.
        host: The server, for the error.
        sleep: How to wait; tests replace it.
        clock: What the time is; tests replace it.
        say: Who is told, once, that the server keeps silent.
    """

    seconds: float
    host: str
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    say: Callable[[str], None] = _to_standard_error

    def ask(self, what: str, call: Callable[[], Answer]) -> Answer:
        """Ask until there is an answer; for calls that change nothing, or may be made twice.

        Args:
            what: What is asked, for the error.
            call: The call.

        Raises:
            RuntimeFailed: The server refused, or gave no answer for too long.
        """
        began, pause, told = self.clock(), _FIRST, False
        while True:
            try:
                return self.once(what, call)
            except Lost as lost:
                waited = self.clock() - began
                if waited + pause > self.seconds:
                    raise self._given_up(what, lost) from lost
                if waited >= _QUIET and not told:
                    told = True
                    self.say(f"{self.host} does not answer ({lost}); asking again for up to {self.seconds:.0f} s")
            self.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311  so that many clients do not come at once
            pause = min(2 * pause, _LONGEST)

    def once(self, what: str, call: Callable[[], Answer]) -> Answer:
        """Ask a single time.

        Raises:
            Lost: Nobody knows whether it was done.
            RuntimeFailed: The server refused.
        """
        from kfp_server_api import ApiException
        from urllib3.exceptions import HTTPError

        try:
            return call()
        except ApiException as error:
            if error.status in _PASSING or not error.status:
                raise Lost(f"{error.status} {error.reason}") from error
            raise _refused(what, error, self.host) from error
        except (HTTPError, OSError) as error:
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                raise self._untrusted(what, error) from error
            raise Lost(f"{type(error).__name__}: {error}") from error

    def _untrusted(self, what: str, error: Exception) -> RuntimeFailed:
        return RuntimeFailed(
            f"the certificate of Kubeflow Pipelines is not trusted ({what})",
            seen=error,
            expected=f"a certificate of {self.host} that this machine trusts",
            next_step="name its certificate authority: [kubeflow] ca_file",
        )

    def _given_up(self, what: str, lost: Lost) -> RuntimeFailed:
        return RuntimeFailed(
            f"Kubeflow Pipelines did not answer for {self.seconds:.0f} s ({what})",
            seen=lost,
            expected=f"an answer of {self.host}",
            next_step="check the network and [kubeflow] host; kubeflow.patience is how long to wait",
        )


class Refused(RuntimeFailed):
    """The server understood, and said no.

    Args:
        status: HTTP status.
    """

    def __init__(self, headline: str, *, status: int = 0, **details: Any) -> None:
        super().__init__(headline, **details)
        self.status = status

    def __reduce__(self) -> tuple[Any, ...]:
        """Across processes it is what it is for everyone else: a `RuntimeFailed`."""
        return IntermodalError.__reduce__(RuntimeFailed(self.headline, seen=self.seen, next_step=self.next_step))


def _refused(what: str, error: Any, host: str) -> Refused:
    stranger = error.status in (401, 403)
    return Refused(
        f"Kubeflow Pipelines refused to {what}",
        status=int(error.status),
        seen=f"{error.status} {error.reason}: {_message(error.body)}",
        expected=f"leave to do so at {host}" if stranger else "",
        next_step="set kubeflow.token_env, token_file or cookie_env in intermodal.toml" if stranger else "",
    )


def _message(body: Any) -> str:
    """The server's own words, from the JSON that KFP answers."""
    import json

    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else str(body or "")
    try:
        fields = json.loads(text)
        text = str(fields.get("message") or fields.get("error") or text)
    except (ValueError, AttributeError):
        pass
    return text.strip()[:500]
