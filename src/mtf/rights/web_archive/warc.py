"""WARC records of evidence (ISO 28500:2017, WARC/1.1), each compressed as a gzip member of its own.

The same evidence gives the same bytes: ids are derived from the contents, dates are those of the evidence. Headers and
bodies come from the web and are written as data: control characters in header fields are escaped.

The body of a response is kept decoded. Its fields Content-Encoding, Transfer-Encoding and Content-Length are renamed to
`X-Archive-Orig-…`, as other archives do. A response whose body was not kept has `WARC-Truncated`.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import struct
import uuid
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

MAX_HEAD_BYTES = 2**16
MAX_FIELD_CHARS = 8_192
MAX_FIELDS = 200
_NAMESPACE = uuid.UUID("6f6ba2f4-6c7e-5d2b-9a55-6f1f3b1d5c10")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_FIELD_NAME = re.compile(r"^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,200}$")
# Fields of the transfer, which do not describe the decoded body.
_OF_THE_TRANSFER = frozenset({"content-encoding", "transfer-encoding", "content-length"})
_KEPT_IN_ADDRESS = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '<>"{}|\\^`')

Fields = Iterable[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Capture:
    """Response of an address, as an index lists it.

    digest: of the body, `sha-256:` and 64 hexadecimal digits.
    is_page: True if a reader should find it in the list of pages.
    """

    url: str
    status: int
    media_type: str
    digest: str
    is_page: bool
    title: str | None = None


@dataclass(frozen=True, slots=True)
class WarcRecord:
    """One record.

    record_id: `urn:uuid:…`, derived from the contents.
    kind: warcinfo, response, resource or metadata.
    date: in UTC, ISO 8601 to the second.
    data: the gzip member.
    capture: for the index; None if no index lists the record.
    """

    record_id: str
    kind: str
    date: str
    data: bytes
    capture: Capture | None = None


def iso_date(when: datetime) -> str:
    """Time in UTC to the second, as WARC and WACZ write it; a time without zone is UTC."""
    zoned = when if when.tzinfo else when.replace(tzinfo=UTC)
    return zoned.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def warcinfo(identity: str, date: str, software: str) -> WarcRecord:
    """First record of a file: whose evidence it is, and what wrote it."""
    fields = {
        "software": software,
        "format": "WARC File Format 1.1",
        "conformsTo": "https://iipc.github.io/warc-specifications/specifications/warc-format/warc-1.1/",
        "description": f"evidence on the pictures of {identity}",
        "isPartOf": identity,
    }
    body = "".join(f"{name}: {value}\r\n" for name, value in fields.items()).encode("utf-8")
    return _record("warcinfo", date, body, content_type="application/warc-fields")


def response(
    url: str,
    date: str,
    *,
    status: int,
    fields: Fields,
    body: bytes | None,
    is_page: bool = False,
    title: str | None = None,
) -> WarcRecord:
    """Response of a web server. One whose body was not kept (None) is in no index."""
    kept = _clean_fields(fields, body or b"")
    http = StatusAndHeaders(f"{status} {_phrase(status)}", kept, protocol="HTTP/1.1")
    media_type = next((value for name, value in kept if name.lower() == "content-type"), "application/octet-stream")
    capture = None
    if body is not None:
        capture = Capture(
            url=_address(url),
            status=status,
            media_type=media_type.partition(";")[0].strip().lower()[:100] or "application/octet-stream",
            digest=f"sha-256:{hashlib.sha256(body).hexdigest()}",
            is_page=is_page,
            title=title,
        )
    more = {} if body is not None else {"WARC-Truncated": "unspecified"}
    return _record("response", date, body or b"", url=url, http=http, more=more, capture=capture)


def api_record(source: str, sha256: str, date: str, body: bytes) -> WarcRecord:
    """Answer of an API, under a name made of its source and digest: its address may hold a key."""
    return _record("resource", date, body, url=f"urn:x-mtf:{source}:{sha256}", content_type="application/json")


def statement(url: str, date: str, content: Mapping[str, Any], *, refers_to: str | None) -> WarcRecord:
    """Conclusion of the crawl for one picture, as JSON; `refers_to` is the record that it was read from."""
    body = canonical_json(content)
    more = {} if refers_to is None else {"WARC-Refers-To": f"<{refers_to}>"}
    return _record("metadata", date, body, url=url, content_type="application/json", more=more)


def tombstone(record_id: str, *, kind: str, sha256: str, size_bytes: int, erased_on: str) -> bytes:
    """Gzip member in place of an erased record: which record it was, and the digest of its bytes.

    The same on every machine: it is stored in the gzip member without compression.
    """
    body = (
        f"erased: {record_id}\r\nerased-type: {kind}\r\nerased-sha256: {sha256}\r\n"
        f"erased-bytes: {size_bytes}\r\nerased-on: {erased_on}\r\n"
    ).encode("ascii")
    head = (
        "WARC/1.1\r\nWARC-Type: metadata\r\n"
        f"WARC-Record-ID: <{_derived_id('erased', record_id, erased_on)}>\r\n"
        f"WARC-Date: {erased_on}T00:00:00Z\r\nWARC-Refers-To: <{record_id}>\r\n"
        f"Content-Type: application/warc-fields\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode("ascii")
    return _stored_member(head + body + b"\r\n\r\n")


def canonical_json(value: Any) -> bytes:
    """JSON with sorted keys, ASCII only, one space of indent and a final newline: one form for one value.

    Raises ValueError for NaN.
    """
    return (json.dumps(value, sort_keys=True, indent=1, allow_nan=False) + "\n").encode("ascii")


def read_block(member: bytes, *, max_bytes: int) -> bytes:
    """Block of a record without HTTP headers, from its gzip member. Raises ValueError if it is damaged or larger."""
    inflater = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        text = inflater.decompress(member, max_bytes)
    except zlib.error as error:
        raise ValueError(f"not readable as gzip: {error}") from None
    if inflater.unconsumed_tail or inflater.unused_data or not inflater.eof:
        raise ValueError(f"damaged, or larger than {max_bytes} bytes")
    head, separator, block = text.partition(b"\r\n\r\n")
    if not separator or not head.startswith(b"WARC/"):
        raise ValueError("no WARC record")
    return block.removesuffix(b"\r\n\r\n")


def has_body(member: bytes) -> bool:
    """True unless the record says that its body was not kept; `member` is its gzip member, or the begin of it."""
    try:
        text = zlib.decompressobj(16 + zlib.MAX_WBITS).decompress(member, MAX_HEAD_BYTES)
    except zlib.error:
        return True
    return b"\r\nWARC-Truncated:" not in text.partition(b"\r\n\r\n")[0]


def _record(
    kind: str,
    date: str,
    payload: bytes,
    *,
    url: str | None = None,
    content_type: str | None = None,
    http: StatusAndHeaders | None = None,
    more: Mapping[str, str] | None = None,
    capture: Capture | None = None,
) -> WarcRecord:
    if http is not None:
        http.compute_headers_buffer()
    block = ((http.headers_buff or b"") if http is not None else b"") + payload
    address = None if url is None else _address(url)
    record_id = _derived_id(kind, address, date, hashlib.sha256(block).hexdigest(), dict(more or {}))
    fields = {
        "WARC-Record-ID": f"<{record_id}>",
        "WARC-Date": date,
        "WARC-Block-Digest": _base32_digest(block),
        **({} if kind == "warcinfo" else {"WARC-Payload-Digest": _base32_digest(payload)}),
        **(more or {}),
    }
    out = io.BytesIO()
    writer = WARCWriter(out, gzip=True, warc_version="WARC/1.1")
    writer.write_record(
        writer.create_warc_record(
            address or "",
            kind,
            payload=io.BytesIO(payload),
            length=len(payload),
            warc_content_type=content_type or "",
            warc_headers_dict=fields,
            http_headers=http,
        )
    )
    return WarcRecord(record_id, kind, date, out.getvalue(), capture)


def _derived_id(*parts: Any) -> str:
    return f"urn:uuid:{uuid.uuid5(_NAMESPACE, json.dumps(parts, sort_keys=True))}"


def _base32_digest(data: bytes) -> str:
    return f"sha256:{base64.b32encode(hashlib.sha256(data).digest()).decode('ascii')}"


def _clean_fields(fields: Fields, body: bytes) -> list[tuple[str, str]]:
    """Fields of a response on one line each, without names that are no names; those of the transfer are renamed."""
    kept = []
    for name, value in list(fields)[:MAX_FIELDS]:
        if not _FIELD_NAME.match(name):
            continue
        shown = f"X-Archive-Orig-{name}" if name.lower() in _OF_THE_TRANSFER else name
        kept.append((shown, _CONTROL.sub(" ", value)[:MAX_FIELD_CHARS].strip()))
    return [*kept, ("Content-Length", str(len(body)))]


def _address(url: str) -> str:
    """Address without blanks, control characters and other letters: percent-encoded where it is not yet."""
    return quote(url, safe=_KEPT_IN_ADDRESS, errors="replace")


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


def _stored_member(data: bytes) -> bytes:
    """Gzip member (RFC 1952) with one block without compression; at most 65,535 bytes."""
    head = struct.pack("<BBBBIBB", 0x1F, 0x8B, 8, 0, 0, 0, 255)
    block = struct.pack("<BHH", 1, len(data), 0xFFFF ^ len(data)) + data
    return head + block + struct.pack("<II", zlib.crc32(data), len(data))
