"""The arithmetic below the charts, by its properties."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intermodal.report import wording
from intermodal.report.charts.calibration import wilson
from intermodal.report.charts.layering import acyclic_edges, lay_out, spread
from intermodal.report.charts.lines import MOST_POINTS, thin
from intermodal.report.charts.scale import Linear, nice_ticks, tick_text

FINITE = st.floats(-1e9, 1e9, allow_nan=False)


@given(FINITE, FINITE, st.integers(1, 10))
def test_ticks_cover_the_range_at_equal_round_steps(a, b, wanted):
    low, high = min(a, b), max(a, b)
    ticks = nice_ticks(low, high, wanted)
    step = ticks[1] - ticks[0]
    assert ticks[0] <= low + step * 1e-6
    assert ticks[-1] >= high - step * 1e-6
    assert step > 0
    assert all(
        later - earlier == pytest.approx(step, rel=1e-6) for earlier, later in zip(ticks, ticks[1:], strict=False)
    )
    if high - low > 1e-6 * max(1, abs(low), abs(high)):
        digits = f"{step:.4e}".split("e")[0].rstrip("0").rstrip(".")
        assert digits in ("1", "2", "2.5", "5")
        assert len(ticks) <= 2 * wanted + 3


@pytest.mark.parametrize("pair", [(float("nan"), 1.0), (0.0, float("inf"))])
def test_ticks_of_a_range_that_is_none_do_not_hang(pair):
    assert nice_ticks(*pair) == [0.0, 1.0]


def test_tick_texts_differ_from_one_another():
    for low, high in ((0, 1), (0.42, 0.5), (0, 10000), (-3, 3), (0.001, 0.002)):
        ticks = nice_ticks(low, high)
        texts = [tick_text(tick, ticks) for tick in ticks]
        assert len(set(texts)) == len(ticks)
        assert [float(text.replace(",", "")) for text in texts] == pytest.approx(ticks)


def test_a_scale_maps_its_ends_and_an_empty_domain_to_the_middle():
    assert [Linear(0, 10, 100, 200)(value) for value in (0, 5, 10)] == [100, 150, 200]
    assert Linear(3, 3, 0, 50)(3) == 25


@given(
    st.lists(
        st.tuples(st.integers(0, 10**6), st.floats(-1e6, 1e6)), min_size=1, max_size=2000, unique_by=lambda p: p[0]
    )
)
@settings(max_examples=30)
def test_thinning_keeps_ends_and_extremes_and_bounds_the_number(points):
    rows = sorted(points)
    kept = thin(rows)
    assert len(kept) <= MOST_POINTS + 2
    assert kept == sorted(kept)
    assert set(kept) <= set(rows)
    assert (kept[0], kept[-1]) == (rows[0], rows[-1])
    for pick in (min, max):
        assert pick(y for _, y in kept) == pick(y for _, y in rows)


@given(st.lists(st.floats(-50, 50), min_size=1, max_size=30), st.data())
def test_spread_keeps_order_and_distance_and_moves_nothing_needlessly(wanted, data):
    sizes = data.draw(st.lists(st.sampled_from([0.4, 1.0]), min_size=len(wanted), max_size=len(wanted)))
    placed = spread(wanted, sizes)
    room = [(a + b) / 2 for a, b in zip(sizes, sizes[1:], strict=False)]
    assert all(b - a >= gap - 1e-9 for a, b, gap in zip(placed, placed[1:], room, strict=False))
    assert sum(placed) == pytest.approx(sum(wanted), abs=1e-6 * len(wanted))
    apart = all(b - a >= gap for a, b, gap in zip(wanted, wanted[1:], room, strict=False))
    assert not apart or placed == pytest.approx(wanted)


GRAPH = st.dictionaries(
    st.sampled_from("abcdefghij"), st.lists(st.sampled_from("abcdefghijz"), max_size=5), max_size=10
)


@given(GRAPH)
@settings(max_examples=150)
def test_every_edge_leads_to_a_later_layer_and_no_two_nodes_meet(depends_on):
    names = sorted(depends_on)
    layout = lay_out(names, depends_on)
    for (source, target), route in layout.routes.items():
        layers = [layout.layer[source], *(layer for layer, _ in route), layout.layer[target]]
        assert layers == list(range(layers[0], layers[-1] + 1))
    for layer in range(layout.depth):
        places = sorted(layout.place[name] for name in names if layout.layer[name] == layer)
        assert all(b - a >= 0.999 for a, b in zip(places, places[1:], strict=False))
    assert all(-1e-6 <= layout.place[name] <= layout.breadth + 1e-6 for name in names)


def test_edges_that_close_a_cycle_and_unknown_names_are_left_out():
    edges = acyclic_edges(["a", "b", "c"], {"a": ["c"], "b": ["a", "zzz", "b"], "c": ["b"]})
    assert edges == [("c", "a"), ("a", "b")]


def test_wilson_agrees_with_scipy():
    from scipy.stats import binomtest

    for right, rows in ((0, 10), (5, 10), (10, 10), (476, 1000), (1, 3)):
        expected = binomtest(right, rows).proportion_ci(method="wilson")
        assert wilson(right / rows, rows) == pytest.approx((expected.low, expected.high), abs=1e-6)
    assert wilson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (wording.share(0.99999), "> 99.9%"),
        (wording.share(0.00001), "< 0.1%"),
        (wording.share(1.0), "100%"),
        (wording.share(0.0), "0%"),
        (wording.share(None), wording.DASH),
        (wording.anything(0.999951), "0.999951"),
        (wording.anything(1234567.0), "1,234,567"),
        (wording.anything(5e-05), "5e-05"),
        (wording.anything(True), "true"),
        (wording.anything([1, "a", None]), f"1, a, {wording.DASH}"),
        (wording.seconds(0.04), "0.04 s"),
        (wording.seconds(59.6), "1 min 00 s"),
        (wording.seconds(7261), "2 h 01 min"),
        (wording.size(12_400_000), "12.4 MB"),
        (wording.compact(46410), "46k"),
        (wording.compact(1500), "1.5k"),
        (wording.points(-0.021), "\N{MINUS SIGN}2.1"),
        (wording.count(float("nan")), wording.DASH),
    ],
)
def test_numbers_as_people_read_them(text, expected):
    assert text == expected
