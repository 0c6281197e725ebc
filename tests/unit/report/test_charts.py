"""Every chart is a well-formed, accessible picture that says what its data say."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from intermodal.report.charts import (
    DagNode,
    Interval,
    Quantiles,
    calibration_plot,
    columns,
    confusion_matrix,
    draw_dag,
    heatmap,
    histogram,
    horizontal_bars,
    interval_plot,
    line_chart,
    quantile_strips,
    sparkline,
    stacked_bars,
    stacked_columns,
)
from report_cases import HOSTILE

SVG = "{http://www.w3.org/2000/svg}"
STARS = [f"{star}★" for star in range(1, 6)]
NODES = [
    DagNode("a", "SUCCEEDED", "1 s", link="#a"),
    DagNode("b", "FAILED", "2 s", ("a",)),
    DagNode("c", "SKIPPED", "", ("b",)),
]


def every_chart(name: str = "name") -> dict[str, str]:
    """All charts over small data, with `name` wherever a text goes."""
    title = f"title {name}"
    bins = [(0.3, 0.25, 40), (0.5, 0.55, 80), (0.9, 0.8, 3)]
    nodes = [
        DagNode(f"{name}{node.name}", node.state, name, tuple(f"{name}{n}" for n in node.depends_on)) for node in NODES
    ]
    return {
        "columns": columns([(name, 3), ("b", 1)], title=title),
        "horizontal_bars": horizontal_bars([(name, 3), ("b", 1)], title=title),
        "stacked_bars": stacked_bars([(name, [1, 2]), ("b", [0, 0])], [name, "y"], title=title, notes=[name, "n"]),
        "stacked_columns": stacked_columns([(name, [1, 2]), ("b", [0, 5])], [name, "y"], title=title),
        "histogram": histogram([0, 1, 2, 4], [5, 0, 9], title=title, unit=name, marker=(name, 3.0)),
        "line_chart": line_chart({name: [(0, 1.0), (1, 0.5)], "b": [(0, 2.0), (1, 1.0)]}, title=title, x_name=name),
        "sparkline": sparkline([1, 5, 2], title=title),
        "heatmap": heatmap([name], ["a", "b"], [[0.1, 1.0]], title=title, row_name=name, column_name=name),
        "confusion_matrix": confusion_matrix([name, "b"], [[8, 2], [1, 9]], title=title),
        "calibration_plot": calibration_plot(bins, title=title),
        "quantile_strips": quantile_strips([Quantiles(name, 1, 2, 3, 4, 5)], title=title, unit=name),
        "interval_plot": interval_plot(
            [Interval(name, 0.5, 0.4, 0.6, note=name), Interval("", 0.45)],
            title=title, reference=0.48, reference_name=name, names=[(name, "red"), ("b", "blue")],
        ),
        "draw_dag": draw_dag(nodes, title=title),
        "draw_dag down": draw_dag(nodes, title=title, down=True),
    }  # fmt: skip


EMPTY = {
    "columns": columns([], title="t"),
    "horizontal_bars": horizontal_bars([], title="t"),
    "stacked_bars": stacked_bars([], [], title="t"),
    "stacked_columns": stacked_columns([], [], title="t"),
    "histogram": histogram([0], [], title="t"),
    "line_chart": line_chart({}, title="t"),
    "line of nothing": line_chart({"a": [], "b": [(0, float("nan"))]}, title="t"),
    "sparkline": sparkline([], title="t"),
    "heatmap": heatmap([], [], [], title="t"),
    "confusion_matrix": confusion_matrix([], [], title="t"),
    "calibration_plot": calibration_plot([(0.5, 0.5, 0)], title="t"),
    "quantile_strips": quantile_strips([], title="t"),
    "interval_plot": interval_plot([], title="t"),
    "draw_dag": draw_dag([], title="t"),
}


@pytest.mark.parametrize("svg", [*every_chart().values(), *EMPTY.values()], ids=[*every_chart(), *EMPTY])
def test_a_chart_is_well_formed_named_and_described(svg):
    root = ElementTree.fromstring(svg)
    title, desc = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert root.tag == f"{SVG}svg"
    assert root.get("role") in ("img", "group")
    assert root.get("aria-labelledby").split() == [title.get("id"), desc.get("id")]
    assert title.text.startswith("t")
    assert "nan" not in svg
    assert "None" not in svg


@pytest.mark.parametrize("name", list(every_chart()))
def test_hostile_text_stays_text(name):
    svg = every_chart(HOSTILE)[name]
    root = ElementTree.fromstring(svg)
    assert not [element.tag for element in root.iter() if element.tag.split("}")[1] in ("script", "img")]
    assert not [key for element in root.iter() for key in element.attrib if key.startswith("on")]
    assert HOSTILE in root.find(f"{SVG}title").text
    assert "<script" not in svg


def test_a_control_character_does_not_break_the_markup():
    root = ElementTree.fromstring(columns([("bell\x07\x00", 1)], title="t"))
    assert "bell" in "".join(root.itertext())


@pytest.mark.parametrize("name", list(every_chart("a rather long name of something")))
def test_marks_and_texts_begin_inside_the_picture(name):
    root = ElementTree.fromstring(every_chart("a rather long name of something")[name])
    _, _, width, height = map(float, root.get("viewBox").split())
    for element in root.iter():
        for key, most in (("x", width), ("cx", width), ("x2", width), ("y", height), ("cy", height), ("y2", height)):
            if element.get(key) is not None:
                assert -1 <= float(element.get(key)) <= most + 1, (name, element.tag, element.attrib)


def test_the_same_data_give_the_same_bytes():
    assert every_chart() == every_chart()


def test_ids_of_different_charts_differ():
    ids = re.findall(r' id="([^"]+)"', "".join(every_chart().values()))
    assert len(set(ids)) == len(ids)


def test_columns_are_as_high_as_their_values_and_say_them():
    root = ElementTree.fromstring(columns([("1★", 50), ("5★", 150)], title="t", shares=True))
    heights = [float(rect.get("height")) for rect in root.iter(f"{SVG}rect")]
    assert heights[1] == pytest.approx(3 * heights[0], rel=1e-3)
    tips = [rect.find(f"{SVG}title").text for rect in root.iter(f"{SVG}rect")]
    assert tips == ["1★: 50 (25%)", "5★: 150 (75%)"]
    assert {"25%", "75%"} <= {text.text for text in root.iter(f"{SVG}text")}


def test_stacked_parts_fill_the_row_in_proportion():
    root = ElementTree.fromstring(stacked_bars([("x", [1, 3])], ["a", "b"], title="t"))
    parts = [r for r in root.iter(f"{SVG}rect") if r.find(f"{SVG}title") is not None]
    widths = [float(part.get("width")) for part in parts]
    assert widths[1] / widths[0] == pytest.approx(3, rel=0.05)
    assert [p.find(f"{SVG}title").text for p in parts] == ["x, a: 1 (25%)", "x, b: 3 (75%)"]


def test_bins_are_named_as_the_whole_numbers_they_hold():
    root = ElementTree.fromstring(histogram([0, 1, 2, 4, 8], [1, 1, 1, 1], title="t", unit="words"))
    tips = [rect.find(f"{SVG}title").text.split(":")[0] for rect in root.iter(f"{SVG}rect")]
    assert tips == ["0 words", "1 words", "2–3 words", "4 or more words"]


def test_a_confusion_matrix_is_read_by_true_class():
    svg = confusion_matrix(["1", "2"], [[8, 2], [1, 9]], title="t")
    assert "true 1, predicted 2: 2 (20%)" in svg
    assert "true 2, predicted 1: 1 (10%)" in svg


def test_a_falling_line_falls_on_the_screen():
    root = ElementTree.fromstring(line_chart({"loss": [(0, 3.0), (10, 1.0)]}, title="t"))
    path = next(p.get("d") for p in root.iter(f"{SVG}path"))
    (x1, y1), (x2, y2) = ([float(n) for n in pair.split()] for pair in path[1:].split("L"))
    assert x2 > x1
    assert y2 > y1


def test_an_interval_is_drawn_from_its_low_to_its_high_end():
    root = ElementTree.fromstring(
        interval_plot([Interval("a", 0.5, 0.4, 0.6), Interval("b", 0.6, 0.5, 0.7)], title="t")
    )
    boxes = [r for r in root.iter(f"{SVG}rect") if r.get("opacity")]
    dots = [float(c.get("cx")) for c in root.iter(f"{SVG}circle")]
    middles = [float(b.get("x")) + float(b.get("width")) / 2 for b in boxes]
    assert middles == pytest.approx(dots, abs=0.02)
    assert "a: 0.500 (95% interval 0.400 to 0.600)" in "".join(root.itertext())


def test_the_calibration_band_is_wilsons():
    svg = calibration_plot([(0.5, 0.5, 100)], title="t")
    assert "50% sure: right in 50% of 100 rows (95% interval 40.4% to 59.6%)" in svg


def test_the_graph_shows_names_states_links_and_every_edge():
    root = ElementTree.fromstring(draw_dag(NODES, title="t"))
    texts = {text.text for text in root.iter(f"{SVG}text")}
    assert {"a", "b", "c"} <= texts
    assert [a.get("href") for a in root.iter(f"{SVG}a")] == ["#a"]
    assert len([p for p in root.iter(f"{SVG}path") if "edge" in (p.get("class") or "")]) == 2
    assert "b failed after a" in root.find(f"{SVG}desc").text
    states = {g.get("class") for g in root.iter(f"{SVG}g")}
    assert states == {"task succeeded", "task failed", "task skipped"}


@pytest.mark.parametrize("down", [False, True])
def test_nodes_of_the_graph_do_not_overlap(down):
    nodes = [DagNode("s")] + [DagNode(f"n{i}", depends_on=("s",)) for i in range(7)]
    nodes += [DagNode("end", depends_on=tuple(f"n{i}" for i in range(7)) + ("s",))]
    root = ElementTree.fromstring(draw_dag(nodes, title="t", down=down))
    boxes = [r for r in root.iter(f"{SVG}rect") if r.get("class") == "node"]
    frames = [tuple(float(box.get(key)) for key in ("x", "y", "width", "height")) for box in boxes]
    for i, (x, y, width, height) in enumerate(frames):
        for ox, oy, *_ in frames[:i]:
            assert abs(x - ox) >= width or abs(y - oy) >= height


def test_names_that_differ_at_their_end_still_differ_when_cut():
    names = [f"for-loop-1-train-with-a-long-name-{i}" for i in range(3)]
    root = ElementTree.fromstring(draw_dag([DagNode(name) for name in names], title="t"))
    shown = [text.text for text in root.iter(f"{SVG}text") if text.get("class") == "v"]
    assert len(set(shown)) == 3
    assert all("…" in text for text in shown)
