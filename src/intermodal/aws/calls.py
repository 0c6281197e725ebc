"""Calls of an AWS service that may throttle, stumble, be out of reach, or find our credentials expired.

botocore itself repeats a call a few times within seconds. Whoever follows a job for hours needs more: a
network that is gone for minutes, and credentials that somebody renews in the meantime.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from intermodal.aws.client import aws_client, renew_clients
from intermodal.aws.settings import SageMakerSettings
from intermodal.errors import IntermodalError, RuntimeFailed

_FIRST, _LONGEST = 0.2, 15.0  # seconds between two attempts
_LONGEST_TEXT = 300  # characters of an answer that is no answer
_QUIET = 3.0  # seconds after which silence is explained
_PASSING = frozenset(
    {
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "TooManyRequestsException",
        "RequestLimitExceeded",
        "SlowDown",
        "InternalServerError",
        "InternalServerException",
        "InternalFailure",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "RequestTimeout",
    }
)
_EXPIRED = frozenset(
    {"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired", "UnrecognizedClientException"}
)
_SERVER_FAULT = 500
_NEXT = ("NextToken", "nextToken", "PaginationToken")  # how services call what leads to the next page


class Refused(RuntimeFailed):
    """The service understood, and said no.

    Args:
        code: AWS's error code, such as "ValidationException"; empty across processes.
    """

    def __init__(self, headline: str, *, code: str = "", **details: Any) -> None:
        super().__init__(headline, **details)
        self.code = code

    def __reduce__(self) -> tuple[Any, ...]:
        """Across processes it is what it is for everyone else: a `RuntimeFailed`."""
        return IntermodalError.__reduce__(RuntimeFailed(self.headline, seen=self.seen, next_step=self.next_step))


class Lost(Exception):
    """No answer: nobody knows whether it was done.

    Args:
        text: What happened.
        expired: Whether it was for want of valid credentials, so that it was certainly not done.
    """

    def __init__(self, text: str, *, expired: bool = False) -> None:
        super().__init__(text)
        self.expired = expired


def _to_standard_error(line: str) -> None:
    print(f"warning: {line}", file=sys.stderr, flush=True)


class Calls:
    """Calls one service, again and again for as long as the settings are patient.

    Every call may be made twice: describing changes nothing, stopping twice is stopping, and what is
    created has a name or token of its own, so that the second time is refused as such.

    Args:
        service: Its name in boto3.
        settings: `[sagemaker]`.
        sleep: How to wait; tests replace it.
        clock: What the time is; tests replace it.
        say: Who is told, once, that the service keeps silent.
    """

    def __init__(
        self,
        service: str,
        settings: SageMakerSettings,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        say: Callable[[str], None] = _to_standard_error,
    ) -> None:
        self.service = service
        self.settings = settings
        self._sleep, self._clock, self._say = sleep, clock, say

    def __call__(self, operation: str, **parameters: Any) -> dict[str, Any]:
        """Call an operation.

        Args:
            operation: In the API's spelling, such as "DescribeTrainingJob".
            parameters: Its request.

        Returns:
            Its answer.

        Raises:
            Refused: The service said no.
            RuntimeFailed: It did not answer for too long.
        """
        began, pause, told = self._clock(), _FIRST, False
        while True:
            try:
                return self.once(operation, **parameters)
            except Lost as lost:
                waited = self._clock() - began
                if waited + pause > self.settings.patience:
                    raise self._given_up(operation, lost) from lost
                if (waited >= _QUIET or lost.expired) and not told:
                    told = True
                    self._say(self._explained(lost))
                if lost.expired:
                    renew_clients()
            self._sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311  so that many clients do not come at once
            pause = min(2 * pause, _LONGEST)

    def once(self, operation: str, **parameters: Any) -> dict[str, Any]:
        """Call an operation a single time.

        Raises:
            Refused: The service said no.
            Lost: There was no answer.
        """
        from botocore import xform_name
        from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

        try:
            client = aws_client(self.service, self.settings)
            return dict(getattr(client, xform_name(operation))(**parameters))
        except ClientError as error:
            raise self._judged(operation, error) from error
        except ParamValidationError as error:
            raise Refused(f"{self.service} would refuse this {operation}", code="Validation", seen=error) from error
        except (BotoCoreError, OSError) as error:
            raise Lost(f"{type(error).__name__}: {error}", expired=_is_expired(error)) from error

    def ending(self) -> Calls:
        """The same service, asked again for less long; for whoever has to end."""
        return Calls(self.service, self.settings.ending(), sleep=self._sleep, clock=self._clock, say=self._say)

    def pages(self, operation: str, member: str, **parameters: Any) -> Iterator[Any]:
        """Every item of a listing, page after page.

        Args:
            operation: Such as "ListTrainingJobs".
            member: The answer's list, such as "TrainingJobSummaries".
            parameters: The request.

        Raises:
            Refused: The service said no.
            RuntimeFailed: It did not answer for too long.
        """
        token: dict[str, Any] = {}
        while True:
            answer = self(operation, **parameters, **token)
            yield from answer.get(member, [])
            name = next((item for item in _NEXT if answer.get(item)), "")
            if not name:
                return
            token = {name: answer[name]}

    def _judged(self, operation: str, error: Any) -> Exception:
        """What an answer with an error means: no, or no answer."""
        fields = error.response.get("Error", {})
        code, message = str(fields.get("Code", "")), str(fields.get("Message", ""))
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if code in _EXPIRED:
            return Lost(f"{code}: {message}", expired=True)
        if code in _PASSING or status >= _SERVER_FAULT or status == 429:
            # What stands between us and AWS answers with pages of HTML.
            return Lost(f"{code or status}: {' '.join(message.split())}"[:_LONGEST_TEXT])
        denied = code.startswith("AccessDenied") or code == "UnauthorizedOperation"
        return Refused(
            f"{self.service} refused {operation}",
            code=code,
            seen=f"{code}: {message}"[:600],
            expected="leave to do so" if denied else "",
            next_step="intermodal aws iam-policy PIPELINE says which; intermodal aws doctor" if denied else "",
        )

    def _explained(self, lost: Lost) -> str:
        wait = f"asking again for up to {self.settings.patience:.0f} s"
        if lost.expired:
            return f"the AWS credentials have expired ({lost}); renew them (aws sso login, say): {wait}"
        return f"{self.service} does not answer ({lost}); {wait}"

    def _given_up(self, operation: str, lost: Lost) -> RuntimeFailed:
        return RuntimeFailed(
            f"{self.service} did not answer {operation} for {self.settings.patience:.0f} s",
            seen=lost,
            expected="credentials that are valid" if lost.expired else "an answer",
            next_step="renew the credentials, check the network (sagemaker.patience is how long to wait); then run "
            "the same command again: it goes on with jobs that still run",
        )


def _is_expired(error: BaseException) -> bool:
    name = type(error).__name__
    return "Credential" in name or "Token" in name or "SSO" in name
