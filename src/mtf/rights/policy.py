"""License policy of params.yaml, applied to the evidence: judges pictures, and the license of a release."""

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
    "check_models",
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
    """Check the policy. Raises BadInput for an entry of `licenses.permitted` that names no license."""
    for entry in licenses.permitted:
        _check_identifier("licenses.permitted", entry)


def check_models(models: config.Models) -> None:
    """Check the policy on weights. Raises BadInput for an entry that names no license."""
    for entry in models.permitted or []:
        _check_identifier("models.permitted", entry)
    for sha256, entry in models.licenses.items():
        _check_identifier(f"models.licenses: {sha256[:12]}…", entry)


def check_all(settings: config.Params) -> None:
    """Check every license in the parameters, before hours of work.

    Raises BadInput with the key, the value and what is permitted.
    """
    check(settings.licenses)
    check_models(settings.models)
    _check_identifier("release.license", settings.release.license)
    for source in settings.crawl.sources:
        if source.stated_license is not None:
            of_data_set(source.stated_license, where=f"params.yaml: crawl.sources: {source.entry_name}: license")


def _check_identifier(key: str, entry: str) -> None:
    if catalogue.get(entry) is None and not _OWN_REFERENCE.fullmatch(entry):
        suggestion = catalogue.normalise(entry)
        hint = f"{suggestion} (is that meant?)" if suggestion else "SPDX identifiers of known licenses, or LicenseRef-…"
        raise bad_value(f"params.yaml: {key}", entry, hint)


def judge(evidence: pl.DataFrame, licenses: config.Licenses, *, today: date) -> pl.Series:
    """Reason why each picture may not be used, in the rows' order: a `schemas.Reason`, or null if it is permitted.

    Needs the columns stated, license, claim, opt_out, checked_at, creator, page_url and method of `schemas.EVIDENCE`.
    Of several reasons, the first of these is given: opted out, contradiction, license not permitted, evidence too old,
    no attribution. If the source states no license, it is claim only or no evidence, after opted out and contradiction.
    With `licenses.basis: consent` only an opt-out is a reason; `mtf.rights.consent` judges the rest.

    Raises BadInput for a bad policy.
    """
    reason = reason_expression(evidence.lazy(), licenses, today=today)
    return evidence.select(reason.alias("reason")).to_series()


def reason_expression(evidence: pl.LazyFrame, licenses: config.Licenses, *, today: date) -> pl.Expr:
    """Expression of `judge`. Collects the distinct licenses and claims of `evidence`, which are few."""
    check(licenses)
    opted_out = pl.when(binding_opt_out(licenses)).then(pl.lit(str(Reason.OPTED_OUT)))
    if licenses.basis == "consent":
        return opted_out.otherwise(pl.lit(None, pl.String))
    has_license = pl.col("license").is_not_null()
    is_accepted_dispute = has_license if licenses.on_contradiction == "accept_evidence" else pl.lit(False)
    is_permitted = _is_in("license", _permitted(evidence, licenses))
    return (
        opted_out.when((pl.col("stated") == EvidenceStatus.CONTRADICTION) & ~is_accepted_dispute)
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
    """Expression: True if the column opt_out (`SIGNAL: statement; …`) has a signal that is binding for the policy."""
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
    """Expression: True if the license requires that the author is named."""
    return _is_in("license", [o.license for o in obligations(distinct(evidence, "license")) if o.attribution])


def lacking_credit() -> dict[str, pl.Expr]:
    """Column → expression that is True if this part of a credit is missing; creator, page_url, title.

    A data set is credited as a whole, by its own terms: its pictures need neither page nor title.
    """
    is_whole = (pl.col("method") == DATA_SET_TERMS).fill_null(False)
    parts = ("creator", "page_url", "title")
    return {name: pl.col(name).is_null() & ~(is_whole & (name != "creator")) for name in parts}


def is_permitted(identifier: str, licenses: config.Licenses) -> bool:
    """True if the policy names the license, or the one that covers it."""
    return any(entry in licenses.permitted for entry in catalogue.covering(identifier))


def required_rights(licenses: config.Licenses) -> frozenset[str]:
    """Rights that every permitted license grants; an accepted claim must promise them, too."""
    granted = [record.rights for entry in licenses.permitted if (record := catalogue.get(entry)) is not None]
    return frozenset(EVERY_RIGHT.intersection(*granted))


def distinct(evidence: pl.LazyFrame, column: str) -> list[str]:
    """Distinct values of a column, sorted, without null."""
    return evidence.select(pl.col(column).drop_nulls().unique().sort()).collect().to_series().to_list()


def _permitted(evidence: pl.LazyFrame, licenses: config.Licenses) -> list[str]:
    return [identifier for identifier in distinct(evidence, "license") if is_permitted(identifier, licenses)]


def _reason_without_statement(evidence: pl.LazyFrame, licenses: config.Licenses) -> pl.Expr:
    """Expression for the reason of pictures without a stated license: only a claim is left, or nothing.

    A policy that accepts unstated licenses also accepts them with a claim, unless the claim promises too little.
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
    """True if a claim promises enough: it names a permitted license, or promises the required rights."""
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
