"""Bing image search.

icrawler makes the addresses of result pages, filters included. Pictures are read from each result's JSON, which also
has the page (`purl`) and the title (`t`), and addresses of all formats.
"""

from __future__ import annotations

import html
import json
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from mtf.sources.search_engine import EngineResult, SearchEngine, UnreadablePage, result_title, result_url

if TYPE_CHECKING:
    from bs4 import BeautifulSoup


class Bing(SearchEngine):
    """Bing image search.

    people: Bing's filter for pictures of faces or portraits; null for no filter.
    """

    kind: Literal["bing"]
    people: Literal["face", "portrait"] | None = None

    hosts: ClassVar[tuple[str, ...]] = ("www.bing.com",)
    # icrawler 0.6.10: builtin/bing.py, `get_filter`.
    license_filters: ClassVar[tuple[str, ...]] = (
        "creativecommons",
        "publicdomain",
        "noncommercial",
        "commercial",
        "noncommercial,modify",
        "commercial,modify",
    )

    def page_urls(self, query: str, license_filter: str | None) -> list[str]:
        from mtf.sources.icrawler_adapter import bing_page_urls

        filters = {"license": license_filter, "people": self.people}
        used = {name: value for name, value in filters.items() if value is not None}
        return bing_page_urls(query, max_results=self.max_results, filters=used)

    def parse(self, content: bytes) -> list[EngineResult]:
        from bs4 import BeautifulSoup  # not needed to read params.yaml

        soup = BeautifulSoup(content.decode("utf-8", "ignore"), "lxml")
        elements = soup.select("[m].iusc, .imgpt a[m]")
        results = [result for each in elements if (result := _result(str(each["m"]))) is not None]
        if elements and not results:
            raise UnreadablePage(f"{len(elements)} results, none with a picture's address: Bing's format has changed")
        if content.strip() and not elements and not _says_no_results(soup):
            raise UnreadablePage("no results and nothing that says so: a changed format, or a page for robots")
        return results


def _result(attribute: str) -> EngineResult | None:
    """One result from its `m` attribute: JSON that is escaped once or, in older pages, twice."""
    fields = _json_object(attribute) or _json_object(html.unescape(attribute))
    url = None if fields is None else result_url(fields.get("murl"))
    if fields is None or url is None:
        return None
    return {"file_url": url, "page_url": result_url(fields.get("purl")), "title": result_title(fields.get("t"))}


def _json_object(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):  # 100,000 brackets are valid JSON, too
        return None
    return value if isinstance(value, dict) else None


def _says_no_results(soup: BeautifulSoup) -> bool:
    """True for Bing's message that there are none, and for its empty frame of results with nothing beside it.

    A challenge of scripts alone, a page that leads elsewhere and a banner beside the frame say nothing of results.
    """
    if soup.select_one(".no_results, #b_no") is not None:
        return True
    has_frame = soup.select_one(".dgControl") is not None
    return has_frame and not soup.get_text(strip=True) and soup.select_one('a[href*="mediaurl="]') is None
