"""What many answers have in common: times, paging, filters and sorting of List operations, tags."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from intermodal.runtime.sagemaker_local.operations import ApiError
from intermodal.runtime.sagemaker_local.records import Records

_PAGE = 100
_TAGS = 50


def now() -> float:
    """Seconds since 1970, in milliseconds as AWS's answers have them."""
    return round(time.time(), 3)


def present(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer without members that have no value: None, an empty text, an empty mapping or list."""
    return {name: value for name, value in answer.items() if value not in (None, "", {}, [])}


def refuse_if(wrong: dict[str, Any]) -> None:
    """Refuse a request of which something wrong is true.

    Args:
        wrong: What is said → whether it is true of the request.

    Raises:
        ApiError: ValidationException, with the first that is.
    """
    for message, holds in wrong.items():
        if holds:
            raise ApiError("ValidationException", message)


def page(items: list[Any], request: dict[str, Any], name: str, size: int = _PAGE) -> dict[str, Any]:
    """One page of a list.

    Args:
        items: All of them.
        request: The request, with MaxResults and NextToken.
        name: The answer's member.
        size: How many without MaxResults.

    Raises:
        ApiError: ValidationException, the token is none of ours.
    """
    first = _read_token(request.get("NextToken", ""))
    last = first + request.get("MaxResults", size)
    answer = {name: items[first:last]}
    return answer | ({"NextToken": _token(last)} if last < len(items) else {})


def select(
    items: list[dict[str, Any]],
    request: dict[str, Any],
    name: str,
    status: str = "",
    created: str = "CreationTime",
    sort: str = "CreationTime",
    order: str = "Descending",
) -> list[dict[str, Any]]:
    """Filter and sort summaries as List operations do.

    NameContains, StatusEquals, CreationTimeAfter/Before, LastModifiedTimeAfter/Before, SortBy (Name,
    CreationTime, Status, LastModifiedTime) and SortOrder are taken from the request.

    Args:
        items: Summaries.
        request: The request.
        name: The member of a summary that is its name, such as "TrainingJobName".
        status: The member that is its status.
        created: The member that is its creation.
        sort: What is sorted by unless the request says.
        order: How, unless the request says.
    """
    keys = {"Name": name, "Status": status, "CreationTime": created}
    kept = [item for item in items if all(test(item) for test in _tests(request, name, status, created))]
    by = keys.get(request.get("SortBy", sort), request.get("SortBy", sort))
    down = request.get("SortOrder", order) == "Descending"
    return sorted(kept, key=lambda item: (item.get(by) is not None, item.get(by)), reverse=down)


def _tests(request: dict[str, Any], name: str, status: str, created: str) -> list[Callable[[dict[str, Any]], bool]]:
    tests: list[Callable[[dict[str, Any]], bool]] = []
    if "NameContains" in request:
        tests.append(lambda item: request["NameContains"].lower() in item[name].lower())
    if "StatusEquals" in request:
        tests.append(lambda item: item.get(status) == request["StatusEquals"])
    for prefix, member in (("CreationTime", created), ("LastModifiedTime", "LastModifiedTime")):
        if f"{prefix}After" in request:
            after = float(request[f"{prefix}After"])
            tests.append(lambda item, member=member, after=after: item.get(member, 0) > after)  # type: ignore[misc]
        if f"{prefix}Before" in request:
            before = float(request[f"{prefix}Before"])
            tests.append(lambda item, member=member, before=before: item.get(member, 0) < before)  # type: ignore[misc]
    return tests


def _token(first: int) -> str:
    return base64.urlsafe_b64encode(json.dumps({"first": first}).encode()).decode()


def _read_token(token: str) -> int:
    if not token:
        return 0
    try:
        return int(json.loads(base64.urlsafe_b64decode(token))["first"])
    except (ValueError, KeyError, TypeError) as error:
        raise ApiError("ValidationException", "Invalid NextToken") from error


class Tags:
    """Tags by ARN.

    Args:
        folder: Where they are kept.
    """

    def __init__(self, folder: Path) -> None:
        self._records = Records(folder)
        self._lock = threading.Lock()

    def knows(self, arn: str) -> bool:
        """Whether the ARN is of something that was made here."""
        return arn in self._records

    def put(self, arn: str, tags: list[dict[str, str]]) -> None:
        """Add tags; a key that is there gets the new value. Without tags the ARN is known from then on.

        Raises:
            ApiError: ValidationException, more than 50.
        """
        with self._lock:
            merged = self._of(arn) | {tag["Key"]: tag["Value"] for tag in tags}
            if len(merged) > _TAGS:
                raise ApiError("ValidationException", f"Number of tags exceeds the limit of {_TAGS}")
            self._records.put(arn, merged)

    def remove(self, arn: str, keys: list[str]) -> None:
        """Remove tags by their keys."""
        with self._lock:
            self._records.put(arn, {key: value for key, value in self._of(arn).items() if key not in keys})

    def forget(self, arn: str) -> None:
        """The thing is gone."""
        self._records.remove(arn)

    def get(self, arn: str) -> list[dict[str, str]]:
        """The tags as the API says them, by key."""
        return [{"Key": key, "Value": value} for key, value in sorted(self._of(arn).items())]

    def all(self) -> dict[str, dict[str, str]]:
        """ARN → its tags."""
        return self._records.all()

    def _of(self, arn: str) -> dict[str, str]:
        return self._records.get(arn) or {}
