"""The pages of `tune` and `autopilot`, and their charts."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest

from intermodal.report.charts import parallel_coordinates, scatter
from intermodal.report.charts.coordinates import axis_of
from intermodal.report.search_pages import (
    build_leaderboard_page,
    build_tuning_page,
    leaderboard_notes,
    tuning_notes,
)

SVG = "{http://www.w3.org/2000/svg}"


def trial(number: int, objective: float | None, reason: str = "", **parameters: Any) -> dict[str, Any]:
    state = "COMPLETED" if objective is not None else "FAILED"
    return {
        "number": number, "objective": objective, "parameters": parameters, "state": state, "reason": reason,
        "metrics": {},
    }  # fmt: skip


TUNED = {
    "step": "baseline", "metric": "score", "direction": "minimize", "best": 1,
    "trials": [
        trial(0, 0.5, rate=0.001, kind="a"), trial(1, 0.25, rate=1.0, kind="b"),
        trial(2, None, "<script>it broke", rate=0.1, kind="a"), trial(3, 0.75, rate=0.01, kind="a"),
    ],
}  # fmt: skip


def test_wide_positive_values_stand_by_their_magnitude() -> None:
    assert axis_of("rate", [0.01, 0.1, 1.0]).places == pytest.approx((0.0, 0.5, 1.0))
    assert axis_of("size", [1, 2, 3]).places == pytest.approx((0.0, 0.5, 1.0))
    assert axis_of("kind", ["b", "a", None]).places == (1.0, 0.0, None)
    assert axis_of("flag", [True, True]).places == (0.0, 0.0)
    assert axis_of("one", [3.0, 3.0]).places == (0.5, 0.5)


def test_every_scored_trial_is_a_line_and_the_best_comes_last() -> None:
    drawing = parallel_coordinates(
        {"rate": [1.0, 2.0, 3.0]}, [0.1, None, 0.3], title="Trials", score_name="score", best=0
    )
    lines = ElementTree.fromstring(drawing).findall(f"{SVG}path")
    assert [line.findtext(f"{SVG}title") for line in lines] == ["trial 2", "trial 0, the best"]


@pytest.mark.parametrize(
    "points", [[], [(1.0, 0.5)], [(1e-5, 0.1), (10.0, 0.2)], [("a", 0.1), ("b", 0.2)], [(True, 0.1), (False, 0.3)]]
)
def test_every_point_is_a_dot_that_says_its_value(points: list[tuple[Any, float]]) -> None:
    dots = ElementTree.fromstring(scatter(points, title="By x", x_name="x", best=0)).findall(f"{SVG}circle")
    assert len(dots) == len(points)
    for dot in dots:
        assert 0 <= float(dot.attrib["cx"]) <= 328
        assert (dot.findtext(f"{SVG}title") or "").startswith("x ")


def test_the_page_of_a_tuning_escapes_what_it_shows_and_is_the_same_every_time() -> None:
    page = build_tuning_page(TUNED)
    assert page == build_tuning_page(TUNED)
    assert "trial 1 of 4 is the best: score 0.2500" in page
    assert "<script>it broke" not in page
    assert "&lt;script&gt;it broke" in page


def test_the_notes_of_a_tuning_rank_by_the_direction() -> None:
    rows = [line.split("|")[1].strip() for line in tuning_notes(TUNED).splitlines() if line.startswith("| ")][1:]
    assert rows == [":--", "1", "0", "3"] or rows == ["1", "0", "3"]
    assert "3 completed, 0 stopped, 1 failed." in tuning_notes(TUNED)


def test_the_page_of_a_leaderboard_shows_warnings_and_failures() -> None:
    done = {"name": "one", "algorithm": "trees", "objective": 0.5, "metrics": {"accuracy": 0.5}, "parameters": {"n": 3}}
    failed = {"name": "two", "algorithm": "trees", "objective": None, "metrics": {}, "parameters": {}}
    described = {
        "metric": "accuracy", "best": "one", "classes": {"1": 3, "2": 9}, "warnings": ["The classes are uneven."],
        "candidates": [{**done, "state": "COMPLETED", "reason": ""}, {**failed, "state": "FAILED", "reason": "broke"}],
    }  # fmt: skip
    page = build_leaderboard_page(described)
    for words in ("The classes are uneven.", "failed: broke", "one is the best of 2 candidates", "n 3"):
        assert words in page
    assert "The classes are uneven." in leaderboard_notes(described)
