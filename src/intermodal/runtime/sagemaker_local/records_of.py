"""What batch transform does with records: splitting, batching, filtering by JSONPath, joining answers to inputs."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from typing import Any

from intermodal.runtime.sagemaker_local.operations import ApiError

ANSWER = "SageMakerOutput"
_MEGABYTE = 1024 * 1024
_STEP = re.compile(r"\.(\w+)|\[([^\]]+)\]")


def split_records(body: bytes, kind: str) -> list[bytes]:
    """Records of a file, without their line ends.

    Args:
        body: The file.
        kind: SplitType: "None" or "Line".

    Raises:
        ApiError: ValidationException, another SplitType.
    """
    if kind == "None":
        return [body]
    if kind != "Line":
        raise ApiError("ValidationException", f"SplitType {kind} is not run on this machine; use Line or None")
    return [line for line in body.splitlines() if line]


def batches(records: list[bytes], strategy: str, megabytes: int) -> Iterator[list[bytes]]:
    """Records that go to the container together.

    Args:
        records: All of a file.
        strategy: BatchStrategy: "SingleRecord" or "MultiRecord".
        megabytes: MaxPayloadInMB; 0 for no limit.

    Raises:
        ApiError: A record alone is larger than that.
    """
    limit = megabytes * _MEGABYTE or 1 << 60
    held: list[bytes] = []
    size = 0
    for record in records:
        if len(record) > limit:
            raise ApiError("ClientError", f"A record of {len(record)} bytes exceeds MaxPayloadInMB {megabytes}")
        if held and (strategy == "SingleRecord" or size + len(record) + 1 > limit):
            yield held
            held, size = [], 0
        held.append(record)
        size += len(record) + 1
    if held:
        yield held


def parse(record: bytes, content_type: str) -> Any:
    """A record as a value: a row of cells for CSV, else what its JSON says.

    Raises:
        ApiError: It is neither.
    """
    text = record.decode("utf-8", "replace")
    if "csv" in content_type:
        return next(csv.reader(io.StringIO(text)), [])
    try:
        return json.loads(text)
    except ValueError as error:
        raise ApiError("ClientError", f"Unable to parse a record as JSON: {text[:200]}") from error


def unparse(value: Any, content_type: str) -> bytes:
    """A value as a record again."""
    if "csv" in content_type and isinstance(value, list):
        stream = io.StringIO()
        csv.writer(stream, lineterminator="").writerow(value)
        return stream.getvalue().encode()
    return json.dumps(value, ensure_ascii=False).encode()


def join(source: Any, answer: Any) -> Any:
    """An answer put next to its input, as JoinSource=Input does.

    Args:
        source: The input record: an object gets a member `SageMakerOutput`, a row gets cells at its end.
        answer: The answer.
    """
    if isinstance(source, dict):
        return source | {ANSWER: answer}
    row = source if isinstance(source, list) else [source]
    return [*row, *(answer if isinstance(answer, list) else [answer])]


def filtered(value: Any, path: str) -> Any:
    """What a JSONPath selects: `$`, `$.name`, `$['a','b']`, `$[0]`, `$[0,2]`, `$[1:]`, one after another.

    Raises:
        ApiError: ValidationException, the path is of another form, or selects what is not there.
    """
    if not path.startswith("$"):
        raise ApiError("ValidationException", f"Filter {path} does not begin with $")
    rest = path[1:]
    while rest:
        step = _STEP.match(rest)
        if step is None:
            raise ApiError("ValidationException", f"Filter {path} is not understood on this machine")
        value, rest = _selected(value, step.group(1) or "", step.group(2) or "", path), rest[step.end() :]
    return value


def _selected(value: Any, name: str, inside: str, path: str) -> Any:
    try:
        if name:
            return value[name]
        if ":" in inside:
            first, _, last = inside.partition(":")
            return value[int(first) if first.strip() else None : int(last) if last.strip() else None]
        keys = [item.strip() for item in inside.split(",")]
        if all(item[:1] in "'\"" for item in keys):
            names = [item[1:-1] for item in keys]
            return value[names[0]] if len(names) == 1 else {item: value[item] for item in names if item in value}
        numbers = [int(item) for item in keys]
        return value[numbers[0]] if len(numbers) == 1 else [value[number] for number in numbers]
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise ApiError("ClientError", f"Filter {path} selects nothing in {json.dumps(value)[:200]}") from error
