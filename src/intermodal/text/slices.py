"""Accuracy on parts of the split: by length of the text, by product category."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from intermodal.text.scored import Scored, estimate

if TYPE_CHECKING:
    import numpy as np

LENGTH_EDGES = (16, 32, 64, 128, 256)  # tokens, upper ends; longer texts form the last slice
CATEGORY_SLICES = 12  # the largest; the rest are taken together


def by_length(scored: Scored) -> list[dict[str, Any]]:
    """Accuracy by length of the text in tokens, with its interval, shortest first."""
    import numpy as np

    tokens = scored.rows.column("tokens").to_numpy()
    number = np.searchsorted(LENGTH_EDGES, tokens)
    lows = (1, *(edge + 1 for edge in LENGTH_EDGES))
    names = [f"{low}–{high} tokens" for low, high in zip(lows, LENGTH_EDGES, strict=False)]
    names += [f"over {LENGTH_EDGES[-1]} tokens"]
    return [_slice(scored, name, number == index) for index, name in enumerate(names) if (number == index).any()]


def by_category(scored: Scored) -> list[dict[str, Any]]:
    """Accuracy by product category, with its interval, largest first; small ones are taken together."""
    import numpy as np

    given = np.array([value or "(none)" for value in scored.rows.column("product_category").to_pylist()], dtype=object)
    names, counts = np.unique(given.astype(str), return_counts=True)
    order = [str(names[index]) for index in np.lexsort((names, -counts))]
    slices = [_slice(scored, name, given == name) for name in order[:CATEGORY_SLICES]]
    if rest := order[CATEGORY_SLICES:]:
        slices.append(_slice(scored, f"{len(rest)} others", np.isin(given, rest)))
    return slices


def _slice(scored: Scored, name: str, mask: np.ndarray) -> dict[str, Any]:
    hits = int((scored.predicted[mask] == scored.truth[mask]).sum())
    share = estimate(hits, int(mask.sum()))
    return {
        "name": name,
        "rows": int(mask.sum()),
        "accuracy": share["value"],
        "low": share["low"],
        "high": share["high"],
    }
