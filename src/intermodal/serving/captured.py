"""What an endpoint captured, compared with what its model was trained on: the work of a monitoring schedule.

A request says nothing of category or of the author's rating, so length and vocabulary are what can drift.
"""

from __future__ import annotations

import base64
import json
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from intermodal.errors import DataRejected, UsageError
from intermodal.serving.questions import BATCH, texts_of
from intermodal.text.drift import Limits, compare, verdict_of
from intermodal.text.reference import FILE, describe_reviews, read_reference
from intermodal.text.review_files import find_reviews

COMPARED = ("length", "words")


@dataclass
class Requests:
    """What was captured.

    Attributes:
        texts: The texts that the endpoint was asked about.
        ratings: Answered rating → texts.
        unread: Records that held no texts.
    """

    texts: list[str] = field(default_factory=list)
    ratings: Counter[str] = field(default_factory=Counter)
    unread: int = 0


def read_captured(folder: Path) -> Requests:
    """Read capture files.

    Args:
        folder: With `*.jsonl` below it, as SageMaker writes them.

    Raises:
        DataRejected: Nothing was captured, or a file is no capture file.
    """
    found = Requests()
    for path, record in _records(folder):
        try:
            data = record["captureData"]
            given = data["endpointInput"]
            found.texts += texts_of(_plain(given), given.get("observedContentType", ""), BATCH)
            for answer in _answers(data.get("endpointOutput")):
                found.ratings[str(answer["rating"])] += 1
        except UsageError:
            found.unread += 1
        except (KeyError, TypeError, ValueError) as error:
            raise DataRejected(
                "this is no capture file", seen=f"{path.name}: {type(error).__name__} {error}"
            ) from error
    if not found.texts:
        raise DataRejected("the endpoint captured no texts", seen=folder, next_step="deploy with capture_percent=100")
    return found


def drift_of_captured(folder: Path, baseline: Path, limits: Limits) -> dict[str, Any]:
    """Compare captured requests with a model's reference.

    Args:
        folder: Captured files.
        baseline: Folder with the `reference.json` that the model carries.
        limits: From where on a difference counts.

    Returns:
        What `drift.json` says: verdict, sentence, shifts, current counts, ratings.

    Raises:
        DataRejected: Nothing was captured.
        ArtifactCorrupt: The reference cannot be read.
    """
    known, requests = read_reference(baseline), read_captured(folder)
    current = _described(requests.texts, list((known or {}).get("words", ())))
    shifts = [item.to_json() for item in compare(known, current, limits) if item.name in COMPARED] if known else []
    verdict, sentence = verdict_of(shifts)
    return {
        "verdict": verdict,
        "sentence": sentence if known else f"There is no {FILE} to compare with.",
        "shifts": shifts,
        "current": {name: current[name] for name in ("rows", *COMPARED)},
        "ratings": dict(sorted(requests.ratings.items())),
        "unread": requests.unread,
    }


def violations_of(found: dict[str, Any]) -> dict[str, Any]:
    """The findings in the form in which SageMaker's monitors report violations."""
    violations = [
        {
            "feature_name": item["name"],
            "constraint_check_type": "baseline_drift_check",
            "description": f"{item['measure']} {item['value']} exceeds {max(item['threshold'], item['chance'])}",
        }
        for item in found["shifts"]
        if item["drifted"]
    ]
    return {"violations": violations}


def _described(texts: list[str], words: list[str]) -> dict[str, Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    nothing = [None] * len(texts)
    columns = {
        "review_id": pa.array([str(number) for number in range(len(texts))], pa.string()),
        "product_category": pa.array(nothing, pa.string()),
        "star_rating": pa.array(nothing, pa.int32()),
        "review_body": pa.array(texts, pa.string()),
    }
    with tempfile.TemporaryDirectory() as folder:
        pq.write_table(pa.table(columns), Path(folder) / "part-00000.parquet")
        return describe_reviews(find_reviews(folder), words)


def _records(folder: Path) -> Iterator[tuple[Path, Any]]:
    for path in sorted(folder.rglob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.strip():
                try:
                    yield path, json.loads(line)
                except ValueError as error:
                    raise DataRejected("this is no capture file", seen=f"{path.name}: {error}") from error


def _plain(side: dict[str, str]) -> bytes:
    return base64.b64decode(side["data"]) if side["encoding"] == "BASE64" else side["data"].encode()


def _answers(side: dict[str, str] | None) -> list[dict[str, Any]]:
    if side is None:
        return []
    text = _plain(side).decode("utf-8", "replace")
    if "jsonlines" in side.get("observedContentType", ""):
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    return list(json.loads(text)["predictions"])
