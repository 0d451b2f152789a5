"""The web's pages: a search engine's result pages in Bing's markup, and the pages that the pictures stand on."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from html import escape
from urllib.parse import quote_plus

from mtf.sample.kinds import Kind
from mtf.sample.listing import Listing, Markup

RESULTS_PER_PAGE = 20
SEARCH_ADDRESS = "https://www.bing.com/images/async"
FILTER_CODES = {"commercial,modify": "license-L2_L3", "publicdomain": "license-L1", None: None}
_HIGHLIGHT = "\ue000{}\ue001"
"""Bing's marks around the words that were searched for."""


def search_address(query: str, first: int, claim: str | None) -> str:
    """As icrawler's feeder makes it, its keyword encoded."""
    code = FILTER_CODES[claim]
    return f"{SEARCH_ADDRESS}?q={quote_plus(query)}&first={first}" + (f"&qft=+filterui:{code}" if code else "")


def result_page(results: Sequence[Listing], *, first: int, name: str) -> str:
    """One page of results; without any it is the empty frame that the engine sends past its last result."""
    items = "".join(_result(listing, first + place, name) for place, listing in enumerate(results))
    return f'<div class="dgControl hover" id="mmComponent_images_1"><ul class="dgControl_list">{items}</ul></div>'


def _result(listing: Listing, rank: int, name: str) -> str:
    key = f"{zlib.crc32(listing.url.encode()):08X}"
    about = {
        "cid": key,
        "purl": listing.page_url,
        "murl": listing.url,
        "turl": f"https://tse1.mm.bing.net/th?id=OIP.{key}&pid=15.1",
        "t": listing.title.replace(name, _HIGHLIGHT.format(name)),
        "desc": "",
    }
    attribute = escape(json.dumps(about, ensure_ascii=False, separators=(",", ":")), quote=True)
    return (
        f'<li data-idx="{rank + 1}"><div class="iuscp isv"><div class="imgpt">'
        f'<a class="iusc" m="{attribute}" href="#"><img class="mimg" alt=""></a></div></div></li>'
    )


def picture_page(listing: Listing) -> str:
    """The page that shows one picture and says, or does not say, whose it is and what may be done with it."""
    title, maker = (
        escape(listing.title),
        f'<a rel="author" href="{escape(listing.creator_url)}">{escape(listing.creator)}</a>',
    )
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>{_head(listing)}</head>\n'
        f'<body><h1>{title}</h1><p><img src="{escape(listing.url)}" alt="{title}"></p>\n'
        f"<p>By {maker}. {_words(listing)}</p></body></html>\n"
    )


def robots_txt(*, closed: bool) -> str:
    return f"User-agent: *\n{'Disallow: /pictures/' if closed else 'Allow: /'}\n"


def tdmrep_json() -> str:
    return json.dumps([{"location": "/pictures/*", "tdm-reservation": 1}])


def _head(listing: Listing) -> str:
    head = f'<meta name="author" content="{escape(listing.creator)}">'
    if listing.find.kind is Kind.ROBOTS_META:
        head += '<meta name="robots" content="noai, noimageai">'
    if listing.markup is Markup.JSON_LD:
        head += _json_ld(listing)
    return head


def _json_ld(listing: Listing) -> str:
    about = {
        "@context": "https://schema.org",
        "@type": "ImageObject",
        "name": listing.title,
        "contentUrl": listing.url,
        "license": listing.license_url,
        "creator": {"@type": "Organization", "name": listing.creator, "url": listing.creator_url},
    }
    text = json.dumps(about, ensure_ascii=False, separators=(",", ":")).replace("</", "<\\/")
    return f'<script type="application/ld+json">{text}</script>'


def _words(listing: Listing) -> str:
    url, name = escape(listing.license_url or ""), escape((listing.license or "").replace("-", " "))
    match listing.markup:
        case Markup.REL_LICENSE:
            return f'<a rel="license" href="{url}">{name}</a>'
        case Markup.PLAIN_LINK:
            return f'Published under <a href="{url}">{name}</a>.'
        case Markup.IN_FILE:
            return "Rights are noted in the file."
    return "Share it with your friends."
