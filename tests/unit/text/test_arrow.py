"""Conversions between NumPy and Arrow that share memory and leave pandas alone."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intermodal.text.arrow import lists, strings, to_arrow, to_numpy


@pytest.mark.parametrize("kind", ["int8", "int32", "int64", "uint64"])
def test_numbers_go_both_ways(kind: str) -> None:
    values = np.arange(6, dtype=kind)
    array = to_arrow(values)
    assert array.equals(pa.array(values))
    assert to_numpy(array[2:5]).tolist() == [2, 3, 4]
    assert to_numpy(array).dtype == values.dtype
    assert to_numpy(array[:0]).tolist() == []


@given(st.lists(st.text()))
def test_strings_are_those_of_pyarrow(texts: list[str]) -> None:
    array = strings(texts)
    array.validate(full=True)
    assert array.equals(pa.array(texts, pa.string()))


def test_lists_are_rows() -> None:
    array = lists(np.array([7, 8, 9], np.int8), np.array([0, 0, 2, 3], np.int32))
    array.validate(full=True)
    assert array.to_pylist() == [[], [7, 8], [9]]


def test_featurizing_never_imports_pandas(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("pandas")
    script = f"""
import sys
import pyarrow as pa, pyarrow.parquet as pq
from intermodal.text.features import Recipe, make_features
from pathlib import Path
make_features(Path({str(folder / "in.parquet")!r}), Path({str(folder / "out")!r}), Recipe(tfrecord=True))
print(sorted({{"pandas", "torch", "transformers"}} & set(sys.modules)))
"""
    size = 300
    columns = {"review_id": [f"R{n}" for n in range(size)], "review_body": [f"text number {n}" for n in range(size)]}
    columns["product_category"] = ["Toys"] * size
    import pyarrow.parquet as pq

    stars = pa.array([n % 5 + 1 for n in range(size)], pa.int32())
    pq.write_table(pa.table(columns | {"star_rating": stars}), folder / "in.parquet")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip() == "[]"
