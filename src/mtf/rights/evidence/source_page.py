"""A picture's page, read for what it says of the picture's license, author and title.

Signals are looked for at the picture itself (a schema.org object or a figure that holds its address), on the page
at large, plain links to Creative Commons included, and in what the site puts on all its pages (`licenses.whose`).
What is said at the picture decides alone; otherwise all signals of the page must agree. What is said of the site
counts only where nothing else does, and can then forbid, but never permit: it speaks of the site's own work.
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
"""How a license was found (`method`) that speaks of the site, not of the picture."""
_XPATH_IGNORED = ("script", "style", "noscript", "template")


def read_page(
    body: bytes,
    *,
    page_url: str,
    picture_url: str,
    headers: Iterable[tuple[str, str]] = (),
    agent: str = "mtf",
) -> Statement:
    """What the page at `page_url` says of the picture at `picture_url`; an empty Statement where it says nothing.

    Never raises for what a page may hold: at most 4 MiB are read, encodings and nesting may be broken. `headers`
    are the page's response headers and `agent` our robot's name, for the opt-outs.
    """
    document = _parse(body)
    if document is None:
        return Statement(opt_out=optouts.of_headers(headers, agent=agent))
    page = ParsedPage(document, _base(document, page_url), picture_url)
    linked = json_ld.read(_json_scripts(document), is_picture=page.is_picture)
    said = _conclude(page, linked)
    creator, creator_url = _creator(page, linked)
    return Statement(
        license=said.license,
        license_url=said.license_url,
        method=f"page: {said.method}" if said.method else None,
        statement=said.statement,
        creator=creator,
        creator_url=creator_url,
        title=linked.title or _title(document),
        opt_out=optouts.joined(
            optouts.of_page(_metas(document), headers=headers, agent=agent),
            *opt_outs(_inline_rsl(document, page_url, picture_url)),
        ),
        rsl_links=tuple(_rsl_links(page)),
        contradiction=f"the page {said.contradiction}" if said.contradiction else None,
    )


def _parse(body: bytes) -> html.HtmlElement | None:
    """A tree of at most 256 levels (libxml2's own bound); entities beyond HTML's are left as text."""
    parser = html.HTMLParser(recover=True, no_network=True, remove_comments=True, remove_pis=True, huge_tree=False)
    try:
        return html.document_fromstring(body[:MAX_BODY_BYTES], parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError, ValueError, LookupError, AssertionError):
        return None


def _rsl_links(page: ParsedPage) -> list[str]:
    """The addresses of RSL documents in the page's `<link rel="license" type="application/rsl+xml" href="…">`."""
    found = []
    for link in islice(page.document.iter("link"), MAX_SIGNALS):
        is_license = "license" in (link.get("rel") or "").lower().split()
        if is_license and (link.get("type") or "").strip().lower() == rsl.MEDIA_TYPE:
            found.append(address_of(page.absolute(link.get("href") or "")))
    return [address for address in found if address][: rsl.MAX_LINKS]


def _inline_rsl(document: html.HtmlElement, page_url: str, picture_url: str) -> list[Preference]:
    """Of RSL documents that stand in the page itself, what they say of the page and of the picture."""
    found = []
    for script in islice(document.iter("script"), MAX_SIGNALS):
        if (script.get("type") or "").strip().lower() == rsl.MEDIA_TYPE:
            contents = rsl.read((script.text or "").strip().encode())
            for address in (page_url, picture_url):
                found += rsl.preferences(contents, address, found_in="page")
    return found


def _base(document: html.HtmlElement, page_url: str) -> str:
    bases = document.xpath("//base/@href")
    return address_of(ParsedPage(document, page_url, "").absolute(bases[0])) or page_url if bases else page_url


def _conclude(page: ParsedPage, linked: json_ld.JsonLdFindings) -> Conclusion:
    said: dict[LicenseScope, list[LicenseMention]] = {
        LicenseScope.PICTURE: list(linked.of_picture),
        LicenseScope.PAGE: list(linked.of_page),
        LicenseScope.SITE: list(linked.of_site),
        LicenseScope.ANOTHER_PICTURE: [],
    }
    for element, signal in _marked(page):
        said[license_scope(page, element)].append(signal)
    if said[LicenseScope.PICTURE]:
        return conclude(said[LicenseScope.PICTURE])
    for element, signal in _plain_links(page):
        said[LicenseScope.SITE if license_scope(page, element) is LicenseScope.SITE else LicenseScope.PAGE].append(
            signal
        )
    of_page = said[LicenseScope.PAGE] + _rights_metas(page.document)
    return _with_site(conclude(of_page), said[LicenseScope.SITE], [] if of_page else _reserved_notices(page.document))


def _with_site(of_page: Conclusion, of_site: list[LicenseMention], notices: list[LicenseMention]) -> Conclusion:
    """What the page says; where that is nothing, what is forbidden by what the site says of itself."""
    if of_page.license or of_page.contradiction:
        return of_page
    forbidding = [signal for signal in of_site if _forbids(signal)] + notices
    if forbidding:
        return conclude(forbidding)
    if of_page.statement or not of_site:
        return of_page
    return Conclusion(statement=conclude(of_site).statement, method=OF_THE_SITE)


def _forbids(signal: LicenseMention) -> bool:
    """Whether the license is known to withhold a right."""
    record = catalogue.get(signal.license or "")
    return record is not None and record.id != catalogue.UNSTATED and not record.rights >= EVERY_RIGHT


def _marked(page: ParsedPage) -> Iterator[tuple[html.HtmlElement, LicenseMention]]:
    """Elements that are marked as stating a license: rel, itemprop (microdata) and property (RDFa)."""
    marked = ((element, _mark(element)) for element in page.document.xpath("//*[@rel or @itemprop or @property]"))
    for element, mark in islice(((element, mark) for element, mark in marked if mark), MAX_SIGNALS):
        if text := _value(page, element):
            yield element, LicenseMention(mark, text)


def _mark(element: html.HtmlElement) -> str | None:
    """`rel=license`, `itemprop=license`, …, where an element is marked so."""
    for attribute in ("rel", "itemprop", "property"):
        words = (element.get(attribute) or "").lower().split()
        if word := next((word for word in words if word in _LICENSE_WORDS), None):
            return f"{attribute}={word}"
    return None


def _value(page: ParsedPage, element: html.HtmlElement) -> str | None:
    """What a marked element says: its address, else its content, else its words."""
    for name in ("href", "resource", "src"):
        if address := element.get(name):
            return cleaned(page.absolute(address), MAX_ADDRESS_CHARS)
    return cleaned(element.get("content") or element.text_content(), 600)


def _plain_links(page: ParsedPage) -> Iterator[tuple[html.HtmlElement, LicenseMention]]:
    """Links to a license's text that are not marked as such; of all links, only those to a known license count."""
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
    """`All rights reserved` in the page's words. Counts only where nothing else is said: footers speak of the site.

    Words that would permit something are not taken from running text: they may speak of anything.
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
    found = [
        *document.xpath("//*[@property='dct:title' or @property='dc:title']/text()")[:1],
        *document.xpath("//meta[@property='og:title']/@content")[:1],
        *document.xpath("//title/text()")[:1],
    ]
    return next((title for text in found if (title := cleaned(text))), None)


def _metas(document: html.HtmlElement) -> list[tuple[str, str]]:
    elements = document.xpath("//meta[@name and @content]")[:1000]
    return [(element.get("name").strip(), element.get("content")) for element in elements]


def _json_scripts(document: html.HtmlElement) -> list[str]:
    scripts = document.xpath("//script[@type]")[:1000]
    return [script.text or "" for script in scripts if "ld+json" in script.get("type").lower()]
