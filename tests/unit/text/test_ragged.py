"""Rows of unequal length in flat arrays."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from intermodal.text.ragged import from_lists, gather

ROWS = st.lists(st.lists(st.integers(0, 2**31 - 1), max_size=9), max_size=9)


@given(ROWS)
def test_lists_come_back(rows: list[list[int]]) -> None:
    ragged = from_lists(rows)
    assert ragged.rows() == rows
    assert len(ragged) == len(rows)
    assert ragged.lengths.tolist() == [len(row) for row in rows]


@given(ROWS, st.integers(0, 10))
def test_first_cuts_each_row(rows: list[list[int]], limit: int) -> None:
    assert from_lists(rows).first(limit).rows() == [row[:limit] for row in rows]


@given(ROWS.filter(len), st.data())
def test_gather_takes_rows_in_any_order(rows: list[list[int]], data: st.DataObject) -> None:
    ragged = from_lists(rows)
    chosen = np.array(data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=12)), np.int64)
    taken = gather(ragged.values, ragged.offsets[chosen], ragged.lengths[chosen])
    assert taken.rows() == [rows[index] for index in chosen.tolist()]
