"""License scope of an element of a page: the picture, another picture, the page, or the whole site.

Elements that a site repeats on all pages have the scope of the site: a `<link rel=license>` in the head, by which
MediaWiki states the license of its text, and the page's footer. Pictures have licenses of their own.

When addresses of pictures are compared, thumbnails of Wikimedia's media server count as their originals.
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
from mtf.core.picture_names import is_picture
from mtf.rights.evidence.statement import MAX_ADDRESS_CHARS

MAX_ADDRESSES = 60
MAX_ELEMENTS_OF_A_FIGURE = 2_000
HOST = "upload.wikimedia.org"
# /PROJECT/WIKI/thumb/a/ab/NAME/WIDTHpx-NAME (mediawiki.org, Manual:Thumb_handler.php); `archive` has old versions.
_THUMBNAIL = re.compile(r"(/[^/]+/[^/]+)/thumb((?:/archive)?/[0-9a-f]/[0-9a-f]{2}/[^/]+)/[^/]+")
# A footer inside one of these belongs to that part, such as one photograph in a stream of several.
_PARTS = frozenset({"article", "section", "figure", "blockquote"})


class LicenseScope(Enum):
    """Subject of a license statement."""

    PICTURE = auto()
    ANOTHER_PICTURE = auto()
    PAGE = auto()
    SITE = auto()


@dataclass(frozen=True)
class ParsedPage:
    """A page as a tree.

    base: address that its links are relative to.
    picture: address of the picture in question.
    """

    document: html.HtmlElement
    base: str
    picture: str

    def is_picture(self, address: str) -> bool:
        return same_address(self.absolute(address), self.picture)

    def absolute(self, address: str) -> str:
        """Address resolved against the page; unchanged if it is invalid."""
        try:
            return urljoin(self.base, address.strip()) if len(address) <= MAX_ADDRESS_CHARS else address
        except ValueError:
            return address


def same_address(one: str, other: str) -> bool:
    """True if two addresses lead to the same picture; Wikimedia's thumbnails count as their originals."""
    return urls.same_address(original_address(one), original_address(other))


def license_scope(page: ParsedPage, element: html.HtmlElement) -> LicenseScope:
    """Scope of an element of `page` that is marked as a license statement, or links to a license."""
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
    """True if an element is in the footer of the whole page (HTML, section 4.3.8; ARIA's role `contentinfo`)."""
    ancestors = [element, *element.iterancestors()]
    place = next((place for place, each in enumerate(ancestors) if _is_footer(each)), None)
    return place is not None and not any(each.tag in _PARTS for each in ancestors[place:])


def _is_footer(element: html.HtmlElement) -> bool:
    return element.tag == "footer" or (element.get("role") or "").lower() == "contentinfo"


def _is_picture_scope(element: html.HtmlElement) -> bool:
    kind = (element.get("itemtype") or element.get("typeof") or "").lower()
    return kind.rpartition("/")[2].rpartition(":")[2] in ("imageobject", "photograph", "stillimage")


def _addresses_in(element: html.HtmlElement) -> Iterator[str]:
    """Yield addresses of pictures below an element: shown, linked, or named as its content."""
    below = islice(element.iter(etree.Element), MAX_ELEMENTS_OF_A_FIGURE)
    yield from islice((address for each in below if (address := _address_of_picture(each))), MAX_ADDRESSES)


def _address_of_picture(element: html.HtmlElement) -> str | None:
    if (element.get("itemprop") or "").lower() in ("contenturl", "thumbnailurl", "image"):
        return element.get("href") or element.get("src") or element.get("content")
    if element.tag in ("img", "source"):
        return element.get("src") or element.get("data-src")
    linked = element.get("href") if element.tag == "a" else None
    return linked if linked and _has_picture_extension(linked) else None


def _has_picture_extension(address: str) -> bool:
    return is_picture(address.partition("?")[0])


def original_address(url: str) -> str:
    """Address of the original of a Wikimedia thumbnail; any other address unchanged.

    The query of this host's addresses is dropped: it only distinguishes caches.
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
