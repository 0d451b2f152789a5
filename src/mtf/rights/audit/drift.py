"""Drift of evidence: changed license statements and signals, found by a recheck or between crawls."""

from __future__ import annotations

import polars as pl

from mtf import config
from mtf.rights.audit.checks import opted_out
from mtf.rights.audit.findings import KEYS, Code, findings
from mtf.rights.evidence.statement import agreement
from mtf.rights.signals.preferences import SEPARATOR
from mtf.schemas import EvidenceStatus


def drifted(evidence: pl.LazyFrame, statements: pl.LazyFrame, licenses: config.Licenses) -> pl.LazyFrame:
    """Findings for pictures whose source changed its license or its opt-out, or is gone.

    `statements` has identity, image_id, now_read, now_license, now_opt_out, now_gone (the reason why the page cannot be
    read), and now_heard (true if the picture itself and its site were asked for, so that a missing opt-out is a
    withdrawn one). Licenses in the picture's own file are not rechecked. A page that is gone is a warning, since its
    statement is recorded, and so is an opt-out that is withdrawn.
    """
    both = evidence.join(statements, on=KEYS, how="inner")
    was, now = pl.col("license"), pl.col("now_license")
    is_from_file = pl.col("method").str.starts_with("file:").fill_null(False)
    # If the recorded conclusion is a dispute with the file, the page alone cannot show a change.
    is_disputed = (pl.col("stated") == EvidenceStatus.CONTRADICTION) & was.is_null()
    # If the file stated the license more exactly, the page may state less than was concluded.
    is_changed = was.ne_missing(now) & pl.col("now_read") & ~is_disputed & ~(is_from_file & _says_less(both))
    is_newly_gone = pl.col("now_gone").is_not_null() & (pl.col("stated") != EvidenceStatus.UNREACHABLE)
    before, today = (pl.col(name).fill_null("").str.split(SEPARATOR) for name in ("opt_out", "now_opt_out"))
    new_opt_out = pl.col("now_opt_out").is_not_null() & (today.list.set_difference(before).list.len() > 0)
    states = pl.format(
        "stated {} on {}, states {} today",
        was.fill_null("no license"),
        pl.col("checked_at").dt.strftime("%Y-%m-%d"),
        now.fill_null("no license"),
    )
    return pl.concat(
        [
            findings(both.filter(is_changed), code=pl.lit(str(Code.LICENSE_CHANGED)), reason=states),
            findings(
                both.filter(is_newly_gone),
                code=pl.lit(str(Code.DEAD_SOURCE)),
                level=pl.lit("warning"),
                reason=pl.format("the page cannot be read today: {}", "now_gone"),
            ),
            opted_out(both.filter(new_opt_out).with_columns(opt_out=pl.col("now_opt_out")), licenses),
            _withdrawn(both),
        ]
    )


def _withdrawn(both: pl.LazyFrame) -> pl.LazyFrame:
    """Findings for pictures with an opt-out whose signal is not heard today, although all its carriers were read."""
    before, today = _signals(pl.col("opt_out")), _signals(pl.col("now_opt_out"))
    lost = before.list.set_difference(today).list.drop_nulls()
    is_lost = (lost.list.len() > 0) & pl.col("now_heard") & pl.col("opt_out").is_not_null()
    return findings(
        both.filter(is_lost),
        code=pl.lit(str(Code.SIGNAL_CHANGED)),
        level=pl.lit("warning"),
        reason=pl.format(
            "said on {}: {}; says today: {}",
            pl.col("checked_at").dt.strftime("%Y-%m-%d"),
            "opt_out",
            pl.col("now_opt_out").fill_null("nothing"),
        ),
    )


def _signals(opt_out: pl.Expr) -> pl.Expr:
    """Names of the signals in `SIGNAL: statement; …`. An unreadable one counts as its signal: it may say so still."""
    each = opt_out.fill_null("").str.replace_all(r"(^|; )unknown: ([a-z0-9.-]+) in ", "${1}${2}: ").str.split(SEPARATOR)
    return each.list.eval(pl.element().str.extract(r"^([a-z0-9.-]+):", 1).drop_nulls())


def _says_less(both: pl.LazyFrame) -> pl.Expr:
    """True if now_license is null, or agrees with license. Collects the distinct pairs of `both`."""
    pairs = both.select("license", "now_license").drop_nulls().unique().collect().rows()
    agree = [
        (pl.col("license") == was) & (pl.col("now_license") == now)
        for was, now in pairs
        if len(agreement([was, now])) == 1
    ]
    return pl.any_horizontal(pl.col("now_license").is_null(), *agree)


def changed_on_record(evidence: pl.LazyFrame, earlier: pl.LazyFrame) -> pl.LazyFrame:
    """Findings for pictures whose source changed its license between crawls. Both are recorded; the newer one counts.

    `earlier` has identity, image_id, page_url, license and checked_at of earlier statements (`schemas.EARLIER`). The
    last different statement of the same page is reported. Statements of another page are no change.
    """
    before = earlier.select(*KEYS, was_at="page_url", was="license", was_on="checked_at")
    changed = evidence.join(before, on=KEYS, how="inner").filter(
        pl.col("was").ne_missing(pl.col("license")), pl.col("was_at").eq_missing(pl.col("page_url"))
    )
    return findings(
        changed.sort("was_on").unique(KEYS, keep="last"),
        code=pl.lit(str(Code.LICENSE_CHANGED)),
        level=pl.lit("warning"),
        reason=pl.format(
            "stated {} on {}, states {} on {}",
            pl.col("was").fill_null("no license"),
            pl.col("was_on").dt.strftime("%Y-%m-%d"),
            pl.col("license").fill_null("no license"),
            pl.col("checked_at").dt.strftime("%Y-%m-%d"),
        ),
    )


def opt_outs_changed_on_record(evidence: pl.LazyFrame, earlier: pl.LazyFrame) -> pl.LazyFrame:
    """Findings for pictures whose opt-outs changed between crawls. Both are recorded; the newer ones count.

    `earlier` has identity, image_id, page_url, opt_out and checked_at of earlier statements (`schemas.EARLIER`). The
    last different statement of the same page is reported.
    """
    before = earlier.select(*KEYS, was_at="page_url", was="opt_out", was_on="checked_at")
    changed = evidence.join(before, on=KEYS, how="inner").filter(
        pl.col("was").ne_missing(pl.col("opt_out")), pl.col("was_at").eq_missing(pl.col("page_url"))
    )
    return findings(
        changed.sort("was_on").unique(KEYS, keep="last"),
        code=pl.lit(str(Code.SIGNAL_CHANGED)),
        level=pl.lit("warning"),
        reason=pl.format(
            "said on {}: {}; said on {}: {}",
            pl.col("was_on").dt.strftime("%Y-%m-%d"),
            pl.col("was").fill_null("nothing"),
            pl.col("checked_at").dt.strftime("%Y-%m-%d"),
            pl.col("opt_out").fill_null("nothing"),
        ),
    )
