"""Checks of the audit: each takes tables and returns findings, one row each. None reads the clock.

The tables are lazy: of a million pictures only the findings are held in memory.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

import polars as pl

from mtf import config
from mtf.rights import policy
from mtf.rights.audit.findings import KEYS, Code, findings
from mtf.rights.consent import Consents
from mtf.rights.licenses import catalogue
from mtf.schemas import EvidenceStatus, FetchOutcome, Reason
from mtf.schemas.takedown_file import RequestKind, Takedowns, named_by_address

# Columns of the table of evidence that the checks need.
EVIDENCE_COLUMNS = [
    *KEYS, "url", "page_url", "claim", "stated", "license", "creator", "title", "opt_out", "detail", "http_status",
    "checked_at", "method",
]  # fmt: skip
_OF_REASON = {
    Reason.OPTED_OUT: Code.OPTED_OUT,
    Reason.NO_EVIDENCE: Code.NO_EVIDENCE,
    Reason.CLAIM_ONLY: Code.CLAIM_ONLY,
    Reason.NOT_PERMITTED: Code.NOT_PERMITTED,
    Reason.CONTRADICTION: Code.CONTRADICTION,
    Reason.EVIDENCE_TOO_OLD: Code.EVIDENCE_TOO_OLD,
    Reason.NO_ATTRIBUTION: Code.MISSING_ATTRIBUTION,
}


def policy_kept(evidence: pl.LazyFrame, licenses: config.Licenses, *, today: date) -> pl.LazyFrame:
    """Findings for pictures that the policy does not permit (`policy.judge`)."""
    reason = policy.reason_expression(evidence, licenses, today=today)
    refused = evidence.with_columns(reason.alias("refusal")).filter(pl.col("refusal").is_not_null())
    codes = {str(reason): str(code) for reason, code in _OF_REASON.items()}
    return findings(
        refused.with_columns(pl.col("refusal").replace_strict(codes, return_dtype=pl.String).alias("code")),
        code=pl.col("code"),
        reason=_refusal(evidence, licenses),
    )


def _refusal(evidence: pl.LazyFrame, licenses: config.Licenses) -> pl.Expr:
    claimed = pl.format("only the search filter says “{}”; the source states nothing", "claim")
    nothing = pl.when(pl.col("claim").is_null()).then(pl.lit("no license stated")).otherwise(claimed)
    texts = {
        Code.OPTED_OUT: pl.col("opt_out"),
        Code.CONTRADICTION: pl.col("detail"),
        Code.NOT_PERMITTED: _in_words(pl.coalesce("license", "claim"), evidence, licenses),
        Code.CLAIM_ONLY: _with_detail(nothing),
        Code.NO_EVIDENCE: _with_detail(pl.lit("no license stated")),
        Code.EVIDENCE_TOO_OLD: pl.format(
            "last checked on {}, more than {} days ago",
            pl.col("checked_at").dt.strftime("%Y-%m-%d"),
            pl.lit(licenses.max_evidence_age_days or 0),
        ),
        Code.MISSING_ATTRIBUTION: _uncredited(),
    }
    return pl.coalesce(
        *(pl.when(pl.col("code") == str(code)).then(text) for code, text in texts.items()),
        pl.lit("contradicting statements"),
    )


def _with_detail(text: pl.Expr) -> pl.Expr:
    return pl.concat_str(text, pl.format(" ({})", "detail").fill_null(""))


def _in_words(license: pl.Expr, evidence: pl.LazyFrame, licenses: config.Licenses) -> pl.Expr:
    """Reasons for licenses: `CC-BY-NC-2.0 is not permitted: it does not permit commercial use`."""
    names = {name for column in ("license", "claim") for name in policy.distinct(evidence, column)}
    return license.replace_strict(
        {name: _shortfall(name, licenses) for name in names}, default=None, return_dtype=pl.String
    )


def _shortfall(name: str, licenses: config.Licenses) -> str:
    record = catalogue.get(name)
    missing = policy.required_rights(licenses) - record.rights if record else frozenset()
    forbids = {"commercial": "commercial use", "modify": "modification", "share": "sharing"}
    what = f": it does not permit {', '.join(forbids[right] for right in sorted(missing))}" if missing else ""
    return f"{name} is not permitted{what}"


def consented(pictures: pl.LazyFrame, consents: Consents) -> pl.LazyFrame:
    """Findings for pictures (identity, image_id, url, license) whose subject's consent does not permit the release.

    A warning where it was revoked after the release's date: the release may have the picture, and the person withdrew.
    """
    subjects = policy.distinct(pictures, "identity") if consents.rule else []
    refused = (
        consents.verdicts(subjects).filter(pl.col("consent_reason").is_not_null()).with_columns(level=pl.lit("error"))
    )
    later = [
        (subject, str(Code.CONSENT_REVOKED), f"consent was revoked on {day}, after the date of the release", "warning")
        for subject in subjects
        if (day := consents.revoked_later(subject)) is not None
    ]
    found = pl.concat([refused, pl.DataFrame(later, schema=refused.schema, orient="row")]).lazy()
    # The reasons against a consent are the codes.
    return findings(
        pictures.join(found, on="identity", how="inner"),
        code=pl.col("consent_reason"),
        level=pl.col("level"),
        reason=pl.col("consent_detail"),
    )


def dead_sources(evidence: pl.LazyFrame, licenses: config.Licenses, *, today: date) -> pl.LazyFrame:
    """Findings for pictures whose page cannot be read.

    An error if the policy refuses the picture for lack of a statement, else a warning.
    """
    is_unreachable = pl.col("stated") == EvidenceStatus.UNREACHABLE
    is_refused = policy.reason_expression(evidence, licenses, today=today).is_not_null()
    dead = evidence.filter(is_unreachable | (pl.col("http_status") >= 400))
    status = pl.format("status {}", "http_status")
    return findings(
        dead,
        code=pl.lit(str(Code.DEAD_SOURCE)),
        level=pl.when(is_unreachable & is_refused).then(pl.lit("error")).otherwise(pl.lit("warning")),
        reason=pl.format("the page cannot be read: {}", pl.coalesce("detail", status, pl.lit("no answer"))),
    )


def opted_out(evidence: pl.LazyFrame, licenses: config.Licenses) -> pl.LazyFrame:
    """Findings for stored pictures with an opt-out: an error for a binding one, else a warning."""
    return findings(
        evidence.filter(pl.col("opt_out").is_not_null()),
        code=pl.lit(str(Code.OPTED_OUT)),
        level=pl.when(policy.binding_opt_out(licenses)).then(pl.lit("error")).otherwise(pl.lit("warning")),
        reason=pl.col("opt_out"),
    )


def respected_opt_outs(fetches: pl.LazyFrame) -> pl.LazyFrame:
    """Findings for addresses that were not fetched because of an opt-out: warnings, for the record."""
    return findings(
        fetches.filter(pl.col("outcome") == FetchOutcome.OPTED_OUT).with_columns(
            image_id=pl.lit(None, pl.String), license=pl.lit(None, pl.String)
        ),
        code=pl.lit(str(Code.OPTED_OUT)),
        level=pl.lit("warning"),
        reason=pl.format("{}; the picture is not held", pl.coalesce("detail", pl.lit("the source reserves this use"))),
    )


def attributable(evidence: pl.LazyFrame) -> pl.LazyFrame:
    """Findings for pictures whose license requires attribution, and whose credit is incomplete.

    A missing author or page is an error. A missing title is a warning: Creative Commons up to 3.0 requires a title if
    the author gave one, 4.0 does not.
    """
    lacks = policy.lacking_credit()
    incomplete = evidence.filter(policy.asks_for_attribution(evidence) & pl.any_horizontal(*lacks.values()))
    is_serious = lacks["creator"] | lacks["page_url"]
    return findings(
        incomplete,
        code=pl.lit(str(Code.MISSING_ATTRIBUTION)),
        level=pl.when(is_serious).then(pl.lit("error")).otherwise(pl.lit("warning")),
        reason=_uncredited(),
    )


def _uncredited() -> pl.Expr:
    return pl.format("{} asks for attribution; not known: {}", "license", _missing(policy.lacking_credit()))


def _missing(lacks: dict[str, pl.Expr]) -> pl.Expr:
    """Missing parts of a credit in words: `the author, the title`."""
    words = {"creator": "the author", "page_url": "the page", "title": "the title"}
    missing = [pl.when(lacks[name]).then(pl.lit(text)) for name, text in words.items()]
    return pl.concat_list(missing).list.drop_nulls().list.join(", ")


def release_license_kept(evidence: pl.LazyFrame, release_license: str) -> pl.LazyFrame:
    """Findings for pictures whose license does not permit an adaptation under the release's license."""
    held = policy.distinct(evidence, "license")
    conflicts = {name: reason for name in held if (reason := policy.conflict(name, release_license))}
    return findings(
        evidence.filter(pl.col("license").is_in(list(conflicts))),
        code=pl.lit(str(Code.SHARE_ALIKE)),
        reason=pl.format(
            "{}; the release bears {}",
            pl.col("license").replace_strict(conflicts, default=None, return_dtype=pl.String),
            pl.lit(release_license),
        ),
    )


