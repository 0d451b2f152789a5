"""Arrow arrays without `pa.array`: the same arrays, and no pandas."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pyarrow as pa
import pytest

from mtf.core import arrow_arrays

TEXTS = ["a", None, "", "é 漢字 🙂", None, "line\nbreak\0"]
NUMBERS = [0, None, 7, 127, None, 1]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()], ids=str)
@pytest.mark.parametrize("values", [TEXTS, TEXTS * 100, ["a"], [None], []], ids=len)
def test_texts_are_those_of_arrow(values: list[str | None], kind: pa.DataType) -> None:
    made = arrow_arrays.array_of(values, kind)
    assert made.equals(pa.array(values, kind))
    made.validate(full=True)


@pytest.mark.parametrize("kind", [pa.int8(), pa.int32(), pa.int64(), pa.uint64()], ids=str)
@pytest.mark.parametrize("values", [NUMBERS, NUMBERS * 100, [5], [None], []], ids=len)
def test_numbers_are_those_of_arrow(values: list[int | None], kind: pa.DataType) -> None:
    made = arrow_arrays.array_of(values, kind)
    assert made.equals(pa.array(values, kind))
    made.validate(full=True)


@pytest.mark.parametrize("kind", [pa.int8(), pa.int64(), pa.uint64()], ids=str)
def test_the_ends_of_a_range_are_kept(kind: pa.DataType) -> None:
    low, high = (0 if pa.types.is_unsigned_integer(kind) else -(2 ** (kind.bit_width - 1))), 2**kind.bit_width - 1
    high = high if low == 0 else high >> 1
    assert arrow_arrays.array_of([low, None, high], kind).to_pylist() == [low, None, high]
    with pytest.raises(OverflowError):
        arrow_arrays.array_of([high + 1], kind)


@pytest.mark.parametrize(
    ("values", "kind"),
    [([1.5, None], pa.float64()), ([[1, 2], None], pa.list_(pa.int64())), ([b"x", None], pa.binary())],
    ids=str,
)
def test_other_types_are_made_by_arrow(values: list[Any], kind: pa.DataType) -> None:
    assert arrow_arrays.array_of(values, kind).equals(pa.array(values, kind))


def test_pandas_is_not_imported() -> None:
    program = (
        "import sys, pyarrow as pa; from mtf.core.arrow_arrays import array_of; "
        "array_of(['a', None], pa.string()); array_of([1, None], pa.int32()); sys.exit('pandas' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
