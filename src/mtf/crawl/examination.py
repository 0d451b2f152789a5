"""Examination of a downloaded file in the examiner's thread: format, size, digest and embedded metadata."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

from mtf.config import Crawl
from mtf.crawl import c2pa_reader, takedown_filter
from mtf.crawl.sniffing import ImageFormat, sniff
from mtf.crawl.spool import Reader
from mtf.faces.decoding import of_any_size
from mtf.rights.evidence import combination
from mtf.rights.signals import opt_outs as optouts
from mtf.rights.signals.preferences import opt_outs


@dataclass(frozen=True, slots=True)
class Examined:
    """Result of an examination: digest, format, size, and the statement of the metadata and of the C2PA manifest."""

    image_id: str
    kind: ImageFormat
    size_bytes: int
    statement: combination.Statement


def examine(read: Reader, crawl: Crawl) -> Examined:
    """Examine a file. Raises FetchFailed if it is no complete picture within the bounds of `crawl`."""
    data = read()
    kind = sniff(data, crawl)
    with of_any_size():  # `sniff` has judged it
        statement = combination.read_picture(data)
    return Examined(hashlib.sha256(data).hexdigest(), kind, len(data), _with_manifest(statement, data, kind))


def _with_manifest(statement: combination.Statement, data: bytes, kind: ImageFormat) -> combination.Statement:
    found = c2pa_reader.read(data, kind.media_type)
    if not found:
        return statement
    opt_out = optouts.joined(statement.opt_out, *opt_outs(found))
    return replace(statement, opt_out=opt_out, preferences=(*statement.preferences, *found))


def perceptual_hash(read: Reader, *, max_pixels: int) -> int | None:
    """Perceptual hash of a file (`takedown_filter.perceptual_hash`); None if it cannot be decoded."""
    return takedown_filter.perceptual_hash(read(), max_pixels=max_pixels)
