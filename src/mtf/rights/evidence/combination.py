"""Combination of evidence: one conclusion from the statements of a picture's page, file, API record or terms.

The claim of a search engine or an index is never evidence; it is compared with the evidence.
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
from mtf.schemas.enums import EvidenceStatus

__all__ = ["Statement", "claimed_rights", "combine", "of_data_set", "of_record", "read_page", "read_picture"]

DATA_SET_TERMS = "data_set_terms"

# Filters of search engines by icrawler's names → rights that they claim for each result (MTF, section 3.1).
FILTERS: dict[str, frozenset[str]] = {
    "creativecommons": frozenset({"share"}),
    "publicdomain": EVERY_RIGHT,
    "noncommercial": frozenset({"share"}),
    "commercial": frozenset({"share", "commercial"}),
    "noncommercial,modify": frozenset({"share", "modify"}),
    "commercial,modify": EVERY_RIGHT,
}


def of_data_set(license: str | None, creator: str | None = None, *, where: str = "crawl.sources.license") -> Statement:
    """Statement of the owner of a folder or data set, for all its pictures; a null license states none.

    Raises BadInput for an unknown license; `where` names the parameter.
    """
    if license is None:
        return Statement(creator=cleaned(creator))
    identifier = catalogue.normalise(license)
    if identifier is None:
        raise bad_value(where, license, "an SPDX identifier of a known license, or LicenseRef-…")
    record = catalogue.get(identifier)
    granted = None if identifier == catalogue.UNSTATED else identifier
    return Statement(
        license=granted,
        license_url=record.url if record and granted else None,
        method=DATA_SET_TERMS,
        statement=cleaned(f"{DATA_SET_TERMS}: {license}"),
        creator=cleaned(creator),
    )


def of_record(
    method: str,
    license_fields: Iterable[str | None],
    *,
    creator: str | None = None,
    creator_url: str | None = None,
    title: str | None = None,
) -> Statement:
    """Statement of an API's record of one picture.

    method: of the evidence, such as `openverse-api`.
    license_fields: names and addresses alike; all that are understood must agree.
    """
    conclusion = conclude(LicenseMention(method, text) for text in license_fields if text)
    return Statement(
        license=conclusion.license,
        license_url=conclusion.license_url,
        method=method,
        statement=conclusion.statement,
        creator=cleaned(creator),
        creator_url=address_of(creator_url),
        title=cleaned(title),
        contradiction=f"the record {conclusion.contradiction}" if conclusion.contradiction else None,
    )


def combine(
    claim: str | None,
    page: Statement | None,
    picture: Statement | None = None,
    *,
    unreachable: str | None = None,
    opt_out: str | None = None,
) -> dict[str, str | None]:
    """Columns stated, license, …, detail of `schemas.EVIDENCE` for one picture.

    claim: license according to the search.
    page: statement of its page, API record or data set; None if there is none.
    picture: statement of its file; None if there is none.
    unreachable: reason why the page could not be read.
    opt_out: found by the crawl (robots.txt, the picture's headers, the site's TDM file); those of page and file are
        added.

    A contradiction keeps the license only if the sources agree and the claim alone differs: then the policy
    `licenses.on_contradiction: accept_evidence` can accept it. If the sources agree and one omits the version, the
    other one counts.
    """
    page, picture = page or Statement(), picture or Statement()
    first, second = _more_exact_first(page, picture)
    disagreement = page.contradiction or picture.contradiction or _between(page, picture)
    agreed = None if disagreement else first.license
    disputed = disagreement or _disputed_claim(claim, agreed)
    return {
        "stated": str(_status(agreed, disputed, unreachable)),
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
    """Rights that a claim promises: those of a search filter, or of the named license; None for an unknown claim."""
    if claim is None:
        return None
    if (rights := FILTERS.get(claim.replace(" ", "").lower())) is not None:
        return rights
    record = catalogue.get(catalogue.normalise(claim) or "")
    return record.rights if record else None


def _status(agreed: str | None, disputed: str | None, unreachable: str | None) -> EvidenceStatus:
    if disputed:
        return EvidenceStatus.CONTRADICTION
    if agreed:
        return EvidenceStatus.STATED
    return EvidenceStatus.UNREACHABLE if unreachable else EvidenceStatus.UNSTATED


def _more_exact_first(page: Statement, picture: Statement) -> tuple[Statement, Statement]:
    """Page and file in this order, or reversed if the page states no license, or a less exact one."""
    both = [statement.license for statement in (page, picture) if statement.license]
    is_files = picture.license is not None and page.license not in agreement(both)
    return (picture, page) if is_files else (page, picture)


def _between(page: Statement, picture: Statement) -> str | None:
    if not page.license or not picture.license or len(agreement([page.license, picture.license])) == 1:
        return None
    return f"the page states {page.license} ({page.method}), the file {picture.license} ({picture.method})"


def _disputed_claim(claim: str | None, license: str | None) -> str | None:
    """Dispute between claim and evidence: another license, or rights that the evidence does not grant; None if none."""
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
    text = picture.statement if page.method == f"page: {OF_THE_SITE}" else page.statement or picture.statement
    return f"a statement that names no known license: {text}"[:500] if text else None


def _joined(*texts: str | None) -> str | None:
    return " | ".join(text for text in texts if text) or None
