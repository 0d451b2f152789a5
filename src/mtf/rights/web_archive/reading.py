"""Reading of evidence files, which may come from a stranger: bounded, and nothing is extracted to disk."""

from __future__ import annotations

import hashlib
import json
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from mtf.core.errors import BadInput, shortened
from mtf.rights.web_archive import records_file, stored_zip
from mtf.rights.web_archive.files import (
    ARCHIVE,
    BLOCKS,
    DIGEST,
    INDEX,
    PACKAGE,
    PAGES,
    RECORDS,
    WACZ,
    records_path,
)
from mtf.rights.web_archive.records_file import RecordsFile
from mtf.rights.web_archive.stored_zip import Member

NAMES = (ARCHIVE, INDEX, BLOCKS, PAGES, RECORDS, PACKAGE, DIGEST)
MAX_JSON_BYTES = 2**29
_COPIED = 2**20


class Unreadable(Exception):
    """Error: not a file of evidence in its format. The message is one line."""


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes of a file: `size_bytes` from `offset`."""

    offset: int
    size_bytes: int

    def pieces(self, file: BinaryIO) -> Iterator[bytes]:
        file.seek(self.offset)
        left = self.size_bytes
        while left and (piece := file.read(min(left, _COPIED))):
            left -= len(piece)
            yield piece

    def read(self, file: BinaryIO) -> bytes:
        """All bytes. Raises Unreadable if they are more than MAX_JSON_BYTES."""
        if self.size_bytes > MAX_JSON_BYTES:
            raise Unreadable(f"{self.size_bytes} bytes; permitted: {MAX_JSON_BYTES}")
        return b"".join(self.pieces(file))


@dataclass(frozen=True, slots=True)
class Digested:
    """Member of a WACZ with the digest of its contents."""

    span: Span
    sha256: str


@dataclass(frozen=True)
class Container:
    """A WACZ as a ZIP, of which each byte that is no content must be the expected one.

    members: by name.
    changed_headers: names of members whose header is not that of their contents.
    is_directory_intact: False if the bytes after the last member are not the expected ones.
    """

    members: Mapping[str, Digested]
    changed_headers: frozenset[str]
    is_directory_intact: bool


def container(file: BinaryIO) -> Container:
    """Read a WACZ. Raises Unreadable unless it is a ZIP with exactly the files NAMES, stored without compression."""
    found: dict[str, Digested] = {}
    checked: list[Member] = []
    changed: set[str] = set()
    offset = 0
    for info in _infos(file):
        span = Span(offset + len(Member(info.filename, 0, 0).header), info.file_size)
        sha256, crc = _digests(file, span)
        member = Member(info.filename, info.file_size, crc)
        if Span(offset, len(member.header)).read(file) != member.header:
            changed.add(member.name)
        found[member.name] = Digested(span, sha256)
        checked.append(member)
        offset = span.offset + span.size_bytes
    try:
        expected = stored_zip.directory(checked)
    except BadInput as error:
        raise Unreadable(str(error)) from None
    is_intact = Span(offset, len(expected) + 1).read(file) == expected
    return Container(found, frozenset(changed), is_intact)


def records_of(path: Path) -> tuple[RecordsFile, bool]:
    """Records file of a file of evidence, and if the size of its WARC fits it. Nothing else is read.

    Raises Unreadable, UnreadableRecords and OSError.
    """
    if not path.name.endswith(WACZ):
        records = records_file.parse(records_path(path).read_bytes())
        return records, path.stat().st_size == sum(map(records.expected_size, records.records))
    with path.open("rb") as file:
        sizes = {info.filename: info.file_size for info in _infos(file)}
        with zipfile.ZipFile(file) as archive:
            try:
                records = records_file.parse(archive.read(RECORDS) if sizes[RECORDS] <= MAX_JSON_BYTES else b"")
            except zipfile.BadZipFile as error:
                raise Unreadable(str(error)) from None
    return records, sizes[ARCHIVE] == sum(map(records.expected_size, records.records))


def _infos(file: BinaryIO) -> list[zipfile.ZipInfo]:
    try:
        with zipfile.ZipFile(file) as archive:
            infos = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError, struct.error, EOFError) as error:
        raise Unreadable(f"not readable as a ZIP: {shortened(str(error))}") from None
    names = tuple(info.filename for info in infos)
    if names != NAMES:
        raise Unreadable(f"its files are {shortened(names, 200)}; expected: {', '.join(NAMES)}")
    if any(info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size for info in infos):
        raise Unreadable("a file in it is compressed; expected: stored")
    return infos


def _digests(file: BinaryIO, span: Span) -> tuple[str, int]:
    state, crc = hashlib.sha256(), 0
    for piece in span.pieces(file):
        state.update(piece)
        crc = zlib.crc32(piece, crc)
    return state.hexdigest(), crc


def json_object(data: bytes) -> Mapping[str, Any]:
    """JSON object in `data`. Raises Unreadable."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"not readable as JSON: {shortened(str(error))}") from None
    if not isinstance(value, dict):
        raise Unreadable("not a JSON object")
    return value


def json_lines(data: bytes) -> Iterator[Mapping[str, Any]]:
    """JSON objects, one a line. Raises Unreadable."""
    return map(json_object, data.splitlines())


def open_file(path: Path) -> BinaryIO:
    """Open a file to read. Raises BadInput if it cannot be read, or is no regular file."""
    try:
        if not path.is_file():
            raise BadInput(f"{path}: no such file")
        return path.open("rb")
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror}") from None
