"""From the counted tables of a profile to its JSON: sums, shares, quantiles, histograms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl

RATINGS = range(1, 6)
QUANTILES = {"p05": 0.05, "p25": 0.25, "p50": 0.5, "p75": 0.75, "p95": 0.95, "p99": 0.99}
EDGES = [0, *(2**power for power in range(21))]  # 0, 1, 2, 4 … 1,048,576


def rating(cube: pl.DataFrame) -> dict[str, Any]:
    """How often each rating was given, and the mean."""
    counts = _by_rating(cube, "rows")
    return {"counts": {str(star): counts[star] for star in RATINGS}, "mean": _mean(counts)}


def groups(cube: pl.DataFrame, key: str, most: int | None = None) -> list[dict[str, Any]]:
    """Ratings of each value of a column; with `most`, the largest groups first and the rest as one."""
    names = [name for name in cube[key].unique().to_list() if name is not None]
    found = [_group(name, _by_rating(cube.filter(cube[key] == name), "rows")) for name in names]
    if most is None:
        return sorted(found, key=lambda group: str(group["name"]))
    found.sort(key=lambda group: (-group["rows"], str(group["name"])))
    rest = found[most:]
    if not rest:
        return found
    other = {star: sum(group["counts"][star - 1] for group in rest) for star in RATINGS}
    return [*found[:most], _group(f"{len(rest)} others", other)]


def months(cube: pl.DataFrame) -> list[dict[str, Any]]:
    """Reviews and mean rating of each month that has any."""
    found = groups(cube, "month")
    return [{"month": group["name"], "rows": group["rows"], "mean": group["mean"]} for group in found]


def lengths(table: pl.DataFrame, by_rating: bool = False) -> dict[str, Any]:
    """Mean, quantiles and histogram of lengths, from rows by length; null lengths are counted apart."""
    known = table.filter(table["length"].is_not_null())
    counted = _sum_by(known, "length")
    result: dict[str, Any] = {
        "rows": sum(counted.values()),
        "missing": int(table["rows"].sum()) - sum(counted.values()),
    }
    result |= {**_summary(counted), "histogram": _histogram(counted)}
    if by_rating:
        split = {star: _sum_by(known.filter(known["star_rating"] == star), "length") for star in RATINGS}
        result["by_rating"] = [{"rating": star, "rows": sum(c.values()), **_summary(c)} for star, c in split.items()]
    return result


def helpful(votes: pl.DataFrame) -> dict[str, Any]:
    """Helpful votes: their distribution, and how many a review of each rating gets."""
    known = votes.filter(votes["length"].is_not_null())
    split = {star: _sum_by(known.filter(known["star_rating"] == star), "length") for star in RATINGS}
    counted = _sum_by(known, "length")
    return {
        "votes": sum(value * rows for value, rows in counted.items()),
        "total_votes": int(known["total"].sum()),
        "any": _share(sum(rows for value, rows in counted.items() if value > 0), sum(counted.values())),
        "histogram": _histogram(counted),
        "by_rating": [{"rating": star, **_votes(c)} for star, c in split.items()],
    }


def verified(cube: pl.DataFrame) -> dict[str, Any]:
    """Share of verified purchases, in all and by rating."""
    rows, bought = _by_rating(cube, "rows"), _by_rating(cube, "verified")
    return {
        "share": _share(sum(bought.values()), sum(rows.values())),
        "by_rating": [{"rating": star, "share": _share(bought[star], rows[star])} for star in RATINGS],
    }


def products(first: pl.DataFrame, spread: pl.DataFrame) -> dict[str, Any]:
    """The most reviewed products, how many there are, and how many reviews each has."""
    rows = [
        {
            "product_id": row["product_id"],
            "title": row["title"],
            "rows": row["rows"],
            "mean": round(row["stars"] / row["rows"], 4),
        }
        for row in first.iter_rows(named=True)
        if row["stars"] is not None
    ]
    counted = dict(spread.sort("rows").select("rows", "products").iter_rows())
    return {"distinct": sum(counted.values()), "histogram": _histogram(counted), "top": rows}


def dates(columns: pl.DataFrame) -> dict[str, str]:
    """First and last day, ISO 8601; empty when no review has a date."""
    return {name: str(columns[name][0] or "") for name in ("first", "last")}


def completeness(columns: pl.DataFrame, schema: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Missing and blank values of every column, in the order of the file."""
    total, found = int(columns["rows"][0]), []
    for name, kind in schema.items():
        nulls = int(columns[f"null:{name}"][0])
        blanks = int(columns[f"blank:{name}"][0]) if f"blank:{name}" in columns.columns else 0
        filled = _share(total - nulls - blanks, total)
        found.append({"name": name, "type": str(kind), "nulls": nulls, "blank": blanks, "complete": filled})
    return found


def _group(name: Any, counts: Mapping[int, int]) -> dict[str, Any]:
    return {
        "name": str(name),
        "rows": sum(counts.values()),
        "counts": [counts[s] for s in RATINGS],
        "mean": _mean(counts),
    }


def _by_rating(cube: pl.DataFrame, column: str) -> dict[int, int]:
    sums = cube.select("star_rating", column).group_by("star_rating").sum()
    found = dict(zip(sums["star_rating"].to_list(), sums[column].to_list(), strict=True))
    return {star: int(found.get(star, 0)) for star in RATINGS}


def _sum_by(table: pl.DataFrame, key: str) -> dict[int, int]:
    """Rows by value, rising."""
    sums = table.select(key, "rows").group_by(key).sum().sort(key)
    return dict(zip(sums[key].to_list(), sums["rows"].to_list(), strict=True))


def _summary(counted: Mapping[int, int]) -> dict[str, Any]:
    """Mean, greatest value and exact quantiles (the value at or below which that share of the rows lies)."""
    total = sum(counted.values())
    if not total:
        return {"mean": None, "max": None, **dict.fromkeys(QUANTILES)}
    found, seen, wanted = {}, 0, list(QUANTILES.items())
    for value, rows in counted.items():
        seen += rows
        while wanted and seen >= wanted[0][1] * total:
            found[wanted.pop(0)[0]] = value
    mean = sum(value * rows for value, rows in counted.items()) / total
    return {"mean": round(mean, 4), "max": max(counted), **found}


def _histogram(counted: Mapping[int, int]) -> dict[str, list[int]]:
    """Counts in bins that double in width: 0, 1, 2–3, 4–7 …; the last bin holds the greatest value."""
    last = next((i for i, edge in enumerate(EDGES) if edge > max(counted, default=0)), len(EDGES) - 1)
    edges, counts = EDGES[: last + 1], [0] * last
    for value, rows in counted.items():
        index = next(i for i in range(last - 1, -1, -1) if edges[i] <= value or i == 0)
        counts[index] += rows
    return {"edges": edges, "counts": counts}


def _votes(counted: Mapping[int, int]) -> dict[str, Any]:
    total = sum(counted.values())
    mean = round(sum(value * rows for value, rows in counted.items()) / total, 4) if total else None
    return {"mean": mean, "any": _share(sum(rows for value, rows in counted.items() if value > 0), total)}


def _mean(counts: Mapping[int, int]) -> float | None:
    total = sum(counts.values())
    return round(sum(star * rows for star, rows in counts.items()) / total, 5) if total else None


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 6) if whole else None
