"""Listing of each find on the sample's web, and the web's pages.

- Listing: addresses, title, creator, license, and the search filter that finds the picture.
- Pages: a search engine's result pages in Bing's markup, and a page for each picture.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from html import escape
from urllib.parse import quote_plus

import numpy as np

from mtf.rights.licenses import catalogue
from mtf.sample.finds import WITHOUT_PICTURE, Find, PictureKind
from mtf.sample.people import Person

COMMERCIAL = "commercial,modify"
PUBLIC_DOMAIN = "publicdomain"
PUBLIC_DOMAIN_SHARE = 0.2
FILTER_CODES = {COMMERCIAL: "license-L2_L3", PUBLIC_DOMAIN: "license-L1", None: None}
RESULTS_PER_PAGE = 20
SEARCH_ADDRESS = "https://www.bing.com/images/async"
# Bing's marks around the words that were searched for.
_HIGHLIGHT = "\ue000{}\ue001"

_ATTRIBUTED = ("CC-BY-4.0", "CC-BY-4.0", "CC-BY-SA-4.0", "CC-BY-2.0", "CC-BY-SA-3.0")
_DEDICATED = ("CC0-1.0", "CC-PDM-1.0")
_NON_COMMERCIAL = ("CC-BY-NC-4.0", "CC-BY-NC-SA-4.0", "CC-BY-NC-2.0")
_NO_DERIVATIVES = ("CC-BY-ND-4.0", "CC-BY-ND-2.0", "CC-BY-NC-ND-4.0")
# Licenses that a source states, and the search filter that finds the picture nevertheless.
_LICENSES: dict[PictureKind, tuple[tuple[str, ...], str | None]] = {
    PictureKind.NON_COMMERCIAL: (_NON_COMMERCIAL, None),
    PictureKind.NO_DERIVATIVES: (_NO_DERIVATIVES, None),
    PictureKind.CLAIM_CONTRADICTED: (_NON_COMMERCIAL, COMMERCIAL),
    PictureKind.UNSTATED: ((), None),
    PictureKind.CLAIM_ONLY: ((), COMMERCIAL),
    PictureKind.DEAD_PAGE: ((), COMMERCIAL),
}
_STUDIOS = ("Quill and Wash Studio", "Gesso Press", "The Charcoal Room", "Vignette Works", "Hatching & Sons")
_TITLES = (
    "Portrait of {}",
    "{} at the spring fair",
    "{} before the lecture",
    "{}, in the garden",
    "An afternoon with {}",
    "{} (press picture)",
)
HOSTS_OF_KIND = {
    PictureKind.FILE_CONTRADICTS_PAGE: "of-two-minds.example",
    PictureKind.ROBOTS_TXT: "closed-to-robots.example",
    PictureKind.ROBOTS_HEADER: "reserved-by-header.example",
    PictureKind.ROBOTS_META: "unwilling.example",
    PictureKind.TDM_RESERVED: "mining-reserved.example",
    PictureKind.CONTENT_USAGE: "usage-preferences.example",
    PictureKind.CONTENT_SIGNAL: "search-only.example",
    PictureKind.RSL_LINK: "licensed-to-machines.example",
    PictureKind.AI_TXT: "no-ai-here.example",
    PictureKind.IPTC_MINING: "captioned.example",
    PictureKind.C2PA_MINING: "signed-pictures.example",
    PictureKind.TDM_POLICY: "ask-first.example",
    PictureKind.CC_SIGNALS: "commons-of-portraits.example",
    PictureKind.UNREADABLE_TDMREP: "half-a-file.example",
    PictureKind.DEAD_PAGE: "ghost-town.example",
    PictureKind.NO_SUCH_HOST: "moved-away.example",
    PictureKind.SLOW: "tortoise.example",
    PictureKind.PRIVATE_REDIRECT: "doorway.example",
}
_EXTENSIONS = {
    PictureKind.PNG: "png",
    PictureKind.PNG_16_BIT: "png",
    PictureKind.BOMB: "png",
    PictureKind.WEBP: "webp",
    PictureKind.ANIMATED_GIF: "gif",
}
_PLAIN_JPEG = (
    frozenset(PictureKind)
    - set(WITHOUT_PICTURE)
    - set(_EXTENSIONS)
    - {PictureKind.GREY, PictureKind.CMYK, PictureKind.ROTATED}
)


class Markup(StrEnum):
    """Place where a license is stated."""

    REL_LICENSE = "rel_license"
    JSON_LD = "json_ld"
    PLAIN_LINK = "plain_link"
    IN_FILE = "in_file"
    NOWHERE = "nowhere"


# Markup of pages that state the license; pictures with IN_FILE are in the press room.
HOSTS = {
    Markup.REL_LICENSE: "easel.example",
    Markup.JSON_LD: "archive-of-portraits.example",
    Markup.PLAIN_LINK: "sketchbook.example",
    Markup.IN_FILE: "pressroom.example",
    Markup.NOWHERE: "chatter.example",
}


@dataclass(frozen=True)
class Listing:
    """Listing of a find.

    - `find`: the find;
    - `url`, `page_url`: addresses of the picture and its page;
    - `title`, `creator`, `creator_url`: credits;
    - `license`: SPDX identifier that the source states, or None;
    - `claim`: search filter that finds the picture, None if only a search without filter does;
    - `markup`: place where the license is stated.
    """

    find: Find
    url: str
    page_url: str
    title: str
    creator: str
    creator_url: str
    license: str | None
    claim: str | None
    markup: Markup

    @property
    def license_url(self) -> str | None:
        """URL of the stated license, or None."""
        return _address(self.license)

    @property
    def license_url_in_file(self) -> str | None:
        """License URL in the file's own metadata, or None."""
        if self.find.kind is PictureKind.FILE_CONTRADICTS_PAGE:
            return _address(_NON_COMMERCIAL[0])
        return self.license_url if self.markup is Markup.IN_FILE else None


