"""Google image search.

Google writes each picture into its scripts as `["URL",HEIGHT,WIDTH]`, after that of its thumbnail and before
`"2003":[null,"…","PAGE","TITLE"`. If none is found, icrawler's own parser is tried.
"""

from __future__ import annotations

import itertools
import json
import re
from typing import ClassVar, Literal, TypedDict

from mtf.core.errors import bad_value
from mtf.sources.search_engine import EngineResult, SearchEngine, UnreadablePage, result_title, result_url

_STRING = r'"((?:[^"\\]|\\.){1,4096})"'
_PICTURE = re.compile(r'\["(https?(?:[^"\\]|\\.){1,4096})",\d{1,6},\d{1,6}\]')
_PAGE = re.compile(rf'"2003":\[null,{_STRING},"(https?(?:[^"\\]|\\.){{1,4096}})",{_STRING}')
_THUMBNAILS = re.compile(r"^https?://(?:encrypted-tbn\d*|www)\.gstatic\.com/")


class Google(SearchEngine):
    """Google image search.

    people: `face` filters for pictures of faces; null for no filter. Google has no filter `portrait`.
    """

    kind: Literal["google"]
    people: Literal["face", "portrait"] | None = None

    hosts: ClassVar[tuple[str, ...]] = ("www.google.com",)
    # icrawler 0.6.10: builtin/google.py, `get_filter`.
    license_filters: ClassVar[tuple[str, ...]] = (
        "noncommercial",
        "commercial",
        "noncommercial,modify",
        "commercial,modify",
    )

    def page_urls(self, query: str, license_filter: str | None) -> list[str]:
        """Addresses of all result pages, in order. Raises BadInput for a value of `people` that Google lacks."""
        from mtf.sources.icrawler_adapter import google_page_urls

        if self.people not in (None, "face"):
            raise bad_value("params.yaml: crawl.sources: google: people", self.people, "face")
        filters = {"license": license_filter, "type": self.people}
        used = {name: value for name, value in filters.items() if value is not None}
        return google_page_urls(query, max_results=self.max_results, filters=used)

    def parse(self, content: bytes) -> list[EngineResult]:
        text = content.decode("utf-8", "ignore")
        results = _results(text) or _icrawler_results(content)
        if not results and not _is_empty(text):
            raise UnreadablePage("no picture's address on the page: Google's format has changed, or a page for robots")
        return results


def _icrawler_results(content: bytes) -> list[EngineResult]:
    from mtf.sources.icrawler_adapter import google_picture_urls

    return [{"file_url": url, "page_url": None, "title": None} for url in google_picture_urls(content)]


def _results(text: str) -> list[EngineResult]:
    pictures = [
        (match.end(), url)
        for match in _PICTURE.finditer(text)
        if (url := result_url(_unescaped(match[1]))) and not _THUMBNAILS.match(url)
    ]
    following = itertools.pairwise([*pictures, (len(text), "")])
    return [{"file_url": url, **_page(text, start, end)} for (start, url), (end, _) in following]


class _Page(TypedDict):
    page_url: str | None
    title: str | None


def _page(text: str, start: int, end: int) -> _Page:
    """Page and title of the picture that ends at `start`, if they come before the next picture's end, `end`."""
    match = _PAGE.search(text, start, end)
    if match is None:
        return {"page_url": None, "title": None}
    return {"page_url": result_url(_unescaped(match[2])), "title": result_title(_unescaped(match[3]))}


def _unescaped(text: str) -> str | None:
    try:
        return json.loads(f'"{text}"')
    except ValueError:
        return None


def _is_empty(text: str) -> bool:
    return "did not match any" in text or not text.strip()
