"""Every request that anything renders is within AWS's limits, near those limits too; no renderer is forgotten."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

import intermodal
from intermodal.aws.athena import Query
from intermodal.aws.athena_queries import Athena
from intermodal.aws.calls import Calls, Refused
from intermodal.aws.data_settings import AthenaSettings, RedshiftSettings
from intermodal.aws.glue import (
    PARQUET,
    Table,
    ensure_table,
)
from intermodal.aws.redshift import Sql
from intermodal.aws.redshift_queries import Redshift
from intermodal.aws.request import Request
from intermodal.aws.service_model import problems
from intermodal.aws.settings import SageMakerSettings
from intermodal.errors import RuntimeFailed
from request_cases import CASES
from sagemaker_plans import PLACE, STORE

PACKAGE = Path(intermodal.__file__).parent
SERVICES = PACKAGE / "runtime" / "sagemaker_local"  # the other side: it is sent requests, and makes none
STATEMENT = "12345678-1234-1234-1234-123456789012"  # Redshift's ids are UUIDs

ANSWERS: dict[str, dict[str, Any]] = {
    "GetWorkGroup": {"WorkGroup": {"Configuration": {}}},
    "GetQueryExecution": {"QueryExecution": {"Status": {"State": "RUNNING"}}},
    "GetQueryResults": {"ResultSet": {"ResultSetMetadata": {"ColumnInfo": []}, "Rows": []}},
    "DescribeStatement": {"Status": "STARTED"},
    "GetStatementResult": {"ColumnMetadata": [], "Records": []},
    "GetTable": {"Table": {}},
    "StartQueryExecution": {"QueryExecutionId": "q1"},
    "ExecuteStatement": {"Id": STATEMENT},
}


def asked_of_the_services(monkeypatch: pytest.MonkeyPatch) -> list[Request]:
    """What is sent while queries are followed and stopped; it hangs on nothing but the service's own ids."""
    sent: list[Request] = []

    def answer(calls: Calls, operation: str, **parameters: Any) -> dict[str, Any]:
        sent.append(Request(calls.service, operation, parameters))
        if operation in ("CreateTable", "CreateWorkGroup"):
            codes = {"CreateTable": "AlreadyExistsException", "CreateWorkGroup": "InvalidRequestException"}
            raise Refused("it is there", code=codes[operation])
        return ANSWERS.get(operation, {})

    monkeypatch.setattr(Calls, "__call__", answer)
    athena = Athena(AthenaSettings(max_seconds=0), SageMakerSettings(), PLACE, sleep=lambda _seconds: None)
    redshift = Redshift(RedshiftSettings(workgroup="work", max_seconds=0), SageMakerSettings())
    athena.ensure_workgroup()
    ensure_table(Table("db", "t", f"{STORE}/t", (), PARQUET), SageMakerSettings())
    for run in (
        lambda: athena.run(Query("SELECT 1", "db", "work", f"{STORE}/r/")),
        lambda: redshift.run(Sql("SELECT 1"), "n"),
    ):
        with pytest.raises(RuntimeFailed, match="takes too long"):
            run()
    athena.result("q1")
    redshift.result(STATEMENT)
    return sent


@pytest.fixture
def redshift(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERMODAL_REDSHIFT_WORKGROUP", "work")


def of_case(name: str, examples: int) -> list[Request]:
    """The requests of so many examples of a case."""
    made: list[Request] = []

    # Not shrunk: that takes minutes for plans as large as these.
    phases = (Phase.explicit, Phase.generate)

    @settings(max_examples=examples, deadline=None, database=None, phases=phases, suppress_health_check=[*HealthCheck])
    @given(requests=CASES[name])
    def render(requests: list[Request]) -> None:
        assert requests
        for request in requests:
            assert problems(request.service, request.operation, request.parameters) == [], request.operation
        made.extend(requests)

    render()
    return made


@pytest.mark.usefixtures("redshift")
@pytest.mark.parametrize("name", CASES)
def test_what_is_sensible_is_rendered_within_aws_s_limits(name: str) -> None:
    assert len({request.digest for request in of_case(name, 25)}) > 5


def places_that_make_requests() -> dict[tuple[str, int], int]:
    """Every call of `Request` in the package: file and first line → last line."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if "intermodal.aws.request import" not in text and path.name != "request.py" or path.is_relative_to(SERVICES):
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Request":
                found[str(path), node.lineno] = node.end_lineno or node.lineno
    return found


@pytest.fixture
def reached(monkeypatch: pytest.MonkeyPatch) -> set[tuple[str, int]]:
    """Files and lines that made requests while the test ran."""
    found: set[tuple[str, int]] = set()
    made = Request.__init__

    def noted(self: Request, *args: Any, **fields: Any) -> None:
        frame = sys._getframe(1)
        found.add((frame.f_code.co_filename, frame.f_lineno))
        made(self, *args, **fields)

    monkeypatch.setattr(Request, "__init__", noted)
    return found


@pytest.mark.usefixtures("redshift")
def test_no_place_that_makes_a_request_is_forgotten(
    reached: set[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in CASES:
        of_case(name, 5)
    asked = asked_of_the_services(monkeypatch)
    assert len(asked) > 10
    for request in asked:
        assert problems(request.service, request.operation, request.parameters) == [], request.operation
    places = places_that_make_requests()
    assert len(places) > 40
    forgotten = [
        f"{Path(file).relative_to(PACKAGE)}:{first}"
        for (file, first), last in places.items()
        if not any((file, line) in reached for line in range(first, last + 1))
    ]
    assert forgotten == []