def taken_down(pictures: pl.LazyFrame, takedowns: Takedowns, hashes: pl.DataFrame | None = None) -> pl.LazyFrame:
    """Findings for pictures (identity, image_id, url, page_url, license) that a takedown names.

    `hashes` has image_id and content_hash (null if not computed), for takedowns by perceptual hash.
    """
    values = {kind: [record.value for record in takedowns.records if record.kind == kind] for kind in RequestKind}
    named = {
        "its identity": pictures.filter(pl.col("identity").is_in(values[RequestKind.IDENTITY])),
        "its address": named_by_address(pictures, takedowns, RequestKind.PICTURE, "url"),
        "its page": named_by_address(pictures, takedowns, RequestKind.PAGE, "page_url"),
        "the file": pictures.filter(pl.col("image_id").is_in(values[RequestKind.IMAGE_ID])),
        "its perceptual hash": pictures.filter(pl.col("image_id").is_in(_alike(hashes, takedowns.perceptual_hashes))),
    }
    matches = pl.concat([rows.with_columns(named=pl.lit(how)) for how, rows in named.items()])
    return findings(
        matches.unique(KEYS, keep="first", maintain_order=True),
        code=pl.lit(str(Code.TAKEN_DOWN_PRESENT)),
        reason=pl.format("a takedown names {}", "named"),
    )


