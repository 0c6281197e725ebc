"""What `register` leaves behind: the decision as a file, and its place in the registry as metadata."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from intermodal.tracking.gate import Decision
from intermodal.tracking.registry import Registered

FILE = "registration.json"


def decision_facts(placed: Registered) -> dict[str, Any]:
    """The decision, without anything that differs from one registry to the next.

    Args:
        placed: The candidate's place.

    Returns:
        JSON-serialisable.
    """
    decision = placed.decision
    return {
        "registered_model": placed.name,
        "alias": placed.alias,
        "decision": decision.decision,
        "reasons": list(decision.reasons),
        "kind": decision.candidate.kind,
        "model_digest": decision.candidate.model_digest,
        "test_digest": decision.candidate.test_digest,
        "rows": decision.candidate.rows,
        "accuracy": decision.candidate.accuracy,
        "champion": decision.champion.accuracy if decision.champion else None,
        "champion_model_digest": decision.champion_digest,
        "floor_accuracy": decision.terms.floor,
        "margin": decision.terms.margin,
        "compared": _compared(decision),
    }


def write_registration(directory: Path, placed: Registered) -> dict[str, Any]:
    """Write `registration.json`.

    Args:
        directory: The output directory; made.
        placed: The candidate's place.

    Returns:
        The metadata of the artifact, from which `version_exists` tells whether it still stands.
    """
    directory.mkdir(parents=True, exist_ok=True)
    text = json.dumps(decision_facts(placed), indent=1, sort_keys=True)
    (directory / FILE).write_text(text + "\n", encoding="utf-8")
    return {
        "registered_model": placed.name,
        "version": placed.version,
        "alias": placed.alias,
        "accepted": placed.decision.accepted,
        "decision": placed.decision.decision,
        "reason": "; ".join(placed.decision.reasons),
        "model_digest": placed.decision.candidate.model_digest,
        "model_uri": placed.model_uri,
        "champion_version": placed.champion_version,
        "mlflow_run_id": placed.run_id,
    }


def _compared(decision: Decision) -> dict[str, dict[str, float | None]]:
    champion = decision.champion.scores if decision.champion else {}
    return {
        name: {"candidate": value, "champion": champion.get(name)}
        for name, value in sorted(decision.candidate.scores.items())
    }
