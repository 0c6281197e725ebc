"""Every recorded outcome of every check method of real Deequ, put to the embedded engine."""

from __future__ import annotations

import json
import re
from functools import lru_cache

import pytest
from deequ_facts import ABSENT, ORACLE, constraints_of_fact, engine, facts, same_message, same_value, short

from intermodal.quality.assertion import Assertion
from intermodal.quality.checks import Check, Constraint, Level, Status
from intermodal.quality.evaluation import evaluate, label_of, status_of
from intermodal.quality.methods import METHODS
from intermodal.quality.verification import Verification, verify

DATASETS = ("reviews", "empty")
# What is not offered: free SQL queries, sketches, and assertions that are code and can raise.
UNSUPPORTED = {"customSql": 4, "kllSketchSatisfies": 2, "hasSize that throws": 6}

pytestmark = pytest.mark.skipif(not ORACLE.is_dir(), reason=ABSENT)


def kind(fact) -> str:
    throws = any(str(item).startswith("throws") for item in fact["args"])
    return f"{fact['method']} that throws" if throws else fact["method"]


def claimed(dataset: str):
    return [fact for fact in facts("checks", dataset) if kind(fact) not in UNSUPPORTED]


ALL = [(dataset, fact["id"], fact) for dataset in DATASETS for fact in claimed(dataset)]


def check_of(fact) -> Check:
    return Check(Level(fact["level"]), fact["id"], tuple(constraints_of_fact(fact)))


@lru_cache
def verification(dataset: str) -> Verification:
    """All checks of a data set as one suite."""
    return verify(engine(dataset), [check_of(fact) for fact in claimed(dataset)], samples=25)


@lru_cache
def outcomes(dataset: str) -> dict:
    return {item.check.description: item for item in verification(dataset).checks}


def corrected(fact) -> dict:
    """Deequ's outcome, put right where `differences` says that it is wrong."""
    [wanted] = fact["constraints"]
    method, where, dataset = fact["method"], fact["where"], fact["dataset"]
    ok = wanted | {"status": "Success", "message": ""}
    if method in ("isNonNegative", "isPositive") and fact["args"] == ["vine"] and dataset == "reviews":
        share = {None: 0.0018, "verified_purchase = 'Y'": 7 / 3945}.get(where)  # only NULL passes
        if share is None:
            return wanted
        text = f"Value: {share} does not meet the constraint requirement!"
        return wanted | {"status": "Failure", "message": text, "metric": wanted["metric"] | {"value": share}}
    if method == "hasUniqueValueRatio" and "Value at index 0 is null" in wanted["message"]:
        text = f"Empty state for analyzer {label_of(constraints_of_fact(fact)[0])[27:-1]}, all input values were NULL."
        empty = wanted["metric"] | {"error_class": "EmptyStateException", "error_message": text}
        return (ok if where else wanted | {"message": text}) | {"metric": empty}
    if method == "hasDataType" and fact["args"][1] == "Null" and where and dataset == "reviews":
        value = {"verified_purchase = 'Y'": {"star_rating": 57 / 3945, "vine": 7 / 3945}[fact["args"][0]]}.get(
            where, "NaN"
        )
        text = f"Value: {value} does not meet the constraint requirement!"
        return wanted | {"status": "Failure", "message": text}
    return wanted


@pytest.mark.parametrize(("dataset", "id_", "fact"), ALL, ids=lambda item: "" if isinstance(item, dict) else str(item))
def test_equals_deequ(dataset, id_, fact):
    seen = outcomes(dataset)[id_]
    wanted = [corrected(fact)] if len(fact["constraints"]) == 1 else fact["constraints"]
    for outcome, constraint in zip(seen.outcomes, wanted, strict=True):
        assert ("Success" if outcome.success else "Failure") == constraint["status"], (outcome, constraint)
        approximate = outcome.constraint.method.startswith("hasApprox")
        assert same_message(outcome.message, spelled(fact, constraint["message"]), approximate), outcome.message
        assert label_of(outcome.constraint) == spelled(fact, constraint["constraint"])
        if constraint["metric"] is not None:
            assert_metric(outcome.metric.to_json(), constraint["metric"], fact, approximate)
    assert seen.status == status(fact, wanted)


def status(fact, wanted) -> str:
    failed = any(item["status"] == "Failure" for item in wanted)
    assert failed == (fact["check_status"] == "Error") or wanted != fact["constraints"]
    return fact["level"] if failed else "Success"


def assert_metric(seen, wanted, fact, approximate):
    for key in ("entity", "instance", "name", "success"):
        assert seen[key] == wanted[key], (key, seen, wanted)
    if not wanted["success"]:
        assert seen["error_class"] == short(wanted["error_class"])
        assert same_message(seen["error_message"], spelled(fact, wanted["error_message"]))
    elif "value" in wanted:
        assert same_value(seen["value"], wanted["value"], approximate), (seen, wanted)


