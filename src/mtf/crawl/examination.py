"""Examination of a downloaded file in the examiner's thread: format, size, digest and embedded metadata."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from mtf.config import Crawl
from mtf.crawl import takedown_filter
from mtf.crawl.sniffing import ImageFormat, sniff
from mtf.crawl.spool import Reader
from mtf.faces.decoding import of_any_size
from mtf.rights.evidence import combination


@dataclass(frozen=True, slots=True)
class Examined:
    """Result of an examination: digest, format, size, and the statement of the embedded metadata."""

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
    return Examined(hashlib.sha256(data).hexdigest(), kind, len(data), statement)


def perceptual_hash(read: Reader, *, max_pixels: int) -> int | None:
    """Perceptual hash of a file (`takedown_filter.perceptual_hash`); None if it cannot be decoded."""
    return takedown_filter.perceptual_hash(read(), max_pixels=max_pixels)
