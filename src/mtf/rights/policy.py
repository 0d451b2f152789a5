"""What a data set may hold and what a release may bear: the policy of params.yaml, applied to the evidence."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta

import polars as pl

from mtf import config
from mtf.core.errors import bad_value
from mtf.rights.evidence.combination import DATA_SET_TERMS, claimed_rights, of_data_set
from mtf.rights.licenses import catalogue
from mtf.rights.licenses.compatibility import Obligation, conflict, obligations, permitted_release_licenses
from mtf.rights.licenses.terms import EVERY_RIGHT
from mtf.schemas import EvidenceStatus, Reason

__all__ = [
    "Obligation",
    "asks_for_attribution",
    "binding_opt_out",
    "check",
    "check_all",
    "conflict",
    "distinct",
    "is_permitted",
    "judge",
    "lacking_credit",
    "obligations",
    "permitted_release_licenses",
    "reason_expression",
    "required_rights",
]

_OWN_REFERENCE = re.compile(r"LicenseRef-[A-Za-z0-9.-]{1,100}")


def check(licenses: config.Licenses) -> None:
    """Raises BadInput for an entry of `licenses.permitted` that names no license, before any work is done."""
    for entry in licenses.permitted:
        _check_identifier("licenses.permitted", entry)


def check_all(settings: config.Params) -> None:
    """Every license that the parameters name: a stage is not to stop at one after hours of another's work.

    Raises BadInput with the key, the value and what is permitted.
    """
    check(settings.licenses)
    _check_identifier("release.license", settings.release.license)
    for source in settings.crawl.sources:
        if source.stated_license is not None:
            of_data_set(source.stated_license, where=f"params.yaml: crawl.sources: {source.entry_name}: license")


def _check_identifier(key: str, entry: str) -> None:
    if catalogue.get(entry) is None and not _OWN_REFERENCE.fullmatch(entry):
        meant = catalogue.normalise(entry)
        hint = f"{meant} (is that meant?)" if meant else "SPDX identifiers of known licenses, or LicenseRef-…"
        raise bad_value(f"params.yaml: {key}", entry, hint)


def judge(evidence: pl.DataFrame, licenses: config.Licenses, *, today: date) -> pl.Series:
    """Why each picture may not be used, in the rows' order: values of `tables.Reason`; null is permitted.

    Needs the columns stated, license, claim, opt_out, checked_at, creator, page_url and method of `tables.EVIDENCE`.
    Where several reasons hold, the first of these is given: opted out, contradiction, license not permitted, evidence
    too old, no attribution; and for a picture whose source states nothing, claim only or no evidence. Raises BadInput
    for a bad policy.
    """
    reason = reason_expression(evidence.lazy(), licenses, today=today)
    return evidence.select(reason.alias("reason")).to_series()


def reason_expression(evidence: pl.LazyFrame, licenses: config.Licenses, *, today: date) -> pl.Expr:
    """`judge` as an expression; `evidence` is looked at for its distinct licenses and claims, which are few."""
    check(licenses)
    has_license = pl.col("license").is_not_null()
    accepted_dispute = has_license if licenses.on_contradiction == "accept_evidence" else pl.lit(False)
    is_permitted = _is_in("license", _permitted(evidence, licenses))
    return (
        pl.when(binding_opt_out(licenses))
        .then(pl.lit(str(Reason.OPTED_OUT)))
        .when((pl.col("stated") == EvidenceStatus.CONTRADICTION) & ~accepted_dispute)
        .then(pl.lit(str(Reason.CONTRADICTION)))
        .when(pl.col("stated").is_in([str(EvidenceStatus.UNSTATED), str(EvidenceStatus.UNREACHABLE)]))
        .then(_reason_without_statement(evidence, licenses))
        .when(~is_permitted)
        .then(pl.lit(str(Reason.NOT_PERMITTED)))
        .when(_is_too_old(licenses, today))
        .then(pl.lit(str(Reason.EVIDENCE_TOO_OLD)))
        .when(_is_to_be_dropped(evidence, licenses))
        .then(pl.lit(str(Reason.NO_ATTRIBUTION)))
        .otherwise(pl.lit(None, pl.String))
    )


def binding_opt_out(licenses: config.Licenses) -> pl.Expr:
    """Whether the column opt_out (`SIGNAL: what it says; …`) holds a signal that the policy binds itself to."""
    if not licenses.binding_opt_outs:
        return pl.lit(False)
    names = "|".join(map(re.escape, licenses.binding_opt_outs))
    return pl.col("opt_out").str.contains(rf"(?i)(?:^|; )(?:{names}):").fill_null(False)


def _is_to_be_dropped(evidence: pl.LazyFrame, licenses: config.Licenses) -> pl.Expr:
    if licenses.without_attribution != "drop":
        return pl.lit(False)
    lacks = lacking_credit()
    return asks_for_attribution(evidence) & (lacks["creator"] | lacks["page_url"])


def asks_for_attribution(evidence: pl.LazyFrame) -> pl.Expr:
    """Whether the license asks that the author be named."""
    return _is_in("license", [o.license for o in obligations(distinct(evidence, "license")) if o.attribution])


def lacking_credit() -> dict[str, pl.Expr]:
    """Column → whether that part of a credit is missing, most serious first: creator, page_url, title.

    A data set is credited as a whole, by its own terms: its pictures have neither pages nor titles.
    """
    is_whole = (pl.col("method") == DATA_SET_TERMS).fill_null(False)
    parts = ("creator", "page_url", "title")
    return {name: pl.col(name).is_null() & ~(is_whole & (name != "creator")) for name in parts}


def is_permitted(identifier: str, licenses: config.Licenses) -> bool:
    """Whether the policy names the license, or the one that covers it."""
    return any(entry in licenses.permitted for entry in catalogue.covering(identifier))


def required_rights(licenses: config.Licenses) -> frozenset[str]:
    """The rights that every permitted license grants: what a claim has to promise where claims are accepted."""
    granted = [record.rights for entry in licenses.permitted if (record := catalogue.get(entry)) is not None]
    return frozenset(EVERY_RIGHT.intersection(*granted))


def distinct(evidence: pl.LazyFrame, column: str) -> list[str]:
    """The values of a column, sorted, without null."""
    return evidence.select(pl.col(column).drop_nulls().unique().sort()).collect().to_series().to_list()


def _permitted(evidence: pl.LazyFrame, licenses: config.Licenses) -> list[str]:
    return [identifier for identifier in distinct(evidence, "license") if is_permitted(identifier, licenses)]


def _reason_without_statement(evidence: pl.LazyFrame, licenses: config.Licenses) -> pl.Expr:
    """Neither page nor file states a license: the claim alone is left, or not even that.

    Who accepts pictures of which nothing is said accepts them with a claim, too, unless that falls short.
    """
    is_claimed = pl.col("claim").is_not_null()
    without_claim = pl.lit(None if licenses.accept_unstated else str(Reason.NO_EVIDENCE), pl.String)
    if not licenses.accept_claim and not licenses.accept_unstated:
        return pl.when(is_claimed).then(pl.lit(str(Reason.CLAIM_ONLY))).otherwise(without_claim)
    enough = [claim for claim in distinct(evidence, "claim") if _claim_suffices(claim, licenses)]
    return (
        pl.when(_is_in("claim", enough))
        .then(pl.lit(None, pl.String))
        .when(is_claimed)
        .then(pl.lit(str(Reason.NOT_PERMITTED)))
        .otherwise(without_claim)
    )


def _claim_suffices(claim: str, licenses: config.Licenses) -> bool:
    """A claim that names a license is judged by it; one that names rights, by what all permitted licenses grant."""
    named = catalogue.normalise(claim)
    if named is not None and claim != "publicdomain":
        return is_permitted(named, licenses)
    return (claimed_rights(claim) or frozenset()) >= required_rights(licenses) and claimed_rights(claim) is not None


def _is_too_old(licenses: config.Licenses, today: date) -> pl.Expr:
    if licenses.max_evidence_age_days is None:
        return pl.lit(False)
    oldest = datetime.combine(today, time.min, UTC) - timedelta(days=licenses.max_evidence_age_days)
    return pl.col("checked_at") < oldest


def _is_in(column: str, values: list[str]) -> pl.Expr:
    return pl.col(column).is_in(values).fill_null(False)
