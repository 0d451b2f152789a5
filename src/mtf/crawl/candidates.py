"""What discovery finds: an address that may hold a picture of an identity, and what the source says of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from mtf.crawl.records import Record
from mtf.fingerprint import fingerprint
from mtf.params import Source


@dataclass(frozen=True, slots=True)
class Candidate:
    """`claim` is what the source says of the license, `rank` its place in the source's order, from 0.

    `record` is the API's answer that names the candidate, for sources that have one. `found_by` are the sources
    (`source_key`) that named its address, of which `source` was the first.
    """

    url: str
    source: str
    rank: int
    page_url: str | None = None
    title: str | None = None
    claim: str | None = None
    query: str | None = None
    record: Record | None = field(default=None, repr=False, compare=False)
    found_by: tuple[str, ...] = field(default=(), repr=False, compare=False)


def source_key(source: Source) -> str:
    """What tells one entry of `crawl.sources` from another, of the same kind too."""
    return fingerprint(source)[:16]


def each_address_once(candidates: Iterable[Candidate]) -> list[Candidate]:
    """In their order; of several candidates with one address the first, found by all that named it."""
    first: dict[str, Candidate] = {}
    for candidate in candidates:
        known = first.setdefault(candidate.url, candidate)
        found_by = tuple(dict.fromkeys((*known.found_by, *candidate.found_by)))
        if found_by != known.found_by:
            first[candidate.url] = replace(known, found_by=found_by)
    return list(first.values())
