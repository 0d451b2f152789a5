"""Spellings of licenses in words: `CC BY-SA 4.0`, `Attribution-Share Alike 3.0 Unported`, `PD-self`.

The parser is strict: a text with an unknown word is no license, such as `Not licensed under CC BY`.
"""

from __future__ import annotations

import html
import re
import unicodedata
from functools import cache

from mtf.rights.licenses import terms

MAX_CHARS = 600

# Names of the elements of Creative Commons licenses, in the languages of the deeds.
_ELEMENTS = {
    "by": "attribution|namensnennung|paternité|paternite|reconocimiento|atribución|atribucion|atribuição|attribuzione"
    "|naamsvermelding|erkännande|навядзенне",
    "nc": "non commercial|noncommercial|not for commercial use|nicht kommerziell|pas d utilisation commerciale"
    "|no comercial|nocomercial|non commerciale|nãocomercial|niet commercieel|ickekommersiell",
    "sa": "share alike|sharealike|weitergabe unter gleichen bedingungen|partage dans les mêmes conditions"
    "|partage à l identique|partage des conditions initiales à l identique|compartir igual|compartirigual"
    "|condividi allo stesso modo|compartilhaigual|gelijkdelen|dela lika|delalika",
    "nd": "no derivative works|no derivatives|no derivs|noderivs|noderivatives|noderivativeworks|keine bearbeitung"
    "|keine bearbeitungen|pas de modification|sin obra derivada|sinobraderivada|sin derivadas|sinderivadas"
    "|non opere derivate|geenafgeleidewerken",
    "igo": "intergovernmental organizations|intergovernmental organisations",
    "cc": "creative commons|creativecommons",
}
_COUNTRIES = {
    "ar": "argentina",
    "at": "austria|österreich",
    "au": "australia",
    "be": "belgium",
    "br": "brazil|brasil",
    "ca": "canada",
    "ch": "switzerland|schweiz|suisse",
    "cl": "chile",
    "cn": "china mainland|mainland china",
    "co": "colombia",
    "cz": "czech republic",
    "de": "germany|deutschland",
    "dk": "denmark",
    "ee": "estonia",
    "es": "spain|españa",
    "fi": "finland",
    "fr": "france",
    "gr": "greece",
    "hk": "hong kong",
    "hr": "croatia",
    "hu": "hungary",
    "ie": "ireland",
    "il": "israel",
    "in": "india",
    "it": "italy|italia",
    "jp": "japan",
    "kr": "south korea|korea",
    "lu": "luxembourg",
    "mx": "mexico|méxico",
    "my": "malaysia",
    "nl": "netherlands|nederland",
    "no": "norway",
    "nz": "new zealand",
    "pe": "peru|perú",
    "ph": "philippines",
    "pl": "poland|polska",
    "pt": "portugal",
    "ro": "romania",
    "rs": "serbia",
    "se": "sweden|sverige",
    "sg": "singapore",
    "si": "slovenia",
    "th": "thailand",
    "tw": "taiwan",
    "ug": "uganda",
    "uk": "united kingdom|england and wales|uk england wales|gb",
    "us": "united states of america|united states|usa",
    "vn": "vietnam",
    "za": "south africa",
}
_NOISE = frozenset(
    """
    a an and available content deed file generic genérica image internacional
    international internationale internazionale intl is it licencia license licensed licensing
    licenza lizenz migrated of only photo photograph picture port public reserved rights some terms the this to under
    unported unter use version ver v work www available
    """.split()  # noqa: SIM905 (a list of quoted words is harder to read)
)
_TOOL_WORDS = frozenset({"cc", "creative", "commons", "public", "domain", "1.0", "license", "the"})
# In the order of their names: BY-NC-SA, BY-NC-ND.
_PARTS = ("by", "nc", "sa", "nd")
_VERSION = re.compile(r"v?([1-4])(?:\.([015]))?(?:\.0)?")
_RUN_TOGETHER = re.compile(r"cc(by(?:nc|nd|sa){0,2})([1-4]\.[015])?")
_FIELDS = re.compile(r"[^\w.+&]+")
_STRAY_DOT = re.compile(r"(?<!\d)\.|\.(?!\d)")


def identify(text: str) -> str | None:
    """Identifier of the license that `text` names in words, or None. Time is linear in the text's length."""
    if len(text) > MAX_CHARS:
        return None
    words = key(text)
    return _fixed_spellings().get(words) or _tool(words) or _creative_commons(words) or _reserved(words)


