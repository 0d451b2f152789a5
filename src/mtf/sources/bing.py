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
    from lxml.html import HtmlElement


def _has_class(name: str) -> str:
    """XPath condition: the element has this class."""
    return f"contains(concat(' ', normalize-space(@class), ' '), ' {name} ')"


_RESULTS = f"//*[@m and {_has_class('iusc')}] | //*[{_has_class('imgpt')}]//a[@m]"
_TEXTS = "//text()[not(ancestor::script or ancestor::style or ancestor::template)]"
_PICTURE_LINKS = "//a[contains(@href, 'mediaurl=')]"


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
        root = _parsed(content)
        elements = [] if root is None else root.xpath(_RESULTS)
        results = [result for each in elements if (result := _result(str(each.get("m")))) is not None]
        if elements and not results:
            raise UnreadablePage(f"{len(elements)} results, none with a picture's address: Bing's format has changed")
        if content.strip() and not elements and (root is None or not _says_no_results(root)):
            raise UnreadablePage("no results and nothing that says so: a changed format, or a page for robots")
        return results


def _parsed(content: bytes) -> HtmlElement | None:
    """Root of a page; None if it has no elements."""
    from lxml import etree, html  # ty: ignore[missing-module-member]  (not needed to read params.yaml)

    parser = html.HTMLParser(encoding="utf-8", no_network=True, remove_comments=True, remove_pis=True)
    try:
        return html.document_fromstring(content.decode("utf-8", "ignore").encode(), parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError, ValueError, AssertionError):
        return None


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


def _says_no_results(root: HtmlElement) -> bool:
    """True for Bing's message that there are none, and for its empty frame of results with nothing beside it.

    A challenge of scripts alone, a page that leads elsewhere and a banner beside the frame say nothing of results.
    """
    if root.xpath(f"//*[{_has_class('no_results')} or @id='b_no']"):
        return True
    has_text = any(text.strip() for text in root.xpath(_TEXTS))
    return bool(root.xpath(f"//*[{_has_class('dgControl')}]")) and not has_text and not root.xpath(_PICTURE_LINKS)
