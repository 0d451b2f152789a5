"""What a file is, looked at as a whole: read from where it was set aside, by the thread that does nothing else."""

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
    """A file's identity, kind and size, and what its own metadata states."""

    image_id: str
    kind: ImageFormat
    size_bytes: int
    stated: combination.Statement


def examine(read: Reader, crawl: Crawl) -> Examined:
    """Raises Failed for a file that is no whole picture within the bounds of `crawl`."""
    data = read()
    kind = sniff(data, crawl)
    with of_any_size():  # `sniff` has judged it
        stated = combination.read_picture(data)
    return Examined(hashlib.sha256(data).hexdigest(), kind, len(data), stated)


def perceptual_hash(read: Reader, *, max_pixels: int) -> int | None:
    """As `lookalikes.content_hash`."""
    return takedown_filter.perceptual_hash(read(), max_pixels=max_pixels)
