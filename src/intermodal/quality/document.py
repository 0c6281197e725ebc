"""The report of a validation as one JSON document: all that a page about it needs."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from intermodal.quality.checks import Constraint, Level
from intermodal.quality.evaluation import CheckOutcome, Outcome, label_of
from intermodal.quality.page import to_page
from intermodal.quality.verification import Verification, expected
from intermodal.quality.wording import json_number

FORMAT = 1


def to_document(verification: Verification, quarantined: dict[str, int], level: Level) -> dict[str, Any]:
    """The outcome of a suite as JSON.

    Args:
        verification: The outcome.
        quarantined: Constraint title → rows quarantined for it; the empty title holds all rows quarantined.
        level: Lowest level of checks whose failing rows are quarantined.

    Returns:
        A mapping that strict JSON can hold; equal data and suites give equal documents.
    """
    rejected = quarantined.get("", 0)
    return {
        "format": FORMAT,
        "status": verification.status.value,
        "rows": verification.rows,
        "clean_rows": verification.rows - rejected,
        "quarantined_rows": rejected,
        "quarantine_level": level.value,
        "quarantined_by": {title: rows for title, rows in sorted(quarantined.items()) if title},
        "columns": dict(verification.columns),
        "checks": [_check(verification, item) for item in verification.checks],
        "metrics": [_metric(item) for item in verification.metrics.items()],
    }


def write_report(document: dict[str, Any], folder: Path, page: Path) -> None:
    """Write validation.json into a folder, and the page that shows it.

    Args:
        document: What `to_document` made.
        folder: Made if it is missing.
        page: The page's own file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / "validation.json").write_text(text + "\n", encoding="utf-8", newline="\n")
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(to_page(document), encoding="utf-8", newline="\n")


def final_metrics(document: dict[str, Any]) -> dict[str, float]:
    """The numbers worth following from run to run.

    Args:
        document: What `to_document` made.

    Returns:
        Rows, failed constraints by level, and the metrics of single columns, as "Completeness.review_id".
    """
    failed = [item for check in document["checks"] for item in check["constraints"] if item["status"] == "Failure"]
    values = {name: float(document[name]) for name in ("rows", "clean_rows", "quarantined_rows")}
    values |= {f"failed_{level.value.lower()}s": 0.0 for level in Level}
    for item in failed:
        values[f"failed_{item['level'].lower()}s"] += 1
    for entry in document["metrics"]:
        metric = entry["metric"]
        plain = re.fullmatch(r"\w+", metric["instance"]) and "where" not in entry["analyzer"]
        plain = plain and metric["name"] != "ColumnExists"
        if plain and isinstance(metric.get("value"), (int, float)):
            values[f"{metric['name']}.{metric['instance']}"] = float(metric["value"])
    return values


def _check(verification: Verification, item: CheckOutcome) -> dict[str, Any]:
    constraints = [_constraint(verification, item, outcome) for outcome in item.outcomes]
    head = {"check": item.check.description, "level": item.check.level.value, "status": item.status.value}
    return {**head, "constraints": constraints}


def _constraint(verification: Verification, item: CheckOutcome, outcome: Outcome) -> dict[str, Any]:
    constraint = outcome.constraint
    failing = verification.failing.get(constraint)
    return {
        "check": item.check.description,
        "level": item.check.level.value,
        "constraint": label_of(constraint),
        "title": constraint.title,
        "method": constraint.method,
        "column": ", ".join(constraint.columns),
        "where": constraint.where,
        "rule": _rule(constraint),
        "status": "Success" if outcome.success else "Failure",
        "value": json_number(outcome.value),
        "expected": expected(constraint),
        "message": outcome.message,
        "hint": constraint.hint,
        "rows_failed": None if failing is None else failing.count,
        "samples": [] if failing is None else list(failing.samples),
    }


def _rule(constraint: Constraint) -> str:
    """What is asked of a row or value, where the method's name does not say it."""
    if constraint.allowed_values:
        return "one of " + ", ".join(str(value) for value in constraint.allowed_values)
    if constraint.lower_bound is not None:
        return f"from {constraint.lower_bound} to {constraint.upper_bound}"
    return constraint.predicate or constraint.pattern or constraint.data_type or constraint.value


def _metric(item: tuple[Any, Any]) -> dict[str, Any]:
    analyzer, metric = item
    return {"analyzer": analyzer.to_json(), "metric": metric.to_json()}
