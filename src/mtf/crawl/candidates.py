"""What discovery finds: an address that may hold a picture of an identity, and what the source says of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from mtf.crawl.records import Record


@dataclass(frozen=True, slots=True)
class Candidate:
    """`claim` is what the source says of the license, `rank` its place in the source's order, from 0.

    `record` is the API's answer that names the candidate, for sources that have one.
    """

    url: str
    source: str
    rank: int
    page_url: str | None = None
    title: str | None = None
    claim: str | None = None
    query: str | None = None
    record: Record | None = field(default=None, repr=False, compare=False)


def each_address_once(candidates: Iterable[Candidate]) -> list[Candidate]:
    """In their order; of several candidates with one address the first."""
    first: dict[str, Candidate] = {}
    for candidate in candidates:
        first.setdefault(candidate.url, candidate)
    return list(first.values())
