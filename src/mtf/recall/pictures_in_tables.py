"""Pictures in the cells of Parquet and Arrow tables, read and removed row by row.

Both need pyarrow; whoever keeps pictures in these forms has it to read them.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from mtf.recall.picture_bytes import HEAD_BYTES, Member, NotLookedInto, holds_more, is_picture, one_line

MAX_ROW_GROUP_BYTES = 1 << 33
_ROWS_AT_ONCE = 64


def opened_pyarrow() -> Any:
    """The library pyarrow with its parts. Raises NotLookedInto if it is not installed."""
    try:
        import pyarrow
        import pyarrow.compute
        import pyarrow.ipc
        import pyarrow.parquet
    except ImportError:
        raise NotLookedInto("pyarrow is needed for this form: pip install pyarrow, and look again") from None
    return pyarrow


def parquet_members(path: Path) -> Iterator[Member]:
    """Pictures of a Parquet file. Raises NotLookedInto."""
    pyarrow = opened_pyarrow()
    try:
        file = pyarrow.parquet.ParquetFile(path)
        columns = [field.name for field in file.schema_arrow if _may_hold_bytes(pyarrow, field.type)]
        if not columns:
            return
        place = 0
        for group in range(file.num_row_groups):
            if file.metadata.row_group(group).total_byte_size > MAX_ROW_GROUP_BYTES:
                raise NotLookedInto(f"a row group of more than {MAX_ROW_GROUP_BYTES} bytes")
            for batch in file.iter_batches(_ROWS_AT_ONCE, row_groups=[group], columns=columns):
                yield from _of_rows(batch, place)
                place += batch.num_rows
    except NotLookedInto:
        raise
    except Exception as error:
        raise NotLookedInto(f"the rest of the table: {one_line(error)}") from None


def arrow_members(path: Path) -> Iterator[Member]:
    """Pictures of an Arrow file or stream. Raises NotLookedInto."""
    pyarrow = opened_pyarrow()
    try:
        place = 0
        with pyarrow.memory_map(os.fspath(path)) as source:
            for batch in _batches(pyarrow, source)[1]:
                for start in range(0, batch.num_rows, _ROWS_AT_ONCE):
                    yield from _of_rows(batch.slice(start, _ROWS_AT_ONCE), place + start)
                place += batch.num_rows
    except NotLookedInto:
        raise
    except Exception as error:
        raise NotLookedInto(f"the rest of the table: {one_line(error)}") from None


def _batches(pyarrow: Any, source: Any) -> tuple[Any, Iterator[Any]]:
    """Schema and record batches of an Arrow file or stream."""
    is_file = source.read(6) == b"ARROW1"
    source.seek(0)
    if not is_file:
        stream = pyarrow.ipc.open_stream(source)
        return stream.schema, iter(stream)
    file = pyarrow.ipc.open_file(source)
    return file.schema, (file.get_batch(number) for number in range(file.num_record_batches))


def _may_hold_bytes(pyarrow: Any, kind: Any) -> bool:
    types = pyarrow.types
    if types.is_struct(kind):
        return any(_may_hold_bytes(pyarrow, kind.field(number).type) for number in range(kind.num_fields))
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return _may_hold_bytes(pyarrow, kind.value_type)
    return types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind)


def _of_rows(batch: Any, place: int) -> Iterator[Member]:
    for number, row in enumerate(batch.to_pylist()):
        for data in _bytes_in(row):
            if is_picture(data[:HEAD_BYTES]):
                yield Member(place + number, f"row {place + number}", data)
            elif holds_more(data[:HEAD_BYTES]):
                yield Member(place + number, f"row {place + number}", None, "an archive inside a table")


def _bytes_in(value: Any) -> Iterator[bytes]:
    if isinstance(value, bytes):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _bytes_in(each)
    elif isinstance(value, list):
        for each in value:
            yield from _bytes_in(each)


def parquet_without(path: Path, to: Path, places: Collection[int]) -> list[str]:
    """Write a Parquet file without the rows `places`; schema, metadata and compression stay."""
    pyarrow = opened_pyarrow()
    file = pyarrow.parquet.ParquetFile(path)
    packing = {}
    if file.num_row_groups and file.metadata.num_columns:
        group = file.metadata.row_group(0)
        columns = [group.column(number) for number in range(group.num_columns)]
        packing = {each.path_in_schema: each.compression.lower().replace("uncompressed", "none") for each in columns}
    with pyarrow.parquet.ParquetWriter(to, file.schema_arrow, compression=packing or "snappy") as writer:
        start = 0
        for number in range(file.num_row_groups):
            table = file.read_row_group(number)
            writer.write_table(_rows_without(pyarrow, table, start, places))
            start += table.num_rows
    return []


def arrow_without(path: Path, to: Path, places: Collection[int]) -> list[str]:
    """Write an Arrow file or stream without the rows `places`."""
    pyarrow = opened_pyarrow()
    with pyarrow.memory_map(os.fspath(path)) as source:
        is_file = source.read(6) == b"ARROW1"
        source.seek(0)
        schema, batches = _batches(pyarrow, source)
        new = pyarrow.ipc.new_file if is_file else pyarrow.ipc.new_stream
        with new(os.fspath(to), schema) as writer:
            start = 0
            for batch in batches:
                writer.write_batch(_rows_without(pyarrow, batch, start, places))
                start += batch.num_rows
    return []


def _rows_without(pyarrow: Any, rows: Any, start: int, places: Collection[int]) -> Any:
    """Rows (table or batch) whose number, counted from `start`, is not in `places`."""
    mask = pyarrow.array([start + number not in places for number in range(rows.num_rows)], pyarrow.bool_())
    return rows.filter(mask)
