"""Erasure of single records from a file of evidence. The records that are left, and the signature over the manifest,
still verify.

An erased picture takes with it its statements, its own response, and each page and API answer that no standing
statement refers to. In their place are tombstones with the digests of the erased bytes. The list of pages and the index
are written again. The signature of the data package goes, since it is over another file; that of the records stays.
"""

from __future__ import annotations

import json
import tempfile
import zlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from mtf.core.errors import BadInput
from mtf.core.urls import address_key
from mtf.rights.web_archive import cdxj, files, reading, records_file, verification, warc
from mtf.rights.web_archive.files import ARCHIVE, INDEX, PAGES, RECORDS, WACZ, Contents, Page
from mtf.rights.web_archive.reading import Span, Unreadable
from mtf.rights.web_archive.records_file import RecordsFile

# A statement has up to 500 signals, each of some texts of 1,000 characters, which are longer when escaped.
MAX_STATEMENT_BYTES = 2**24
MAX_INDEX_BYTES = 2**28


@dataclass(frozen=True)
class Named:
    """Pictures to erase: image_ids, and addresses of pictures or pages."""

    image_ids: Collection[str] = ()
    addresses: Collection[str] = ()

    def has(self, statement: Mapping[str, Any]) -> bool:
        keys = {address_key(address) for address in self.addresses}
        said = (statement.get("url"), statement.get("page_url"))
        return statement.get("image_id") in self.image_ids or any(
            isinstance(address, str) and address_key(address) in keys for address in said
        )


def find(path: Path, named: Named) -> list[str]:
    """Ids of the records of a file that tell of the named pictures, and were not erased yet.

    Raises BadInput if the file does not verify: then nothing tells which records it has.
    """
    with _opened(path) as opened:
        return opened.about(named)


def erase(path: Path, named: Named, *, day: str) -> list[str]:
    """Erase the records of a file that tell of the named pictures, on `day` (YYYY-MM-DD); returns their ids.

    Raises BadInput if the file does not verify, or cannot be written.
    """
    with _opened(path) as opened:
        record_ids = opened.about(named)
        try:
            if record_ids:
                opened.write_without(dict.fromkeys(record_ids, day))
        except OSError as error:
            raise BadInput(f"{path}: cannot be written: {error.strerror}") from None
    return record_ids


def erase_pictures(path: Path, *, day: str) -> list[str]:
    """Erase the responses of a file that have the bytes of a picture, on `day` (YYYY-MM-DD); returns their ids.

    Raises BadInput, like `erase`.
    """
    with _opened(path) as opened:
        record_ids = opened.with_bytes_of_pictures()
        if record_ids:
            opened.write_without(dict.fromkeys(record_ids, day))
    return record_ids


def _opened(path: Path) -> _Opened:
    (result,) = verification.verify(path, verification.Trust())
    if result.faults:
        raise BadInput(f"{result.faults[0]}; nothing was erased from it: remove the file, and export it again")
    return _Opened(path)


class _Opened:
    """File of evidence that verifies, for use in a `with`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO = reading.open_file(path)
        if path.name.endswith(WACZ):
            self._spans = {name: member.span for name, member in reading.container(self._file).members.items()}
            data = self._spans[RECORDS].read(self._file)
        else:
            self._spans = {ARCHIVE: Span(0, path.stat().st_size)}
            data = files.records_path(path).read_bytes()
        self._records = records_file.parse(data)

    def __enter__(self) -> _Opened:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def about(self, named: Named) -> list[str]:
        gone: set[str] = set()
        kept: set[str] = set()
        for record_id, statement in self._statements().items():
            used = statement.get("records")
            own = statement.get("own_record")
            used_ids = {each for each in used if isinstance(each, str)} if isinstance(used, list) else set()
            if named.has(statement):
                gone |= {record_id, *used_ids} | ({own} if isinstance(own, str) else set())
            else:
                kept |= used_ids
        standing = [entry.id for entry in self._records.records if entry.id not in self._records.erased_on]
        return [record_id for record_id in standing if record_id in gone - kept]

    def with_bytes_of_pictures(self) -> list[str]:
        """Ids of the pictures' responses whose body was kept."""
        own = {statement.get("own_record") for statement in self._statements().values()}
        found = []
        place = self._spans[ARCHIVE].offset
        for entry in self._records.records:
            size = self._records.expected_size(entry)
            if entry.id in own and entry.id not in self._records.erased_on:
                head = Span(place, min(size, warc.MAX_HEAD_BYTES)).read(self._file)
                found += [entry.id] if warc.has_body(head) else []
            place += size
        return found

    def write_without(self, erased: Mapping[str, str]) -> None:
        before, after = self._records, self._records.with_erased(erased)
        index, pages = self._listed(after)
        with tempfile.TemporaryFile(dir=self._path.parent) as archive:
            offsets: dict[str, int] = {}
            place = self._spans[ARCHIVE].offset
            for entry in before.records:
                size = before.expected_size(entry)
                offsets[entry.id] = archive.tell()
                if entry.id in after.erased_on:
                    archive.write(after.tombstone_of(entry))
                else:
                    archive.writelines(Span(place, size).pieces(self._file))
                place += size
            moved = {
                record_id: (key, {**row, "offset": str(offsets[record_id])}) for record_id, (key, row) in index.items()
            }
            files.save(self._path, archive, Contents(after, moved, pages), key=None)

    def _statements(self) -> dict[str, Mapping[str, Any]]:
        """Id → statement of each metadata record that was not erased."""
        found: dict[str, Mapping[str, Any]] = {}
        place = self._spans[ARCHIVE].offset
        for entry in self._records.records:
            size = self._records.expected_size(entry)
            if entry.type == "metadata" and entry.id not in self._records.erased_on:
                try:
                    block = warc.read_block(Span(place, size).read(self._file), max_bytes=MAX_STATEMENT_BYTES)
                    found[entry.id] = reading.json_object(block)
                except (ValueError, Unreadable) as error:
                    raise BadInput(f"{self._path.name}: record {entry.id}: {error}") from None
            place += size
        return found

    def _listed(self, after: RecordsFile) -> tuple[dict[str, cdxj.Row], list[Page]]:
        """Lines of the index and of the list of pages that are not about an erased record."""
        if INDEX not in self._spans:
            return {}, []
        by_offset: dict[str, str] = {}
        place = 0
        for entry in self._records.records:
            by_offset[str(place)] = entry.id
            place += self._records.expected_size(entry)
        rows: dict[str, cdxj.Row] = {}
        for line in _inflated(self._spans[INDEX].read(self._file)).decode("utf-8").splitlines():
            key, _, fields = line.partition(" {")
            row = json.loads("{" + fields)
            record_id = by_offset[row["offset"]]
            if record_id not in after.erased_on:
                rows[record_id] = key, row
        _, *pages = reading.json_lines(self._spans[PAGES].read(self._file))
        return rows, [dict(page) for page in pages if page.get("id") not in after.erased_on]


def _inflated(blocks: bytes) -> bytes:
    text, left = b"", blocks
    while left:
        inflater = zlib.decompressobj(16 + zlib.MAX_WBITS)
        text += inflater.decompress(left, MAX_INDEX_BYTES - len(text))
        if not inflater.eof:
            raise BadInput(f"the index has more than {MAX_INDEX_BYTES} bytes")
        left = inflater.unused_data
    return text
