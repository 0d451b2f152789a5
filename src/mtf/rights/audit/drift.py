"""What sources say otherwise than they did: today, where they are asked again, or as an earlier crawl found it."""

from __future__ import annotations

import polars as pl

from mtf import config
from mtf.rights.audit.checks import opted_out
from mtf.rights.audit.findings import KEYS, Code, findings
from mtf.rights.evidence.statement import agreement
from mtf.rights.signals.preferences import SEPARATOR
from mtf.schemas import EvidenceStatus


def drifted(evidence: pl.LazyFrame, seen: pl.LazyFrame, licenses: config.Licenses) -> pl.LazyFrame:
    """Pictures whose page says something else than it did: license, opt-out, or nothing since it is gone.

    `seen` has identity, image_id and what the page says now: now_read, now_license, now_opt_out, and now_gone (why it
    cannot be read). What the picture's own file stated is not asked again. A page that is gone is a warning: what it
    said is on record.
    """
    both = evidence.join(seen, on=KEYS, how="inner")
    was, now = pl.col("license"), pl.col("now_license")
    is_from_file = pl.col("method").str.starts_with("file:").fill_null(False)
    # Where the file took part in what was concluded, the page alone does not tell that it changed.
    is_disputed = (pl.col("stated") == EvidenceStatus.CONTRADICTION) & was.is_null()
    # Where the file was the more exact of the two, the page may say less than was concluded.
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
        ]
    )


def _says_less(both: pl.LazyFrame) -> pl.Expr:
    """Whether now_license is nothing, or agrees with license; `both` is looked at for its distinct pairs."""
    pairs = both.select("license", "now_license").drop_nulls().unique().collect().rows()
    agree = [
        (pl.col("license") == was) & (pl.col("now_license") == now)
        for was, now in pairs
        if len(agreement([was, now])) == 1
    ]
    return pl.any_horizontal(pl.col("now_license").is_null(), *agree)


def changed_on_record(evidence: pl.LazyFrame, earlier: pl.LazyFrame) -> pl.LazyFrame:
    """Pictures whose source states another license than it once did: both are on record, and the newer one counts.

    `earlier` has identity, image_id, page_url, license and checked_at of the statements before (tables.EARLIER). The
    last of the same page that says otherwise counts, however often today's was seen since; what another page said of
    the picture is no change.
    """
    before = earlier.select(*KEYS, was_at="page_url", was="license", was_on="checked_at")
    otherwise = evidence.join(before, on=KEYS, how="inner").filter(
        pl.col("was").ne_missing(pl.col("license")), pl.col("was_at").eq_missing(pl.col("page_url"))
    )
    return findings(
        otherwise.sort("was_on").unique(KEYS, keep="last"),
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
