"""Runs as the report draws them, made by a formula: one that has everything, one that failed, one of hostile text."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from intermodal.report.charts.calibration import wilson
from intermodal.report.model import RunReport

MLFLOW = "http://127.0.0.1:5000/#/experiments/1/runs/abc"
HOSTILE = (
    "<script>alert('x')</script><img src=x onerror=alert(1)>\"' onmouseover=\"alert(1)\" javascript:alert(1) &amp; ]]>"
)


def full_run() -> RunReport:
    """A run that succeeded, with every section filled."""
    return RunReport.from_json(
        {
            "run_id": "run-1",
            "pipeline": "reviews",
            "state": "SUCCEEDED",
            "started": "2026-11-21T18:22:05+00:00",
            "seconds": 236.4,
            "runtime": "local, subprocess",
            "command": "intermodal run pipelines/reviews.py",
            "parameters": {"source": "", "rows": 10000, "seed": 7, "learning_rate": 5e-05},
            "mlflow": {"run_id": "abc", "url": MLFLOW},
            "tasks": _tasks(),
            "lineage": _lineage(),
            "sections": _sections(),
            "version": "0.1.0",
        }
    )


def failed_run() -> RunReport:
    """The same run, stopped by an Error check."""
    fields = full_run().to_json()
    error = {"headline": "1 Error check failed", "seen": "0.98", "expected": "1.0", "next": "intermodal resume run-1"}
    for task in fields["tasks"][2:]:
        task.update(state="SKIPPED", seconds=None, reason="", artifacts=[])
    fields["tasks"][2].update(state="FAILED", seconds=1.9, error=error, log_tail="\x1b[31mERROR\x1b[0m review_id")
    sections = {key: fields["sections"][key] for key in ("profile", "validation", "quarantines")}
    return RunReport.from_json({**fields, "state": "FAILED", "sections": sections, "lineage": fields["lineage"][:2]})


def hostile_run() -> RunReport:
    """The full run with hostile text in the place of every text; states and names that link stay what they are."""
    fields = full_run().to_json()
    kept = {"month", "state", "depends_on", "status", "level", "run_id", "type", "source", "target"}

    def spoil(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {name: spoil(item, name) for name, item in value.items()}
        if isinstance(value, list):
            return [item if key in kept else spoil(item, key) for item in value]
        return HOSTILE if isinstance(value, str) and key not in kept else value

    spoilt = RunReport.from_json(spoil(fields))
    names = [f"{HOSTILE}{index}" for index in range(len(spoilt.tasks))]
    tasks = tuple(replace(t, name=n, depends_on=tuple(names[:1])) for t, n in zip(spoilt.tasks, names, strict=True))
    return replace(spoilt, tasks=tasks)


def profile() -> dict[str, Any]:
    """A profile of 1,000 imaginary reviews."""
    counts, months = [200, 80, 100, 170, 450], [f"{2012 + m // 12}-{m % 12 + 1:02d}" for m in range(30)]
    histogram = {"edges": [0, 1, 2, 4, 8, 16, 32], "counts": [3, 20, 90, 300, 400, 187]}
    quantiles = {"mean": 12.5, "max": 31, "p05": 2, "p25": 6, "p50": 11, "p75": 18, "p95": 27, "p99": 30}
    split = [{"rating": star, "rows": counts[star - 1], **quantiles} for star in range(1, 6)]
    years = [{"name": str(year), "rows": 300, "counts": [60, 30, 30, 60, 120], "mean": 3.5} for year in (2012, 2013)]
    groups = [
        {"name": name, "rows": 500, "counts": [100, 40, 50, 85, 225], "mean": 3.6} for name in ("Books_A", "Toys")
    ]
    return {
        "rows": 1000,
        "dates": {"first": "2012-01-01", "last": "2014-06-30"},
        "rating": {"counts": {str(i + 1): n for i, n in enumerate(counts)}, "mean": 3.59},
        "by_category": groups,
        "by_year": years,
        "by_month": [{"month": m, "rows": 30 + i, "mean": 3 + math.sin(i) / 2} for i, m in enumerate(months)],
        "length": {
            "words": {"rows": 1000, "missing": 2, **quantiles, "histogram": histogram, "by_rating": split},
            "characters": {"rows": 1000, "missing": 2, **quantiles, "histogram": histogram},
        },
        "helpful": {
            "votes": 400,
            "any": 0.3,
            "histogram": histogram,
            "by_rating": [{"rating": star, "mean": 1 / star, "any": 0.3} for star in range(1, 6)],
        },
        "verified": {"share": 0.7, "by_rating": [{"rating": star, "share": 0.6 + star / 50} for star in range(1, 6)]},
        "products": {
            "distinct": 40,
            "histogram": {"edges": [0, 1, 2, 4], "counts": [0, 30, 10]},
            "top": [{"product_id": "B1", "title": "A product with a long name", "rows": 90, "mean": 4.1}],
        },
        "columns": [
            {"name": "review_id", "type": "String", "nulls": 0, "blank": 0, "complete": 1.0},
            {"name": "review_body", "type": "String", "nulls": 3, "blank": 1, "complete": 0.996},
        ],
    }


def evaluation(name: str, kind: str, accuracy: float) -> dict[str, Any]:
    """An evaluation on 500 rows of which a share is right."""
    low, high = wilson(accuracy, 500)
    right = round(accuracy * 100)
    confusion = [[right if i == j else (100 - right) // 4 for j in range(5)] for i in range(5)]
    labels = [str(star) for star in range(1, 6)]
    scores = [{"label": n, "precision": 0.5, "recall": accuracy, "f1": 0.5, "support": 100} for n in labels]
    part = {"rows": 250, "accuracy": accuracy, "low": low, "high": high}
    return {
        "name": name,
        "kind": kind,
        "rows": 500,
        "test_digest": "sha256:test",
        "model_digest": f"sha256:{name}",
        "labels": labels,
        "accuracy": {"value": accuracy, "low": low, "high": high},
        "within_one": {"value": 0.8, "low": 0.76, "high": 0.84},
        "macro_f1": accuracy - 0.01,
        "mae": 0.7,
        "qwk": 0.7,
        "ece": 0.03,
        "macro_auc": 0.8,
        "per_class": scores,
        "confusion": confusion,
        "calibration": [{"confidence": c / 10, "accuracy": c / 10 - 0.02, "count": 50} for c in range(3, 10)],
        "roc": [{"label": n, "auc": 0.8, "points": [[0, 0], [0.2, 0.7], [1, 1]]} for n in labels],
        "slices": {
            "by_length": [{"name": "1–16 tokens", **part}, {"name": "over 16 tokens", **part}],
            "by_category": [{"name": "Books_A", **part}, {"name": "Toys", **part}],
        },
        "worst_errors": [{"text": "It broke. " * 30, "label": "1", "predicted": "5", "confidence": 0.97}],
    }


def validation() -> dict[str, Any]:
    """`validation.json` with one failed Warning among three constraints."""
    ok = {"level": "Error", "check": "shape", "status": "Success", "constraint": "SizeConstraint(Size(None))"}
    bad = {**ok, "level": "Warning", "check": "texts", "status": "Failure", "title": "review_body is complete"}
    bad |= {
        "value": 0.99995,
        "expected": "= 1",
        "rows_failed": 4,
        "samples": [None, "", " "],
        "message": "4 are missing",
    }
    return {
        "status": "Warning",
        "rows": 1000,
        "clean_rows": 996,
        "quarantined_rows": 4,
        "checks": [
            {"check": "shape", "constraints": [{**ok, "value": 1000, "expected": "≥ 1"}, {**ok, "column": "a"}]},
            {"check": "texts", "constraints": [bad]},
        ],
    }


def _sections() -> dict[str, Any]:
    points = [(step, 2 / (1 + step / 40)) for step in range(1, 600)]
    curves = {"train_loss": points, "validation_loss": points[::50], "validation_accuracy": [(1, 0.3), (599, 0.5)]}
    bad_line = {"line": 17234, "reason": "star_rating is 7, not 1..5", "raw": "US\t1\tR1\t" + "x" * 400}
    registration = {"decision": "accepted", "registered_model": "reviews", "version": 3, "alias": "champion"}
    registration |= {"reasons": ["accuracy is 2.1 points above the champion's"], "model_digest": "sha256:evaluate-2"}
    registration |= {"champion": {"value": 0.5, "low": 0.46, "high": 0.54}, "champion_version": "2"}
    registration |= {"compared": {"qwk": {"candidate": 0.7, "champion": 0.69}}}
    return {
        "profile": profile(),
        "validation": validation(),
        "quarantines": [{"task": "ingest", "rows": 3, "rows_in": 1003, "samples": [bad_line]}],
        "curves": [{"task": "train-pytorch", "series": curves}],
        "evaluations": [evaluation("evaluate", "tfidf", 0.45), evaluation("evaluate-2", "bert", 0.53)],
        "registration": registration,
    }


def _tasks() -> list[dict[str, Any]]:
    names = ["ingest", "explore", "validate", "baseline", "train-pytorch", "evaluate", "evaluate-2", "register"]
    before = [[], ["ingest"], ["ingest"], ["validate"], ["validate"], ["baseline"], ["train-pytorch"], ["evaluate-2"]]
    tasks = [
        {
            "name": name,
            "step": name.replace("-2", ""),
            "state": "SUCCEEDED",
            "seconds": 1.5 * index,
            "cached": index < 2,
            "reason": "inputs, parameters and code are those of run-0" if index < 2 else "parameter seed: 6 is now 7",
            "depends_on": depends_on,
            "parameters": {"seed": 7, "source": ""},
            "artifacts": [_artifact(name)],
        }
        for index, (name, depends_on) in enumerate(zip(names, before, strict=True))
    ]
    tasks[0]["log_tail"] = "ingest: 1,003 lines read\ningest: 3 quarantined"
    return tasks


def _artifact(task: str) -> dict[str, Any]:
    kind = "system.Model" if task in ("baseline", "train-pytorch") else "system.Dataset"
    digest = "sha256:" + "0123456789abcdef" * 4
    name = "model" if kind == "system.Model" else "data"
    uri = f"/home/somebody/.intermodal/store/artifacts/{'0123456789abcdef' * 4}/{name}"
    return {"name": name, "type": kind, "uri": uri, "digest": digest, "rows": 1000, "bytes": 123456}


def _lineage() -> list[dict[str, str]]:
    pairs = [("reviews.tsv.gz", "ingest/data"), ("ingest/data", "validate/data"), ("validate/data", "baseline/model")]
    pairs += [("validate/data", "train-pytorch/model"), ("train-pytorch/model", "evaluate-2/data")]
    return [{"source": source, "target": target, "task": target.split("/")[0]} for source, target in pairs]
