"""Journal events as lines of a log, and back."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intermodal.core.metric_lines import metric_line, metric_pattern, parse_metric_line

NAMES = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=30)


def metric(name: str, value: float, step: int = 0) -> dict[str, object]:
    return {"event": "metric", "name": name, "value": value, "step": step}


@given(name=NAMES, value=st.floats(), step=st.integers(-(2**40), 2**40))
def test_a_metric_comes_back_exactly(name: str, value: float, step: int) -> None:
    line = metric_line(metric(name, value, step))
    found = parse_metric_line(line + "\n")
    assert found is not None
    assert (found["event"], found["name"], found["step"]) == ("metric", name, step)
    assert found["value"] == value or (math.isnan(found["value"]) and math.isnan(value))
    assert "\n" not in line


@pytest.mark.parametrize("name", ["train/loss", "validation_qwk", "a b", "f1=macro", "λ", "x step=3"])
def test_odd_names_are_kept(name: str) -> None:
    found = parse_metric_line(metric_line(metric(name, 0.1 + 0.2, 7)))
    assert found == metric(name, 0.30000000000000004, 7)


def test_a_metric_reads_as_people_write_it() -> None:
    assert metric_line(metric("train/loss", 0.5, 20)) == "metric train/loss=0.5 step=20"
    assert metric_line(metric("loss", float("-inf"))) == "metric loss=-inf step=0"


def test_a_name_of_two_lines_stays_one_line() -> None:
    assert metric_line(metric("a\nb\r\n", 1.0)) == "metric a b=1.0 step=0"


@given(
    done=st.one_of(st.integers(0), st.floats(0, 1e12)),
    total=st.one_of(st.integers(0), st.floats(0, 1e12)),
    unit=st.sampled_from(["rows", "%", "", "bytes read"]),
    note=st.sampled_from(["", "epoch 1 of 3, loss 0.5", "a: b", "3/4 done"]),
)
def test_progress_comes_back_exactly(done: float, total: float, unit: str, note: str) -> None:
    event = {"event": "progress", "done": done, "total": total, "unit": unit, "note": note}
    found = parse_metric_line(metric_line(event))
    assert found == event
    assert type(found["done"]) is type(done)


@pytest.mark.parametrize(
    "line",
    ["", "metric", " metric a=1 step=1", "metric a=x step=1", "metric a=1", "val metric a=1 step=2", "progress: soon",
     "metric a=1 step=1 and more", "metric =1 step=1"],
)  # fmt: skip
def test_other_lines_are_no_events(line: str) -> None:
    assert parse_metric_line(line) is None


def test_other_events_have_no_line() -> None:
    assert metric_line({"event": "message", "text": "hello"}) == ""


@given(name=NAMES, value=st.floats(), other=NAMES)
def test_a_metrics_pattern_finds_its_values_and_no_others(name: str, value: float, other: str) -> None:
    pattern = re.compile(metric_pattern(name))
    found = pattern.search(metric_line(metric(name, value, 3)))
    assert found is not None
    assert found[1] == repr(value)
    assert pattern.search(metric_line(metric(f"val_{name}", value))) is None
    if other != name and not other.startswith(f"{name}="):
        assert pattern.search(metric_line(metric(other, value))) is None
