"""Source page of a picture, parsed for the picture's license, author and title.

Signals of a license by scope (`license_scope`), the first scope with signals decides:

1. The picture itself: a schema.org object or a figure with its address.
2. The page, plain links to Creative Commons included. All its signals must agree.
3. The site, in elements that it repeats on all pages. These can forbid, but never permit: they concern the site's own
   work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from lxml import etree, html  # ty: ignore[missing-module-member]  (compiled, without stubs)

from mtf.rights.evidence import json_ld
from mtf.rights.evidence.license_scope import LicenseScope, ParsedPage, license_scope
from mtf.rights.evidence.statement import (
    MAX_ADDRESS_CHARS,
    Conclusion,
    LicenseMention,
    Statement,
    address_of,
    cleaned,
    conclude,
)
from mtf.rights.licenses import catalogue
from mtf.rights.licenses.terms import EVERY_RIGHT
from mtf.rights.signals import opt_outs as optouts
from mtf.rights.signals import rsl
from mtf.rights.signals.preferences import Preference, opt_outs

MAX_BODY_BYTES = 4 * 2**20
MAX_SIGNALS = 60
MAX_NOTICE_CHARS = 200
_LICENSE_WORDS = frozenset(
    {
        "license",
        "licence",
        "cc:license",
        "dct:license",
        "dc:license",
        "dcterms:license",
        "schema:license",
        "xhv:license",
    }
    | {"dc:rights", "dcterms:rights", "http://schema.org/license", "https://schema.org/license"}
    | {"http://creativecommons.org/ns#license", "http://purl.org/dc/terms/license"}
)
_LINKED_HOSTS = ("creativecommons.org", "licensebuttons.net", "rightsstatements.org")
_RIGHTS_METAS = (
    "copyright",
    "dc.rights",
    "dcterms.rights",
    "dcterms.license",
    "dc.rights.license",
    "rights",
    "license",
)
OF_THE_SITE = "license of the site"
"""Method of a license whose scope is the site, not the picture."""
_XPATH_IGNORED = ("script", "style", "noscript", "template")


def read_page(
    body: bytes,
    *,
    page_url: str,
    picture_url: str,
    headers: Iterable[tuple[str, str]] = (),
    agent: str = "mtf",
) -> Statement:
    """Statement of the page at `page_url` on the picture at `picture_url`; empty if it states nothing.

    Never raises for the content of a page: at most MAX_BODY_BYTES are read; encoding and nesting may be broken.
    `headers` (of the page's response) and `agent` (the crawler's name) are for the opt-outs.
    """
    document = _parse(body)
    if document is None:
        found = optouts.header_preferences(headers, agent=agent)
        return Statement(opt_out=optouts.joined(*opt_outs(found)), preferences=tuple(found))
    page = ParsedPage(document, _base(document, page_url), picture_url)
    linked = json_ld.read(_json_scripts(document), is_picture=page.is_picture)
    conclusion = _conclude(page, linked)
    creator, creator_url = _creator(page, linked)
    preferences = [
        *optouts.page_preferences(_metas(document), headers=headers, agent=agent),
        *_inline_rsl(document, page_url, picture_url),
    ]
    return Statement(
        license=conclusion.license,
        license_url=conclusion.license_url,
        method=f"page: {conclusion.method}" if conclusion.method else None,
        statement=conclusion.statement,
        creator=creator,
        creator_url=creator_url,
        title=linked.title or _title(document),
        opt_out=optouts.joined(*opt_outs(preferences)),
        preferences=tuple(preferences),
        rsl_links=tuple(_rsl_links(page)),
        contradiction=f"the page {conclusion.contradiction}" if conclusion.contradiction else None,
    )


def _parse(body: bytes) -> html.HtmlElement | None:
    """Tree of a page, of at most 256 levels (libxml2's own bound); None for an unreadable page."""
    parser = html.HTMLParser(recover=True, no_network=True, remove_comments=True, remove_pis=True, huge_tree=False)
    try:
        return html.document_fromstring(body[:MAX_BODY_BYTES], parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError, ValueError, LookupError, AssertionError):
        return None


def _rsl_links(page: ParsedPage) -> list[str]:
    """Addresses of RSL documents in the page's `<link rel="license" type="application/rsl+xml" href="…">`."""
    addresses = []
    for link in islice(page.document.iter("link"), MAX_SIGNALS):
        is_license = "license" in (link.get("rel") or "").lower().split()
        if is_license and (link.get("type") or "").strip().lower() == rsl.MEDIA_TYPE:
            addresses.append(address_of(page.absolute(link.get("href") or "")))
    return [address for address in addresses if address][: rsl.MAX_LINKS]


def _inline_rsl(document: html.HtmlElement, page_url: str, picture_url: str) -> list[Preference]:
    """Preferences for the page and the picture in RSL documents that are embedded in the page."""
    preferences = []
    for script in islice(document.iter("script"), MAX_SIGNALS):
        if (script.get("type") or "").strip().lower() == rsl.MEDIA_TYPE:
            contents = rsl.read((script.text or "").strip().encode())
            for address in (page_url, picture_url):
                preferences += rsl.preferences(contents, address, found_in="page")
    return preferences


def _base(document: html.HtmlElement, page_url: str) -> str:
    bases = document.xpath("//base/@href")
    return address_of(ParsedPage(document, page_url, "").absolute(bases[0])) or page_url if bases else page_url


def _conclude(page: ParsedPage, linked: json_ld.JsonLdFindings) -> Conclusion:
    signals: dict[LicenseScope, list[LicenseMention]] = {
        LicenseScope.PICTURE: list(linked.of_picture),
        LicenseScope.PAGE: list(linked.of_page),
        LicenseScope.SITE: list(linked.of_site),
        LicenseScope.ANOTHER_PICTURE: [],
    }
    for element, signal in _marked(page):
        signals[license_scope(page, element)].append(signal)
    if signals[LicenseScope.PICTURE]:
        return conclude(signals[LicenseScope.PICTURE])
    for element, signal in _plain_links(page):
        is_of_site = license_scope(page, element) is LicenseScope.SITE
        signals[LicenseScope.SITE if is_of_site else LicenseScope.PAGE].append(signal)
    of_page = signals[LicenseScope.PAGE] + _rights_metas(page.document)
    notices = [] if of_page else _reserved_notices(page.document)
    return _with_site(conclude(of_page), signals[LicenseScope.SITE], notices)


def _with_site(of_page: Conclusion, of_site: list[LicenseMention], notices: list[LicenseMention]) -> Conclusion:
    """Conclusion of the page; if it states nothing, the prohibitions of the site and of notices."""
    if of_page.license or of_page.contradiction:
        return of_page
    forbidding = [signal for signal in of_site if _forbids(signal)] + notices
    if forbidding:
        return conclude(forbidding)
    if of_page.statement or not of_site:
        return of_page
    return Conclusion(statement=conclude(of_site).statement, method=OF_THE_SITE)


def _forbids(signal: LicenseMention) -> bool:
    """True if the license is known to withhold a right."""
    record = catalogue.get(signal.license or "")
    return record is not None and record.id != catalogue.UNSTATED and not record.rights >= EVERY_RIGHT


def _marked(page: ParsedPage) -> Iterator[tuple[html.HtmlElement, LicenseMention]]:
    """Yield elements that are marked as license statements, by rel, itemprop (microdata) or property (RDFa)."""
    marked = ((element, _mark(element)) for element in page.document.xpath("//*[@rel or @itemprop or @property]"))
    for element, mark in islice(((element, mark) for element, mark in marked if mark), MAX_SIGNALS):
        if text := _value(page, element):
            yield element, LicenseMention(mark, text)


def _mark(element: html.HtmlElement) -> str | None:
    """Mark of an element as a license statement (`rel=license`, `itemprop=license`, …); None if it has none."""
    for attribute in ("rel", "itemprop", "property"):
        words = (element.get(attribute) or "").lower().split()
        if word := next((word for word in words if word in _LICENSE_WORDS), None):
            return f"{attribute}={word}"
    return None


def _value(page: ParsedPage, element: html.HtmlElement) -> str | None:
    """Value of a marked element: its address, else its attribute content, else its text."""
    for name in ("href", "resource", "src"):
        if address := element.get(name):
            return cleaned(page.absolute(address), MAX_ADDRESS_CHARS)
    return cleaned(element.get("content") or element.text_content(), 600)


def _plain_links(page: ParsedPage) -> Iterator[tuple[html.HtmlElement, LicenseMention]]:
    """Yield unmarked links to the text of a known license."""
    unmarked = page.document.xpath("//a[@href][not(contains(concat(' ', @rel, ' '), ' license '))]")[:20_000]
    leading = (each for each in unmarked if any(host in each.get("href") for host in _LINKED_HOSTS))
    for element in islice(leading, MAX_SIGNALS):
        signal = LicenseMention("link", element.get("href").strip())
        if signal.license is not None:
            yield element, signal


def _rights_metas(document: html.HtmlElement) -> list[LicenseMention]:
    signals = [
        LicenseMention(f"meta {name}", content) for name, content in _metas(document) if name.lower() in _RIGHTS_METAS
    ]
    return [signal for signal in signals if signal.license is not None]


def _reserved_notices(document: html.HtmlElement) -> list[LicenseMention]:
    """Notice `All rights reserved` in the page's text. It counts only without other signals: footers concern the site.

    Permissions are not taken from running text: it may be about anything.
    """
    for text in document.xpath("//body//text()[contains(., 'ights') or contains(., 'IGHTS')]")[:MAX_SIGNALS]:
        parent = text.getparent()
        notice = cleaned(text, MAX_NOTICE_CHARS)
        if parent is not None and parent.tag not in _XPATH_IGNORED and notice:
            signal = LicenseMention("words", notice)
            if signal.license == catalogue.ALL_RIGHTS_RESERVED:
                return [signal]
    return []


def _creator(page: ParsedPage, linked: json_ld.JsonLdFindings) -> tuple[str | None, str | None]:
    if linked.creator:
        return linked.creator, linked.creator_url
    marks: tuple[Callable[[], list[html.HtmlElement]], ...] = (
        lambda: page.document.xpath("//*[@property='cc:attributionName' or contains(@rel, 'cc:attributionURL')]"),
        lambda: page.document.xpath("//*[@itemprop='creator' or @itemprop='author' or @itemprop='copyrightHolder']"),
        lambda: page.document.xpath(
            "//*[@property='dct:creator' or @property='dc:creator' or @property='dcterms:creator']"
        ),
        lambda: page.document.xpath("//a[contains(concat(' ', @rel, ' '), ' author ')]"),
    )
    for elements in marks:
        for element in elements()[:5]:
            if name := cleaned(element.get("content") or element.text_content()):
                return name, address_of(page.absolute(element.get("href") or "")) if element.get("href") else None
    authors = [content for name, content in _metas(page.document) if name.lower() in ("author", "dc.creator")]
    return (cleaned(authors[0]) if authors else None), None


def _title(document: html.HtmlElement) -> str | None:
    titles = [
        *document.xpath("//*[@property='dct:title' or @property='dc:title']/text()")[:1],
        *document.xpath("//meta[@property='og:title']/@content")[:1],
        *document.xpath("//title/text()")[:1],
    ]
    return next((title for text in titles if (title := cleaned(text))), None)


def _metas(document: html.HtmlElement) -> list[tuple[str, str]]:
    elements = document.xpath("//meta[@name and @content]")[:1000]
    return [(element.get("name").strip(), element.get("content")) for element in elements]


def _json_scripts(document: html.HtmlElement) -> list[str]:
    scripts = document.xpath("//script[@type]")[:1000]
    return [script.text or "" for script in scripts if "ld+json" in script.get("type").lower()]
