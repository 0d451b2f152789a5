"""Arrow arrays of texts and whole numbers, without `pa.array`: that one imports pandas, where it is installed.

The import takes longer than to make thousands of such arrays, and each process of a fetch would pay it.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import numpy as np
import pyarrow as pa


def array_of(values: Sequence[Any], kind: pa.DataType) -> pa.Array | pa.ChunkedArray:
    """Array of `values`, with None for null. Types other than strings and whole numbers go through `pa.array`.

    Raises OverflowError for a number that the type cannot hold.
    """
    if pa.types.is_string(kind):
        return texts(values)
    if pa.types.is_large_string(kind):
        return texts(values).cast(kind)
    if pa.types.is_integer(kind):
        return _whole_numbers(values, kind)
    return pa.array(values, kind)


def texts(values: Sequence[str | None]) -> pa.Array | pa.ChunkedArray:
    """Array of texts, with None for null; of 2 GiB and more, in chunks."""
    encoded = [b"" if text is None else text.encode("utf-8") for text in values]
    try:
        ends = array("i", accumulate(map(len, encoded), initial=0))
    except OverflowError:
        return pa.array(values, pa.string())
    buffers = [_validity(values), pa.py_buffer(ends), pa.py_buffer(b"".join(encoded))]
    return pa.Array.from_buffers(pa.string(), len(encoded), buffers)


def _whole_numbers(values: Sequence[int | None], kind: pa.DataType) -> pa.Array:
    numbers = np.array([0 if number is None else number for number in values], kind.to_pandas_dtype())
    return pa.Array.from_buffers(kind, len(values), [_validity(values), pa.py_buffer(numbers)])


def _validity(values: Sequence[object]) -> pa.Buffer | None:
    """Bitmap of the values that are not None; None if all are."""
    if None not in values:
        return None
    return pa.py_buffer(np.packbits([value is not None for value in values], bitorder="little"))
