"""TensorFlow checkpoint reader (format V2: `NAME.index` and `NAME.data-00000-of-00001`), without TensorFlow.

The index is a table of LevelDB, whose values are protocol buffers (`tensor_bundle.proto`); the data file has the
tensors' bytes one after the other. Files come from strangers: every length is checked before it is used.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mtf.core.errors import BadInput

MAGIC = 0xDB4775248B80FB57
FOOTER_BYTES, TRAILER_BYTES = 48, 5
MAX_INDEX_BYTES = 1 << 26
FLOAT = 1
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_MAX_VARINT_BYTES = 10


class _Damaged(ValueError):
    """The index is not what its format asks for."""


@dataclass(frozen=True)
class _Entry:
    """Place of a tensor in the data file: its type (TensorFlow's number), shape, shard, and first byte and length."""

    dtype: int
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int


def read(path: Path) -> dict[str, np.ndarray]:
    """Name → tensor of type float32, of the checkpoint whose index is `path`; others, such as counters, are left out.

    Raises BadInput if a file is missing, damaged, compressed, or in several shards.
    """
    data = path.with_name(f"{path.stem}.data-00000-of-00001")
    try:
        if path.stat().st_size > MAX_INDEX_BYTES:
            raise BadInput(f"{path}: {path.stat().st_size:,} bytes; permitted for an index: up to {MAX_INDEX_BYTES:,}")
        entries = _entries(path.read_bytes())
        content = np.memmap(data, np.uint8, "r")
        return {name: _tensor(content, entry) for name, entry in entries.items() if entry.dtype == FLOAT}
    except OSError as error:
        raise BadInput(f"{error.filename or data}: {error.strerror or error}") from None
    except (_Damaged, ValueError, IndexError, struct.error) as error:
        raise BadInput(f"{path}: not the index of a TensorFlow checkpoint (format V2), or damaged: {error}") from None


def _tensor(content: np.ndarray, entry: _Entry) -> np.ndarray:
    wanted = 4 * math.prod(entry.shape)
    if entry.shard or entry.size != wanted or entry.offset + entry.size > len(content):
        raise _Damaged("a tensor lies outside the data file")
    values = np.frombuffer(content[entry.offset : entry.offset + entry.size].tobytes(), "<f4")
    return values.reshape(entry.shape)


def _entries(index: bytes) -> dict[str, _Entry]:
    """Name → place, from the bytes of an index."""
    footer = index[-FOOTER_BYTES:]
    if len(footer) < FOOTER_BYTES or struct.unpack("<Q", footer[-8:])[0] != MAGIC:
        raise _Damaged("no table in it")
    _, place = _handle(footer, 0)
    blocks, _ = _handle(footer, place)
    found = {}
    for _, value in _block(index, blocks):
        for key, entry in _block(index, _handle(value, 0)[0]):
            if key:  # the empty key is the header
                found[key.decode("utf-8")] = _entry(entry)
    return found


def _handle(data: bytes, place: int) -> tuple[tuple[int, int], int]:
    """(Offset, size) of a block, and the place behind its handle."""
    offset, place = _varint(data, place)
    size, place = _varint(data, place)
    return (offset, size), place


def _block(index: bytes, handle: tuple[int, int]) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of a block. A key may share its beginning with the one before."""
    offset, size = handle
    if offset + size + TRAILER_BYTES > len(index):
        raise _Damaged("a block lies outside the file")
    if index[offset + size]:
        raise _Damaged("its blocks are compressed")
    block = index[offset : offset + size]
    restarts = struct.unpack("<I", block[-4:])[0]
    end = size - 4 * (restarts + 1)
    place, key = 0, b""
    while place < end:
        shared, place = _varint(block, place)
        added, place = _varint(block, place)
        length, place = _varint(block, place)
        if shared > len(key) or place + added + length > end:
            raise _Damaged("an entry lies outside its block")
        key = key[:shared] + block[place : place + added]
        yield key, block[place + added : place + added + length]
        place += added + length


def _entry(data: bytes) -> _Entry:
    """`BundleEntryProto`: 1 dtype, 2 shape, 3 shard_id, 4 offset, 5 size."""
    fields = dict(_fields(data))
    shape = fields.get(2, b"")
    if not isinstance(shape, bytes):
        raise _Damaged("a shape is none")
    dims = [dict(_fields(dim)).get(1, 0) for number, dim in _fields(shape) if number == 2 and isinstance(dim, bytes)]
    numbers = [fields.get(number, 0) for number in (1, 3, 4, 5)]
    if not all(isinstance(each, int) for each in (*numbers, *dims)):
        raise _Damaged("a number is none")
    dtype, shard, offset, size = (int(each) for each in numbers)
    return _Entry(dtype, tuple(int(dim) for dim in dims), shard, offset, size)


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Numbers and values of the fields of a protocol buffer."""
    place = 0
    while place < len(data):
        tag, place = _varint(data, place)
        number, kind = tag >> 3, tag & 7
        if kind == VARINT:
            value, place = _varint(data, place)
            yield number, value
        elif kind in (FIXED32, FIXED64):
            place += 4 if kind == FIXED32 else 8
        elif kind == BYTES:
            length, place = _varint(data, place)
            if place + length > len(data):
                raise _Damaged("a field lies outside its message")
            yield number, data[place : place + length]
            place += length
        else:
            raise _Damaged(f"a field of the kind {kind}")


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = 0
    for number in range(_MAX_VARINT_BYTES):
        byte = data[place + number]
        value |= (byte & 0x7F) << (7 * number)
        if byte < 0x80:
            return value, place + number + 1
    raise _Damaged("a number without an end")
