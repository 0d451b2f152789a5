"""Catalogue of licenses by identifier, and the identification of licenses by address or words.

An entry of a policy also covers the ports of its license (`CC-BY-3.0` covers `CC-BY-3.0-DE`): ports grant the same
rights under another country's law. It never covers a statement without a version.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from urllib.parse import SplitResult, unquote, urlsplit

from mtf.rights.licenses import spellings, terms
from mtf.rights.licenses.terms import (
    ALL_RIGHTS_RESERVED,
    NO_KNOWN_RESTRICTIONS,
    PUBLIC_DOMAIN,
    UNSTATED,
    US_GOVERNMENT_WORK,
    License,
)

__all__ = [
    "ALL_RIGHTS_RESERVED",
    "NO_KNOWN_RESTRICTIONS",
    "PUBLIC_DOMAIN",
    "UNSTATED",
    "US_GOVERNMENT_WORK",
    "License",
    "covering",
    "from_flickr",
    "from_parts",
    "get",
    "normalise",
]

MAX_ADDRESS_CHARS = 2048
MAX_CHARS = 20_000

# Licenses by Flickr's number (flickr.photos.licenses.getInfo); 11 to 16 came in 2025 with Creative Commons 4.0.
FLICKR = (
    ALL_RIGHTS_RESERVED,
    "CC-BY-NC-SA-2.0",
    "CC-BY-NC-2.0",
    "CC-BY-NC-ND-2.0",
    "CC-BY-2.0",
    "CC-BY-SA-2.0",
    "CC-BY-ND-2.0",
    NO_KNOWN_RESTRICTIONS,
    US_GOVERNMENT_WORK,
    "CC0-1.0",
    "CC-PDM-1.0",
    "CC-BY-4.0",
    "CC-BY-SA-4.0",
    "CC-BY-ND-4.0",
    "CC-BY-NC-4.0",
    "CC-BY-NC-SA-4.0",
    "CC-BY-NC-ND-4.0",
)

_LICENSE_REF = re.compile(r"LicenseRef-[A-Za-z0-9.-]{1,100}")
_IDENTIFIER = re.compile(r"(?:LicenseRef-)?CC-([A-Z]{2}(?:-[A-Z]{2}){0,2})(?:-(\d\.\d)(?:-([A-Z]+))?)?")
_CC_PATH = re.compile(r"/(?:licenses|l)/([a-z]{2}(?:-[a-z]{2}){0,2})(?:/(\d\.\d))?(?:/([^/]{1,40}))?(?:/.*)?")
_CC_TOOL = re.compile(r"/(?:publicdomain|p)/(zero|mark)(?:/(\d[\d.]*))?(?:/.*)?")
_CC_SAMPLING = re.compile(r"/licenses/((?:nc-)?sampling\+?|devnations)/(\d\.\d)(?:/.*)?")
_CC_ADDRESS = re.compile(r"(?:\bhttps?:|(?<![\w:/]))//(?:www\.|i\.)?creativecommons\.org/[^\s\"'<>()\[\]]{1,200}")
_SCHEMELESS = re.compile(r"(?:[a-z0-9-]{1,40}\.){1,3}(?:org|gov|com|net|uk|in|fr)/\S*")
_CC_HOSTS = ("creativecommons.org", "i.creativecommons.org", "licensebuttons.net")

# Further addresses of terms in terms.csv: host and beginning of the path, lower case.
_PLACES = {
    "usa.gov/government-works": US_GOVERNMENT_WORK,
    "usa.gov/government-copyright": US_GOVERNMENT_WORK,
    "usa.gov/copyright": US_GOVERNMENT_WORK,
    "flickr.com/commons/usage": NO_KNOWN_RESTRICTIONS,
    "en.wikipedia.org/wiki/public_domain": PUBLIC_DOMAIN,
    "en.wikipedia.org/wiki/en:public_domain": PUBLIC_DOMAIN,
    "unsplash.com/license": "LicenseRef-Unsplash",
    "pexels.com/license": "LicenseRef-Pexels",
    "pexels.com/photo-license": "LicenseRef-Pexels",
    "pixabay.com/service/license": "LicenseRef-Pixabay",
    "pixabay.com/service/terms": "LicenseRef-Pixabay",
    "artlibre.org/licence/lal": "LAL-1.3",
    # Always the newest version, so it states none. GFDL, section 10, permits any version then.
    "gnu.org/licenses/fdl.": "LicenseRef-GFDL",
    "en.wikipedia.org/wiki/gnu_free_documentation_license": "LicenseRef-GFDL",
    "gnu.org/licenses/fdl-1.3": "GFDL-1.3-or-later",
    "gnu.org/licenses/old-licenses/fdl-1.2": "GFDL-1.2-or-later",
    "opendatacommons.org/licenses/pddl": "PDDL-1.0",
    "opensource.org/licenses/mit": "MIT",
}


@lru_cache(maxsize=4096)
def get(identifier: str) -> License | None:
    """License of an identifier; None for an unknown one, such as a project's own `LicenseRef-…`."""
    if (row := terms.fixed().get(identifier)) is not None:
        return row.license
    match = _IDENTIFIER.fullmatch(identifier)
    record = terms.creative_commons(match[1], match[2], match[3]) if match else None
    return record if record is not None and record.id == identifier else None


