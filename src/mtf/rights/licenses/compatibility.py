"""What a release may bear, given what it holds: share-alike, and what a mixture of licenses comes to."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from mtf.rights.licenses import catalogue
from mtf.rights.licenses.terms import License


@dataclass(frozen=True, slots=True)
class Obligation:
    """What must be done in return for the pictures under one license."""

    license: str
    attribution: bool
    share_alike: bool
    url: str | None


def obligations(identifiers: Iterable[str]) -> list[Obligation]:
    """What a set of licenses asks for, by license; a LicenseRef of one's own is taken to ask for attribution."""
    return [_obligation(identifier) for identifier in sorted(set(identifiers))]


def _obligation(identifier: str) -> Obligation:
    record = catalogue.get(identifier)
    if record is None:
        return Obligation(identifier, attribution=True, share_alike=False, url=None)
    return Obligation(identifier, record.requires_attribution, record.share_alike, record.url)


# What a release may choose from, freest first; the licenses of its pictures come after them.
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
    """The licenses that a release may bear, given the licenses of the pictures in it; empty where there is none.

    The crops are adaptations of the pictures, so a release bears one license for its own contribution that every
    picture's license lets an adaptation bear. Freest first. Empty where a picture may not be adapted or shared at
    all, or where two share-alike licenses exclude each other (BY-SA beside BY-NC-SA).
    """
    contained = sorted(set(identifiers))
    choices = dict.fromkeys((*RELEASE_LICENSES, *contained))
    return [choice for choice in choices if not any(conflict(held, choice) for held in contained)]


def conflict(held: str, release: str) -> str | None:
    """Why a release under `release` may not hold an adapted picture under `held`; None where it may."""
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
    """What the release would give away that the picture's license does not."""
    if "commercial" in chosen.rights - picture.rights:
        return f"{picture.id} forbids commercial use, which {chosen.id} permits"
    if picture.requires_attribution and not chosen.requires_attribution:
        return f"{picture.id} asks for attribution, which {chosen.id} waives"
    return None


def _is_heir(picture: License, chosen: License) -> bool:
    """Share-alike, section 4(b): the same license in the same or a later version, or a port of it.

    Version 1.0 knows no later versions: only itself. The Free Art License 1.3 names BY-SA 4.0 as compatible.
    """
    if picture.id == "LAL-1.3":
        return chosen.id == "CC-BY-SA-4.0"
    if _elements(picture) is None or _elements(picture) != _elements(chosen):
        return False
    if picture.version == "1.0":
        return chosen.version == "1.0" and picture.jurisdiction == chosen.jurisdiction
    return (chosen.version or "") >= (picture.version or "9")


def _elements(record: License) -> str | None:
    """`BY-SA` of CC-BY-SA-3.0-DE; None for what is not Creative Commons."""
    match = re.fullmatch(r"(?:LicenseRef-)?CC-((?:BY|NC|SA|ND)(?:-(?:NC|SA|ND))*)(?:-.*)?", record.id)
    return match[1] if match else None


def _heirs(picture: License) -> str:
    return f"{picture.id} only" if picture.version == "1.0" or _elements(picture) is None else f"{picture.id} or later"
