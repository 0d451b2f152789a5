"""Terms of licenses: rights and obligations, one record per identifier.

Identifiers are SPDX's (list 3.27), else `LicenseRef-…`, as SPDX prescribes. Creative Commons licenses follow a rule:
six families, their versions, and their ports, which are translations adapted to one country's law. SPDX lists some of
the ports; the others get names of the same form, `LicenseRef-CC-BY-2.0-FR`. All other terms are in `terms.csv`, with
their spellings. A right that an owner does not grant in words is not granted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from mtf.core import csv_files

TERMS = "terms.csv"
PUBLIC_DOMAIN = "LicenseRef-Public-Domain"
ALL_RIGHTS_RESERVED = "LicenseRef-All-Rights-Reserved"
UNSTATED = "LicenseRef-Unstated"
US_GOVERNMENT_WORK = "LicenseRef-US-Government-Work"
NO_KNOWN_RESTRICTIONS = "LicenseRef-No-Known-Copyright-Restrictions"

# Rights that the paper requires of a license (MTF, section 3.1).
EVERY_RIGHT = frozenset({"modify", "share", "commercial"})

# An interim revision in a few countries (ES, AU, JP, CA …) between 2.0 and 2.5; there is no generic 2.1.
INTERIM = "2.1"
VERSIONS = ("1.0", "2.0", INTERIM, "2.5", "3.0", "4.0")
FAMILIES = ("BY", "BY-SA", "BY-NC", "BY-ND", "BY-NC-SA", "BY-NC-ND")
# Licenses without attribution existed in version 1.0 only, and were withdrawn in 2004.
FAMILIES_OF_1_0 = ("SA", "NC", "ND", "NC-SA", "NC-ND")

# Creative Commons' jurisdictions: ISO 3166 codes, but UK and SCOTLAND; IGO is for intergovernmental organisations.
JURISDICTIONS = frozenset(
    """
    AM AR AT AU AZ BE BG BR CA CH CL CN CO CR CZ DE DK EC EE EG ES FI FR GE GR GT HK HR HU IE IGO IL IN IT JM JO
    JP KR LU MK MT MX MY NG NL NO NZ PE PH PK PL PR PT RO RS SCOTLAND SE SG SI SK TH TW UA UG UK US VE VN ZA
    """.split()  # noqa: SIM905 (a list of quoted codes is harder to read)
)

SPDX_PORTS = frozenset(
    """
    BY-2.5-AU BY-3.0-AT BY-3.0-AU BY-3.0-DE BY-3.0-IGO BY-3.0-NL BY-3.0-US BY-NC-3.0-DE BY-NC-ND-3.0-DE
    BY-NC-ND-3.0-IGO BY-NC-SA-2.0-DE BY-NC-SA-2.0-FR BY-NC-SA-2.0-UK BY-NC-SA-3.0-DE BY-NC-SA-3.0-IGO
    BY-ND-3.0-DE BY-SA-2.0-UK BY-SA-2.1-JP BY-SA-3.0-AT BY-SA-3.0-DE BY-SA-3.0-IGO
    """.split()  # noqa: SIM905 (a list of quoted codes is harder to read)
)


@dataclass(frozen=True, slots=True)
class License:
    """Terms of a license.

    url: address of the text; None if there is no single one.
    version, jurisdiction: of Creative Commons licenses; None for others.
    covered_by: identifier of the license whose permission in a policy includes this one.
    """

    id: str
    name: str
    url: str | None
    allows_modification: bool
    allows_sharing: bool
    allows_commercial: bool
    requires_attribution: bool
    share_alike: bool = False
    version: str | None = None
    jurisdiction: str | None = None
    covered_by: str | None = None

    @property
    def rights(self) -> frozenset[str]:
        """Rights that the license grants, of `modify`, `share` and `commercial`."""
        granted = {
            "modify": self.allows_modification,
            "share": self.allows_sharing,
            "commercial": self.allows_commercial,
        }
        return frozenset(right for right, given in granted.items() if given)


@cache
def creative_commons(family: str, version: str | None, jurisdiction: str | None = None) -> License | None:
    """Creative Commons license by its parts, e.g. `("BY-SA", "3.0", "DE")`; None if there is no such license.

    `version` None is a statement without a version. It gets a LicenseRef of its own, which a policy must name to permit
    it, since the terms are unknown.
    """
    if family not in _families(version) or (jurisdiction is not None and jurisdiction not in JURISDICTIONS):
        return None
    if version is None:
        return _unversioned(family)
    if version == "4.0":
        jurisdiction = None  # 4.0 is international: it has translations, not ports
    if version not in VERSIONS or (version == INTERIM and jurisdiction is None):
        return None
    port = f"-{jurisdiction}" if jurisdiction else ""
    plain = f"{family}-{version}{port}"
    listed = (not port or plain in SPDX_PORTS) and (family.startswith("BY") or family == "SA")
    place = f"{jurisdiction.lower()}/" if jurisdiction else ""
    return _of_family(
        family,
        id=f"CC-{plain}" if listed else f"LicenseRef-CC-{plain}",
        name=f"CC {family} {version}{f' {jurisdiction}' if jurisdiction else ''}",
        url=f"https://creativecommons.org/licenses/{_path(family, version)}/{version}/{place}",
        version=version,
        jurisdiction=jurisdiction,
        covered_by=f"CC-{family}-{'2.0' if version == INTERIM else version}" if jurisdiction else None,
    )


def _families(version: str | None) -> tuple[str, ...]:
    return (*FAMILIES, *FAMILIES_OF_1_0) if version == "1.0" else FAMILIES


def _path(family: str, version: str) -> str:
    """Family in the address of the license; version 1.0 has its elements in another order."""
    return (
        {"BY-NC-ND": "by-nd-nc", "NC-ND": "nd-nc"}.get(family, family.lower()) if version == "1.0" else family.lower()
    )


def _unversioned(family: str) -> License:
    address = f"https://creativecommons.org/licenses/{family.lower()}/"
    return _of_family(family, id=f"LicenseRef-CC-{family}", name=f"CC {family}, version not stated", url=address)


def _of_family(
    family: str,
    *,
    id: str,
    name: str,
    url: str,
    version: str | None = None,
    jurisdiction: str | None = None,
    covered_by: str | None = None,
) -> License:
    elements = family.split("-")
    return License(
        id=id,
        name=name,
        url=url,
        allows_modification="ND" not in elements,
        allows_sharing=True,
        allows_commercial="NC" not in elements,
        requires_attribution="BY" in elements,
        share_alike="SA" in elements,
        version=version,
        jurisdiction=jurisdiction,
        covered_by=covered_by,
    )


@dataclass(frozen=True, slots=True)
class Fixed:
    """Row of `terms.csv`: a license, and its spellings in words, lower case."""

    license: License
    spellings: tuple[str, ...]


@cache
def fixed() -> dict[str, Fixed]:
    """Identifier → row of `terms.csv`."""
    return {row.license.id: row for row in _read_fixed()}


def _read_fixed() -> Iterator[Fixed]:
    for row in (row.cells for row in csv_files.parse(files("mtf.rights.licenses").joinpath(TERMS).read_bytes(), TERMS)):
        version = "1.0" if row["id"] in ("CC0-1.0", "CC-PDM-1.0") else None
        record = License(
            id=row["id"],
            name=row["name"],
            url=row["url"] or None,
            allows_modification=row["modify"] == "yes",
            allows_sharing=row["share"] == "yes",
            allows_commercial=row["commercial"] == "yes",
            requires_attribution=row["attribution"] == "yes",
            share_alike=row["share_alike"] == "yes",
            version=version,
            covered_by=row["covered_by"] or None,
        )
        yield Fixed(record, tuple(row["spellings"].split("|")))
