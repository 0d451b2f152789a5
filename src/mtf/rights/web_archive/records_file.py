"""Records file: the manifest of a file's records, its signature and timestamp, and which records were erased.

It is `evidence/records.json` in a WACZ, and `NAME.evidence.json` beside `NAME.warc.gz`. The manifest has the digest of
each record as it was exported and never changes: signature and timestamp are over the manifest. An erasure removes the
bytes of a record from the WARC, and adds an entry to `erased`. So the signature holds, and each record that is left can
be verified. The file is canonical JSON and has a digest of itself: no byte of it can change unnoticed.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from mtf.core.errors import shortened
from mtf.rights.web_archive.warc import canonical_json, tombstone
from mtf.schemas import SHA256, SLUG

FORMAT = "mtf-evidence/1"
MAX_BYTES = 2**29
_ID = re.compile(r"urn:uuid:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_KINDS = frozenset({"warcinfo", "response", "resource", "metadata"})


class UnreadableRecords(Exception):
    """Error: a records file that cannot be read, or whose digest does not match. The message is one line."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One record of the manifest.

    id, type, date: as in the WARC.
    bytes, sha256: size and digest of its gzip member as exported.
    """

    id: str
    type: str
    date: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class RecordsFile:
    """Contents of a records file.

    identity: whose evidence it is.
    evidence: digest of the evidence that was exported; the export skips an identity whose digest is unchanged.
    software: that wrote it.
    created: date of the latest record.
    records: in the order of the WARC.
    signature: signature data (wacz-auth) over the manifest's digest; None if no key was given.
    timestamp: RFC 3161 response in base64, over the signature, or over the manifest's digest if there is none.
    erased: id of an erased record → day of the erasure (YYYY-MM-DD).
    """

    identity: str
    evidence: str
    software: str
    created: str
    records: tuple[Entry, ...]
    signature: Mapping[str, str] | None = None
    timestamp: str | None = None
    erased: Mapping[str, str] | None = None

    @property
    def manifest_digest(self) -> str:
        """Digest of the manifest, `sha256:…`: what is signed."""
        return f"sha256:{hashlib.sha256(canonical_json(self._manifest())).hexdigest()}"

    @property
    def timestamped(self) -> str:
        """Text that the timestamp is over."""
        return self.manifest_digest if self.signature is None else self.signature["signature"]

    @property
    def erased_on(self) -> Mapping[str, str]:
        return self.erased or {}

    def expected_size(self, entry: Entry) -> int:
        """Size of the record in the WARC in bytes: of its tombstone if it was erased."""
        return len(self.tombstone_of(entry)) if entry.id in self.erased_on else entry.bytes

    def tombstone_of(self, entry: Entry) -> bytes:
        return tombstone(
            entry.id, kind=entry.type, sha256=entry.sha256, size_bytes=entry.bytes, erased_on=self.erased_on[entry.id]
        )

    def with_erased(self, record_ids: Mapping[str, str]) -> RecordsFile:
        """Records file with further erased records; those erased before keep their day."""
        return replace(self, erased={**record_ids, **self.erased_on})

    def to_bytes(self) -> bytes:
        content = {
            "manifest": self._manifest(),
            "signature": None if self.signature is None else dict(self.signature),
            "timestamp": self.timestamp,
            "erased": dict(self.erased_on),
        }
        return canonical_json(content | {"sha256": hashlib.sha256(canonical_json(content)).hexdigest()})

    def _manifest(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "identity": self.identity,
            "evidence": self.evidence,
            "software": self.software,
            "created": self.created,
            "records": [asdict(entry) for entry in self.records],
        }


def parse(data: bytes) -> RecordsFile:
    """Read a records file, which may come from a stranger. Raises UnreadableRecords."""
    if len(data) > MAX_BYTES:
        raise UnreadableRecords(f"{len(data)} bytes; permitted: {MAX_BYTES}")
    try:
        content = json.loads(data)
        manifest = content["manifest"]
        if manifest["format"] != FORMAT:
            raise UnreadableRecords(f"format {shortened(manifest['format'])}; permitted: {FORMAT}")
        found = RecordsFile(
            identity=_text(manifest["identity"], re.compile(SLUG)),
            evidence=_text(manifest["evidence"], re.compile(SHA256)),
            software=_text(manifest["software"], re.compile(r"[ -~]{1,100}")),
            created=_text(manifest["created"], _DATE),
            records=tuple(_entry(each) for each in manifest["records"]),
            signature=_signature(content["signature"]),
            timestamp=None
            if content["timestamp"] is None
            else _text(content["timestamp"], re.compile("[A-Za-z0-9+/=]+")),
            erased={_text(key, _ID): _text(value, _DAY) for key, value in content["erased"].items()},
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UnreadableRecords(f"not readable: {shortened(str(error))}") from None
    if found.to_bytes() != data:
        raise UnreadableRecords("its bytes changed: they do not match the digest in it")
    ids = {entry.id for entry in found.records}
    if len(ids) != len(found.records) or not found.erased_on.keys() <= ids:
        raise UnreadableRecords("a record stands in it twice, or an erased record is not one of its records")
    return found


def _entry(raw: Any) -> Entry:
    if raw["type"] not in _KINDS or type(raw["bytes"]) is not int or not 0 < raw["bytes"] < 2**40:
        raise ValueError("a record without a type or size")
    return Entry(
        _text(raw["id"], _ID),
        raw["type"],
        _text(raw["date"], _DATE),
        raw["bytes"],
        _text(raw["sha256"], re.compile(SHA256)),
    )


def _signature(raw: Any) -> dict[str, str] | None:
    return None if raw is None else {_text(key, _PRINTABLE): _text(value, _PRINTABLE) for key, value in raw.items()}


_PRINTABLE = re.compile(r"[ -~]{1,2000}")


def _text(value: Any, pattern: re.Pattern[str]) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise ValueError(f"a value that is not permitted: {shortened(value, 60)}")
    return value
