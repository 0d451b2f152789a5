"""Evidence: what the source itself states of a picture's license, put together from page, file, record or terms.

A claim is what a search engine or a data set's index says. It is never evidence; it is compared with it.
"""

from __future__ import annotations

from collections.abc import Iterable

from mtf.core.errors import bad_value
from mtf.rights.evidence.embedded_metadata import read_picture
from mtf.rights.evidence.source_page import OF_THE_SITE, read_page
from mtf.rights.evidence.statement import LicenseMention, Statement, address_of, agreement, cleaned, conclude
from mtf.rights.licenses import catalogue
from mtf.rights.licenses.terms import EVERY_RIGHT
from mtf.rights.signals import opt_outs
from mtf.schemas import EvidenceStatus

__all__ = ["Statement", "claimed_rights", "combine", "of_data_set", "of_record", "read_page", "read_picture"]

DATA_SET_TERMS = "data_set_terms"

# What the search engines' filters say (MTF, section 3.1): icrawler's names → rights claimed for each result.
FILTERS: dict[str, frozenset[str]] = {
    "creativecommons": frozenset({"share"}),
    "publicdomain": EVERY_RIGHT,
    "noncommercial": frozenset({"share"}),
    "commercial": frozenset({"share", "commercial"}),
    "noncommercial,modify": frozenset({"share", "modify"}),
    "commercial,modify": EVERY_RIGHT,
}


def of_data_set(license: str | None, creator: str | None = None, *, where: str = "crawl.sources.license") -> Statement:
    """What the owner of a folder or data set states for all of it; null states nothing.

    Raises BadInput for a license that is not known: `where` names the parameter.
    """
    if license is None:
        return Statement(creator=cleaned(creator))
    identifier = catalogue.normalise(license)
    if identifier is None:
        raise bad_value(where, license, "an SPDX identifier of a known license, or LicenseRef-…")
    record = catalogue.get(identifier)
    stated = None if identifier == catalogue.UNSTATED else identifier
    return Statement(
        license=stated,
        license_url=record.url if record and stated else None,
        method=DATA_SET_TERMS,
        statement=cleaned(f"{DATA_SET_TERMS}: {license}"),
        creator=cleaned(creator),
    )


def of_record(
    method: str,
    stated: Iterable[str | None],
    *,
    creator: str | None = None,
    creator_url: str | None = None,
    title: str | None = None,
) -> Statement:
    """What a source's own API says in its record of one picture (`method`: `openverse api`, `commons api`).

    `stated` are its license fields, names and addresses alike: all that are understood must agree.
    """
    said = conclude(LicenseMention(method, text) for text in stated if text)
    return Statement(
        license=said.license,
        license_url=said.license_url,
        method=method,
        statement=said.statement,
        creator=cleaned(creator),
        creator_url=address_of(creator_url),
        title=cleaned(title),
        contradiction=f"the record {said.contradiction}" if said.contradiction else None,
    )


def combine(
    claim: str | None,
    page: Statement | None,
    picture: Statement | None = None,
    *,
    unreachable: str | None = None,
    opt_out: str | None = None,
) -> dict[str, str | None]:
    """The columns stated, license, …, detail of `tables.EVIDENCE` for one picture.

    `page` is what its page, API record or data set states, `picture` what its file states; None where there is
    none. `unreachable` says why the page could not be read; `opt_out` is the fetcher's own finding (robots.txt,
    the picture's response headers, the site's TDM file), to which those of page and file are added.

    A contradiction keeps the license only where the sources agree with each other and the claim alone differs:
    then `licenses.on_contradiction: accept_evidence` has something to accept. Where the sources agree and one leaves
    the version out, the other's word is the more exact.
    """
    page, picture = page or Statement(), picture or Statement()
    first, second = _more_exact_first(page, picture)
    disagreement = page.contradiction or picture.contradiction or _between(page, picture)
    agreed = None if disagreement else first.license
    disputed = disagreement or _disputed_claim(claim, agreed)
    return {
        "stated": str(_stated(agreed, disputed, unreachable)),
        "license": agreed,
        "license_url": first.license_url if agreed else None,
        "method": first.method or second.method,
        "statement": _joined(page.statement, picture.statement),
        "creator": page.creator or picture.creator,
        "creator_url": page.creator_url or picture.creator_url,
        "title": page.title or picture.title,
        "opt_out": opt_outs.joined(opt_out, page.opt_out, picture.opt_out),
        "detail": disputed or unreachable or (None if agreed else _not_understood(page, picture)),
    }


def claimed_rights(claim: str | None) -> frozenset[str] | None:
    """The rights a claim promises: a search filter's, or those of the license it names; None for no known claim."""
    if claim is None:
        return None
    if (rights := FILTERS.get(claim.replace(" ", "").lower())) is not None:
        return rights
    record = catalogue.get(catalogue.normalise(claim) or "")
    return record.rights if record else None


def _stated(agreed: str | None, disputed: str | None, unreachable: str | None) -> EvidenceStatus:
    if disputed:
        return EvidenceStatus.CONTRADICTION
    if agreed:
        return EvidenceStatus.STATED
    return EvidenceStatus.UNREACHABLE if unreachable else EvidenceStatus.UNSTATED


def _more_exact_first(page: Statement, picture: Statement) -> tuple[Statement, Statement]:
    """The page goes before the file, unless it says nothing, or less than the file does."""
    both = [said.license for said in (page, picture) if said.license]
    is_files = picture.license is not None and page.license not in agreement(both)
    return (picture, page) if is_files else (page, picture)


def _between(page: Statement, picture: Statement) -> str | None:
    if not page.license or not picture.license or len(agreement([page.license, picture.license])) == 1:
        return None
    return f"the page states {page.license} ({page.method}), the file {picture.license} ({picture.method})"


def _disputed_claim(claim: str | None, license: str | None) -> str | None:
    """What a claim promises and the evidence does not grant; the license's name, where a claim gives one."""
    record = catalogue.get(license) if license else None
    if claim is None or record is None or license is None:
        return None
    named = None if claim.replace(" ", "").lower() in FILTERS else catalogue.normalise(claim)
    if named and len(agreement([named, license])) > 1:
        return f"the claim says {named}, the source states {license}"
    missing = (claimed_rights(claim) or frozenset()) - record.rights
    if missing:
        return f"the claim {claim!r} promises {', '.join(sorted(missing))}, the source states {license}"[:500]
    return None


def _not_understood(page: Statement, picture: Statement) -> str | None:
    if page.method == f"page: {OF_THE_SITE}" and picture.statement is None:
        return f"the page states a license of the site, none of the picture: {page.statement}"[:500]
    said = picture.statement if page.method == f"page: {OF_THE_SITE}" else page.statement or picture.statement
    return f"a statement that names no known license: {said}"[:500] if said else None


def _joined(*texts: str | None) -> str | None:
    return " | ".join(text for text in texts if text) or None
