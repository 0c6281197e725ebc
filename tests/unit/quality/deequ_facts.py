"""What real Deequ answered, and how a recorded fact is put to the embedded engine."""

from __future__ import annotations

import json
import math
import os
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from intermodal.quality.analyzers import Histogram, from_json
from intermodal.quality.assertion import Assertion
from intermodal.quality.checks import Constraint
from intermodal.quality.embedded.engine import EmbeddedEngine
from intermodal.quality.methods import METHODS
from intermodal.quality.suite import validated

SHARED = Path(os.environ.get("INTERMODAL_SHARED", Path(__file__).resolve().parents[4] / "shared"))
ORACLE = SHARED / "oracle"
ABSENT = f"Deequ's recorded answers are not at {ORACLE}"

Fact = dict[str, Any]


@lru_cache
def facts(kind: str, dataset: str) -> tuple[Fact, ...]:
    """The facts of one file; none if the directory is absent."""
    path = ORACLE / f"facts_{kind}_{dataset}.json"
    return tuple(json.loads(path.read_text())) if path.exists() else ()


@lru_cache
def engine(dataset: str) -> EmbeddedEngine:
    return EmbeddedEngine(ORACLE / f"{dataset}.parquet", threads=2)


def analyzer_of_fact(fact: Fact):
    """The analyzer of a fact. The records of Histogram keep their parameters in the analyzer's text only."""
    if fact["analyzer"]["type"] != "Histogram":
        return from_json(fact["analyzer"])
    text = fact["analyzer_string"]
    found = re.fullmatch(r"Histogram\((\w+),None,(\d+),(None|Some\((.*)\)),(true|false),Count\)", text)
    assert found, text
    return Histogram(found[1], int(found[2]), found[4] or "", found[5] == "true")


def short(error_class: str) -> str:
    """An exception's class without its package."""
    return error_class.split(".")[-1]


def same_number(seen: Any, wanted: Any, approximate: bool) -> bool:
    """Whether two metric values agree: to nine digits, or 10 % for what Deequ only estimates."""
    if isinstance(seen, str) or isinstance(wanted, str):
        return seen == wanted
    if approximate:
        return math.isclose(seen, wanted, rel_tol=0.10, abs_tol=1)
    return math.isclose(seen, wanted, rel_tol=1e-9, abs_tol=1e-12)


def same_value(seen: Any, wanted: Any, approximate: bool) -> bool:
    """The same for numbers and for distributions."""
    if not isinstance(wanted, dict):
        return same_number(seen, wanted, approximate)
    if set(seen) != set(wanted):
        return False
    return all(same_value(seen[key], wanted[key], approximate) for key in wanted)


_VALUE = re.compile(r"Value: (\S+) (does not meet the constraint requirement!.*)", re.DOTALL)


def same_message(seen: str, wanted: str, approximate: bool = False) -> bool:
    """Whether two messages agree: equal text, numbers in it as `same_number` wants them.

    Two kinds are compared by their parts: the types in a wrong-type message, whose order is a hash table's, and errors
    of expressions, which are the SQL engine's own and agree if both name the place of the error.
    """
    numbers = [_VALUE.fullmatch(text) for text in (seen, wanted)]
    if all(numbers):
        values = [_number(match[1]) for match in numbers]
        return numbers[0][2] == numbers[1][2] and same_number(values[0], values[1], approximate)
    if "to be one of (" in wanted:
        (head, _, types), (wanted_head, _, wanted_types) = (text.partition("one of (") for text in (seen, wanted))
        return head == wanted_head and _types(types) == _types(wanted_types)
    if wanted.startswith("org.apache.spark.sql"):
        place = "nope" if "nope" in wanted else "syntax error"
        return place in seen.lower() and place in wanted.lower()
    return seen[:600] == wanted[:600]


def _number(text: str) -> float | str:
    return text if text in ("NaN", "Infinity") else float(text)


def _types(text: str) -> set[str]:
    return {
        re.sub(r"^org\.apache\.spark\.sql\.types\.(\w+)\$@\w+$", r"\1", name) for name in re.split(r"[,)]\s*", text)
    }


def constraints_of_fact(fact: Fact) -> list[Constraint]:
    """The constraints of a fact, written as a user would write them."""
    if fact["method"] == "no constraints":
        return []
    if fact["method"] == "combined":
        return [validated(item) for item in _combined()]
    return [validated(_constraint(fact))]


def _combined() -> list[Constraint]:
    codes = ("US", "UK", "DE", "JP", "FR")
    return [
        Constraint("hasSize", (), Assertion.parse(">= 5000")),
        Constraint("hasMin", ("star_rating",), Assertion.parse(">= 1")),
        Constraint("hasMax", ("star_rating",), Assertion.parse("<= 5")),
        Constraint("isComplete", ("review_id",)),
        Constraint("isUnique", ("review_id",)),
        Constraint("isComplete", ("marketplace",)),
        Constraint("isContainedIn", ("marketplace",), allowed_values=codes),
    ]


def _constraint(fact: Fact) -> Constraint:
    method, arguments = re.split(r"[\[+.]", fact["method"])[0], list(fact["args"])
    fields: dict[str, Any] = {"where": fact["where"] or ""}
    if ".where(" in fact["method"]:
        fields["where"] = re.search(r"Some\((.*?)\)(?:,List\(\))?,None\)\)$", fact["constraints"][0]["constraint"])[1]
    if found := re.search(r"nullBehavior=(\w+)", fact["method"]):
        fields["null_behavior"] = found[1]
    if "[exclusive]" in fact["method"]:
        fields |= {"include_lower_bound": False, "include_upper_bound": False}
    while (
        arguments
        and isinstance(arguments[-1], str)
        and (found := re.match(r"hint: (.*)|([<>=]=? \S+)$", arguments[-1]))
    ):
        arguments.pop()
        fields |= {"hint": found[1]} if found[1] else {"assertion": Assertion.parse(found[2])}
    return Constraint(method, **fields, **_own_fields(method, arguments))


def _own_fields(method: str, arguments: list[Any]) -> dict[str, Any]:
    if method == "satisfies":
        return {"predicate": arguments[0], "name": arguments[1]}
    if method == "hasPattern":
        return {"columns": (arguments[0],), "pattern": arguments[1]}
    if method == "hasDataType":
        return {"columns": (arguments[0],), "data_type": arguments[1]}
    if method == "isContainedIn" and isinstance(arguments[1], list):
        return {"columns": (arguments[0],), "allowed_values": tuple(arguments[1])}
    if method == "isContainedIn":
        return {"columns": (arguments[0],), "lower_bound": arguments[1], "upper_bound": arguments[2]}
    if method in ("hasApproxQuantile", "hasExactQuantile"):
        return {"columns": (arguments[0],), "quantile": arguments[1]}
    if method == "hasHistogramValues":
        found = re.fullmatch(r"dist\('(.*)'\)\.ratio (<= .*)", arguments[1])
        return {"columns": (arguments[0],), "value": found[1], "assertion": Assertion.parse(found[2])}
    assert method in METHODS, method
    columns = [name for item in arguments for name in (item if isinstance(item, list) else [item])]
    return {"columns": tuple(columns)}