def listings(seed: int, finds: Sequence[Find], people: Iterable[Person]) -> list[Listing]:
    """Listings of the finds, in their order."""
    names = {person.identity: person.name for person in people}
    listed: dict[tuple[str, int], Listing] = {}
    for find in sorted(finds, key=lambda find: find.taken_from is not None):
        if find.taken_from is not None:
            listed[find.key] = replace(listed[find.taken_from], find=find)
            continue
        listed[find.key] = _listing(seed, find, names[find.identity], listed)
    return [listed[find.key] for find in finds]


def _listing(seed: int, find: Find, name: str, listed: dict[tuple[str, int], Listing]) -> Listing:
    rng = np.random.default_rng([seed, 3, zlib.crc32(find.identity.encode()), find.number])
    license, claim = _license(find, rng)
    if find.repeats is not None:
        original = listed[find.identity, find.repeats]
        license, claim = original.license, original.claim
    markup = _markup(find, rng)
    host = HOSTS_OF_KIND.get(find.kind, HOSTS[markup])
    key = f"{zlib.crc32(f'{seed}/{find.identity}/{find.number}'.encode()):08x}"
    studio = _STUDIOS[int(rng.integers(len(_STUDIOS)))]
    return Listing(
        find=find,
        url=f"https://{host}/pictures/{key}.{_EXTENSIONS.get(find.kind, 'jpg')}",
        page_url=f"https://{host}/view/{key}",
        title=_TITLES[int(rng.integers(len(_TITLES)))].format(name),
        creator=studio,
        creator_url=f"https://{host}/by/{'-'.join(studio.lower().replace('&', 'and').split())}",
        license=license,
        claim=claim,
        markup=markup,
    )


def _license(find: Find, rng: np.random.Generator) -> tuple[str | None, str | None]:
    """License that the source states, and the search filter that finds the picture."""
    if find.kind in _LICENSES:
        licenses, claim = _LICENSES[find.kind]
    elif rng.random() < PUBLIC_DOMAIN_SHARE:
        licenses, claim = _DEDICATED, PUBLIC_DOMAIN
    else:
        licenses, claim = _ATTRIBUTED, COMMERCIAL
    return (_pick(licenses, rng) if licenses else None), claim


