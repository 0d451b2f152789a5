"""Bing and Google by icrawler's feeders and parsers, mended where they lose pictures or say nothing.

icrawler 0.6.10 makes the addresses of result pages, filters included, and reads those pages. What is mended here:
keywords are URL-encoded; Bing's pictures are read from the result's JSON, so that png and webp are kept whole and
the page (`purl`) and title (`t`) come along; Google's pictures carry page and title too; a page without anything
to read says so instead of yielding None.
"""

from __future__ import annotations

import html
import itertools
import json
import queue
import re
from collections.abc import Iterator
from typing import Any, Protocol
from urllib.parse import quote_plus

from bs4 import BeautifulSoup
from icrawler.builtin.bing import BingFeeder, BingParser
from icrawler.builtin.google import GoogleFeeder, GoogleParser

from mtf.errors import bad_value
from mtf.params import SearchSource

_LONGEST_URL = 4096
_LONGEST_TITLE = 300


class UnreadablePage(Exception):
    """A result page that is there, but not in a form that we can read; the message says what is wrong with it."""


class ResultPage(Protocol):
    """All that a parser needs of a response."""

    content: bytes


class EncodingBingFeeder(BingFeeder):
    def feed(self, keyword: str, offset: int, max_num: int, filters: dict[str, str] | None = None) -> None:
        super().feed(quote_plus(keyword), offset, max_num, filters)


class JsonBingParser(BingParser):
    """Yields `{"file_url", "page_url", "title"}` of every result; raises UnreadablePage where none can be read."""

    def parse(self, response: ResultPage) -> Iterator[dict[str, str | None]]:
        soup = BeautifulSoup(response.content.decode("utf-8", "ignore"), "lxml")
        results = soup.select("[m].iusc, .imgpt a[m]")
        read = [task for result in results if (task := _bing_task(str(result["m"]))) is not None]
        if results and not read:
            raise UnreadablePage(f"{len(results)} results, none with a picture's address: Bing's format has changed")
        if not results and not _is_empty_bing_page(soup):
            raise UnreadablePage("no results and nothing that says so: a changed format, or a page for robots")
        yield from read


class TripleGoogleParser(GoogleParser):
    """Yields `{"file_url", "page_url", "title"}` of every result; raises UnreadablePage where none can be read.

    Google writes each picture into its scripts as `["URL",HEIGHT,WIDTH]`, after that of its thumbnail and before
    `"2003":[null,"…","PAGE","TITLE"`. Where that is not found, icrawler's own reading is tried.
    """

    def parse(self, response: ResultPage) -> Iterator[dict[str, str | None]]:
        text = response.content.decode("utf-8", "ignore")
        tasks = _google_tasks(text) or self._as_icrawler_reads(response)
        if not tasks and not _says_no_google_results(text):
            raise UnreadablePage("no picture's address on the page: Google's format has changed, or a page for robots")
        yield from tasks

    def _as_icrawler_reads(self, response: ResultPage) -> list[dict[str, str | None]]:
        try:
            urls = [task["file_url"] for task in super().parse(response) or []]
        except ValueError:  # an escape in an address that is none
            return []
        # Its expression may run from one address into the next: what holds a quote is no address.
        whole = [url for url in urls if not re.search(r"[\s\"'\\]", url)]
        return [{"file_url": url, "page_url": None, "title": None} for url in whole]


def page_urls(source: SearchSource, query: str, claim: str | None) -> list[str]:
    """The addresses of all result pages for `query`, as icrawler's feeder makes them, in order."""
    feeder = _FEEDERS[source.kind](thread_num=1, signal=None, session=None)
    feeder.out_queue = queue.SimpleQueue()  # its own is bounded and would wait for a reader
    feeder.feed(keyword=query, offset=0, max_num=source.max_results, filters=_filters(source, claim) or None)
    return [feeder.out_queue.get() for _ in range(feeder.out_queue.qsize())]


def parser(source: SearchSource) -> JsonBingParser | TripleGoogleParser:
    return _PARSERS[source.kind](thread_num=1, signal=None, session=None)


_FEEDERS: dict[str, Any] = {"bing": EncodingBingFeeder, "google": GoogleFeeder}
_PARSERS: dict[str, Any] = {"bing": JsonBingParser, "google": TripleGoogleParser}


def _filters(source: SearchSource, claim: str | None) -> dict[str, str]:
    filters = {} if claim is None else {"license": claim}
    if source.people is None:
        return filters
    if source.kind == "bing":
        return filters | {"people": source.people}
    if source.people != "face":
        raise bad_value("params.yaml: crawl.sources: google: people", source.people, "face")
    return filters | {"type": "face"}


def _bing_task(attribute: str) -> dict[str, str | None] | None:
    """One result from its `m` attribute, JSON that is escaped once, or, in older pages, twice."""
    result = _json_object(attribute) or _json_object(html.unescape(attribute))
    if result is None:
        return None
    url = _address(result.get("murl"))
    if url is None:
        return None
    return {"file_url": url, "page_url": _address(result.get("purl")), "title": _title(result.get("t"))}


def _json_object(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _is_empty_bing_page(soup: BeautifulSoup) -> bool:
    """Past the last result, Bing sends the frame of its results with nothing in it, or nothing at all."""
    return not soup.get_text(strip=True) or soup.select_one(".dgControl, .no_results, #b_no") is not None


def _address(value: object) -> str | None:
    """An address from a result page; `&amp;` in it is an escape that was left over."""
    if not isinstance(value, str):
        return None
    url = value.strip().replace("&amp;", "&")
    return url if url.lower().startswith(("http://", "https://")) and len(url) <= _LONGEST_URL else None


def _title(value: object) -> str | None:
    """A title without markup's remains and without the marks that Bing puts around the words searched for."""
    if not isinstance(value, str):
        return None
    text = re.sub(r"[\ue000-\uf8ff]", "", html.unescape(value))
    return " ".join(text.split())[:_LONGEST_TITLE] or None


_STRING = r'"((?:[^"\\]|\\.){1,4096})"'
_GOOGLE_PICTURE = re.compile(r'\["(https?(?:[^"\\]|\\.){1,4096})",\d{1,6},\d{1,6}\]')
_GOOGLE_PAGE = re.compile(rf'"2003":\[null,{_STRING},"(https?(?:[^"\\]|\\.){{1,4096}})",{_STRING}')
_GOOGLE_THUMBNAILS = re.compile(r"^https?://(?:encrypted-tbn\d*|www)\.gstatic\.com/")


def _google_tasks(text: str) -> list[dict[str, str | None]]:
    pictures = [
        (match.end(), url)
        for match in _GOOGLE_PICTURE.finditer(text)
        if (url := _address(_unescaped(match[1]))) and not _GOOGLE_THUMBNAILS.match(url)
    ]
    following = itertools.pairwise([*pictures, (len(text), "")])
    return [{"file_url": url, **_google_page(text, start, end)} for (start, url), (end, _) in following]


def _google_page(text: str, start: int, end: int) -> dict[str, str | None]:
    """Page and title of the picture that stands before `start`, if they stand before the next one at `end`."""
    match = _GOOGLE_PAGE.search(text, start, end)
    if match is None:
        return {"page_url": None, "title": None}
    return {"page_url": _address(_unescaped(match[2])), "title": _title(_unescaped(match[3]))}


def _unescaped(text: str) -> str | None:
    try:
        return json.loads(f'"{text}"')
    except ValueError:
        return None


def _says_no_google_results(text: str) -> bool:
    return "did not match any" in text or not text.strip()
