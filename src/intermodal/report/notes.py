"""What a step says in a few lines of Markdown, for the Kubeflow Pipelines UI.

Nothing in it differs from run to run: the link to the MLflow run, which does, is in the artifact's metadata.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from intermodal.report.kfp_visuals import markdown_summary, markdown_table

_FEW = 8  # lines of a table


def evaluation_notes(found: Mapping[str, Any]) -> str:
    """The notes of `evaluate`.

    Args:
        found: The content of `evaluation.json`.
    """
    accuracy = found["accuracy"]
    facts = {"reviews": found["rows"], "accuracy": accuracy["value"], "lower end of 95 %": accuracy["low"]}
    facts |= {"upper end of 95 %": accuracy["high"], "within one star": found["within_one"]["value"]}
    names = ("macro_f1", "qwk", "mae", "ece", "macro_auc")
    facts |= {name: found[name] for name in names if found.get(name) is not None}
    title = f"{found.get('kind') or 'model'} on split {found.get('split', 'test')}"
    return markdown_summary(title, facts, f"Test digest {found['test_digest'][:12]}.")


def profile_notes(found: Mapping[str, Any]) -> str:
    """The notes of `explore`.

    Args:
        found: The content of `profile.json`.
    """
    rating, dates = found["rating"], found.get("dates") or {}
    facts = {"reviews": found["rows"], "mean rating": rating["mean"] or 0.0}
    facts |= {f"{star} stars": count for star, count in rating["counts"].items()}
    facts |= {"median words": found["length"]["words"]["p50"] or 0, "verified": found["verified"]["share"] or 0.0}
    facts |= {group["name"]: group["rows"] for group in found["by_category"][:_FEW]}
    note = f"From {dates['first']} to {dates['last']}." if dates.get("first") else ""
    return markdown_summary("Reviews at a glance", facts, note)


def validation_notes(document: Mapping[str, Any]) -> str:
    """The notes of `validate`.

    Args:
        document: The content of `validation.json`.
    """
    listed = [(check, item) for check in document["checks"] for item in check["constraints"]]
    failed = [
        {"level": check["level"], "constraint": item["title"], "rows": item.get("rows_failed") or 0}
        for check, item in listed
        if item["status"] != "Success"
    ]
    rows = f"{document['clean_rows']:,} of {document['rows']:,} rows are clean"
    note = f"{rows}; {len(listed) - len(failed)} of {len(listed)} constraints hold."
    return markdown_table(f"Validation: {document['status']}", failed[:_FEW], note)


def registration_notes(facts: Mapping[str, Any]) -> str:
    """The notes of `register`.

    Args:
        facts: What `decision_facts` returned.
    """
    champion = facts.get("champion") or {}
    told = {"accuracy": facts["accuracy"]["value"], "test reviews": facts["rows"], "kind": facts["kind"]}
    told |= {"the champion's accuracy": champion["value"]} if champion else {}
    title = f"{facts['registered_model']}@{facts['alias']}: {facts['decision']}"
    return markdown_summary(title, told, "; ".join(facts["reasons"]) + ".")


def training_notes(step: str, metrics: Mapping[str, float], kind: str, splits: Sequence[str]) -> str:
    """The notes of a training.

    Args:
        step: The step.
        metrics: Its scores.
        kind: Kind of model.
        splits: Digests of the splits behind it, as "name digest".
    """
    return markdown_summary(f"{step}: {kind}", metrics, f"Trained on {', '.join(splits)}." if splits else "")
