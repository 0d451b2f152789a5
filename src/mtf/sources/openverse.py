"""Openverse as a source: an index of pictures under open licenses on many hosts. https://api.openverse.org/v1/

An index repeats licenses that it read elsewhere, and may be out of date. So its record is a claim, like a search
engine's filter, but with the license and its version. Evidence is the statement of the picture's landing page. If the
page names no creator, the record's creator is used, and the statement says so. The answer is kept in any case.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import urlencode

from pydantic import Field, model_validator

from mtf.rights.evidence import combination
from mtf.rights.evidence.statement import address_of, cleaned
from mtf.rights.licenses import catalogue
from mtf.sources.api import ApiSource, VariableName, secret_of
from mtf.sources.api_answers import (
    ApiAnswer,
    ApiPicture,
    UnreadableAnswer,
    describe_all,
    json_object,
    objects,
    text,
    unreadable,
    whole,
)
from mtf.sources.search_engine import check_filters

METHOD = "openverse-api"
HOST = "api.openverse.org"
ENDPOINT = f"https://{HOST}/v1/images/"
ANONYMOUS_DELAY_S = 3.0
TOKEN_DELAY_S = 0.6
"""Openverse answers 20 requests a minute (200 a day) without a token, 100 a minute (10,000 a day) with one."""


# Values of Openverse's parameters `license` and `license_type`.
LICENSES = ("by", "by-nc", "by-nc-nd", "by-nc-sa", "by-nd", "by-sa", "cc0", "nc-sampling+", "pdm", "sampling+")
LICENSE_TYPES = ("all", "all-cc", "commercial", "modification")


class Openverse(ApiSource):
    """Openverse's API. Pictures must pass both filters.

    licenses: filter by license; an empty list for no filter.
    license_types: filter by type of license; an empty list for no filter.
    page_size: results a page.
    token_variable: name of the environment variable that holds a bearer token; null for anonymous requests, which are
        slower and have at most 20 results a page.
    """

    kind: Literal["openverse"]
    licenses: list[str] = Field([])
    license_types: list[str] = Field(["commercial", "modification"])
    page_size: Annotated[int, Field(ge=1, le=500)] = 20
    max_results: Annotated[int, Field(ge=1, le=10_000)] = 240
    token_variable: VariableName | None = None

    hosts: ClassVar[tuple[str, ...]] = (HOST,)

    @model_validator(mode="after")
    def _filters_exist(self) -> Openverse:
        check_filters("licenses", self.licenses, LICENSES, self.kind)
        check_filters("license_types", self.license_types, LICENSE_TYPES, self.kind)
        if self.token_variable is None and self.page_size > 20:
            raise ValueError(
                f"page_size: {self.page_size} is not permitted without a token_variable; permitted: 1 to 20"
            )
        return self

    @property
    def secret_variables(self) -> tuple[str, ...]:
        return () if self.token_variable is None else (self.token_variable,)

    def request(self, query: str) -> OpenverseSearch:
        name = self.token_variable
        secret = None if name is None else secret_of(self.kind, "token_variable", name)
        return OpenverseSearch(self, query, secret=secret)

    @classmethod
    def read(cls, body: bytes) -> ApiAnswer:
        return read(body)


class OpenverseSearch:
    """Request of one search; `secret` is a bearer token."""

    def __init__(self, source: Openverse, query: str, *, secret: str | None) -> None:
        self.secret = secret
        self.delay_s = ANONYMOUS_DELAY_S if secret is None else TOKEN_DELAY_S
        self.headers = {} if secret is None else {"Authorization": f"Bearer {secret}"}
        self._parameters = _parameters(source, query)

    def first(self) -> str:
        return self._address({"page": "1"})

    def following(self, listing: ApiAnswer) -> str | None:
        return self._address(listing.more) if listing.more else None

    def signed(self, url: str) -> str:
        return url

    def read(self, body: bytes) -> ApiAnswer:
        return read(body)

    def _address(self, page: Any) -> str:
        return f"{ENDPOINT}?{urlencode(self._parameters | dict(page))}"


def _parameters(source: Openverse, query: str) -> dict[str, str]:
    filters = {"license": ",".join(source.licenses), "license_type": ",".join(source.license_types)}
    fixed = {"q": query, "page_size": str(source.page_size), "filter_dead": "true", "mature": "false"}
    return fixed | {name: value for name, value in filters.items() if value}


def read(body: bytes) -> ApiAnswer:
    """Parse one answer. Raises UnreadableAnswer."""
    answer = json_object(body)
    if "results" not in answer and "detail" in answer:
        raise UnreadableAnswer(f"Openverse refuses: {cleaned(text(answer['detail']), 200)}")
    entries = objects(answer.get("results"), "results")
    pictures, problems = describe_all(entries, _describe)
    page, pages = whole(answer.get("page")), whole(answer.get("page_count"))
    if page is None or pages is None:
        return ApiAnswer(
            pictures, [*problems, "page or page_count is not a number: nothing after this can be asked for"]
        )
    if not entries and page < pages:
        problems.append(f"page {page} of {pages} is empty")
    more = {"page": str(page + 1)} if entries and page < pages else {}
    return ApiAnswer(pictures, problems, more)


def _describe(entry: dict[str, Any]) -> ApiPicture:
    url = address_of(text(entry.get("url")))
    if url is None:
        raise unreadable("url", entry.get("url"))
    return ApiPicture(
        url=url,
        page_url=address_of(text(entry.get("foreign_landing_url"))),
        title=cleaned(text(entry.get("title"))),
        statement=_statement(entry),
        claim=_claim(entry),
    )


def _statement(entry: dict[str, Any]) -> combination.Statement:
    claim = _claim(entry)
    # An address beside words that nobody understands does not explain them.
    address = text(entry.get("license_url")) if catalogue.normalise(claim) else None
    return combination.of_record(
        METHOD,
        [claim, address],
        creator=text(entry.get("creator")),
        creator_url=text(entry.get("creator_url")),
        title=text(entry.get("title")),
    )


def _claim(entry: dict[str, Any]) -> str | None:
    """Identifier of the license, or the record's own words for an unknown one.

    The address alone counts only where the record has no license: `pdm 4.0` is none, whatever it links to.
    """
    license, version = text(entry.get("license")), text(entry.get("license_version"))
    if license is None:
        return catalogue.normalise(text(entry.get("license_url")))
    return catalogue.from_parts(license, version) or cleaned(" ".join(filter(None, (license, version))), 100)
