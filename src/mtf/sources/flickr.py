"""Flickr as a source, through its API (`flickr.photos.search`). Its records are evidence.

icrawler makes the addresses of result pages. The search requests license, owner and the addresses of all sizes
(`extras`), so that one answer holds everything. The API key is added only when a request is sent, since icrawler logs
the addresses that it makes.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import quote_plus, urlsplit

from pydantic import Field, model_validator

from mtf.core.errors import BadInput
from mtf.rights.evidence import combination
from mtf.rights.evidence.statement import address_of, cleaned
from mtf.rights.licenses import catalogue
from mtf.sources.api import ApiSource, VariableName, complete_description, secret_of
from mtf.sources.api_answers import (
    ApiAnswer,
    ApiPicture,
    ApiUnavailable,
    UnreadableAnswer,
    describe_all,
    json_object,
    objects,
    text,
    unreadable,
    whole,
)
from mtf.sources.base import Fetcher, RecheckedStatements, Source
from mtf.sources.search_engine import check_filters

METHOD = "flickr-api"
HOST = "api.flickr.com"
LICENSE_NUMBERS = range(17)
ENDPOINT = f"https://{HOST}/services/rest/"
PHOTOS_A_PAGE = 100
PHOTO_DELAY_S = 1.0
"""Delay between requests for single photos: Flickr permits at most 3,600 requests an hour and key."""

# Original, then 2048, 1600, 1024, 800, 640 and 500 pixels on the longer side.
SIZES = ("url_o", "url_k", "url_h", "url_l", "url_c", "url_z", "url_m")
EXTRAS = ("license", "owner_name", "path_alias", "media", *SIZES)

# Service currently unavailable, write operation failed: the documentation asks to try again.
_RETRIABLE_CODES = frozenset({"105", "106"})
# Photo not found, permission denied: deleted, or no longer public.
_GONE = frozenset({"1", "2"})
_NO_KEY = "api_key=&"
_OWNER = re.compile(r"[A-Za-z0-9@_-]{1,100}")


class Flickr(ApiSource):
    """Flickr's API.

    licenses: Flickr's numbers of licenses; 4, 5, 9 to 12 are BY, BY-SA, CC0, the public domain mark, BY 4.0 and
        BY-SA 4.0.
    key_variable: name of the environment variable that holds the API key.
    """

    kind: Literal["flickr"]
    licenses: Annotated[list[int], Field(min_length=1)] = Field([4, 5, 9, 10, 11, 12])
    max_results: Annotated[int, Field(ge=1, le=4000)] = 500
    key_variable: VariableName = "FLICKR_API_KEY"

    hosts: ClassVar[tuple[str, ...]] = (HOST,)
    record_is_evidence: ClassVar[bool] = True
    recheck_method: ClassVar[str | None] = METHOD

    @model_validator(mode="after")
    def _filters_exist(self) -> Flickr:
        check_filters("licenses", self.licenses, LICENSE_NUMBERS, self.kind)
        return self

    @property
    def secret_variables(self) -> tuple[str, ...]:
        return (self.key_variable,)

    def page_urls(self, query: str) -> list[str]:
        """Addresses of all result pages, in order; with an empty key."""
        from mtf.sources.icrawler_adapter import flickr_page_urls

        return flickr_page_urls(
            query,
            license=",".join(map(str, self.licenses)),
            sort="relevance",
            content_type=1,
            safe_search=1,
            extras=",".join(EXTRAS),
            per_page=PHOTOS_A_PAGE,
        )

    def request(self, query: str) -> FlickrSearch:
        return FlickrSearch(self.page_urls(query), secret=self.key())

    def key(self) -> str:
        """API key from the environment variable. Raises BadInput if it holds none."""
        return secret_of(self.kind, "key_variable", self.key_variable)

    @classmethod
    def read(cls, body: bytes) -> ApiAnswer:
        return read(body)

    @classmethod
    async def recheck(
        cls, fetcher: Fetcher, page_urls: Sequence[str], sources: Iterable[Source]
    ) -> RecheckedStatements:
        """Fetch the records again. Without a key among `sources`, no request is sent."""
        key = _first_key(sources)
        if key is None:
            return {}
        fetcher.pacing.slow_down(HOST, PHOTO_DELAY_S)
        pages = sorted(set(page_urls))
        photos = {page: FlickrPhoto(number, secret=key) for page in pages if (number := _photo_number(page))}
        requests = (complete_description(fetcher, photo, kind="flickr") for photo in photos.values())
        by_page = dict(zip(photos, await asyncio.gather(*requests), strict=True))
        return {page: each[0].statement if each else None for page, each in by_page.items() if each is not None}


def _first_key(sources: Iterable[Source]) -> str | None:
    """API key of the first Flickr entry of params.yaml whose variable is set; None if there is none."""
    for source in sources:
        if isinstance(source, Flickr):
            with suppress(BadInput):
                return source.key()
    return None


def _photo_number(page_url: str) -> str | None:
    """Number of the photo on `https://www.flickr.com/photos/OWNER/NUMBER/`; None for any other page."""
    parts = urlsplit(page_url)
    names = parts.path.strip("/").split("/")
    is_photo = (parts.hostname or "").removeprefix("www.") == "flickr.com" and len(names) == 3 and names[0] == "photos"
    return names[2] if is_photo and names[2].isascii() and names[2].isdigit() else None


class FlickrSearch:
    """Request of one search. `secret` is the API key."""

    headers: Mapping[str, str] = {}
    delay_s = 0.0

    def __init__(self, page_urls: Sequence[str], *, secret: str) -> None:
        self.secret = secret
        self._addresses = page_urls

    def first(self) -> str:
        return self._addresses[0]

    def following(self, listing: ApiAnswer) -> str | None:
        page = int(listing.more.get("page", 0))
        return self._addresses[page - 1] if 0 < page <= len(self._addresses) else None

    def signed(self, url: str) -> str:
        """Address with the key, as it is sent."""
        return _signed(url, self.secret)

    def read(self, body: bytes) -> ApiAnswer:
        return read(body)


class FlickrPhoto:
    """Request for the record of one photo, by its number (`flickr.photos.getInfo`). `secret` is the API key."""

    headers: Mapping[str, str] = {}
    delay_s = PHOTO_DELAY_S

    def __init__(self, number: str, *, secret: str) -> None:
        self.secret = secret
        self._number = number

    def first(self) -> str:
        query = f"method=flickr.photos.getInfo&{_NO_KEY}format=json&nojsoncallback=1&photo_id={self._number}"
        return f"{ENDPOINT}?{query}"

    def following(self, listing: ApiAnswer) -> str | None:  # noqa: ARG002 (one answer is all)
        return None

    def signed(self, url: str) -> str:
        return _signed(url, self.secret)

    def read(self, body: bytes) -> ApiAnswer:
        return read_photo(body)


def _signed(url: str, key: str) -> str:
    return url.replace(_NO_KEY, f"api_key={quote_plus(key)}&", 1)


def read(body: bytes) -> ApiAnswer:
    """Parse one answer. Raises UnreadableAnswer, and ApiUnavailable for a temporary error."""
    answer = json_object(body)
    entries = _photos(answer)
    pictures, problems = describe_all(entries, _describe)
    page, pages = (whole(answer["photos"].get(name)) for name in ("page", "pages"))
    if page is None or pages is None:
        return ApiAnswer(pictures, [*problems, "page or pages is not a number: nothing after this can be asked for"])
    if not entries and page < pages:
        problems.append(f"page {page} of {pages} is empty")
    more = {"page": str(page + 1)} if entries and page < pages else {}
    return ApiAnswer(pictures, problems, more)


def read_photo(body: bytes) -> ApiAnswer:
    """Parse the answer for one photo; empty if there is no such public photo.

    Raises UnreadableAnswer, and ApiUnavailable for a temporary error.
    """
    answer = json_object(body)
    if answer.get("stat") != "ok" and text(answer.get("code")) in _GONE:
        return ApiAnswer()
    photo = _answered(answer, "photo")
    if not isinstance(photo, dict):
        raise UnreadableAnswer("the answer holds no photo")
    owner = photo.get("owner")
    owner = owner if isinstance(owner, dict) else {}
    named = {"owner": owner.get("nsid"), "ownername": owner.get("realname") or owner.get("username")}
    statement, page_url = _statement(photo | named), _page_url(photo | named)
    return ApiAnswer(
        [ApiPicture(url=page_url or ENDPOINT, page_url=page_url, title=statement.title, statement=statement)]
    )


def _photos(answer: dict[str, Any]) -> list[Any]:
    photos = _answered(answer, "photos")
    return objects(photos.get("photo") if isinstance(photos, dict) else photos, "photos.photo")


def _answered(answer: dict[str, Any], name: str) -> Any:
    if answer.get("stat") != "ok":
        code, message = text(answer.get("code")), cleaned(text(answer.get("message")), 200)
        raise (ApiUnavailable if code in _RETRIABLE_CODES else UnreadableAnswer)(
            f"Flickr refuses: {cleaned(code, 20)}: {message}"
        )
    return answer.get(name)


def _describe(photo: dict[str, Any]) -> ApiPicture | None:
    if photo.get("media", "photo") != "photo":
        return None
    urls = (address_of(text(photo.get(size))) for size in SIZES)
    url = next(filter(None, urls), None)
    if url is None:
        raise unreadable("each of its addresses", None)
    statement = _statement(photo)
    return ApiPicture(url=url, page_url=_page_url(photo), title=statement.title, statement=statement)


def _statement(photo: dict[str, Any]) -> combination.Statement:
    number, title = text(photo.get("license")), photo.get("title")
    owner = _owner(photo)
    statement = combination.of_record(
        METHOD,
        [catalogue.from_flickr(number) if number else None],
        creator=text(photo.get("ownername")),
        creator_url=f"https://www.flickr.com/people/{owner}/" if owner else None,
        title=text(title.get("_content") if isinstance(title, dict) else title),
    )
    return replace(statement, statement=_in_its_words(number, statement)) if number else statement


def _in_its_words(number: str, statement: combination.Statement) -> str | None:
    meaning = f" ({statement.license})" if statement.license else ""
    return cleaned(f"{METHOD}: license {number}{meaning}")


def _page_url(photo: dict[str, Any]) -> str | None:
    owner, number = _owner(photo), text(photo.get("id"))
    is_complete = owner is not None and number is not None and number.isascii() and number.isdigit()
    return f"https://www.flickr.com/photos/{owner}/{number}/" if is_complete else None


def _owner(photo: dict[str, Any]) -> str | None:
    """Owner as in Flickr's addresses: by number if there is one, since a name may change."""
    owner = text(photo.get("owner")) or text(photo.get("pathalias"))
    return owner if owner and _OWNER.fullmatch(owner) else None