def key(text: str) -> str:
    """Key of a spelling: lower case, single spaces, no punctuation except as in `3.0`, `sampling+`, `at&t`."""
    plain = unicodedata.normalize("NFKC", html.unescape(text)).casefold().replace("licence", "license")
    return " ".join(_STRAY_DOT.sub(" ", _FIELDS.sub(" ", plain.replace("_", " "))).split())


@cache
def _fixed_spellings() -> dict[str, str]:
    """Spelling → identifier, for all of terms.csv; identifiers are spellings, too."""
    identifiers: dict[str, str] = {}
    for identifier, row in terms.fixed().items():
        for spelling in (identifier, identifier.removeprefix("LicenseRef-"), *row.spellings):
            identifiers[key(spelling)] = identifier
        if row.license.version:  # CC0 and the public domain mark, with and without their only version
            identifiers |= {f"{spelling} 1.0": identifier for spelling in map(key, row.spellings)}
    return identifiers


@cache
def _phrases() -> re.Pattern[str]:
    return re.compile(r"(?<!\S)(?:" + "|".join(map(re.escape, sorted(_codes(), key=len, reverse=True))) + r")(?!\S)")


@cache
def _codes() -> dict[str, str]:
    return {key(name): code for code, names in (_ELEMENTS | _COUNTRIES).items() for name in names.split("|")}


def _creative_commons(words: str) -> str | None:
    """Identifier of a license in words: elements, versions and a jurisdiction, and words without meaning."""
    reading = _Reading()
    for word in _phrases().sub(lambda match: _codes()[match[0]], words.removeprefix("licenseref ")).split():
        if not reading.take(word):
            return None
    return reading.license()


class _Reading:
    """State of the parser.

    statements: one set of elements for each mention of Creative Commons.
    versions: mentioned versions.
    places: mentioned jurisdictions.
    marked: True if Creative Commons was mentioned.
    """

    def __init__(self) -> None:
        self.statements: list[set[str]] = [set()]
        self.versions: set[str] = set()
        self.places: set[str] = set()
        self.marked = False

    def take(self, word: str) -> bool:
        """Parse one word; False if it is unknown."""
        if together := _RUN_TOGETHER.fullmatch(word):
            self._begin({together[1][at : at + 2] for at in range(0, len(together[1]), 2)})
            self.versions |= {together[2]} - {None}
        elif word == "cc":
            self._begin(set())
        elif word in _PARTS:
            self.statements[-1].add(word)
        elif version := _VERSION.fullmatch(word):
            self.versions.add(f"{version[1]}.{version[2] or 0}")
        elif word.upper() in terms.JURISDICTIONS:
            self.places.add(word.upper())
        else:
            return word in _NOISE
        return True

    def license(self) -> str | None:
        named = [statement for statement in self.statements if statement]
        if not named or any(statement != named[0] for statement in named) or len(self.places) > 1:
            return None
        if not self.marked and not self.versions and len(named[0]) < 2:
            return None  # `by` alone is a preposition
        # Several versions are offered for choice: take the latest.
        version = max(self.versions, default=None)
        record = terms.creative_commons(family(named[0]), version, next(iter(self.places), None))
        return record.id if record else None

    def _begin(self, elements: set[str]) -> None:
        self.marked = True
        self.statements.append(elements)


def family(elements: set[str]) -> str:
    """Name of a family by its elements: `{"sa", "by"}` → `BY-SA`."""
    return "-".join(part.upper() for part in _PARTS if part in elements)


def _tool(words: str) -> str | None:
    """Identifier of one of Creative Commons' two public domain tools, by any of their longer names."""
    used = set(words.split())
    if used <= {"cc0", "zero", "universal", "dedication"} | _TOOL_WORDS and used & {"cc0", "zero"}:
        return "CC0-1.0"
    return "CC-PDM-1.0" if used <= {"pdm", "mark"} | _TOOL_WORDS and used & {"pdm", "mark"} else None


def _reserved(words: str) -> str | None:
    """All rights reserved, the only statement that may occur among other words: `© 2020 A. B. All rights reserved.`"""
    padded = f" {words} "
    if " all rights reserved " in padded and " cc " not in padded and " creative commons " not in padded:
        return terms.ALL_RIGHTS_RESERVED
    return None
