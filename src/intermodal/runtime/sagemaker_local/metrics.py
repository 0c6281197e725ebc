"""Metrics that a training job prints, found by the regular expressions of its request."""

from __future__ import annotations

import re
import threading
from contextlib import suppress
from typing import Any

from intermodal.runtime.sagemaker_local.answers import now


class Metrics:
    """The values of each metric.

    Args:
        definitions: MetricDefinitions of the request.
    """

    def __init__(self, definitions: list[dict[str, str]]) -> None:
        self._definitions: list[tuple[str, re.Pattern[str]]] = []
        for item in definitions:
            with suppress(re.error):  # Java's dialect may hold what Python's does not
                self._definitions.append((item["Name"], re.compile(item["Regex"])))
        self._last: dict[str, dict[str, Any]] = {}
        self._values: dict[str, list[float]] = {}
        self._lock = threading.Lock()

    def read(self, line: str) -> None:
        """Look for values in a line."""
        for name, pattern in self._definitions:
            for match in pattern.finditer(line):
                with suppress(ValueError, IndexError, TypeError):
                    value = float(match.group(1))
                    with self._lock:
                        self._last[name] = {"MetricName": name, "Value": value, "Timestamp": now()}
                        self._values.setdefault(name, []).append(value)

    def final(self) -> list[dict[str, Any]]:
        """FinalMetricDataList."""
        with self._lock:
            return list(self._last.values())

    def values(self, name: str) -> list[float]:
        """All values of one metric so far, in the order in which they were printed."""
        with self._lock:
            return list(self._values.get(name, ()))
