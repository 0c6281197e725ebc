"""The header of a delimited file: which columns it has, and what is wrong when they are not ours."""

from __future__ import annotations

import csv
import io

from intermodal.errors import DataRejected
from intermodal.reviews.schema import COLUMNS
from intermodal.reviews.sources import SourceFile
from intermodal.reviews.streams import header_line

_DELIMITERS = {"\t": "tabs", ",": "commas", ";": "semicolons", "|": "vertical bars"}


def read_header(file: SourceFile, stream: io.BufferedReader, delimiter: str) -> list[str]:
    """Read the header line and check that it names every review column.

    Args:
        file: The file, for messages.
        stream: Its bytes, standing at the start.
        delimiter: What separates its columns: a tab, or a comma (then names may be quoted).

    Returns:
        The column names in the file's order, lower case, trimmed; further columns are kept, to be passed over.

    Raises:
        DataRejected: The delimiter is another one, or a column is missing or named twice.
    """
    line = header_line(file, stream).decode("utf-8", "replace")
    fields = next(csv.reader([line]), []) if delimiter == "," else line.split(delimiter)
    names = [name.strip().lower() for name in fields]
    missing = [name for name in COLUMNS if name not in names]
    if missing:
        raise _wrong_header(file, line, delimiter, missing)
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise DataRejected(f"{file.address} names a column twice", seen=", ".join(doubled), expected="each column once")
    return names


def _wrong_header(file: SourceFile, line: str, delimiter: str, missing: list[str]) -> DataRejected:
    other = max(_DELIMITERS, key=line.count)
    if other != delimiter and line.count(other) >= len(COLUMNS) - 1:
        return DataRejected(
            f"{file.address} is separated by {_DELIMITERS[other]}, not by {_DELIMITERS[delimiter]}",
            seen=line[:120],
            expected=f"a header separated by {_DELIMITERS[delimiter]}",
            next_step="name the file .tsv for tabs or .csv for commas, or pass file_format",
        )
    return DataRejected(
        f"{file.address} lacks {len(missing)} of the {len(COLUMNS)} review columns",
        seen=f"missing {', '.join(missing)}; header {line[:200]!r}",
        expected=", ".join(COLUMNS),
        next_step="rename the columns in the header, or add the missing ones",
    )