def covering(identifier: str) -> tuple[str, ...]:
    """Policy entries that permit `identifier`: itself, and the one that covers it, if any."""
    record = get(identifier)
    return (identifier, record.covered_by) if record and record.covered_by else (identifier,)


def normalise(text: str | None) -> str | None:
    """Identifier of the license that an address or words name; None if that is not clear.

    For values of a field about the license: `https://creativecommons.org/licenses/by/2.0/deed.fr`,
    `CC BY-SA 3.0 DE`, `Public domain`, `PD-self`, `All rights reserved`, `LicenseRef-…`, SPDX identifiers.
    """
    if not text or len(text) > MAX_CHARS:
        return None
    return _normalised(text.strip())


@lru_cache(maxsize=4096)
def _normalised(text: str) -> str | None:
    if get(text) is not None:
        return text
    if (address := _as_address(text)) is not None:
        return _of_address(address)
    return spellings.identify(text) or _of_addresses_within(text) or _own_reference(text)


def from_parts(license: str | None, version: str | None) -> str | None:
    """Identifier of a license in two fields, as in Openverse's records: `("by-sa", "2.0")`, `("pdm", "1.0")`."""
    if not license:
        return None
    return normalise(f"cc {license} {version}" if version else f"cc {license}") or normalise(
        f"{license} {version or ''}"
    )


def from_flickr(number: str | int) -> str | None:
    """Identifier of a license by Flickr's number, 0 to 16; None for any other."""
    text = str(number).strip()
    return (
        FLICKR[int(text)] if text.isascii() and text.isdecimal() and len(text) < 3 and int(text) < len(FLICKR) else None
    )


def _own_reference(text: str) -> str | None:
    return text if _LICENSE_REF.fullmatch(text) else None


def _as_address(text: str) -> SplitResult | None:
    if len(text) > MAX_ADDRESS_CHARS or any(character.isspace() for character in text):
        return None
    if text.startswith("//"):
        text = f"https:{text}"
    elif _SCHEMELESS.fullmatch(text.lower()):
        text = f"https://{text}"
    if not text.lower().startswith(("http://", "https://")):
        return None
    try:
        return urlsplit(text)
    except ValueError:
        return None


def _of_addresses_within(text: str) -> str | None:
    """Identifier of the only Creative Commons license whose address occurs in a longer text; None for several."""
    identifiers = {_normalised(match[0].rstrip(".,;:!?")) for match in _CC_ADDRESS.finditer(text)} - {None}
    return identifiers.pop() if len(identifiers) == 1 else None


def _of_address(address: SplitResult) -> str | None:
    host = (address.netloc.lower().rpartition("@")[2]).partition(":")[0].removeprefix("www.")
    path = re.sub(r"/{2,}", "/", unquote(address.path).lower())
    if host in _CC_HOSTS:
        return _of_cc_path(path)
    if host == "spdx.org" and path.startswith("/licenses/"):
        return normalise(path.removeprefix("/licenses/").removesuffix(".html").removesuffix(".json"))
    if host == "commons.wikimedia.org" and "template:" in path:
        return spellings.identify(path.partition("template:")[2])
    return _of_place(f"{host}{path}")


def _of_cc_path(path: str) -> str | None:
    if match := _CC_TOOL.fullmatch(path):
        return {"zero": "CC0-1.0", "mark": "CC-PDM-1.0"}[match[1]] if match[2] in (None, "1.0") else None
    if path.startswith("/licenses/publicdomain"):
        return "CC-PDDC"
    if match := _CC_SAMPLING.fullmatch(path):
        return spellings.identify(f"cc {match[1]} {match[2]}")
    match = _CC_PATH.fullmatch(path)
    if match is None:
        return None
    record = terms.creative_commons(spellings.family(set(match[1].split("-"))), match[2], _jurisdiction(match[3]))
    return record.id if record else None


def _jurisdiction(segment: str | None) -> str | None:
    """Country of a port, from a segment of the path; None for others, such as `deed.fr`, `legalcode`, `88x31.png`."""
    if segment is None or re.fullmatch(r"(?:deed|legalcode|rdf)(?:[._-].*)?|.*\.png|.*\.svg", segment):
        return None
    return segment.upper()


def _of_place(place: str) -> str | None:
    return next((identifier for start, identifier in _places() if place.startswith(start)), None)


@cache
def _places() -> list[tuple[str, str]]:
    """(address, identifier) pairs, longest first: the address of a version precedes that of its site."""
    listed = {
        f"{urlsplit(row.license.url).netloc.removeprefix('www.')}{urlsplit(row.license.url).path}".lower().rstrip(
            "/"
        ): identifier
        for identifier, row in terms.fixed().items()
        if row.license.url
    }
    rights = {place.replace("/vocab/", "/page/"): identifier for place, identifier in listed.items()}
    return sorted((rights | listed | _PLACES).items(), key=lambda place: -len(place[0]))
