"""Curves of a training: kept for the artifact, and told while it runs, to TensorBoard too where that is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from intermodal.core.events import log_metric
from intermodal.text.event_files import EventFiles

if TYPE_CHECKING:
    import numpy as np


class Curves:
    """Points of named curves."""

    def __init__(self) -> None:
        self._points: list[tuple[str, int, float]] = []
        self._events = EventFiles.here()

    def add(self, series: str, step: int, value: float) -> None:
        """Add a point, and tell it to whoever follows the run."""
        self._points.append((series, step, float(value)))
        log_metric(series, value, step)
        if self._events is not None:
            self._events.add(series, step, float(value))

    def add_all(self, values: Mapping[str, float], step: int) -> None:
        """Add a point to each of several curves."""
        for series, value in values.items():
            self.add(series, step, value)

    def __len__(self) -> int:
        return len(self._points)

    def points(self) -> list[tuple[str, int, float]]:
        """(series, step, value) in the order in which they were added."""
        return list(self._points)

    def restore(self, points: Sequence[tuple[str, int, float]]) -> None:
        """Take over the points of an earlier attempt at the same training, which told them itself."""
        self._points = list(points)

    def series(self) -> dict[str, list[tuple[float, float]]]:
        """Points (step, value) of each curve."""
        found: dict[str, list[tuple[float, float]]] = {}
        for series, step, value in self._points:
            found.setdefault(series, []).append((step, value))
        return found

    def write(self, directory: Path) -> int:
        """Write `curves.parquet`: series, step, value; all points are there.

        Args:
            directory: Made.

        Returns:
            The number of points.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        series, steps, values = ([point[column] for point in self._points] for column in range(3))
        columns = [pa.array(series, pa.string()), pa.array(steps, pa.int64()), pa.array(values, pa.float64())]
        directory.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table(columns, ["series", "step", "value"]), directory / "curves.parquet", compression="zstd")
        if self._events is not None:
            self._events.close()
        return len(self._points)


def validation_scores(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """How good probabilities are on validation rows.

    Args:
        probabilities: Shape (n, C); rows sum to 1.
        labels: True classes, shape (n,).

    Returns:
        accuracy, loss (mean negative log-likelihood, nats), qwk (quadratic weighted kappa; left out when undefined).
    """
    import numpy as np

    from intermodal.text.class_scores import kappa

    predicted = probabilities.argmax(axis=1)
    likelihood = np.clip(probabilities[np.arange(len(labels)), labels], 1e-12, 1.0)
    scores = {"accuracy": float((predicted == labels).mean()), "loss": float(-np.log(likelihood).mean())}
    agreement = kappa(labels, predicted, probabilities.shape[1])
    return scores if agreement is None else {**scores, "qwk": agreement}
