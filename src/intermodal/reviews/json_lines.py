"""Reviews as JSON lines: one object a line, its keys the column names."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

from intermodal.errors import DataRejected
from intermodal.reviews.rows import Batch, Rejected, batch_of_rows, reject
from intermodal.reviews.schema import COLUMNS, INVALID_UTF8, LINE_TOO_LONG, NOT_JSON_OBJECT
from intermodal.reviews.streams import Block, blocks

Row = list[str | None]


def read_json_lines(stream: io.BufferedReader, address: str, max_line_bytes: int) -> Iterator[Batch]:
    """Read every line.

    Args:
        stream: The file's bytes from the start.
        address: The file, for messages.
        max_line_bytes: Longer lines are refused.

    Yields:
        One batch a block. A key that a line lacks is NULL, as writers that leave out nulls mean it.

    Raises:
        DataRejected: A column appears on no line of the first block.
    """
    for index, block in enumerate(blocks(stream, 1, max_line_bytes)):
        seen: set[str] = set()
        batch = _read_block(block, seen, max_line_bytes)
        missing = [name for name in COLUMNS if name not in seen]
        if index == 0 and missing and len(batch.frame):
            raise DataRejected(
                f"{address} lacks {len(missing)} of the {len(COLUMNS)} review columns",
                seen=f"missing {', '.join(missing)}; keys {', '.join(sorted(seen)[:20])}",
                expected=", ".join(COLUMNS),
            )
        yield batch


def _read_block(block: Block, seen: set[str], max_line_bytes: int) -> Batch:
    rows: list[Row] = []
    numbers: list[int] = []
    rejected: list[Rejected] = []
    for number, line in enumerate(io.BytesIO(block.data), block.first_line):
        row = LINE_TOO_LONG if len(line) - 1 > max_line_bytes else _parse(line, seen)
        if isinstance(row, str):
            rejected.append(reject(number, row, line))
        else:
            rows.append(row)
            numbers.append(number)
    rejected += block.rejected
    return batch_of_rows(len(rows) + len(rejected), rows, numbers, rejected)


def _parse(line: bytes, seen: set[str]) -> Row | str:
    """The 15 values as text, or the reason why there are none."""
    try:
        value = json.loads(line.decode())
    except UnicodeDecodeError:
        return INVALID_UTF8
    except (ValueError, RecursionError):
        return NOT_JSON_OBJECT
    if not isinstance(value, dict) or any(isinstance(value.get(name), (dict, list)) for name in COLUMNS):
        return NOT_JSON_OBJECT
    seen.update(value)
    return [_text(value.get(name)) for name in COLUMNS]


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value)
