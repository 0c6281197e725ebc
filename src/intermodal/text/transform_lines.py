"""Reviews as lines for a batch transform, and its answers as a predictor: so that both ways write the same table."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from intermodal.errors import DataRejected
from intermodal.text.normalise import readable
from intermodal.text.review_files import find_reviews

if TYPE_CHECKING:
    import numpy as np

ROWS_A_FILE = 20_000  # one file is answered by one instance
_ROW, _TEXT, _ANSWER = "row", "text", "SageMakerOutput"


def write_lines(source: Path, folder: Path) -> int:
    """Write every review with a text as a line {"row", "text"}; rows are counted over all reviews.

    Args:
        source: Directory of Parquet files, as `ingest` writes them.
        folder: Where to; `part-00000.jsonl` and so on.

    Returns:
        Lines written.

    Raises:
        DataRejected: The reviews cannot be read, or none has a text.
    """
    written, row, lines = 0, 0, list[str]()

    def flush() -> None:
        path = folder / f"part-{(written - 1) // ROWS_A_FILE:05d}.jsonl"
        path.write_text("".join(lines), encoding="utf-8")
        lines.clear()

    for batch in find_reviews(source).batches(("review_body",)):
        for body in batch.column("review_body").to_pylist():
            if text := readable(body):
                lines.append(json.dumps({_ROW: row, _TEXT: text}, ensure_ascii=False) + "\n")
                written += 1
                if len(lines) == ROWS_A_FILE:
                    flush()
            row += 1
    if lines:
        flush()
    if not written:
        raise DataRejected("no review has a text", seen=f"{row} reviews", expected="texts to rate")
    return written


class Answered:
    """A predictor that gives, in the order of the rows, what a transform job answered.

    Args:
        files: The job's output files.
        labels: Class labels, in the order of the probabilities.

    Raises:
        DataRejected: A line is no answer, or a row was answered twice.
    """

    def __init__(self, files: Sequence[Path], labels: Sequence[str]) -> None:
        import numpy

        found: dict[int, list[float]] = {}
        for path in files:
            with path.open(encoding="utf-8") as lines:
                for number, line in enumerate(lines, start=1):
                    if line.strip():
                        row, values = _read(line, labels, f"{path.name}:{number}")
                        if row in found:
                            raise DataRejected("a row was answered twice", seen=f"row {row}, {path.name}:{number}")
                        found[row] = values
        ordered = [found[row] for row in sorted(found)]
        self._rows = numpy.array(ordered, numpy.float32).reshape(len(ordered), len(labels))
        self._given = 0

    def predict_proba(self, texts: list[str]) -> np.ndarray:
        """The next answers, as many as there are texts.

        Raises:
            DataRejected: The job answered fewer rows.
        """
        start, self._given = self._given, self._given + len(texts)
        if self._given > len(self._rows):
            raise DataRejected(
                "the transform job answered too few rows", seen=len(self._rows), expected=f"{self._given} or more"
            )
        return self._rows[start : self._given]

    def check_all_given(self) -> None:
        """Refuse answers that no review asked for.

        Raises:
            DataRejected: There are some.
        """
        if self._given != len(self._rows):
            raise DataRejected(
                "the transform job answered too many rows", seen=len(self._rows), expected=str(self._given)
            )


def _read(line: str, labels: Sequence[str], where: str) -> tuple[int, list[float]]:
    try:
        fields: dict[str, Any] = json.loads(line)
        answer = fields[_ANSWER]
        answer = json.loads(answer) if isinstance(answer, str) else answer
        return int(fields[_ROW]), [float(answer["probabilities"][label]) for label in labels]
    except (ValueError, KeyError, TypeError) as error:
        raise DataRejected(
            "a line of the transform job is no answer",
            seen=f"{where}: {line.strip()[:200]}",
            expected=f'{{"{_ROW}": …, "{_ANSWER}": {{"probabilities": …}}}}',
        ) from error
