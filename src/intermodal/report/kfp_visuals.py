"""What the Kubeflow Pipelines UI draws by itself: confusion matrix, ROC curve, Markdown.

The UI reads these from an artifact's metadata (ClassificationMetrics) or from the one file at its path
(HTML, Markdown), so everything here is a plain value until the last line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from intermodal.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from kfp.dsl import ClassificationMetrics


class RocPoint(NamedTuple):
    """One operating point of a classifier.

    Attributes:
        fpr: False positive rate, 0..1.
        tpr: True positive rate, 0..1.
        threshold: Score from which a row counts as positive, 0..1.
    """

    fpr: float
    tpr: float
    threshold: float


def fill_classification(
    metrics: ClassificationMetrics,
    labels: Sequence[str],
    matrix: Sequence[Sequence[int]],
    roc_points: Sequence[RocPoint] = (),
) -> None:
    """Put a confusion matrix and a ROC curve where the Kubeflow UI looks for them.

    Args:
        metrics: The output artifact to fill; both go to its metadata.
        labels: Class names, in the order of the matrix.
        matrix: Counts of shape (classes, classes): row = true class, column = predicted class.
        roc_points: Points from (0, 0) to (1, 1), as `macro_roc` gives them; empty for no curve.

    Raises:
        UsageError: The matrix is not square in the number of labels, or two labels are equal.
    """
    names = [str(label) for label in labels]
    if len(set(names)) != len(names):
        raise UsageError("two classes of the confusion matrix have one name", seen=names, expected="distinct names")
    if [len(row) for row in matrix] != [len(names)] * len(names):
        shape = [len(row) for row in matrix]
        raise UsageError("the confusion matrix does not fit its labels", seen=shape, expected=f"{len(names)} square")
    metrics.log_confusion_matrix(names, [[int(cell) for cell in row] for row in matrix])
    for point in roc_points:
        metrics.log_roc_data_point(*(round(float(value), 6) for value in point))


def macro_roc(truth: Sequence[int] | np.ndarray, probabilities: np.ndarray, points: int = 101) -> list[RocPoint]:
    """One-vs-rest ROC curve, macro-averaged over the classes at equal thresholds.

    Averaging at a threshold rather than at a false positive rate keeps every point an operating point that
    can be chosen (Fawcett 2006, "An introduction to ROC analysis", section 8.2: threshold averaging).

    Args:
        truth: True class numbers, shape (n,), 0..classes-1.
        probabilities: Predicted probabilities, shape (n, classes).
        points: Number of thresholds, taken at quantiles of all probabilities.

    Returns:
        Points by falling threshold, from (0, 0) to (1, 1); empty when no class has both positives and negatives.
    """
    import numpy as np

    scores = np.asarray(probabilities, dtype=np.float64)
    labels = np.asarray(truth, dtype=np.int64)
    columns = [c for c in range(scores.shape[1] if scores.ndim == 2 else 0) if 0 < (labels == c).sum() < len(labels)]
    if not columns:
        return []
    thresholds = np.unique(np.quantile(scores, np.linspace(0, 1, points)))[::-1]
    rates = np.array([_rates(scores[:, c], labels == c, thresholds) for c in columns]).mean(axis=0)
    inner = [RocPoint(float(f), float(t), float(at)) for f, t, at in zip(*rates, thresholds, strict=True)]
    return [RocPoint(0.0, 0.0, 1.0), *inner, RocPoint(1.0, 1.0, 0.0)]


def area_under(points: Sequence[RocPoint]) -> float:
    """Area under a ROC curve by the trapezoid rule.

    Args:
        points: Points by falling threshold; fewer than two have no area.

    Returns:
        The area, 0..1.
    """
    return sum((b.fpr - a.fpr) * (a.tpr + b.tpr) / 2 for a, b in pairwise(points))


def markdown_summary(title: str, facts: Mapping[str, Any], note: str = "") -> str:
    """A small Markdown page: a title, a table of facts, a sentence.

    Args:
        title: Heading.
        facts: Name to value; numbers are grouped and rounded to four digits.
        note: A paragraph below the table.

    Returns:
        Markdown, in which nothing of the values is read as markup.
    """
    rows = [f"| {_cell(name)} | {_cell(value)} |" for name, value in facts.items()]
    table = ["|  |  |", "| :-- | --: |", *rows] if rows else []
    return "\n".join([f"# {_cell(title)}", "", *table, "", _cell(note) if note else ""]).rstrip() + "\n"


def markdown_table(title: str, rows: Sequence[Mapping[str, Any]], note: str = "") -> str:
    """A small Markdown page: a title, a table with a line a row, a sentence.

    Args:
        title: Heading.
        rows: Column to value; all with the columns of the first.
        note: A paragraph below the table.

    Returns:
        Markdown, in which nothing of the values is read as markup.
    """
    lines = [f"# {_cell(title)}", ""]
    if rows:
        heads = list(rows[0])
        lines += [f"| {' | '.join(map(_cell, heads))} |", "|" + " :-- |" * len(heads)]
        lines += [f"| {' | '.join(_cell(row[name]) for name in heads)} |" for row in rows]
    return "\n".join([*lines, "", _cell(note) if note else ""]).rstrip() + "\n"


def write_page(path: str, text: str) -> None:
    """Write an HTML or Markdown artifact: one UTF-8 file at the artifact's path.

    Args:
        path: The output artifact's `.path`.
        text: Its whole content.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8", newline="\n")


def _rates(scores: np.ndarray, positive: np.ndarray, thresholds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """False and true positive rates of one class at each threshold."""
    import numpy as np

    def share_at_least(values: np.ndarray) -> Any:
        return 1 - np.searchsorted(np.sort(values), thresholds, side="left") / len(values)

    return share_at_least(scores[~positive]), share_at_least(scores[positive])


def _cell(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        text = " ".join(str(value).split())
        for character in "\\`*_[]|#~":
            text = text.replace(character, "\\" + character)
        return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4f}"
