"""Every recorded answer of every analyzer of real Deequ, put to the embedded engine."""

from __future__ import annotations

from functools import lru_cache

import pytest
from deequ_facts import ABSENT, ORACLE, analyzer_of_fact, engine, facts, same_message, same_value, short

from intermodal.quality.analyzers import KINDS
from intermodal.quality.metric import Metric

DATASETS = ("reviews", "one_row", "empty")
# What this engine does not offer. The test below fails if an entry is offered after all, or is not in the records.
UNSUPPORTED = {"ApproxQuantiles": 9, "CustomSql": 15, "KLLSketch": 21, "Histogram(…, Sum(…))": 3}

pytestmark = pytest.mark.skipif(not ORACLE.is_dir(), reason=ABSENT)


def kind(fact) -> str:
    summing = fact["analyzer_string"].startswith("Histogram") and "Sum(" in fact["analyzer_string"]
    return "Histogram(…, Sum(…))" if summing else fact["analyzer"]["type"]


def claimed(dataset: str):
    return [fact for fact in facts("analyzers", dataset) if kind(fact) not in UNSUPPORTED]


ALL = [(dataset, number, fact) for dataset in DATASETS for number, fact in enumerate(claimed(dataset))]


@lru_cache
def answers(dataset: str) -> dict:
    """All analyzers of a data set at once, as a suite asks them: one bad one must not spoil the others."""
    return engine(dataset).measure(analyzer_of_fact(fact) for fact in claimed(dataset))


def corrected(dataset: str, fact) -> dict:
    """Deequ's answer, put right where `differences` says that it is wrong."""
    metric, analyzer = dict(fact["metric"]), fact["analyzer"]
    where = "Some(" in fact["analyzer_string"]
    if analyzer["type"] == "RatioOfSums" and where and dataset == "reviews":
        return metric | {"value": engine(dataset).source.query(_RATIO_WHERE.format(engine(dataset).source.table))[0][0]}
    if analyzer["type"] == "Histogram" and where and metric["success"]:
        total = sum(item["absolute"] for item in metric["value"]["values"].values())
        return metric | {"value": metric["value"] | {"values": _shares(metric["value"]["values"], total)}}
    if analyzer["type"] == "DataType" and where and dataset == "reviews":
        selected = engine(dataset).source.query(_SELECTED.format(engine(dataset).source.table, analyzer["where"]))[0][0]
        values = {name: dict(item) for name, item in metric["value"]["values"].items()}
        values["Unknown"]["absolute"] -= 5000 - selected
        return metric | {"value": metric["value"] | {"values": _shares(values, selected)}}
    if analyzer["type"] == "Compliance" and analyzer["predicate"] == "star_rating":
        return _failed(metric, "MetricCalculationRuntimeException", _NOT_BOOLEAN)
    if not metric["success"] and "Value at index 0 is null" in metric["error_message"]:
        text = f"Empty state for analyzer {fact['analyzer_string']}, all input values were NULL."
        return _failed(metric, "EmptyStateException", text)
    return metric


_RATIO_WHERE = "SELECT sum(helpful_votes) / sum(total_votes) FROM {} WHERE verified_purchase = 'Y'"
_SELECTED = "SELECT count(*) FROM {} WHERE {}"
_NOT_BOOLEAN = "the condition star_rating is of type INTEGER, and neither true nor false"


def _shares(values, total):
    return {name: {"absolute": item["absolute"], "ratio": item["absolute"] / total} for name, item in values.items()}


def _failed(metric, kind, message):
    head = {key: metric[key] for key in ("entity", "instance", "name")}
    return head | {"success": False, "error_class": kind, "error_message": message}


@pytest.mark.parametrize(
    ("dataset", "number", "fact"), ALL, ids=lambda item: "" if isinstance(item, dict) else str(item)
)
def test_equals_deequ(dataset, number, fact):
    analyzer = analyzer_of_fact(fact)
    metric: Metric = answers(dataset)[analyzer]
    seen, wanted = metric.to_json(), corrected(dataset, fact)
    assert str(analyzer) == fact["analyzer_string"]
    assert {key: seen[key] for key in ("entity", "instance", "name")} == {
        key: wanted[key] for key in ("entity", "instance", "name")
    }
    assert seen["success"] == wanted["success"], (seen, wanted)
    if wanted["success"]:
        assert same_value(seen["value"], wanted["value"], fact["approximate"]), (seen, wanted)
    else:
        assert seen["error_class"] == short(wanted["error_class"])
        assert same_message(seen["error_message"], wanted["error_message"]), (seen, wanted)


def test_nothing_is_left_out_silently():
    every = [fact for dataset in DATASETS for fact in facts("analyzers", dataset)]
    left_out = [kind(fact) for fact in every if kind(fact) in UNSUPPORTED]
    assert {name: left_out.count(name) for name in UNSUPPORTED} == UNSUPPORTED
    assert {kind(fact) for fact in every} - set(UNSUPPORTED) == set(KINDS)
    assert len(ALL) + len(left_out) == len(every) == 3 * 341


def test_the_walk_sees_a_wrong_answer():
    fact = next(item for item in claimed("reviews") if item["analyzer"] == {"type": "Mean", "column": "star_rating"})
    assert not same_value(fact["metric"]["value"] + 1e-6, fact["metric"]["value"], approximate=False)
    assert not same_message(
        "Value: 0.98 does not meet the constraint requirement!", "Value: 0.99 does not meet the constraint requirement!"
    )
    assert not same_message("Input data does not include column a!", "Input data does not include column b!")


def test_the_workshop_suite_in_one_batch():
    batch = next(item for item in _batch() if item["id"] == "workshop")
    from intermodal.quality.analyzers import from_json

    metrics = engine("reviews").measure(from_json(item) for item in batch["analyzers"])
    wanted = {item["analyzer"]: item["metric"]["value"] for item in batch["metrics"]}
    seen = {str(analyzer): metric.value for analyzer, metric in metrics.items()}
    assert set(seen) == set(wanted)
    for name, value in wanted.items():
        assert same_value(seen[name], value, approximate=name.startswith("Approx")), name


def _batch():
    import json

    return json.loads((ORACLE / "facts_batch.json").read_text())