def spelled(fact, text: str) -> str:
    """Deequ's text with the two spellings that `differences` names: a lost bracket, the predicates of signs."""
    if text.startswith("UniqueValueRatioConstraint"):
        return text + ")"
    if fact["method"] not in ("isNonNegative", "isPositive"):
        return text
    return re.sub(r"COALESCE\(CAST\((\w+) AS DOUBLE\), [01]\.0\) (>=?) 0", _SIGN, text)


_SIGN = r"\1 IS NULL OR COALESCE(CAST(\1 AS DOUBLE) \2 0, FALSE)"


def rows_deequ_fails(fact, constraint: Constraint) -> tuple[set[int], int]:
    """Rows that Deequ marks as failing, as far as they are recorded, and the row up to which they are."""
    rows = fact["row_level"]
    listed = [rows["first_false_rows"]]
    if METHODS[constraint.method].label == "ComplianceConstraint":
        listed.append(rows["first_null_rows"])  # the metric counts them as failing: null_rows_follow_the_metric
    ends = [part[-1] for part in listed if len(part) == 20]
    return {row for part in listed for row in part}, min(ends, default=5000)


def selected(where: str) -> set[int]:
    source = engine("reviews").source
    return {row for (row,) in source.query(f"SELECT file_row_number FROM {source.table} WHERE {where}")}


SINGLE = [
    (id_, fact)
    for dataset, id_, fact in ALL
    if dataset == "reviews" and fact["row_level"] and fact["row_level"]["available"] and len(fact["constraints"]) == 1
]


@pytest.mark.parametrize(("id_", "fact"), SINGLE, ids=lambda item: "" if isinstance(item, dict) else str(item))
def test_rows_equal_deequ(id_, fact):
    [outcome] = outcomes("reviews")[id_].outcomes
    failing = verification("reviews").failing.get(outcome.constraint)
    if not outcome.metric.success and not outcome.metric.empty:
        assert failing is None  # uncomputable_rows_pass
        return
    if fact["method"] in ("containsCreditCardNumber", "containsSocialSecurityNumber"):
        assert failing.count == 0  # rows_fail_in_the_direction_of_the_assertion: there are none in these reviews
        return
    if (fact["method"], fact["args"]) in _SIGNS_OF_TEXT:
        assert failing.count == round((1 - outcome.value) * 5000) if not fact["where"] else True  # sign_of_text
        return
    wanted, horizon = rows_deequ_fails(fact, outcome.constraint)
    if fact["where"]:
        wanted &= selected(fact["where"])  # rows_outside_where_pass
    else:
        counts = fact["row_level"]
        nulls = counts["null"] if METHODS[outcome.constraint.method].label == "ComplianceConstraint" else 0
        assert failing.count == counts["false"] + nulls
    seen = [sample["row"] for sample in failing.samples]
    horizon = min(horizon, seen[-1] if len(seen) == 25 else 5000)
    assert [row for row in seen if row <= horizon] == sorted(row for row in wanted if row <= horizon)


_SIGNS_OF_TEXT = [("isNonNegative", ["vine"]), ("isPositive", ["vine"])]


def test_nothing_is_left_out_silently():
    every = [fact for dataset in DATASETS for fact in facts("checks", dataset)]
    left_out = [kind(fact) for fact in every if kind(fact) in UNSUPPORTED]
    assert {name: left_out.count(name) for name in UNSUPPORTED} == UNSUPPORTED
    assert len(ALL) + len(left_out) == len(every) == 2 * 365
    walked = {constraint.method for _, _, fact in ALL for constraint in constraints_of_fact(fact)}
    assert walked == set(METHODS)
    assert len(SINGLE) > 150


def test_status_of_levels():
    size = Constraint("hasSize", (), Assertion.parse("== 5000"))
    wrong = Constraint("hasSize", (), Assertion.parse("== 1"))
    metrics = verification("reviews").metrics
    for fact in json.loads((ORACLE / "facts_status.json").read_text()):
        if "level" in fact:
            check = Check(Level(fact["level"]), "", (size if fact["assertion_ok"] else wrong,))
            results = evaluate([check], metrics)
            assert (results[0].status, status_of(results)) == (fact["check_status"], fact["overall"])
        elif "no_checks" in fact:
            assert status_of([]) == fact["no_checks"]
        else:
            mixed = [
                Check(Level.WARNING, "w", (wrong,)),
                Check(Level.ERROR, "e", (wrong,)),
                Check(Level.ERROR, "s", (size,)),
            ]
            results = evaluate(mixed, metrics)
            assert status_of(results) == fact["mix_warning_fail+error_fail+ok"] == Status.ERROR
            rows = [(r.check.description, r.status.value, r.outcomes[0].message) for r in results]
            wanted = json.loads(fact["rows_json"])
            assert rows == [(item["check"], item["check_status"], item["constraint_message"]) for item in wanted]
