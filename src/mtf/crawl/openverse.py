"""Openverse: pictures under open licenses, gathered from many hosts. https://api.openverse.org/v1/

Openverse is an index: what it says of a license it has read elsewhere, and it may be out of date. Its record is a
claim, as a search engine's filter is, only that it names the license and the version. What counts is what the
picture's landing page states. The creator that the record names is used where the page names none, and the
statement says so; the answer is kept all the same.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from mtf.crawl.answers import (
    Described,
    Listing,
    UnreadableAnswer,
    described,
    json_object,
    objects,
    text,
    unreadable,
    whole,
)
from mtf.licenses import catalogue, evidence
from mtf.licenses.statement import address_of, cleaned
from mtf.params import OpenverseSource

METHOD = "openverse-api"
HOST = "api.openverse.org"
ENDPOINT = f"https://{HOST}/v1/images/"
ANONYMOUS_DELAY_S = 1.0
"""Without a token, Openverse answers once a second."""


class Openverse:
    """One search. With a token (a bearer's), Openverse answers faster and with larger pages."""

    def __init__(self, source: OpenverseSource, query: str, *, secret: str | None) -> None:
        self.source = source
        self.secret = secret
        self.delay_s = ANONYMOUS_DELAY_S if secret is None else 0.0
        self.headers = {} if secret is None else {"Authorization": f"Bearer {secret}"}
        self._parameters = _parameters(source, query)

    def first(self) -> str:
        return self._address({"page": "1"})

    def following(self, listing: Listing) -> str | None:
        return self._address(listing.more) if listing.more else None

    def signed(self, url: str) -> str:
        return url

    def read(self, body: bytes) -> Listing:
        return read(body)

    def _address(self, page: Any) -> str:
        return f"{ENDPOINT}?{urlencode(self._parameters | dict(page))}"


def _parameters(source: OpenverseSource, query: str) -> dict[str, str]:
    filters = {"license": ",".join(source.licenses), "license_type": ",".join(source.license_types)}
    fixed = {"q": query, "page_size": str(source.page_size), "filter_dead": "true", "mature": "false"}
    return fixed | {name: value for name, value in filters.items() if value}


def read(body: bytes) -> Listing:
    """One answer. Raises UnreadableAnswer."""
    answer = json_object(body)
    if "results" not in answer and "detail" in answer:
        raise UnreadableAnswer(f"Openverse refuses: {cleaned(text(answer['detail']), 200)}")
    entries = objects(answer.get("results"), "results")
    found, problems = described(entries, _describe)
    page, pages = whole(answer.get("page")), whole(answer.get("page_count"))
    if page is None or pages is None:
        return Listing(found, [*problems, "page or page_count is not a number: nothing after this can be asked for"])
    if not entries and page < pages:
        problems.append(f"page {page} of {pages} is empty")
    more = {"page": str(page + 1)} if entries and page < pages else {}
    return Listing(found, problems, more)


def _describe(entry: dict[str, Any]) -> Described:
    url = address_of(text(entry.get("url")))
    if url is None:
        raise unreadable("url", entry.get("url"))
    return Described(
        url=url,
        page_url=address_of(text(entry.get("foreign_landing_url"))),
        title=cleaned(text(entry.get("title"))),
        statement=_statement(entry),
        claim=_claim(entry),
    )


def _statement(entry: dict[str, Any]) -> evidence.Statement:
    return evidence.of_record(
        METHOD,
        [_claim(entry)],
        creator=text(entry.get("creator")),
        creator_url=text(entry.get("creator_url")),
        title=text(entry.get("title")),
    )


def _claim(entry: dict[str, Any]) -> str | None:
    """The license by its identifier where it is known, else in the record's own words."""
    license, version = text(entry.get("license")), text(entry.get("license_version"))
    known = catalogue.from_parts(license, version) or catalogue.normalise(text(entry.get("license_url")))
    return known or cleaned(" ".join(filter(None, (license, version))), 100)
