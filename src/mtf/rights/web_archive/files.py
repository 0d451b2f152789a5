"""Files of evidence: WACZ 1.1.1 (https://specs.webrecorder.net/wacz/1.1.1/), or a WARC with its records file beside it.

A WACZ has `archive/data.warc.gz`, its index, the list of pages, `evidence/records.json` (see `records_file`), the data
package and its digest, which is signed as ReplayWeb.page checks it.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from mtf.core import atomic_files
from mtf.rights.web_archive import cdxj, signature, stored_zip, timestamp
from mtf.rights.web_archive.records_file import Entry, RecordsFile
from mtf.rights.web_archive.warc import WarcRecord, canonical_json

WACZ, WARC, RECORDS_BESIDE = ".wacz", ".warc.gz", ".evidence.json"
WACZ_VERSION = "1.1.1"
ARCHIVE, INDEX, BLOCKS, PAGES = (
    "archive/data.warc.gz",
    "indexes/index.cdx.gz",
    "indexes/index.idx",
    "pages/pages.jsonl",
)
RECORDS, PACKAGE, DIGEST = "evidence/records.json", "datapackage.json", "datapackage-digest.json"
WARC_NAME = ARCHIVE.rpartition("/")[2]
_COPIED = 2**20

Page = dict[str, Any]


@dataclass(frozen=True)
class Proof:
    """Key and authority of an export.

    key: signs; None leaves the files unsigned.
    timestamp_url: of an RFC 3161 authority; None asks nobody.
    certificates: of the authority; none accepts any.
    """

    key: ec.EllipticCurvePrivateKey | None = None
    timestamp_url: str | None = None
    certificates: Sequence[x509.Certificate] = ()


@dataclass(frozen=True)
class Contents:
    """Parts of a file besides the WARC's bytes.

    index: lines of the index, by id of the record; a WARC without WACZ has none.
    pages: lines of the list of pages.
    """

    records: RecordsFile
    index: Mapping[str, cdxj.Row]
    pages: Sequence[Page]


def records_path(warc: Path) -> Path:
    """Records file beside a WARC."""
    return warc.with_name(warc.name.removesuffix(WARC) + RECORDS_BESIDE)


def write(
    path: Path,
    records: Iterable[WarcRecord],
    *,
    identity: str,
    evidence: str,
    software: str,
    created: str,
    proof: Proof,
    erased: Mapping[str, str],
) -> RecordsFile:
    """Write a file of evidence to `path`, atomically; its suffix says whether a WACZ or a WARC.

    `evidence` is the digest of what is exported, `created` the date of the latest record. `erased` has the ids of
    records that were erased from an earlier file: they become tombstones again. Raises BadInput and MtfError.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=path.parent) as warc:
        contents = _write_warc(warc, records, RecordsFile(identity, evidence, software, created, ()), erased)
        proved = replace(contents, records=_proved(contents.records, proof))
        save(path, warc, proved, key=proof.key)
    return proved.records


def save(path: Path, warc: BinaryIO, contents: Contents, *, key: ec.EllipticCurvePrivateKey | None) -> None:
    """Write the WARC's bytes and its contents to `path`, atomically."""
    with atomic_files.replacing(path) as beside, beside.open("wb") as out:
        if path.name.endswith(WACZ):
            stored_zip.write(out, _members(warc, contents, key))
        else:
            warc.seek(0)
            while piece := warc.read(_COPIED):
                out.write(piece)
    if path.name.endswith(WARC):
        atomic_files.write_bytes(records_path(path), contents.records.to_bytes())


