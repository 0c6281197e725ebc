"""The training section: curves of every training task, one chart a quantity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from intermodal.report.charts import line_chart
from intermodal.report.sections import Curves
from intermodal.report.views.parts import Block, Blocks, Card, Section, chart

Points = Sequence[tuple[float, float]]


def training_section(curves: Sequence[Curves]) -> Section | None:
    """The section on training.

    Args:
        curves: Curves by task.

    Returns:
        The section, or None when no task left a curve.
    """
    found = [item for item in curves if any(item.series.values())]
    if not found:
        return None
    blocks = tuple(Block(title=item.task if len(found) > 1 else "", cards=tuple(_cards(item))) for item in found)
    lead = f"by {found[0].task}" if len(found) == 1 else ""
    return Section("training", "Training", Blocks(blocks=blocks), lead)


def _cards(item: Curves) -> list[Card]:
    cards = []
    for quantity, series in _by_quantity(item.series).items():
        drawing = line_chart(series, title=f"{item.task}: {quantity}", x_name="step")
        cards.append(Card(quantity.capitalize(), chart(drawing), _best(quantity, series)))
    return cards


def _by_quantity(series: Mapping[str, Points]) -> dict[str, dict[str, Points]]:
    """Series that measure the same share a chart: train_loss and validation_loss are both loss."""
    groups: dict[str, dict[str, Points]] = {}
    for name, points in sorted(series.items()):
        clean = [(x, y) for x, y in points if x is not None and y is not None]
        if clean:
            part, _, quantity = name.replace("/", "_").partition("_")
            known = part in ("train", "training", "validation", "valid", "val", "eval", "test") and quantity
            groups.setdefault((quantity if known else name).replace("_", " "), {})[name.replace("_", " ")] = clean
    return groups


def _best(quantity: str, series: Mapping[str, Points]) -> str:
    """The best value on held-out data, if any series is of that."""
    held_out = {name: points for name, points in series.items() if name.startswith(("val", "eval"))}
    if not held_out:
        return ""
    name, points = next(iter(held_out.items()))
    least = "loss" in quantity or "error" in quantity or quantity.endswith(("mae", "ece"))
    best = (min if least else max)(points, key=lambda point: point[1])
    return f"Best {name}: {best[1]:.4g} at step {best[0]:,g}."
