"""What a job's containers print, followed in CloudWatch Logs: every line once, in order, from each host's stream."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from intermodal.aws.calls import Calls, Refused
from intermodal.aws.job_kinds import JobKind

_PAGE = 10_000
_SEARCH_EVERY = 10  # looks between two searches for further streams, once the expected ones are known


@dataclass
class _Stream:
    name: str
    host: str
    token: str = ""
    last: int = 0  # timestamp of the newest event that was read, ms
    at_last: Counter[str] = field(default_factory=Counter)  # messages with that timestamp
    skip: Counter[str] = field(default_factory=Counter)  # of these, what comes again after a token was given up


class JobLog:
    """Follows the log of one job.

    Args:
        calls: CloudWatch Logs.
        kind: The kind of job.
        name: Its name; its streams are called NAME/HOST-TIME.
        hosts: How many hosts it has.
    """

    def __init__(self, calls: Calls, kind: JobKind, name: str, hosts: int = 1) -> None:
        self._calls, self._group, self._name, self._hosts = calls, kind.log_group, name, hosts
        self._streams: dict[str, _Stream] = {}
        self._looks = 0

    def lines(self, *, search: bool = False) -> list[str]:
        """New lines since the last look; those of several hosts begin with the host's name.

        A stream that is not there (yet, or any more) has none.

        Args:
            search: Look for further streams in any case: a job that was started again has one more.

        Raises:
            RuntimeFailed: CloudWatch did not answer, or refused.
        """
        if not self._group:
            return []
        if search or len(self._streams) < self._hosts or self._looks % _SEARCH_EVERY == 0:
            self._search()
        self._looks += 1
        found = [
            (event["timestamp"], stream, event["message"]) for stream in self._all() for event in self._new(stream)
        ]
        if len(self._streams) > 1:
            found.sort(key=lambda item: item[0])  # a stable sort keeps the order within each stream
        several = self._hosts > 1
        return [f"[{stream.host}] {message}" if several else message for _, stream, message in found]

    def _all(self) -> list[_Stream]:
        return [self._streams[name] for name in sorted(self._streams)]

    def _search(self) -> None:
        request = {"logGroupName": self._group, "logStreamNamePrefix": f"{self._name}/"}
        try:
            for item in self._calls.pages("DescribeLogStreams", "logStreams", **request):
                name = item["logStreamName"]
                host = name.rpartition("/")[2].rpartition("-")[0] or name
                self._streams.setdefault(name, _Stream(name, host))
        except Refused as refused:
            if "ResourceNotFound" not in refused.code:
                raise

    def _new(self, stream: _Stream) -> list[dict[str, Any]]:
        """Events of a stream that were not read before, up to its present end."""
        events: list[dict[str, Any]] = []
        while True:
            page = self._page(stream)
            if page is None:
                return events
            events += self._unread(stream, page.get("events", []))
            token, stream.token = stream.token, page["nextForwardToken"]
            if token == stream.token:  # AWS gives the same token back at the end
                return events

    def _page(self, stream: _Stream) -> dict[str, Any] | None:
        """The next page of a stream; None when there is no such stream. An old token is given up for the time."""
        request: dict[str, Any] = {
            "logGroupName": self._group,
            "logStreamName": stream.name,
            "startFromHead": True,
            "limit": _PAGE,
        }
        if stream.token:
            request["nextToken"] = stream.token
        elif stream.last:
            request["startTime"] = stream.last
        try:
            return self._calls("GetLogEvents", **request)
        except Refused as refused:
            if stream.token and "InvalidParameter" in refused.code:
                stream.token, stream.skip = "", Counter(stream.at_last)
                return self._page(stream)
            if "ResourceNotFound" in refused.code:
                return None
            raise

    def _unread(self, stream: _Stream, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The events without those that were read before a token was given up; they share the last timestamp."""
        fresh = []
        for event in events:
            time, message = event["timestamp"], event["message"]
            if time == stream.last and stream.skip[message] > 0:
                stream.skip[message] -= 1
                continue
            fresh.append(event)
            if time > stream.last:
                stream.last, stream.at_last, stream.skip = time, Counter(), Counter()
            if time == stream.last:
                stream.at_last[message] += 1
        return fresh
