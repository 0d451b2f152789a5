"""Compatibility of licenses: the licenses that a release may bear, given those of its pictures."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from mtf.rights.licenses import catalogue
from mtf.rights.licenses.terms import License


@dataclass(frozen=True, slots=True)
class Obligation:
    """Obligations of a publisher for the pictures under one license."""

    license: str
    attribution: bool
    share_alike: bool
    url: str | None


def obligations(identifiers: Iterable[str]) -> list[Obligation]:
    """Obligations by license, sorted. An unknown LicenseRef counts as requiring attribution."""
    return [_obligation(identifier) for identifier in sorted(set(identifiers))]


def _obligation(identifier: str) -> Obligation:
    record = catalogue.get(identifier)
    if record is None:
        return Obligation(identifier, attribution=True, share_alike=False, url=None)
    return Obligation(identifier, record.requires_attribution, record.share_alike, record.url)


# Choices for a release, freest first; those of its pictures follow.
RELEASE_LICENSES = (
    "CC0-1.0",
    "CC-BY-3.0",
    "CC-BY-4.0",
    "CC-BY-SA-3.0",
    "CC-BY-SA-4.0",
    "CC-BY-NC-3.0",
    "CC-BY-NC-4.0",
    "CC-BY-NC-SA-3.0",
    "CC-BY-NC-SA-4.0",
)


def permitted_release_licenses(identifiers: Iterable[str]) -> list[str]:
    """Licenses that a release may bear, given those of its pictures; freest first.

    Crops are adaptations of the pictures, so every picture's license must permit an adaptation under the release's
    license. Empty if a picture may not be adapted or shared, or if two share-alike licenses exclude each other (BY-SA
    and BY-NC-SA).
    """
    contained = sorted(set(identifiers))
    choices = dict.fromkeys((*RELEASE_LICENSES, *contained))
    return [choice for choice in choices if not any(conflict(held, choice) for held in contained)]


def conflict(held: str, release: str) -> str | None:
    """Reason why a release under `release` may not contain an adapted picture under `held`; None if it may."""
    picture, chosen = catalogue.get(held), catalogue.get(release)
    if picture is not None and not picture.rights >= {"modify", "share"}:
        return f"{held} does not permit sharing an adaptation, and a crop is one"
    if held == release:
        return None
    if picture is None or chosen is None:
        return f"{held if picture is None else release} has terms of its own: nothing says that they agree"
    if picture.share_alike:
        return None if _is_heir(picture, chosen) else f"{held} is share-alike: its adaptations bear {_heirs(picture)}"
    return _exceeded(picture, chosen)


def _exceeded(picture: License, chosen: License) -> str | None:
    """Reason why the release's license grants more than the picture's; None if it does not."""
    if "commercial" in chosen.rights - picture.rights:
        return f"{picture.id} forbids commercial use, which {chosen.id} permits"
    if picture.requires_attribution and not chosen.requires_attribution:
        return f"{picture.id} asks for attribution, which {chosen.id} waives"
    return None


def _is_heir(picture: License, chosen: License) -> bool:
    """True if share-alike (section 4(b)) permits `chosen`: the same license in this or a later version, or a port.

    Version 1.0 permits only itself. The Free Art License 1.3 names BY-SA 4.0 as compatible.
    """
    if picture.id == "LAL-1.3":
        return chosen.id == "CC-BY-SA-4.0"
    if _elements(picture) is None or _elements(picture) != _elements(chosen):
        return False
    if picture.version == "1.0":
        return chosen.version == "1.0" and picture.jurisdiction == chosen.jurisdiction
    return (chosen.version or "") >= (picture.version or "9")


def _elements(record: License) -> str | None:
    """Elements of a Creative Commons license: `BY-SA` of CC-BY-SA-3.0-DE; None for any other license."""
    match = re.fullmatch(r"(?:LicenseRef-)?CC-((?:BY|NC|SA|ND)(?:-(?:NC|SA|ND))*)(?:-.*)?", record.id)
    return match[1] if match else None


def _heirs(picture: License) -> str:
    return f"{picture.id} only" if picture.version == "1.0" or _elements(picture) is None else f"{picture.id} or later"
