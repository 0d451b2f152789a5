"""What the hosts' own records say of pictures today, each asked for by name: Commons' files, Flickr's photos.

A page beside a record is no match for it, so what a record stated is compared with that record alone. Openverse is no
host: its record is a claim, and the picture's page is asked again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import quote, unquote, urlsplit

from mtf.crawl import apis, commons, flickr
from mtf.crawl.answers import Described, UnreadableAnswer
from mtf.crawl.failure import Failed
from mtf.crawl.fetch import Fetcher
from mtf.errors import BadInput
from mtf.licenses.evidence import Statement
from mtf.params import FlickrSource, Source

METHODS = (commons.METHOD, flickr.METHOD)
# Addresses of some 8,000 characters are refused.
MAX_TITLES_CHARS = 5_000

Said = Mapping[str, Statement | None]
"""The picture's page → what its record states; None where the host has no such picture any more. A page whose record
could not be had is not there.
"""


async def ask(fetcher: Fetcher, method: str, page_urls: Iterable[str], sources: Iterable[Source]) -> Said:
    """Ask for the records of the pictures on `page_urls`. `sources` (params.yaml) name Flickr's key; without one,
    nothing is asked of Flickr.
    """
    pages = sorted(set(page_urls))
    if method == commons.METHOD:
        return await _of_commons(fetcher, pages)
    keyed = next((wanted for source in sources if (wanted := _keyed(source)) is not None), None)
    return {} if keyed is None else await _of_flickr(fetcher, pages, *keyed)


async def _of_commons(fetcher: Fetcher, pages: list[str]) -> Said:
    titles = {title: page for page in pages if (title := _title(page)) is not None}
    said: dict[str, Statement | None] = {}
    for part in _parts(titles):
        found = await _described(fetcher, commons.Files(part))
        if found is not None:
            by_title = {each.name: each.statement for each in found}
            said |= {titles[title]: by_title.get(title) for title in part}
    return said


async def _of_flickr(fetcher: Fetcher, pages: list[str], source: FlickrSource, key: str) -> Said:
    fetcher.pacing.slow_down(flickr.HOST, flickr.PHOTO_DELAY_S)
    wanted = {page: flickr.Photo(source, number, secret=key) for page in pages if (number := _photo(page)) is not None}
    found = await asyncio.gather(*(_described(fetcher, photo) for photo in wanted.values()))
    return {
        page: each[0].statement if each else None for page, each in zip(wanted, found, strict=True) if each is not None
    }


async def _described(fetcher: Fetcher, wanted: apis.Api) -> list[Described] | None:
    """All that the API describes; None where it gives no whole answer."""
    found: list[Described] = []
    try:
        async for _, listing in apis.answers(fetcher, wanted):
            found += listing.described
            if listing.problems:
                return None
    except (Failed, UnreadableAnswer):
        return None
    return found


def _parts(titles: Iterable[str]) -> Iterator[list[str]]:
    """Titles that one address can hold."""
    part: list[str] = []
    for title in titles:
        if len(part) == commons.FILES_AN_ANSWER or sum(len(quote(each)) for each in [*part, title]) > MAX_TITLES_CHARS:
            yield part
            part = []
        part.append(title)
    if part:
        yield part


def _title(page_url: str | None) -> str | None:
    """`File:Ana at the lake.jpg` of its page on Commons."""
    parts = urlsplit(page_url or "")
    name = unquote(parts.path).removeprefix("/wiki/").replace("_", " ")
    return name if parts.hostname == commons.HOST and name.startswith("File:") and "|" not in name else None


def _photo(page_url: str) -> str | None:
    """The number of `https://www.flickr.com/photos/OWNER/NUMBER/`."""
    parts = urlsplit(page_url)
    names = parts.path.strip("/").split("/")
    is_photo = (parts.hostname or "").removeprefix("www.") == "flickr.com" and len(names) == 3 and names[0] == "photos"
    return names[2] if is_photo and names[2].isascii() and names[2].isdigit() else None


def _keyed(source: Source) -> tuple[FlickrSource, str] | None:
    if not isinstance(source, FlickrSource):
        return None
    try:
        key = apis.api(source, "").secret
    except BadInput:
        return None
    return None if key is None else (source, key)
