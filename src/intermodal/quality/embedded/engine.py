"""The embedded engine: every metric of a suite in one scan, or in few."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from intermodal.quality import analyzers as a
from intermodal.quality.analyzers import Analyzer, Problem
from intermodal.quality.checks import Constraint
from intermodal.quality.embedded import moments as _moments  # noqa: F401 - registers its aggregates
from intermodal.quality.embedded.aggregates import Aggregate, Table, Value, aggregate
from intermodal.quality.embedded.binding import find_fault
from intermodal.quality.embedded.frequencies import (
    GROUPED,
    Frequencies,
    count_groups,
    histogram,
    measure_groups,
    mutual_information,
)
from intermodal.quality.embedded.preconditions import find_problem
from intermodal.quality.embedded.samples import find_failing_rows
from intermodal.quality.embedded.source import Source, open_source
from intermodal.quality.engine import Engine, FailingRows
from intermodal.quality.evaluation import analyzer_of
from intermodal.quality.metric import FAILED_CALCULATION, Metric, empty_state


class EmbeddedEngine(Engine):
    """Deequ's metrics on Parquet files, computed by DuckDB in this process.

    Scans: one for all aggregates; one more, by a single thread, for those whose last digit depends on the order of
    the rows; and one for each group of columns whose frequencies are asked for.

    Args:
        path: A directory with Parquet files, or one file.
        threads: Threads used at most; 0 for one a core of this process.

    Raises:
        UsageError: There is no Parquet file.
        DataRejected: A file is damaged.
    """

    def __init__(self, path: str | os.PathLike[str], threads: int = 0) -> None:
        self.source: Source = open_source(path, threads)

    def columns(self) -> Mapping[str, str]:
        """Column name → Spark's name of its type, in order."""
        return self.source.columns

    def measure(self, analyzers: Iterable[Analyzer]) -> dict[Analyzer, Metric]:
        """A metric for each analyzer; what cannot be computed fails alone."""
        asked = list(dict.fromkeys(analyzers))
        metrics = {item: Metric(item, problem=problem) for item in asked if (problem := self._problem(item))}
        rest = [item for item in asked if item not in metrics]
        metrics |= self._scan([item for item in rest if not isinstance(item, GROUPED)])
        metrics |= self._count([item for item in rest if isinstance(item, GROUPED)])
        return {item: metrics[item] for item in asked}

    def fault(self, constraint: Constraint) -> str:
        """What is wrong with the SQL and the pattern of a constraint, as one line; "" for nothing."""
        problem = find_fault(analyzer_of(constraint), self.source)
        return problem.message if problem else ""

    def failing_rows(self, constraints: Sequence[Constraint], samples: int) -> dict[Constraint, FailingRows]:
        """The rows that fail each constraint; constraints that say nothing about a single row are absent."""
        return find_failing_rows(self.source, constraints, samples)

    def _problem(self, analyzer: Analyzer) -> Problem | None:
        return find_problem(analyzer, self.source.columns) or find_fault(analyzer, self.source)

    def _scan(self, analyzers: list[Analyzer]) -> dict[Analyzer, Metric]:
        table = Table(self.source.columns)
        plans = {item: aggregate(item, table) for item in analyzers}
        metrics = self._run({item: plan for item, plan in plans.items() if not plan.ordered})
        threads = self.source.query("SELECT current_setting('threads')")[0][0]
        self.source.connection.execute("SET threads = 1")
        try:
            return metrics | self._run({item: plan for item, plan in plans.items() if plan.ordered})
        finally:
            self.source.connection.execute(f"SET threads = {threads}")

    def _run(self, plans: dict[Analyzer, Aggregate]) -> dict[Analyzer, Metric]:
        """All aggregates in one query; if data breaks one of them, each by itself."""
        import duckdb

        expressions = [column for plan in plans.values() for column in plan.columns]
        sql = f"SELECT {', '.join(expressions)} FROM {self.source.table}"
        try:
            values = list(self.source.query(sql)[0]) if expressions else []
        except duckdb.Error as error:
            if len(plans) == 1:
                return {item: Metric(item, problem=_failure(error)) for item in plans}
            return {key: metric for item, plan in plans.items() for key, metric in self._run({item: plan}).items()}
        metrics = {}
        for item, plan in plans.items():
            used, values = values[: len(plan.columns)], values[len(plan.columns) :]
            metrics[item] = _metric(item, plan.finish(*used))
        return metrics

    def _count(self, analyzers: list[Analyzer]) -> dict[Analyzer, Metric]:
        import duckdb

        counted: dict[tuple[Any, str], Frequencies] = {}
        metrics = {}
        for item in analyzers:
            try:
                metrics[item] = _metric(item, self._frequency(item, counted))
            except duckdb.Error as error:
                metrics[item] = Metric(item, problem=_failure(error))
        return metrics

    def _frequency(self, analyzer: Analyzer, counted: dict[tuple[Any, str], Frequencies]) -> Value:
        if isinstance(analyzer, a.Histogram):
            return histogram(self.source, analyzer)
        if isinstance(analyzer, a.MutualInformation):
            return mutual_information(self.source, analyzer)
        key = (analyzer.columns_read(), analyzer.where)
        if key not in counted:
            counted[key] = count_groups(self.source, *key)
        return measure_groups(analyzer, counted[key])


def _metric(analyzer: Analyzer, value: Value) -> Metric:
    return empty_state(analyzer) if value is None else Metric(analyzer, value)


def _failure(error: Exception) -> Problem:
    return Problem(FAILED_CALCULATION, " ".join(str(error).split()))