def _alike(hashes: pl.DataFrame | None, wanted: Collection[int]) -> list[str]:
    """Image ids whose perceptual hash is near one of `wanted`."""
    if hashes is None or not wanted:
        return []
    from mtf.faces.hamming_index import near_any
    from mtf.faces.perceptual_hash import SAME_PICTURE_BITS

    computed = hashes.drop_nulls("content_hash")
    taken_down_hashes = pl.Series(sorted(wanted), dtype=pl.UInt64).to_numpy()
    near = near_any(computed["content_hash"].to_numpy(), taken_down_hashes, distance=SAME_PICTURE_BITS)
    return computed.filter(pl.Series(near))["image_id"].unique().sort().to_list()


def unrecorded(pictures: pl.LazyFrame) -> pl.LazyFrame:
    """Findings for pictures (identity, image_id) without any row of evidence."""
    return findings(
        pictures.with_columns(url=pl.lit(None, pl.String), license=pl.lit(None, pl.String)),
        code=pl.lit(str(Code.NO_EVIDENCE)),
        reason=pl.lit("there is no evidence record of this picture"),
    )


def unlisted(files: pl.LazyFrame, listed: pl.Series) -> pl.LazyFrame:
    """Findings for published files (path, face_id, identity, image_id, url, license) that the credits do not list."""
    return findings(
        files.filter(pl.col("face_id").is_null() | ~pl.col("face_id").is_in(listed.to_list())),
        code=pl.lit(str(Code.NOT_IN_ATTRIBUTION)),
        reason=pl.format("{} is in the release, but not in its credits", "path"),
    )


def unknown(files: pl.LazyFrame) -> pl.LazyFrame:
    """Findings for published files (path, face_id, identity, image_id, url, license) whose face is in no table.

    It was taken down or left out since, and no other check can tell whose picture it is.
    """
    return findings(
        files.filter(pl.col("face_id").is_not_null() & pl.col("image_id").is_null()),
        code=pl.lit(str(Code.UNKNOWN_FACE)),
        reason=pl.format("{} shows a face that is not in the tables, or no longer", "path"),
    )
