"""Candidates: addresses, named by a source, that may hold a picture of an identity."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from mtf.sources.records import Record


@dataclass(frozen=True, slots=True)
class Candidate:
    """Address of a picture, with its source's claim and record.

    source: name (`kind`) of the source that named it first.
    rank: position in the source's order, from 0.
    page_url: page that shows the picture.
    claim: license according to the source; a claim, not evidence.
    query: search text.
    record: the API's answer that names it; None for sources without an API.
    found_by: keys (`base.source_key`) of all entries of `crawl.sources` that named its address.
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


def each_address_once(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Candidates without repeated addresses: the first one of each, in their order, with all keys in `found_by`."""
    first: dict[str, Candidate] = {}
    for candidate in candidates:
        earlier = first.setdefault(candidate.url, candidate)
        found_by = tuple(dict.fromkeys((*earlier.found_by, *candidate.found_by)))
        if found_by != earlier.found_by:
            first[candidate.url] = replace(earlier, found_by=found_by)
    return list(first.values())
