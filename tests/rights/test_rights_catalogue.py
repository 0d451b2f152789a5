"""Licenses as they are written in the wild."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.licenses import canonicalize_license_expression

from mtf.rights.licenses import catalogue, terms

CC = "https://creativecommons.org"

# As it was found → the identifier that it means.
SPELLINGS = {
    # Addresses
    f"{CC}/licenses/by/4.0/": "CC-BY-4.0",
    f"{CC}/licenses/by/4.0": "CC-BY-4.0",
    "http://creativecommons.org/licenses/by/4.0/": "CC-BY-4.0",
    "http://www.creativecommons.org/licenses/by/4.0/": "CC-BY-4.0",
    "//creativecommons.org/licenses/by-sa/3.0/": "CC-BY-SA-3.0",
    "creativecommons.org/licenses/by-sa/3.0/": "CC-BY-SA-3.0",
    f"{CC}/licenses/by-sa/4.0/deed.fr": "CC-BY-SA-4.0",
    f"{CC}/licenses/by-sa/4.0/deed.zh-hans": "CC-BY-SA-4.0",
    f"{CC}/licenses/by/2.0/deed.en_GB": "CC-BY-2.0",
    f"{CC}/licenses/by-nc/4.0/legalcode": "CC-BY-NC-4.0",
    f"{CC}/licenses/by-nc/4.0/legalcode.de": "CC-BY-NC-4.0",
    f"{CC}/licenses/by/3.0/rdf": "CC-BY-3.0",
    f"{CC}/licenses/by/3.0/de/": "CC-BY-3.0-DE",
    f"{CC}/licenses/by/3.0/de/deed.en": "CC-BY-3.0-DE",
    f"{CC}/licenses/by-sa/2.0/fr/": "LicenseRef-CC-BY-SA-2.0-FR",
    f"{CC}/licenses/by-sa/2.5/scotland/": "LicenseRef-CC-BY-SA-2.5-SCOTLAND",
    f"{CC}/licenses/by-sa/2.1/jp/": "CC-BY-SA-2.1-JP",
    f"{CC}/licenses/by/2.1/es/": "LicenseRef-CC-BY-2.1-ES",
    f"{CC}/licenses/by-nc-nd/3.0/igo/": "CC-BY-NC-ND-3.0-IGO",
    f"{CC}/licenses/by-nd-nc/1.0/": "CC-BY-NC-ND-1.0",
    f"{CC}/licenses/by-sa/4.0/?ref=openverse": "CC-BY-SA-4.0",
    f"{CC}/licenses/by/2.0/?ref=ccsearch&atype=rich": "CC-BY-2.0",
    f"{CC}/licenses/by/4.0/#human-readable": "CC-BY-4.0",
    f"{CC}//licenses//by-sa//4.0/": "CC-BY-SA-4.0",
    "HTTPS://CreativeCommons.org/Licenses/BY/4.0/": "CC-BY-4.0",
    "https://i.creativecommons.org/l/by-nc-sa/4.0/88x31.png": "CC-BY-NC-SA-4.0",
    "https://licensebuttons.net/l/by/3.0/80x15.png": "CC-BY-3.0",
    "https://licensebuttons.net/p/zero/1.0/88x31.png": "CC0-1.0",
    f"{CC}/publicdomain/zero/1.0/": "CC0-1.0",
    f"{CC}/publicdomain/zero/1.0/deed.nl": "CC0-1.0",
    f"{CC}/publicdomain/mark/1.0/": "CC-PDM-1.0",
    f"{CC}/licenses/publicdomain/": "CC-PDDC",
    f"{CC}/licenses/sa/1.0/": "CC-SA-1.0",
    f"{CC}/licenses/sampling+/1.0/": "LicenseRef-CC-Sampling-Plus-1.0",
    f"{CC}/licenses/by/": "LicenseRef-CC-BY",
    "https://spdx.org/licenses/CC-BY-SA-4.0.html": "CC-BY-SA-4.0",
    "https://www.usa.gov/government-works": "LicenseRef-US-Government-Work",
    "http://www.usa.gov/copyright.shtml": "LicenseRef-US-Government-Work",
    "https://www.flickr.com/commons/usage/": "LicenseRef-No-Known-Copyright-Restrictions",
    "http://rightsstatements.org/vocab/InC/1.0/": "LicenseRef-All-Rights-Reserved",
    "https://rightsstatements.org/page/NoC-US/1.0/?language=en": "LicenseRef-No-Copyright-US",
    "https://commons.wikimedia.org/wiki/Template:PD-self": "LicenseRef-Public-Domain",
    "https://en.wikipedia.org/wiki/Public_domain": "LicenseRef-Public-Domain",
    "https://unsplash.com/license": "LicenseRef-Unsplash",
    "https://www.pexels.com/photo-license/": "LicenseRef-Pexels",
    "https://artlibre.org/licence/lal/en/": "LAL-1.3",
    "http://www.gnu.org/copyleft/fdl.html": "LicenseRef-GFDL",
    "https://www.gnu.org/licenses/fdl.txt": "LicenseRef-GFDL",
    "https://www.gnu.org/licenses/fdl-1.3.html": "GFDL-1.3-or-later",
    "https://www.gnu.org/licenses/old-licenses/fdl-1.2.txt": "GFDL-1.2-or-later",
    "http://www.nationalarchives.gov.uk/doc/open-government-licence/version/3/": "OGL-UK-3.0",
    # Identifiers and short names
    "CC-BY-4.0": "CC-BY-4.0",
    "cc-by-sa-4.0": "CC-BY-SA-4.0",
    "CC BY-SA 4.0": "CC-BY-SA-4.0",
    "CC-BY-SA 4.0": "CC-BY-SA-4.0",
    "CC BY SA 4.0": "CC-BY-SA-4.0",
    "cc_by_sa_4.0": "CC-BY-SA-4.0",
    "CC BY 4": "CC-BY-4.0",
    "CCBY4.0": "CC-BY-4.0",
    "ccbync3.0": "CC-BY-NC-3.0",
    "cc by 2.0": "CC-BY-2.0",
    "CC BY 2.0 DE": "LicenseRef-CC-BY-2.0-DE",
    "CC BY-SA 3.0 de": "CC-BY-SA-3.0-DE",
    "CC BY-SA 3.0 at": "CC-BY-SA-3.0-AT",
    "CC BY-SA 3.0 igo": "CC-BY-SA-3.0-IGO",
    "CC-BY-NC-SA-2.0-UK": "CC-BY-NC-SA-2.0-UK",
    "LicenseRef-CC-BY-2.0-FR": "LicenseRef-CC-BY-2.0-FR",
    "Cc-by-sa-3.0-migrated": "CC-BY-SA-3.0",
    "Cc-by-sa-2.5,2.0,1.0": "CC-BY-SA-2.5",
    "by-sa 2.0": "CC-BY-SA-2.0",
    "BY-NC-ND 4.0": "CC-BY-NC-ND-4.0",
    "CC BY-ND": "LicenseRef-CC-BY-ND",
    # Names in words
    "Creative Commons Attribution 4.0 International": "CC-BY-4.0",
    "Creative Commons Attribution 4.0 International License.": "CC-BY-4.0",
    "Creative Commons Attribution-Share Alike 3.0 Unported": "CC-BY-SA-3.0",
    "Creative Commons Attribution-ShareAlike 2.5 Generic": "CC-BY-SA-2.5",
    "Creative Commons Attribution-NonCommercial-NoDerivs 2.0 Generic": "CC-BY-NC-ND-2.0",
    "Creative Commons Attribution-NonCommercial-NoDerivatives 4.0": "CC-BY-NC-ND-4.0",
    "Creative Commons Attribution-No Derivative Works 3.0 Germany": "CC-BY-ND-3.0-DE",
    "Creative Commons Licence: Attribution 3.0 Australia": "CC-BY-3.0-AU",
    "Creative Commons Attribution-Share Alike 2.0 England and Wales": "CC-BY-SA-2.0-UK",
    "Attribution-NonCommercial-ShareAlike 2.0 Generic (CC BY-NC-SA 2.0)": "CC-BY-NC-SA-2.0",
    "CC BY 4.0 (Creative Commons Attribution 4.0 International)": "CC-BY-4.0",
    "This work is licensed under a Creative Commons Attribution 4.0 International License": "CC-BY-4.0",
    "Attribution 2.0 Generic": "CC-BY-2.0",
    "Creative Commons Namensnennung – Weitergabe unter gleichen Bedingungen 3.0 Deutschland": "CC-BY-SA-3.0-DE",
    "Creative Commons Paternité 3.0 France": "LicenseRef-CC-BY-3.0-FR",
    "Creative Commons Reconocimiento-CompartirIgual 4.0 Internacional": "CC-BY-SA-4.0",
    "Creative Commons Atribución 4.0": "CC-BY-4.0",
    "CC&nbsp;BY&nbsp;4.0": "CC-BY-4.0",
    "CC BY 4.0": "CC-BY-4.0",
    "CC BY-SA 4.0 <https://creativecommons.org/licenses/by-sa/4.0>, via Wikimedia Commons": "CC-BY-SA-4.0",
    # Public domain
    "CC0": "CC0-1.0",
    "CC0 1.0": "CC0-1.0",
    "CC-Zero": "CC0-1.0",
    "CC0 1.0 Universal (CC0 1.0) Public Domain Dedication": "CC0-1.0",
    "CC0 1.0 Universal Public Domain Dedication": "CC0-1.0",
    "PDM": "CC-PDM-1.0",
    "pdm 1.0": "CC-PDM-1.0",
    "Public Domain Mark 1.0": "CC-PDM-1.0",
    "Public domain": "LicenseRef-Public-Domain",
    "public-domain": "LicenseRef-Public-Domain",
    "This image is in the public domain.": "LicenseRef-Public-Domain",
    "PD-self": "LicenseRef-Public-Domain",
    "PD-old-100-expired": "LicenseRef-Public-Domain",
    "PD-USGov": "LicenseRef-US-Government-Work",
    "PD-USGov-Congress": "LicenseRef-US-Government-Work",
    "United States Government Work": "LicenseRef-US-Government-Work",
    "No known copyright restrictions": "LicenseRef-No-Known-Copyright-Restrictions",
    # Others
    "All rights reserved": "LicenseRef-All-Rights-Reserved",
    "© 2019 A. Photographer. All Rights Reserved.": "LicenseRef-All-Rights-Reserved",
    "Tous droits réservés": "LicenseRef-All-Rights-Reserved",
    "GFDL": "GFDL-1.2-or-later",
    "GFDL 1.2": "GFDL-1.2-or-later",
    "FAL": "LAL-1.3",
    "OGL 3": "OGL-UK-3.0",
    "Open Government Licence v3.0": "OGL-UK-3.0",
    "Copyrighted free use": "LicenseRef-Copyrighted-Free-Use",
    "Pixabay License": "LicenseRef-Pixabay",
    "MIT": "MIT",
    "UTKFace": "LicenseRef-UTKFace",
    "LicenseRef-Our-Own-Terms": "LicenseRef-Our-Own-Terms",
    # What names no license, or not one
    "": None,
    "4": None,
    "by": None,
    "© A. Photographer": None,
    "Some rights reserved": None,
    "Not licensed under CC BY 4.0": None,
    "CC BY 4.0 or CC BY-NC 4.0": None,
    "CC BY 9.0": None,
    "CC BY-NC-ND-SA 4.0": None,
    f"{CC}/": None,
    f"{CC}/licenses/by/3.0/xx/": None,
    f"{CC}/licenses/by/5.0/": None,
    "https://creativecommons.org.example.net/licenses/by/4.0/": None,
    "https://example.org/creativecommons.org/licenses/by/4.0/": None,
    "javascript://creativecommons.org/licenses/by/4.0/": None,
    "https://[creativecommons.org/licenses/by/4.0/": None,
    "LicenseRef-../../etc": None,
}


@pytest.mark.parametrize(("found", "identifier"), SPELLINGS.items())
def test_a_spelling_from_the_wild_names_its_license_or_none(found: str, identifier: str | None) -> None:
    assert catalogue.normalise(found) == identifier


def test_the_table_is_as_long_as_it_should_be() -> None:
    assert sum(identifier is not None for identifier in SPELLINGS.values()) >= 100


def known_identifiers() -> list[str]:
    parts = [
        (family, version, place)
        for family in (*terms.FAMILIES, *terms.FAMILIES_OF_1_0)
        for version in terms.VERSIONS
        for place in (None, *sorted(terms.JURISDICTIONS))
    ]
    records = [terms.creative_commons(*each) for each in parts]
    return sorted({record.id for record in records if record} | set(terms.fixed()))


def test_every_identifier_is_its_own_spelling_and_so_is_its_address() -> None:
    for identifier in known_identifiers():
        record = catalogue.get(identifier)
        assert record is not None and record.id == identifier
        assert catalogue.normalise(identifier) == identifier
        if record.url and "creativecommons.org" in record.url:
            assert catalogue.normalise(record.url) == identifier


def test_identifiers_without_the_prefix_are_on_the_spdx_list() -> None:
    listed = [name for name in known_identifiers() if not name.startswith("LicenseRef-")]
    assert len(listed) > 60
    assert [canonicalize_license_expression(name) for name in listed] == listed


def test_no_port_that_spdx_lists_is_called_a_license_ref() -> None:
    for identifier in known_identifiers():
        if identifier.startswith("LicenseRef-CC-"):
            with pytest.raises(ValueError, match="Unknown license"):
                canonicalize_license_expression(identifier.removeprefix("LicenseRef-"))


@pytest.mark.parametrize(
    ("identifier", "rights", "attribution", "share_alike"),
    [
        ("CC-BY-4.0", {"modify", "share", "commercial"}, True, False),
        ("CC-BY-SA-3.0-DE", {"modify", "share", "commercial"}, True, True),
        ("CC-BY-NC-2.0", {"modify", "share"}, True, False),
        ("CC-BY-ND-4.0", {"share", "commercial"}, True, False),
        ("CC-BY-NC-ND-1.0", {"share"}, True, False),
        ("CC0-1.0", {"modify", "share", "commercial"}, False, False),
        ("LicenseRef-Public-Domain", {"modify", "share", "commercial"}, False, False),
        ("LicenseRef-UTKFace", {"modify"}, True, False),
        ("LicenseRef-All-Rights-Reserved", set(), True, False),
        ("LicenseRef-Pexels", {"modify", "commercial"}, False, False),
    ],
)
def test_a_license_grants_what_its_terms_say(
    identifier: str, rights: set[str], attribution: bool, share_alike: bool
) -> None:
    record = catalogue.get(identifier)
    assert record is not None
    assert (record.rights, record.requires_attribution, record.share_alike) == (rights, attribution, share_alike)


def test_a_port_is_covered_by_the_license_it_is_a_port_of() -> None:
    assert catalogue.covering("CC-BY-3.0-DE") == ("CC-BY-3.0-DE", "CC-BY-3.0")
    assert catalogue.covering("LicenseRef-CC-BY-2.1-ES") == ("LicenseRef-CC-BY-2.1-ES", "CC-BY-2.0")
    assert catalogue.covering("LicenseRef-Public-Domain") == ("LicenseRef-Public-Domain", "CC-PDM-1.0")
    assert catalogue.covering("LicenseRef-CC-BY") == ("LicenseRef-CC-BY",), "a version that is not stated is unknown"


@pytest.mark.parametrize(
    ("license", "version", "identifier"),
    [
        ("by", "2.0", "CC-BY-2.0"),
        ("by-nc-sa", "4.0", "CC-BY-NC-SA-4.0"),
        ("cc0", "1.0", "CC0-1.0"),
        ("pdm", "1.0", "CC-PDM-1.0"),
        ("pdm", None, "CC-PDM-1.0"),
        ("sampling+", "1.0", "LicenseRef-CC-Sampling-Plus-1.0"),
        ("by", None, "LicenseRef-CC-BY"),
        ("unknown", "1.0", None),
        (None, "1.0", None),
    ],
)
def test_openverse_gives_license_and_version_apart(license: str, version: str, identifier: str | None) -> None:
    assert catalogue.from_parts(license, version) == identifier


@pytest.mark.parametrize(
    ("number", "identifier"),
    [
        (0, "LicenseRef-All-Rights-Reserved"),
        ("1", "CC-BY-NC-SA-2.0"),
        ("4", "CC-BY-2.0"),
        ("7", "LicenseRef-No-Known-Copyright-Restrictions"),
        ("8", "LicenseRef-US-Government-Work"),
        ("10", "CC-PDM-1.0"),
        ("11", "CC-BY-4.0"),
        ("16", "CC-BY-NC-ND-4.0"),
        ("17", None),
        ("-1", None),
        ("٤", None),
        ("999999999999", None),
    ],
)
def test_flickr_numbers_its_licenses(number: str | int, identifier: str | None) -> None:
    assert catalogue.from_flickr(number) == identifier


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="CcBbYy -./0123456789ñ()&;:%creativommns\x00\u202e", max_size=300))
def test_no_text_makes_it_fail(text: str) -> None:
    assert catalogue.normalise(text) is None or catalogue.get(catalogue.normalise(text) or "") is not None


@pytest.mark.parametrize(
    "hostile",
    [
        "cc by " * 100_000,
        "creative commons attribution " * 20 + "x",
        "&" * 19_999,
        "//creativecommons.org/" * 900,
        "http://creativecommons.org/licenses/by/4.0/" + "/" * 1_900,
        "a.b." * 4_900,
        "LicenseRef-" + "a-" * 9_000,
    ],
)
def test_hostile_text_takes_no_time(hostile: str) -> None:
    start = time.process_time()
    catalogue.normalise(hostile)
    assert time.process_time() - start < 0.5