def _write_warc(
    warc: BinaryIO, records: Iterable[WarcRecord], empty: RecordsFile, erased: Mapping[str, str]
) -> Contents:
    entries: dict[str, Entry] = {}
    index: dict[str, cdxj.Row] = {}
    pages: list[Page] = []
    offset = 0
    for record in records:
        if record.record_id in entries:
            continue
        digest = hashlib.sha256(record.data).hexdigest()
        entry = Entry(record.record_id, record.kind, record.date, len(record.data), digest)
        entries[entry.id] = entry
        data = record.data
        if entry.id in erased:
            data = replace(empty, erased=erased).tombstone_of(entry)
        elif record.capture is not None:
            index[entry.id] = cdxj.row(
                record.capture, entry.date, filename=WARC_NAME, offset=offset, length=len(data), record_sha256=digest
            )
            if record.capture.is_page:
                page = {"id": entry.id, "url": record.capture.url, "ts": entry.date, "title": record.capture.title}
                pages.append({name: value for name, value in page.items() if value is not None})
        warc.write(data)
        offset += len(data)
    gone = {record_id: day for record_id, day in erased.items() if record_id in entries}
    return Contents(replace(empty, records=tuple(entries.values()), erased=gone), index, pages)


def _proved(records: RecordsFile, proof: Proof) -> RecordsFile:
    if proof.key is not None:
        signed = signature.sign(records.manifest_digest, proof.key, created=records.created, software=records.software)
        records = replace(records, signature=signed)
    if proof.timestamp_url is not None:
        stamp = timestamp.request(records.timestamped, proof.timestamp_url, certificates=proof.certificates)
        records = replace(records, timestamp=stamp)
    return records


def _members(
    warc: BinaryIO, contents: Contents, key: ec.EllipticCurvePrivateKey | None
) -> list[tuple[str, BinaryIO | bytes]]:
    blocks, block_index = cdxj.compressed(contents.index.values())
    header = {"format": "json-pages-1.0", "id": "pages", "title": "Pages of the sources"}
    lines = "".join(json.dumps(line) + "\n" for line in [header, *contents.pages])
    described: list[tuple[str, BinaryIO | bytes]] = [
        (ARCHIVE, warc),
        (INDEX, blocks),
        (BLOCKS, block_index),
        (PAGES, lines.encode("ascii")),
        (RECORDS, contents.records.to_bytes()),
    ]
    package = canonical_json(_package(described, contents))
    return [*described, (PACKAGE, package), (DIGEST, _package_digest(package, contents.records, key))]


def _package(described: Sequence[tuple[str, BinaryIO | bytes]], contents: Contents) -> dict[str, Any]:
    records = contents.records
    days = records.erased_on.values()
    erasures = f" {len(days)} records were erased; their tombstones have their digests." if days else ""
    package: dict[str, Any] = {
        "profile": "data-package",
        "wacz_version": WACZ_VERSION,
        "title": f"Evidence on the pictures of {records.identity}",
        "description": "What the sources of the pictures said of their licenses, as a crawl received it. "
        f"`{RECORDS}` has the digest of each record.{erasures}",
        "created": records.created,
        "software": records.software,
        "resources": [_resource(name, content) for name, content in described],
    }
    if days:
        package["modified"] = f"{max(days)}T00:00:00Z"
    if contents.pages:
        package |= {"mainPageUrl": contents.pages[0]["url"], "mainPageDate": contents.pages[0]["ts"]}
    return package


def _resource(name: str, content: BinaryIO | bytes) -> dict[str, Any]:
    if isinstance(content, bytes):
        digest, size = hashlib.sha256(content).hexdigest(), len(content)
    else:
        content.seek(0)
        state = hashlib.sha256()
        while piece := content.read(_COPIED):
            state.update(piece)
        digest, size = state.hexdigest(), content.tell()
    return {"name": name.rpartition("/")[2], "path": name, "hash": f"sha256:{digest}", "bytes": size}


def _package_digest(package: bytes, records: RecordsFile, key: ec.EllipticCurvePrivateKey | None) -> bytes:
    digest = f"sha256:{hashlib.sha256(package).hexdigest()}"
    content: dict[str, Any] = {"path": PACKAGE, "hash": digest}
    if key is not None:
        content["signedData"] = signature.sign(digest, key, created=records.created, software=records.software)
    return canonical_json(content)