def _markup(find: Find, rng: np.random.Generator) -> Markup:
    if find.kind in (PictureKind.UNSTATED, PictureKind.CLAIM_ONLY, PictureKind.DEAD_PAGE):
        return Markup.NOWHERE
    if find.kind in (PictureKind.FILE_CONTRADICTS_PAGE, PictureKind.IPTC_MINING, PictureKind.C2PA_MINING):
        return Markup.REL_LICENSE
    on_page = (Markup.REL_LICENSE, Markup.REL_LICENSE, Markup.JSON_LD, Markup.PLAIN_LINK)
    in_file = (Markup.IN_FILE,) if find.kind in _PLAIN_JPEG and find.repeats is None else ()
    return [*on_page, *in_file][int(rng.integers(len(on_page) + len(in_file)))]


def _pick(names: Sequence[str], rng: np.random.Generator) -> str:
    return names[int(rng.integers(len(names)))]


def _address(license: str | None) -> str | None:
    record = catalogue.get(license) if license else None
    return record.url if record else None


def search_address(query: str, first: int, claim: str | None) -> str:
    """Address of a result page, as icrawler's feeder builds it, with the query encoded."""
    code = FILTER_CODES[claim]
    return f"{SEARCH_ADDRESS}?q={quote_plus(query)}&first={first}" + (f"&qft=+filterui:{code}" if code else "")


def result_page(results: Sequence[Listing], *, first: int, name: str) -> str:
    """Result page. Without results: the empty page that the engine sends after its last result."""
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
    """Page of one picture, with its credits and license if the listing states them."""
    title, maker = (
        escape(listing.title),
        f'<a rel="author" href="{escape(listing.creator_url)}">{escape(listing.creator)}</a>',
    )
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>{_head(listing)}</head>\n'
        f'<body><h1>{title}</h1><p><img src="{escape(listing.url)}" alt="{title}"></p>\n'
        f"<p>By {maker}. {_words(listing)}</p></body></html>\n"
    )


def robots_txt(host: str) -> str:
    """robots.txt of a host. One forbids the pictures, one reserves training by a Content-Signal."""
    signal = "Content-Signal: search=yes, ai-train=no\n" if host == HOSTS_OF_KIND[PictureKind.CONTENT_SIGNAL] else ""
    rule = "Disallow: /pictures/" if host == HOSTS_OF_KIND[PictureKind.ROBOTS_TXT] else "Allow: /"
    return f"User-agent: *\n{signal}{rule}\n"


def site_files() -> list[tuple[str, str, bytes]]:
    """Address, media type and body of the hosts' other files with signals."""
    reserved, unreadable, ai, rsl = (
        HOSTS_OF_KIND[kind]
        for kind in (
            PictureKind.TDM_RESERVED,
            PictureKind.UNREADABLE_TDMREP,
            PictureKind.AI_TXT,
            PictureKind.RSL_LINK,
        )
    )
    return [
        (f"https://{reserved}/.well-known/tdmrep.json", "application/json", tdmrep_json().encode()),
        (f"https://{unreadable}/.well-known/tdmrep.json", "application/json", b'[{"location": "/", "tdm-reserv'),
        (f"https://{ai}/ai.txt", "text/plain; charset=utf-8", b"User-Agent: *\nDisallow: *.jpg\n"),
        (f"https://{rsl}/license.xml", "application/rsl+xml", _RSL.encode()),
    ]


_RSL = """<rsl xmlns="https://rslstandard.org/rsl"><content url="/"><license>
<permits type="usage">search</permits><prohibits type="usage">ai-train</prohibits>
</license></content></rsl>
"""


def tdmrep_json() -> str:
    """TDMRep file that reserves text and data mining for the whole host."""
    return json.dumps([{"location": "/pictures/*", "tdm-reservation": 1}])


def _head(listing: Listing) -> str:
    head = f'<meta name="author" content="{escape(listing.creator)}">'
    if listing.find.kind is PictureKind.ROBOTS_META:
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
