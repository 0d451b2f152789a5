"""Verification of evidence files: each record, each other byte, the signatures and the timestamp."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from cryptography import x509

from mtf.core.errors import BadInput
from mtf.rights.web_archive import reading, records_file, signature, timestamp
from mtf.rights.web_archive.files import (
    ARCHIVE,
    DIGEST,
    PACKAGE,
    RECORDS,
    RECORDS_BESIDE,
    WACZ,
    WARC,
    records_path,
)
from mtf.rights.web_archive.reading import Digested, Span, Unreadable
from mtf.rights.web_archive.records_file import RecordsFile, UnreadableRecords
from mtf.rights.web_archive.warc import canonical_json


@dataclass(frozen=True)
class Trust:
    """Knowledge of the caller on signer and authority.

    public_key: expected key, in base64; None accepts any key and unsigned files.
    certificates: of the timestamp authority; none accepts any.
    """

    public_key: str | None = None
    certificates: Sequence[x509.Certificate] = ()


@dataclass
class Verified:
    """Result for one file.

    name: of the file.
    faults: one line each: file, record or part, what is wrong.
    records, erased: number of records that hold, and of tombstones.
    signed_by: fingerprint of the signer's key; None if the file is not signed.
    timestamp: time in UTC; None without one.
    is_timestamp_trusted: True if it was checked against named certificates.
    faulty_parts: files in the WACZ that have a fault; a change is told once.
    """

    name: str
    faults: list[str] = field(default_factory=list)
    records: int = 0
    erased: int = 0
    signed_by: str | None = None
    timestamp: str | None = None
    is_timestamp_trusted: bool = False
    faulty_parts: set[str] = field(default_factory=set)

    def add(self, where: str, what: str, *, part: str) -> None:
        """Add a fault of a part: a file in the WACZ, or the file itself."""
        self.faults.append(f"{self.name}: {where}: {what}")
        self.faulty_parts.add(part)


def verify(path: Path, trust: Trust) -> list[Verified]:
    """Verify a file, or each file of a folder. Raises BadInput if there is no evidence to verify."""
    if path.is_dir():
        paths = sorted(
            each for each in path.iterdir() if each.name.endswith((WACZ, WARC)) and not each.name.startswith(".")
        )
        results = [_verify_file(each, trust) for each in paths] + [*_left_alone(path)]
        if not results:
            raise BadInput(f"{path}: no file *{WACZ} or *{WARC} in it; `mtf evidence export` writes them")
        return results
    if not path.name.endswith((WACZ, WARC)):
        raise BadInput(f"{path}: not a file of evidence; permitted: *{WACZ}, *{WARC}, or a folder of them")
    return [_verify_file(path, trust)]


def _left_alone(folder: Path) -> Iterator[Verified]:
    """A fault for each records file whose WARC is gone."""
    for beside in sorted(folder.glob(f"*{RECORDS_BESIDE}")):
        warc = beside.with_name(beside.name.removesuffix(RECORDS_BESIDE) + WARC)
        if not warc.is_file():
            result = Verified(warc.name)
            result.add("file", f"missing, while {beside.name} is there", part="file")
            yield result


def _verify_file(path: Path, trust: Trust) -> Verified:
    result = Verified(path.name)
    with reading.open_file(path) as file:
        try:
            if path.name.endswith(WACZ):
                _verify_wacz(file, result, trust)
            else:
                _verify_warc(file, path, result, trust)
        except Unreadable as error:
            result.add("file", str(error), part="file")
        except OSError as error:
            raise BadInput(f"{path}: cannot be read: {error.strerror}") from None
    return result


def _verify_warc(file: BinaryIO, path: Path, result: Verified, trust: Trust) -> None:
    beside = records_path(path)
    if not beside.is_file():
        raise Unreadable(f"{beside.name} is missing beside it: nothing says what its records were")
    with reading.open_file(beside) as records:
        data = Span(0, beside.stat().st_size).read(records)
    _verify_records(file, Span(0, path.stat().st_size), data, beside.name, result, trust)


def _verify_wacz(file: BinaryIO, result: Verified, trust: Trust) -> None:
    wacz = reading.container(file)
    members = wacz.members
    records = _verify_records(file, members[ARCHIVE].span, members[RECORDS].span.read(file), RECORDS, result, trust)
    _verify_package(file, members, result)
    _verify_package_digest(file, members, records, result)
    for name in sorted(wacz.changed_headers - result.faulty_parts):
        result.add(name, "its header in the ZIP changed", part=name)
    if not wacz.is_directory_intact and not result.faults:
        result.add("file", "the directory at the end of the ZIP changed", part="file")


def _verify_records(
    file: BinaryIO, span: Span, data: bytes, where: str, result: Verified, trust: Trust
) -> RecordsFile | None:
    """Check the records of a WARC against their records file; None if that cannot be read."""
    try:
        records = records_file.parse(data)
    except UnreadableRecords as error:
        result.add(where, str(error), part=where)
        return None
    _verify_proof(records, where, result, trust)
    offset = span.offset
    for entry in records.records:
        size = records.expected_size(entry)
        within = Span(offset, max(0, min(size, span.offset + span.size_bytes - offset)))
        state = hashlib.sha256()
        for piece in within.pieces(file):
            state.update(piece)
        is_erased = entry.id in records.erased_on
        expected = hashlib.sha256(records.tombstone_of(entry)).hexdigest() if is_erased else entry.sha256
        if within.size_bytes < size:
            result.add(f"record {entry.id} ({entry.type} of {entry.date})", "missing or cut off", part=ARCHIVE)
        elif state.hexdigest() != expected:
            what = "its tombstone changed" if is_erased else "its bytes changed"
            result.add(f"record {entry.id} ({entry.type} of {entry.date})", what, part=ARCHIVE)
        else:
            result.erased += is_erased
            result.records += not is_erased
        offset += size
    if offset < span.offset + span.size_bytes:
        result.add("archive", f"{span.offset + span.size_bytes - offset} bytes after the last record", part=ARCHIVE)
    return records


def _verify_proof(records: RecordsFile, where: str, result: Verified, trust: Trust) -> None:
    signed = records.signature
    if signed is not None:
        fault = signature.fault(
            signed,
            records.manifest_digest,
            created=records.created,
            software=records.software,
            public_key=trust.public_key,
        )
        if fault:
            result.add(f"{where}, signature", fault, part=where)
        else:
            result.signed_by = fingerprint(signed["publicKey"])
    elif trust.public_key is not None:
        result.add(f"{where}, signature", "not signed, while a key was named", part=where)
    if records.timestamp is not None and (signed is None or "signature" in signed):
        checked = timestamp.check(records.timestamp, records.timestamped, certificates=trust.certificates)
        if checked.fault:
            result.add(f"{where}, timestamp", checked.fault, part=where)
        else:
            result.timestamp, result.is_timestamp_trusted = checked.when, checked.is_trusted
    elif trust.certificates:
        result.add(f"{where}, timestamp", "none, while certificates of an authority were named", part=where)


def fingerprint(public_key: str) -> str:
    """Fingerprint of a public key in base64, for people: the first 16 hexadecimal digits of its SHA-256."""
    return hashlib.sha256(public_key.encode("ascii")).hexdigest()[:16]


def _verify_package(file: BinaryIO, members: Mapping[str, Digested], result: Verified) -> None:
    """Check each file against the data package."""
    package = reading.json_object(members[PACKAGE].span.read(file))
    described = {name: member for name, member in members.items() if name not in (PACKAGE, DIGEST)}
    resources = package.get("resources")
    if not isinstance(resources, list) or len(resources) != len(described):
        result.add(PACKAGE, f"its list of resources is not that of the {len(described)} files", part=PACKAGE)
        return
    for (name, member), listed in zip(described.items(), resources, strict=True):
        expected = {
            "name": name.rpartition("/")[2],
            "path": name,
            "hash": f"sha256:{member.sha256}",
            "bytes": member.span.size_bytes,
        }
        if listed != expected and name not in result.faulty_parts:
            result.add(name, f"its name, size or digest is not that in {PACKAGE}", part=name)


def _verify_package_digest(
    file: BinaryIO, members: Mapping[str, Digested], records: RecordsFile | None, result: Verified
) -> None:
    data = members[DIGEST].span.read(file)
    content = reading.json_object(data)
    is_canonical = canonical_json(content) == data and not set(content) - {"path", "hash", "signedData"}
    if not is_canonical or content.get("path") != PACKAGE:
        result.add(DIGEST, "its bytes changed", part=DIGEST)
        return
    digest = f"sha256:{members[PACKAGE].sha256}"
    if content.get("hash") != digest:
        result.add(PACKAGE, f"its digest is not that in {DIGEST}", part=PACKAGE)
    elif records is not None and (fault := _package_signature_fault(content.get("signedData"), digest, records)):
        result.add(f"{DIGEST}, signature", fault, part=DIGEST)


def _package_signature_fault(signed: object, digest: str, records: RecordsFile) -> str | None:
    """Fault of the data package's signature; it must be by the key that signed the records."""
    by_records = records.signature
    if signed is None:
        # An erasure without the key leaves only the signature over the records.
        is_lost = by_records is not None and not records.erased_on
        return "missing, while the records are signed" if is_lost else None
    if by_records is None or not isinstance(signed, dict):
        return "signed, while the records are not"
    return signature.fault(
        signed,
        digest,
        created=records.created,
        software=records.software,
        public_key=by_records.get("publicKey"),
    )
