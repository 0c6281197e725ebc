"""Autopilot over CSV in a process of its own: `python -m intermodal.autopilot.program FOLDER`, for the local SageMaker.

`request.json` in the folder says what to do. Each candidate becomes a line of `candidates.jsonl` as soon as it is
judged, and a model directory; at the end there are the leaderboard and both notebooks.
"""

from __future__ import annotations

import csv
import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from intermodal.autopilot.algorithms import Fitted, Rows
from intermodal.autopilot.engine import Autopilot, Budget, Splits
from intermodal.autopilot.notebooks import write_notebooks
from intermodal.autopilot.records import CandidateRecord, describe, leaderboard, write_leaderboard
from intermodal.errors import DataRejected, IntermodalError
from intermodal.text.model_files import ModelWriter

REQUEST, CANDIDATES, FAILURE = "request.json", "candidates.jsonl", "failure.txt"
MODELS, BOARD, NOTEBOOKS, ROWS = "models", "leaderboard", "notebooks", "rows"
_HELD_OUT = 5  # of so many rows of a class one is for validation, where no validation rows are given
_WORDY = 20  # characters from which on a column is text, on the average


@dataclass(frozen=True)
class ProgramRequest:
    """What is asked.

    Attributes:
        target: Column of labels.
        content: Column of texts; found by its length when empty.
        metric: What counts.
        candidates: Most candidates.
        seconds: Time after which no further candidate begins; 0 for no limit.
        seed: Of everything random.
    """

    target: str
    content: str
    metric: str
    candidates: int
    seconds: int
    seed: int = 0


def run(folder: Path) -> None:
    """Do what `request.json` says; the rows lie in `rows/train.csv` and, if there are any, `rows/validation.csv`.

    Args:
        folder: The folder.

    Raises:
        DataRejected: The rows cannot be used.
        StepFailed: No candidate came to a good end.
    """
    request = ProgramRequest(**json.loads((folder / REQUEST).read_text(encoding="utf-8")))
    splits, content = read_csv(folder / ROWS, request)

    def keep(record: CandidateRecord, fitted: Fitted) -> None:
        writer = ModelWriter(folder / MODELS / record.name, splits.labels)
        fitted.add_to(writer)
        recipe = {"strategy": "autopilot", "algorithm": record.algorithm, **record.parameters}
        writer.finish({"checkpoint": "", "recipe": recipe, "max_seq_length": 0})
        with (folder / CANDIDATES).open("a", encoding="utf-8") as stream:
            stream.write(json.dumps({**asdict(record), "ended": time.time()}) + "\n")

    budget = Budget(request.candidates, request.seconds)
    pilot = Autopilot(splits, request.metric, budget, (), request.seed, keep)
    board = leaderboard(pilot.run(), request.metric)
    described = describe(board, request.metric, splits.counts, splits.warnings())
    write_leaderboard(folder / BOARD, described)
    write_notebooks(folder / NOTEBOOKS, described, splits.labels, request.seed, (content, request.target))


def read_csv(folder: Path, request: ProgramRequest) -> tuple[Splits, str]:
    """Read the rows; without validation rows, every fifth row of each class is one.

    Args:
        folder: Where the files lie.
        request: Which columns.

    Returns:
        The rows, and the column of texts.

    Raises:
        DataRejected: A column is missing, or there are fewer than two classes.
    """
    import numpy as np

    table = _table(folder / "train.csv")
    content = request.content or _longest(table, request.target)
    for name in (request.target, content):
        if name not in table[0]:
            raise DataRejected("a column is missing", seen=", ".join(table[0]), expected=name)
    if (folder / "validation.csv").is_file():
        held_out = _table(folder / "validation.csv")
    else:
        table, held_out = _split(table, request.target)
    labels = sorted({row[request.target] for row in table})
    if len(labels) < 2:
        raise DataRejected("there is only one class", seen=", ".join(labels), expected="two or more")
    place = {name: number for number, name in enumerate(labels)}

    def rows(found: Sequence[dict[str, str]]) -> Rows:
        known = [row for row in found if row[request.target] in place]
        numbers = np.array([place[row[request.target]] for row in known], np.int64)
        return Rows([row[content] for row in known], numbers, len(labels))

    return Splits(rows(table), rows(held_out), tuple(labels)), content


def _table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        found = list(csv.DictReader(stream))
    if not found:
        raise DataRejected("there are no rows", seen=path.name, expected="a header and rows")
    return found


def _split(table: list[dict[str, str]], target: str) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """Training rows, and every fifth row of each class for validation."""
    seen: Counter[str] = Counter()
    parts: tuple[list[dict[str, str]], list[dict[str, str]]] = ([], [])
    for row in table:
        seen[row[target]] += 1
        parts[seen[row[target]] % _HELD_OUT == 0].append(row)
    return parts


def _longest(table: Sequence[dict[str, str]], target: str) -> str:
    """The column with the longest texts."""
    names = [name for name in table[0] if name != target]
    sizes = {name: sum(len(row[name] or "") for row in table) / len(table) for name in names}
    best = max(names, key=lambda name: sizes[name], default="")
    if not best or sizes[best] < _WORDY:
        raise DataRejected("no column is text", seen=", ".join(names), expected="a column of texts")
    return best


def main() -> int:
    """Run for the folder that the command line names.

    Returns:
        0, or 1 with the reason in `failure.txt`.
    """
    folder = Path(sys.argv[1])
    try:
        run(folder)
    except IntermodalError as error:
        (folder / FAILURE).write_text(str(error), encoding="utf-8")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
