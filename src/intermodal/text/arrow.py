"""Between NumPy and Arrow without a copy, and without pandas.

`pyarrow.array` and `Array.to_numpy` import pandas before they do anything, which takes longer than tokenising 20,000
reviews. These go by the buffers, which both libraries lay out alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from intermodal.text.ragged import offsets_of

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


def to_arrow(values: np.ndarray) -> pa.Array:
    """A contiguous array of integers as an Arrow array that shares its memory."""
    import pyarrow as pa

    return pa.Array.from_buffers(pa.from_numpy_dtype(values.dtype), len(values), [None, pa.py_buffer(values)])


def to_numpy(array: pa.Array) -> np.ndarray:
    """An Arrow array of integers without nulls as a NumPy array that shares its memory; not writable."""
    import numpy as np

    dtype = np.dtype(str(array.type))  # "int32", "uint8", …: the names are the same
    data = array.buffers()[1]
    if not len(array) or data is None:
        return np.zeros(0, dtype)
    return np.frombuffer(data, dtype, len(array), array.offset * dtype.itemsize)


def strings(texts: Sequence[str]) -> pa.Array:
    """Strings as an Arrow `string` array."""
    import numpy as np
    import pyarrow as pa

    encoded = [text.encode() for text in texts]
    offsets = offsets_of(np.fromiter(map(len, encoded), np.int32, len(encoded)))
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(b"".join(encoded))]
    return pa.Array.from_buffers(pa.string(), len(encoded), buffers)


def lists(values: np.ndarray, offsets: np.ndarray) -> pa.Array:
    """Rows of unequal length as an Arrow list array.

    Args:
        values: Numbers, rows one after another.
        offsets: int32, shape (rows + 1,): where each row starts and ends.
    """
    import pyarrow as pa

    return pa.ListArray.from_arrays(to_arrow(offsets), to_arrow(values))
