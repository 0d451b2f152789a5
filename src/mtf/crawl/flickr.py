"""Flickr: what the host itself states of its photos, by icrawler's feeder and parser of `flickr.photos.search`.

icrawler 0.6.10 makes the addresses of result pages, and for each photo asks a second time for its sizes. What is
mended here: license, owner and the addresses of all sizes are asked for with the search (`extras`), so that one
answer holds everything; and the API key is put in only when a request is sent, since icrawler logs what it makes.
"""

from __future__ import annotations

import queue
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote_plus

from icrawler.builtin.flickr import FlickrFeeder, FlickrParser
from icrawler.utils import Signal

from mtf.crawl.answers import (
    Busy,
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
from mtf.params import FlickrSource

METHOD = "flickr-api"
HOST = "api.flickr.com"
ENDPOINT = f"https://{HOST}/services/rest/"
PHOTOS_A_PAGE = 100
PHOTO_DELAY_S = 1.0
"""Flickr asks for at most 3,600 requests an hour and key; a photo by its number is a request of its own."""

# Original, then 2048, 1600, 1024, 800, 640 and 500 pixels on the longer side.
SIZES = ("url_o", "url_k", "url_h", "url_l", "url_c", "url_z", "url_m")
EXTRAS = ("license", "owner_name", "path_alias", "media", *SIZES)

# Service currently unavailable, write operation failed: what the documentation asks to try again.
_PASSING = frozenset({"105", "106"})
# Photo not found, permission denied: deleted, or no longer public.
_GONE = frozenset({"1", "2"})
_NO_KEY = "api_key=&"
_OWNER = re.compile(r"[A-Za-z0-9@_-]{1,100}")


class Flickr:
    """One search. `secret` is the API key."""

    headers: Mapping[str, str] = {}
    delay_s = 0.0

    def __init__(self, source: FlickrSource, query: str, *, secret: str) -> None:
        self.source = source
        self.secret = secret
        self._addresses = page_urls(source, query)

    def first(self) -> str:
        return self._addresses[0]

    def following(self, listing: Listing) -> str | None:
        page = int(listing.more.get("page", 0))
        return self._addresses[page - 1] if 0 < page <= len(self._addresses) else None

    def signed(self, url: str) -> str:
        """The address as it is sent, with the key in it."""
        return _signed(url, self.secret)

    def read(self, body: bytes) -> Listing:
        return read(body)


class Photo:
    """What Flickr says of one photo, by its number (`flickr.photos.getInfo`). `secret` is the API key."""

    headers: Mapping[str, str] = {}
    delay_s = PHOTO_DELAY_S

    def __init__(self, source: FlickrSource, number: str, *, secret: str) -> None:
        self.source = source
        self.secret = secret
        self._number = number

    def first(self) -> str:
        asked = f"method=flickr.photos.getInfo&{_NO_KEY}format=json&nojsoncallback=1&photo_id={self._number}"
        return f"{ENDPOINT}?{asked}"

    def following(self, listing: Listing) -> str | None:  # noqa: ARG002 (one answer is all)
        return None

    def signed(self, url: str) -> str:
        return _signed(url, self.secret)

    def read(self, body: bytes) -> Listing:
        return read_photo(body)


def _signed(url: str, key: str) -> str:
    return url.replace(_NO_KEY, f"api_key={quote_plus(key)}&", 1)


class ExtrasFlickrParser(FlickrParser):
    """Yields `{"file_url", "meta"}` of every photo from the search's own answer, without a request a photo."""

    # Without the key that icrawler's own parser asks the sizes with.
    def parse(self, response: Any, *, sizes: tuple[str, ...] = SIZES) -> Iterator[dict[str, Any]]:  # ty: ignore[incompatible-method-override]
        for photo in _photos(json_object(response.content)):
            urls = (address_of(text(photo.get(size))) for size in sizes) if isinstance(photo, dict) else ()
            yield {"file_url": next(filter(None, urls), None), "meta": photo}


def page_urls(source: FlickrSource, query: str) -> list[str]:
    """The addresses of all result pages, as icrawler's feeder makes them, in order; their key is left empty."""
    feeder = FlickrFeeder(thread_num=1, signal=Signal(), session=None)
    feeder.out_queue = queue.SimpleQueue()  # its own is bounded and would wait for a reader
    feeder.feed(
        apikey="",
        text=query,
        license=",".join(map(str, source.licenses)),
        sort="relevance",
        content_type=1,
        safe_search=1,
        extras=",".join(EXTRAS),
        per_page=PHOTOS_A_PAGE,
    )
    return [feeder.out_queue.get() for _ in range(feeder.out_queue.qsize())]


@dataclass
class _Response:
    content: bytes


def read(body: bytes) -> Listing:
    """One answer. Raises UnreadableAnswer; Busy where Flickr asks for patience."""
    answer = json_object(body)
    entries = list(ExtrasFlickrParser(thread_num=1, signal=None, session=None).parse(_Response(body)))
    found, problems = described(entries, _describe)
    page, pages = (whole(answer["photos"].get(name)) for name in ("page", "pages"))
    if page is None or pages is None:
        return Listing(found, [*problems, "page or pages is not a number: nothing after this can be asked for"])
    if not entries and page < pages:
        problems.append(f"page {page} of {pages} is empty")
    more = {"page": str(page + 1)} if entries and page < pages else {}
    return Listing(found, problems, more)


def read_photo(body: bytes) -> Listing:
    """The answer to one photo's number; empty where there is no such photo that everybody may see.

    Raises UnreadableAnswer; Busy where Flickr asks for patience.
    """
    answer = json_object(body)
    if answer.get("stat") != "ok" and text(answer.get("code")) in _GONE:
        return Listing()
    photo = _answered(answer, "photo")
    if not isinstance(photo, dict):
        raise UnreadableAnswer("the answer holds no photo")
    owner = photo.get("owner")
    owner = owner if isinstance(owner, dict) else {}
    named = {"owner": owner.get("nsid"), "ownername": owner.get("realname") or owner.get("username")}
    statement, page_url = _statement(photo | named), _page_url(photo | named)
    return Listing([Described(url=page_url or ENDPOINT, page_url=page_url, title=statement.title, statement=statement)])


def _photos(answer: dict[str, Any]) -> list[Any]:
    photos = _answered(answer, "photos")
    return objects(photos.get("photo") if isinstance(photos, dict) else photos, "photos.photo")


def _answered(answer: dict[str, Any], name: str) -> Any:
    if answer.get("stat") != "ok":
        code, message = text(answer.get("code")), cleaned(text(answer.get("message")), 200)
        raise (Busy if code in _PASSING else UnreadableAnswer)(f"Flickr refuses: {cleaned(code, 20)}: {message}")
    return answer.get(name)


def _describe(entry: dict[str, Any]) -> Described | None:
    photo, url = entry["meta"], entry["file_url"]
    if not isinstance(photo, dict):
        raise unreadable("a photo", photo)
    if photo.get("media", "photo") != "photo":
        return None
    if url is None:
        raise unreadable("each of its addresses", None)
    statement = _statement(photo)
    return Described(url=url, page_url=_page_url(photo), title=statement.title, statement=statement)


def _statement(photo: dict[str, Any]) -> evidence.Statement:
    number, title = text(photo.get("license")), photo.get("title")
    owner = _owner(photo)
    stated = evidence.of_record(
        METHOD,
        [catalogue.from_flickr(number) if number else None],
        creator=text(photo.get("ownername")),
        creator_url=f"https://www.flickr.com/people/{owner}/" if owner else None,
        title=text(title.get("_content") if isinstance(title, dict) else title),
    )
    return replace(stated, statement=_in_its_words(number, stated)) if number else stated


def _in_its_words(number: str, stated: evidence.Statement) -> str | None:
    meaning = f" ({stated.license})" if stated.license else ""
    return cleaned(f"{METHOD}: license {number}{meaning}")


def _page_url(photo: dict[str, Any]) -> str | None:
    owner, number = _owner(photo), text(photo.get("id"))
    is_known = owner is not None and number is not None and number.isascii() and number.isdigit()
    return f"https://www.flickr.com/photos/{owner}/{number}/" if is_known else None


def _owner(photo: dict[str, Any]) -> str | None:
    """Whose it is, as in Flickr's addresses; the owner's number outlives a changed name."""
    owner = text(photo.get("owner")) or text(photo.get("pathalias"))
    return owner if owner and _OWNER.fullmatch(owner) else None
