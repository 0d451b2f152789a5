"""Whose license an element of a page states: the picture's, another picture's, the page's, or the whole site's.

What a site puts on each of its pages speaks of the site: a `<link rel=license>` in the head, by which MediaWiki
states the license of its text, and the page's footer. The pictures on it have licenses of their own.

Wikimedia's server of media: one file has an address of its own, and one for each width of its thumbnails.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from itertools import islice
from urllib.parse import urljoin, urlsplit

from lxml import etree, html  # ty: ignore[missing-module-member]  (compiled, without stubs)

from mtf.core import urls
from mtf.rights.evidence.statement import MAX_ADDRESS_CHARS

MAX_ADDRESSES = 60
MAX_ELEMENTS_OF_A_FIGURE = 2_000
# A footer within one of these is that part's: a photograph's, say, in a stream of several.
_PARTS = frozenset({"article", "section", "figure", "blockquote"})


class LicenseScope(Enum):
    PICTURE = auto()
    ANOTHER_PICTURE = auto()
    PAGE = auto()
    SITE = auto()


@dataclass(frozen=True)
class ParsedPage:
    """A page's tree, the address that its links are relative to, and the address of the picture in question."""

    document: html.HtmlElement
    base: str
    picture: str

    def is_picture(self, address: str) -> bool:
        return same_address(self.absolute(address), self.picture)

    def absolute(self, address: str) -> str:
        """`address` as seen from the page; as it stands where it is no address at all."""
        try:
            return urljoin(self.base, address.strip()) if len(address) <= MAX_ADDRESS_CHARS else address
        except ValueError:
            return address


def same_address(one: str, other: str) -> bool:
    """Whether two addresses lead to the same picture: as for all addresses, and a thumbnail of Wikimedia's is the
    picture that it shows.
    """
    return urls.same_address(original_address(one), original_address(other))


def license_scope(page: ParsedPage, element: html.HtmlElement) -> LicenseScope:
    """Whose license an element of `page` states that is marked as stating one, or that links to one."""
    if about := element.get("about"):
        return LicenseScope.PICTURE if page.is_picture(about) else _at_address(page, about)
    for ancestor in element.iterancestors():
        if ancestor.tag == "figure" or _is_picture_scope(ancestor):
            return _in_scope(page, ancestor)
    is_heads = element.tag == "link" and element.get("rel") is not None
    return LicenseScope.SITE if is_heads or _is_in_footer(element) else LicenseScope.PAGE


def _at_address(page: ParsedPage, about: str) -> LicenseScope:
    return LicenseScope.PAGE if same_address(page.absolute(about), page.base) else LicenseScope.ANOTHER_PICTURE


def _in_scope(page: ParsedPage, scope: html.HtmlElement) -> LicenseScope:
    addresses = list(_addresses_in(scope))
    if any(page.is_picture(address) for address in addresses):
        return LicenseScope.PICTURE
    return LicenseScope.ANOTHER_PICTURE if addresses else LicenseScope.PAGE


def _is_in_footer(element: html.HtmlElement) -> bool:
    """Whether it stands in the footer of the whole page (HTML, 4.3.8; ARIA's role `contentinfo`)."""
    ancestors = [element, *element.iterancestors()]
    place = next((place for place, each in enumerate(ancestors) if _is_footer(each)), None)
    return place is not None and not any(each.tag in _PARTS for each in ancestors[place:])


def _is_footer(element: html.HtmlElement) -> bool:
    return element.tag == "footer" or (element.get("role") or "").lower() == "contentinfo"


def _is_picture_scope(element: html.HtmlElement) -> bool:
    kind = (element.get("itemtype") or element.get("typeof") or "").lower()
    return kind.rpartition("/")[2].rpartition(":")[2] in ("imageobject", "photograph", "stillimage")


def _addresses_in(element: html.HtmlElement) -> Iterator[str]:
    """The pictures' addresses below an element: what it shows, links to, and says its content is."""
    below = islice(element.iter(etree.Element), MAX_ELEMENTS_OF_A_FIGURE)
    yield from islice((address for each in below if (address := _address_of_picture(each))), MAX_ADDRESSES)


def _address_of_picture(element: html.HtmlElement) -> str | None:
    if (element.get("itemprop") or "").lower() in ("contenturl", "thumbnailurl", "image"):
        return element.get("href") or element.get("src") or element.get("content")
    if element.tag in ("img", "source"):
        return element.get("src") or element.get("data-src")
    linked = element.get("href") if element.tag == "a" else None
    return linked if linked and _looks_like_picture(linked) else None


def _looks_like_picture(address: str) -> bool:
    return address.partition("?")[0].lower().endswith((".jpg", ".jpeg", ".png", ".webp", ".gif", ".tif", ".tiff"))


HOST = "upload.wikimedia.org"
# /PROJECT/WIKI/thumb/a/ab/NAME/WIDTHpx-NAME (mediawiki.org, Manual:Thumb_handler.php); `archive` has old versions.
_THUMBNAIL = re.compile(r"(/[^/]+/[^/]+)/thumb((?:/archive)?/[0-9a-f]/[0-9a-f]{2}/[^/]+)/[^/]+")


def original_address(url: str) -> str:
    """The address of the file that `url` shows a thumbnail of; any other address as it stands.

    Of this host's addresses the query goes, too: it tells caches apart, not files.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    if (parts.hostname or "") != HOST:
        return url
    thumbnail = _THUMBNAIL.fullmatch(parts.path)
    path = thumbnail[1] + thumbnail[2] if thumbnail else parts.path
    return f"{parts.scheme}://{HOST}{path}"
