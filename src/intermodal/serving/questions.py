"""What a request asks, and how it is answered: MLflow's scoring schema, SageMaker's, and Open Inference Protocol v2.

Pure: no server here.
"""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from typing import Any

from intermodal.errors import UsageError

LONGEST_REQUEST = 6 * 1024 * 1024  # bytes; what SageMaker's real-time endpoints take
MOST_TEXTS = 1000
LINES = "application/jsonlines"
TEXT_COLUMNS = ("text", "review_body")  # as the logged model names them
_EXPECTED = '{"inputs": ["text", …]}, {"instances": […]}, {"dataframe_split": {"columns": ["text"], "data": [["…"]]}}'


@dataclass(frozen=True)
class Limits:
    """How much one request may hold.

    Attributes:
        size: Bytes.
        texts: Texts.
    """

    size: int = LONGEST_REQUEST
    texts: int = MOST_TEXTS


REAL_TIME = Limits()
BATCH = Limits(100 * 1024 * 1024, 1_000_000)  # of SageMaker's batch transform, where nobody waits for an answer


def texts_of(body: bytes, content_type: str, limits: Limits = REAL_TIME) -> list[str]:
    """The texts of an invocation.

    Args:
        body: The request's body.
        content_type: JSON (MLflow's and TensorFlow Serving's forms), text/csv with one text a row, or text/plain.
        limits: How much it may hold.

    Raises:
        UsageError: It is none of these, or too much.
    """
    kind = content_type.partition(";")[0].strip().lower() or "application/json"
    text = _decoded(body, limits)
    if kind == "text/csv":
        found: Any = _from_csv(text)
    elif kind == "text/plain":
        found = [text]
    elif kind in ("application/json", LINES):
        found = _from_json(text, lines=kind.endswith("lines"))
    else:
        expected = "application/json, application/jsonlines, text/csv or text/plain"
        raise UsageError("this content type is not understood", seen=kind, expected=expected)
    return _checked(found, limits)


def texts_of_tensors(body: bytes) -> tuple[str, list[str]]:
    """Id and texts of an Open Inference Protocol v2 request: one BYTES tensor.

    Raises:
        UsageError: It is something else.
    """
    try:
        fields = json.loads(_decoded(body, REAL_TIME))
        (tensor,) = fields["inputs"]
        if tensor["datatype"] != "BYTES":
            raise ValueError(f"datatype {tensor['datatype']}")
        return str(fields.get("id", "")), _checked(_flat(tensor["data"]), REAL_TIME)
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(
            "this is no Open Inference Protocol v2 request",
            seen=f"{type(error).__name__}: {error}",
            expected='{"inputs": [{"name": "text", "datatype": "BYTES", "shape": [n], "data": ["…"]}]}',
        ) from error


def answer(labels: list[str], probabilities: Any) -> dict[str, Any]:
    """The answer to an invocation: rating and probabilities of each text.

    Args:
        labels: Class labels.
        probabilities: Shape (texts, classes).
    """
    best = probabilities.argmax(axis=1)
    rows = [
        {"rating": int(labels[top]), "probabilities": {labels[i]: round(float(p), 6) for i, p in enumerate(row)}}
        for top, row in zip(best, probabilities, strict=True)
    ]
    return {"predictions": rows}


def lines_answer(labels: list[str], probabilities: Any) -> str:
    """The answer as one JSON line a text, for batches that are split and joined line by line.

    Probabilities are not rounded: read back as 32-bit numbers they are the model's own.

    Args:
        labels: Class labels.
        probabilities: Shape (texts, classes).
    """
    best = probabilities.argmax(axis=1)
    rows = [
        {"rating": int(labels[top]), "probabilities": {label: float(p) for label, p in zip(labels, row, strict=True)}}
        for top, row in zip(best, probabilities, strict=True)
    ]
    return "".join(json.dumps(row) + "\n" for row in rows)


def tensor_answer(name: str, request_id: str, labels: list[str], probabilities: Any) -> dict[str, Any]:
    """The answer in Open Inference Protocol v2: `rating`, INT32 (n), and `probabilities`, FP32 (n, classes)."""
    ratings = [int(labels[top]) for top in probabilities.argmax(axis=1)]
    shape = [len(ratings), len(labels)]
    outputs = [
        {"name": "rating", "datatype": "INT32", "shape": shape[:1], "data": ratings},
        {"name": "probabilities", "datatype": "FP32", "shape": shape, "data": probabilities.reshape(-1).tolist()},
    ]
    return {"model_name": name, **({"id": request_id} if request_id else {}), "outputs": outputs}


def _decoded(body: bytes, limits: Limits) -> str:
    if len(body) > limits.size:
        raise UsageError("the request is too long", seen=f"{len(body)} bytes", expected=f"at most {limits.size}")
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UsageError("the request is not UTF-8", seen=error) from error


def _from_json(text: str, *, lines: bool) -> Any:
    try:
        if lines:
            return [_text_in(json.loads(line)) for line in text.splitlines() if line.strip()]
        fields = json.loads(text)
        if isinstance(fields, dict) and "dataframe_split" in fields:
            return _from_split(fields["dataframe_split"])
        found = next((fields[key] for key in ("inputs", "instances", "dataframe_records") if key in fields), None)
        if isinstance(found, dict):  # whole columns
            found = found[_text_column(list(found))]
        texts = [found] if isinstance(found, str) else found
        return None if texts is None else [_text_in(item) for item in texts]
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise UsageError("the request cannot be read", seen=error, expected=_EXPECTED) from error


def _from_csv(text: str) -> list[str]:
    csv.field_size_limit(BATCH.size)  # Python's own limit is 128 KiB
    try:
        rows = [row for row in csv.reader(io.StringIO(text)) if row]
    except csv.Error as error:
        raise UsageError("the request cannot be read", seen=error, expected="CSV with one text a row") from error
    # MLflow's clients send a table with its header, SageMaker's the rows alone.
    place = rows[0].index("text") if rows and "text" in rows[0] else None
    return [row[0] for row in rows] if place is None else [row[place] for row in rows[1:] if len(row) > place]


def _from_split(table: Any) -> list[Any]:
    names, rows = table.get("columns"), table["data"]
    place = names.index(_text_column(names)) if names else 0
    return [row[place] for row in rows]


def _text_in(item: Any) -> Any:
    """A text, or a mapping or list that holds one."""
    if isinstance(item, dict):
        return item[_text_column(list(item))]
    return item[0] if isinstance(item, list) and item else item


def _text_column(names: list[str]) -> str:
    """The column with the texts; any name will do when there is no other column."""
    found = [name for name in TEXT_COLUMNS if name in names] or (names if len(names) == 1 else [])
    if not found:
        raise ValueError(f"the columns are {', '.join(map(str, names))}; one must be {' or '.join(TEXT_COLUMNS)}")
    return found[0]


def _flat(data: list[Any]) -> list[Any]:
    return [text for item in data for text in (item if isinstance(item, list) else [item])]


def _checked(found: Any, limits: Limits) -> list[str]:
    if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
        raise UsageError("the request holds no texts", seen=str(found)[:100], expected=_EXPECTED)
    if len(found) > limits.texts:
        raise UsageError("too many texts in one request", seen=len(found), expected=f"at most {limits.texts}")
    return found
