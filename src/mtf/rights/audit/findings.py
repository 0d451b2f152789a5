"""Findings of an audit: rows with code, level, picture and reason, and the tables that they come from.

The level `error` means that the picture may not be used as it is; `warning` means that a person should look at it.
"""

from __future__ import annotations

from enum import StrEnum

import polars as pl

from mtf.core.errors import BadInput, listed
from mtf.core.project_paths import PATHS_IN_PROJECT, ProjectPaths

_ATTRIBUTION_FILE = PATHS_IN_PROJECT.attribution.as_posix()
KEYS = ["identity", "image_id"]
FINDING = {
    "code": pl.String,
    "level": pl.String,
    "identity": pl.String,
    "image_id": pl.String,
    "url": pl.String,
    "license": pl.String,
    "reason": pl.String,
}


class Code(StrEnum):
    """Codes of findings, most serious first."""

    TAKEN_DOWN_PRESENT = "taken_down_present"
    CONSENT_REVOKED = "consent_revoked"
    CONSENT_EXPIRED = "consent_expired"
    GUARDIAN_MISSING = "guardian_missing"
    CONSENT_SCOPE = "consent_scope"
    CONSENT_MISSING = "consent_missing"
    OPTED_OUT = "opted_out"
    CONTRADICTION = "contradiction"
    NOT_PERMITTED = "not_permitted"
    CLAIM_ONLY = "claim_only"
    NO_EVIDENCE = "no_evidence"
    EVIDENCE_TOO_OLD = "evidence_too_old"
    SHARE_ALIKE = "share_alike"
    MISSING_ATTRIBUTION = "missing_attribution"
    NOT_IN_ATTRIBUTION = "not_in_attribution"
    UNKNOWN_FACE = "unknown_face"
    DEAD_SOURCE = "dead_source"
    LICENSE_CHANGED = "license_changed"
    SIGNAL_CHANGED = "signal_changed"


RECOMMENDATIONS: dict[Code, str] = {
    Code.TAKEN_DOWN_PRESENT: "Someone asked for its removal: run `dvc repro`, then `mtf takedown erase`.",
    Code.CONSENT_REVOKED: "The person withdrew: `mtf consent revoke` takes their pictures down everywhere.",
    Code.CONSENT_EXPIRED: "Ask the person to renew the consent and record it (`mtf consent add`), or leave them out.",
    Code.GUARDIAN_MISSING: "Ask a guardian to sign and record it (`mtf consent add`), or leave the person out.",
    Code.CONSENT_SCOPE: "Ask the person for this purpose, take it out of release.purposes, or leave the person out.",
    Code.CONSENT_MISSING: "Ask the person and record the signed form (`mtf consent add`), or leave them out.",
    Code.OPTED_OUT: "The source reserves this use: leave the picture out, or ask the rights holder in writing.",
    Code.CONTRADICTION: "Open the picture's page and read what it says; leave the picture out unless it is clear.",
    Code.NOT_PERMITTED: "Leave the picture out, or ask the rights holder for a license that the policy permits.",
    Code.CLAIM_ONLY: "A search engine's filter is no evidence: find the license at the source, or leave it out.",
    Code.NO_EVIDENCE: "Ask the rights holder which license applies, or leave the picture out.",
    Code.EVIDENCE_TOO_OLD: "Ask the pages again: `mtf crawl --refresh`.",
    Code.SHARE_ALIKE: "Choose a release.license that its terms allow, or leave the picture out.",
    Code.MISSING_ATTRIBUTION: f"Find the author and record them in {_ATTRIBUTION_FILE}, or leave the picture out.",
    Code.NOT_IN_ATTRIBUTION: "Build the release again with `mtf release`; never add pictures to it by hand.",
    Code.UNKNOWN_FACE: "Build the release again with `mtf release`, and its exports; until then publish nothing of it.",
    Code.DEAD_SOURCE: "Look for an archived copy of the page that states the license, and keep it.",
    Code.LICENSE_CHANGED: "What was stated when the picture was fetched stays on record; decide whether to keep it.",
    Code.SIGNAL_CHANGED: "Bring the record up to date: `mtf crawl --refresh`; what was said before stays on record.",
}


def findings(rows: pl.LazyFrame, *, code: pl.Expr, reason: pl.Expr, level: pl.Expr | None = None) -> pl.LazyFrame:
    """Findings made of `rows`. Control characters in texts from the web become spaces, to protect terminals."""
    printable = [pl.col(name).str.replace_all(r"[\p{Cc}\p{Cf}]", " ") for name in ("url", "reason")]
    return (
        rows.with_columns(code=code, reason=reason, level=pl.lit("error") if level is None else level)
        .select(pl.col(name).cast(dtype) for name, dtype in FINDING.items())
        .with_columns(printable)
    )


def stored_table(workspace: ProjectPaths, stage: str, name: str, columns: list[str]) -> pl.LazyFrame:
    """Columns of a table that a stage wrote and checked.

    Raises BadInput if the table is missing, unreadable or lacks one of `columns`.
    """
    path = workspace.table(stage, name)
    if not path.is_file():
        raise BadInput(f"{workspace.relative(path)}: no such table; run the stage that makes it (`dvc repro`)")
    lazy = pl.scan_parquet(path)
    try:
        missing = [column for column in columns if column not in lazy.collect_schema()]
    except (pl.exceptions.PolarsError, OSError) as error:
        raise BadInput(f"{workspace.relative(path)}: not readable as a table: {first_line(error)}") from None
    if missing:
        raise BadInput(f"{workspace.relative(path)}: missing column {listed(missing)}; run its stage again")
    return lazy.select(columns)


def first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
