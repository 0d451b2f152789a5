"""CDXJ index of a WARC (https://specs.webrecorder.net/cdxj/0.1.0/), in compressed blocks with an index of them."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from mtf.rights.web_archive.warc import Capture

LINES_OF_A_BLOCK = 300
Row = tuple[str, dict[str, Any]]
"""Key (searchable address and time) and fields of a line."""


def row(capture: Capture, date: str, *, filename: str, offset: int, length: int, record_sha256: str) -> Row:
    """Line of the index for a record at `offset` of the WARC `filename`."""
    key = f"{searchable(capture.url)} {date.translate({ord(c): None for c in '-:TZ'})}"
    return key, {
        "url": capture.url,
        "mime": capture.media_type,
        "status": str(capture.status),
        "digest": capture.digest,
        "length": str(length),
        "offset": str(offset),
        "filename": filename,
        "recordDigest": f"sha256:{record_sha256}",
    }


def searchable(url: str) -> str:
    """Searchable form of an address (SURT): host reversed, without protocol and `www.`, lower case, query sorted."""
    try:
        parts = urlsplit(url.lower())
        host, port = parts.hostname, parts.port
    except ValueError:
        return url
    if parts.scheme not in ("http", "https") or not host:
        return url
    first, *rest = host.split(".")
    labels = rest if first.rstrip("0123456789") == "www" and rest else [first, *rest]
    at = f":{port}" if port and port != {"http": 80, "https": 443}[parts.scheme] else ""
    query = "&".join(sorted(parts.query.split("&"))) if parts.query else ""
    return f"{','.join(reversed(labels))}{at}){parts.path or '/'}{'?' + query if query else ''}"


def compressed(rows: Iterable[Row], *, filename: str = "index.cdx.gz") -> tuple[bytes, bytes]:
    """Index in gzip blocks, and the index of the blocks (`cdxj-gzip-1.0`)."""
    ordered = sorted(rows, key=lambda each: (each[0].encode("utf-8"), each[1]["url"], int(each[1]["offset"])))
    lines = [f"{key} {json.dumps(fields)}\n" for key, fields in ordered]
    blocks, index = [], [f'!meta 0 {{"format": "cdxj-gzip-1.0", "filename": {json.dumps(filename)}}}\n']
    offset = 0
    for start in range(0, len(lines), LINES_OF_A_BLOCK):
        block = gzip.compress("".join(lines[start : start + LINES_OF_A_BLOCK]).encode("utf-8"), mtime=0)
        digest = f"sha256:{hashlib.sha256(block).hexdigest()}"
        place = {"offset": offset, "length": len(block), "digest": digest, "filename": filename}
        index.append(f"{ordered[start][0]} {json.dumps(place)}\n")
        blocks.append(block)
        offset += len(block)
    return b"".join(blocks) or gzip.compress(b"", mtime=0), "".join(index).encode("utf-8")
