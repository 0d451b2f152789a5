"""Byte patterns: short pieces of erased contents, by which a search finds what is left of them in any file.

A pattern is kept as a digest, so that the patterns of an unfinished erasure can be saved without a piece of a picture.
The search compares a multiplicative hash of eight bytes at every position of the data, and takes the digest where it
is one of a pattern's.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mtf.core.atomic_files import write_json

WINDOW_BYTES = 24
"""Length of a pattern that is cut from a content."""
KEY_BYTES = 8
_HASH_BITS = 22
# Multiplicative hash with the golden ratio (Knuth, The Art of Computer Programming 3, section 6.4).
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(64 - _HASH_BITS)
# Data is compared in pieces that the processor's cache holds.
_PIECE_BYTES = 2**17
_CANDIDATES = 96
# Bytes that must differ in a window, so that runs and flat areas of a picture are no pattern.
_MIN_DISTINCT = 6
SCAN_DATA = b"\xff\xda"
"""Marker before the scan data of a JPEG (ITU T.81, table B.1)."""


class Pattern(NamedTuple):
    """Pattern to look for.

    - `kind`: what it is a piece of, as shown to people;
    - `key`: hash of the eight bytes at `at`;
    - `at`: position of these bytes in the pattern;
    - `length`: its length in bytes;
    - `digest`: sha256 of the pattern.
    """

    kind: str
    key: int
    at: int
    length: int
    digest: str


def of_text(kind: str, text: bytes) -> Pattern | None:
    """Pattern that is the whole text; None for one of less than KEY_BYTES bytes, which occurs by chance."""
    if len(text) < KEY_BYTES:
        return None
    at = len(text) - KEY_BYTES
    return Pattern(kind, _key(text[at:]), at, len(text), hashlib.sha256(text).hexdigest())


def of_content(kind: str, content: bytes, *, count: int = 4) -> Iterator[Pattern]:
    """Up to `count` patterns spread over a content: windows with the most different bytes.

    Of a JPEG they come from its scan data, since the tables before it are those of every JPEG of one encoder.
    """
    start = content.rfind(SCAN_DATA) + 2 if content.startswith(b"\xff\xd8") else 0
    last = len(content) - WINDOW_BYTES
    if last < start:
        short = of_text(kind, content) if len(set(content)) >= _MIN_DISTINCT else None
        yield from (short,) if short else ()
        return
    places = np.unique(np.linspace(start, last, _CANDIDATES).astype(int)).tolist()
    for part in np.array_split(np.array(places), count):
        windows = [content[place : place + WINDOW_BYTES] for place in part.tolist()]
        best = max(windows, key=lambda window: len(set(window)), default=b"")
        if len(set(best)) >= _MIN_DISTINCT:
            pattern = of_text(kind, best)
            assert pattern is not None  # noqa: S101 (a window is long enough)
            yield pattern


class BytePatterns:
    """Set of patterns that is searched at once."""

    def __init__(self, patterns: Iterable[Pattern]) -> None:
        self.patterns = sorted({*patterns})
        self._by_key: dict[int, list[Pattern]] = {}
        for pattern in self.patterns:
            self._by_key.setdefault(pattern.key, []).append(pattern)
        self._table = np.zeros(1 << _HASH_BITS, bool)
        self._table[[key >> (64 - _HASH_BITS) for key in self._by_key]] = True

    @property
    def longest(self) -> int:
        """Length of the longest pattern in bytes."""
        return max((pattern.length for pattern in self.patterns), default=0)

    def kinds_in(self, data: bytes) -> set[str]:
        """Kinds of the patterns that occur in the data."""
        found: set[str] = set()
        for begin in range(0, len(data) if self.patterns else 0, _PIECE_BYTES):
            end = min(begin + _PIECE_BYTES + KEY_BYTES - 1, len(data))
            for start in range(begin, min(begin + KEY_BYTES, end - KEY_BYTES + 1)):
                keys = np.frombuffer(data, "<u8", (end - start) // KEY_BYTES, start) * _MULTIPLIER
                is_candidate = self._table[(keys >> _SHIFT).view(np.int64)]
                for place in np.flatnonzero(is_candidate).tolist():
                    found.update(self._kinds_at(data, int(keys[place]), start + KEY_BYTES * place))
        return found

    def _kinds_at(self, data: bytes, key: int, place: int) -> Iterator[str]:
        for pattern in self._by_key.get(key, ()):
            begin = place - pattern.at
            if begin >= 0 and hashlib.sha256(data[begin : begin + pattern.length]).hexdigest() == pattern.digest:
                yield pattern.kind

    def save(self, path: Path) -> None:
        write_json(path, [pattern._asdict() for pattern in self.patterns])


def load(path: Path) -> list[Pattern]:
    """Patterns that were saved; none if there is no file."""
    if not path.is_file():
        return []
    return [Pattern(**each) for each in json.loads(path.read_text(encoding="utf-8"))]


def _key(word: bytes) -> int:
    return int.from_bytes(word, "little") * int(_MULTIPLIER) % 2**64
