"""CloudWatch's log streams of jobs: kept in files below the service's home, read by its real operations."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

from intermodal.runtime.sagemaker_local.answers import now
from intermodal.runtime.sagemaker_local.operations import ApiError, ToMoto, operation
from intermodal.runtime.sagemaker_local.service import Service

GROUPS = "/aws/sagemaker/"
_PAGE = 10_000  # events of one answer
_BYTES = 1_000_000  # of one answer: AWS says 1 MB
_LOCK = threading.RLock()


def write_line(service: Service, group: str, stream: str, line: str) -> None:
    """Add a line to a stream, which is made by its first line.

    Args:
        service: The service.
        group: Such as "/aws/sagemaker/TrainingJobs".
        stream: Such as "NAME/algo-1-1700000000".
        line: Without the end of line.
    """
    path = _path(service, group, stream)
    event = json.dumps({"timestamp": int(now() * 1000), "message": line or " "})
    with _LOCK:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(f"{event}\n")


@operation("GetLogEvents", service="logs")
def get_log_events(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """Events of one stream; a token counts events, and at the end it is the one that was given."""
    group, stream = _group(service, request), request["logStreamName"]
    events = _chosen(_events(service, group, stream), request)
    limit, head = request.get("limit", _PAGE), request.get("startFromHead", False)
    token = request.get("nextToken", "")
    if token:
        way, at = _read_token(token)
        first, last = (at, _end(events, at, limit)) if way == "f" else (max(0, at - limit), at)
    else:
        first = 0 if head else max(0, len(events) - limit)
        last = _end(events, first, limit)
    answer = [{**event, "ingestionTime": event["timestamp"]} for event in events[first:last]]
    return {"events": answer, "nextForwardToken": _token("f", last), "nextBackwardToken": _token("b", first)}


@operation("FilterLogEvents", service="logs")
def filter_log_events(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """Events of several streams, by time; a pattern is searched as plain words."""
    group = _group(service, request)
    names = request.get("logStreamNames") or _names(service, group, request.get("logStreamNamePrefix", ""))
    found = [
        {**event, "logStreamName": name, "ingestionTime": event["timestamp"], "eventId": f"{at:010d}-{name}"}
        for name in names
        for at, event in enumerate(_chosen(_events(service, group, name), request))
        if _matches(event["message"], request.get("filterPattern", ""))
    ]
    found.sort(key=lambda event: (event["timestamp"], event["logStreamName"], event["eventId"]))
    first = _read_token(request["nextToken"])[1] if request.get("nextToken") else 0
    last = _end(found, first, request.get("limit", _PAGE))
    rest = {"nextToken": _token("f", last)} if last < len(found) else {}
    return {"events": found[first:last], "searchedLogStreams": [], **rest}


@operation("DescribeLogStreams", service="logs")
def describe_log_streams(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """The streams of a group."""
    group = _group(service, request)
    streams = [_stream(service, group, name) for name in _names(service, group, request.get("logStreamNamePrefix", ""))]
    by = "lastEventTimestamp" if request.get("orderBy") == "LastEventTime" else "logStreamName"
    streams.sort(key=lambda stream: stream[by], reverse=request.get("descending", False))
    first = _read_token(request["nextToken"])[1] if request.get("nextToken") else 0
    last = first + request.get("limit", 50)
    rest = {"nextToken": _token("f", last)} if last < len(streams) else {}
    return {"logStreams": streams[first:last], **rest}


def _stream(service: Service, group: str, name: str) -> dict[str, Any]:
    events = _events(service, group, name)
    first, last = events[0]["timestamp"], events[-1]["timestamp"]
    return {
        "logStreamName": name,
        "creationTime": first,
        "firstEventTimestamp": first,
        "lastEventTimestamp": last,
        "lastIngestionTime": last,
        "arn": service.arn(f"log-group:{group}:log-stream:{name}", "logs"),
        "storedBytes": 0,
    }


def _group(service: Service, request: dict[str, Any]) -> str:
    group = request.get("logGroupName") or str(request.get("logGroupIdentifier", "")).partition("log-group:")[2]
    if not group.startswith(GROUPS):
        raise ToMoto
    if not (service.home / "logs" / group.strip("/")).is_dir():
        raise ApiError("ResourceNotFoundException", "The specified log group does not exist.")
    return group


def _events(service: Service, group: str, stream: str) -> list[dict[str, Any]]:
    path = _path(service, group, stream)
    with _LOCK:
        if not path.is_file():
            raise ApiError("ResourceNotFoundException", "The specified log stream does not exist.")
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _names(service: Service, group: str, prefix: str) -> list[str]:
    folder = service.home / "logs" / group.strip("/")
    names = sorted(path.relative_to(folder).as_posix().removesuffix(".jsonl") for path in folder.rglob("*.jsonl"))
    return [name for name in names if name.startswith(prefix)]


def _chosen(events: list[dict[str, Any]], request: dict[str, Any]) -> list[dict[str, Any]]:
    start, end = request.get("startTime", 0), request.get("endTime", float("inf"))
    return [event for event in events if start <= event["timestamp"] < end]


def _matches(message: str, pattern: str) -> bool:
    words = [pattern.strip('"')] if pattern.startswith('"') else pattern.split()
    return all(word in message for word in words)


def _end(events: list[dict[str, Any]], first: int, limit: int) -> int:
    """Where an answer ends that begins at `first`: AWS sends at most so many events, and at most 1 MB."""
    size, last = 0, first
    while last < min(len(events), first + limit) and (size == 0 or size < _BYTES):
        size += len(events[last]["message"]) + 26
        last += 1
    return max(last, first)


def _token(way: str, at: int) -> str:
    return f"{way}/{at:056d}/s"


def _read_token(token: str) -> tuple[str, int]:
    way, _, rest = token.partition("/")
    digits = rest.partition("/")[0]
    if way not in ("f", "b") or not digits.isdigit():
        raise ApiError("InvalidParameterException", "The specified nextToken is invalid.")
    return way, int(digits)


def _path(service: Service, group: str, stream: str) -> Path:
    if ".." in Path(stream).parts:
        raise ApiError("InvalidParameterException", "The specified log stream name is invalid.")
    return service.home / "logs" / group.strip("/") / f"{stream}.jsonl"
