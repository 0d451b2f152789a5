"""Report of an audit: JSON, plain lines, or a table for people."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, TextIO

import polars as pl
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mtf.core.counts import number
from mtf.rights import policy
from mtf.rights.audit.findings import RECOMMENDATIONS, Code
from mtf.rights.audit.run import UNSTATED, AuditReport, Scope
from mtf.rights.consent import ConsentRule

# The first number rises when readers of the old form would misread the new one. Schema: docs/audit-schema.json.
SCHEMA_VERSION = "2.2"
MAX_ROWS_PER_CODE = 3
_ROWS_AT_ONCE = 50_000
_FIELDS = ("code", "level", "identity", "image_id", "url", "license", "in_data_set", "reason", "recommendation")
_PLAIN = ("code", "level", "identity", "image_id", "reason", "url", "recommendation")


def write_json(report: AuditReport, out: TextIO) -> None:
    """Write the whole report as JSON, in parts: a million findings need no million objects in memory."""
    head = json.dumps(summary(report), indent=2, ensure_ascii=False)
    out.write(head[: head.rindex("\n}")])
    out.write(',\n  "findings": [')
    for place, rows in enumerate(_slices(report.findings)):
        # One finding a line: JSON's strings contain no line breaks.
        lines = rows.select(_FIELDS).write_ndjson().rstrip("\n").replace("\n", ",\n")
        out.write((",\n" if place else "\n") + lines)
    out.write("\n  ]\n}\n")


def summary(report: AuditReport) -> dict[str, Any]:
    """Report without its findings, as JSON values."""
    errors = int((report.findings["level"] == "error").sum())
    return {
        "schema_version": SCHEMA_VERSION,
        "audit": str(report.scope),
        "project": report.params.project.name,
        "evidence_as_of": None if report.evidence_as_of is None else report.evidence_as_of.isoformat(),
        "compliant": report.is_compliant,
        "summary": {
            "pictures": report.audited,
            "errors": errors,
            "warnings": report.findings.height - errors,
            "by_code": report.by_code,
            "by_license": report.licenses,
            "not_asked_again": dict(report.not_rechecked),
        },
        "policy": report.params.licenses.model_dump(mode="json"),
        "release": {
            "license": report.params.release.license,
            "built": report.is_built if report.scope == Scope.RELEASE else None,
            "may_bear": report.release_licenses if report.scope == Scope.RELEASE else None,
            **_consented_use(report),
        },
        "obligations": [
            {"license": o.license, "attribution": o.attribution, "share_alike": o.share_alike, "url": o.url}
            for o in policy.obligations(name for name in report.licenses if name != UNSTATED)
        ],
        "recommendations": {code: RECOMMENDATIONS[Code(code)] for code in report.by_code},
    }


def _consented_use(report: AuditReport) -> dict[str, Any]:
    """Date and purposes of the release, if consents were checked for them."""
    rule = ConsentRule.of(report.params)
    return {} if rule is None else {"date": rule.on.isoformat(), "purposes": list(rule.purposes)}


def write_plain(report: AuditReport, out: TextIO) -> None:
    """Write one line per finding, separated by tabs, `-` for null.

    Columns: code, level, identity, image_id, reason, url, recommendation.
    """
    for rows in _slices(report.findings):
        lines = rows.select(pl.concat_str([pl.col(name).fill_null("-") for name in _PLAIN], separator="\t"))
        out.write("\n".join(lines.to_series()) + "\n")


def write_table(report: AuditReport, console: Console) -> None:
    """Print the first findings of each code, counts and recommendations, and the conclusion."""
    if report.findings.height:
        console.print(_findings_table(report))
        if more := report.findings.height - _first_of_each(report).height:
            console.print(f"… and {more:,} more; all of them: mtf audit {_arguments(report)} --plain")
        console.print(_codes_table(report))
    for line in _conclusion(report):
        console.print(Text(line))


def _arguments(report: AuditReport) -> str:
    """Arguments of `mtf audit` for this audit."""
    return str(report.scope) if report.is_built else f"{report.scope} --planned"


def _findings_table(report: AuditReport) -> Table:
    table = Table("code", "picture", "reason", title=f"Audit of {report.scope}", expand=False)
    for row in _first_of_each(report).iter_rows(named=True):
        picture = f"{row['identity'] or '-'}/{(row['image_id'] or '-')[:12]}"
        where = f"{picture}\n{row['url']}" if row["url"] else picture
        # Text, not markup: brackets from the web are not styles.
        table.add_row(Text(row["code"]), Text(where, overflow="fold"), Text(row["reason"]))
    return table


def _first_of_each(report: AuditReport) -> pl.DataFrame:
    return report.findings.group_by("code", maintain_order=True).head(MAX_ROWS_PER_CODE)


def _codes_table(report: AuditReport) -> Table:
    table = Table("code", "findings", "what to do", expand=False)
    for code, count in report.by_code.items():
        table.add_row(code, f"{count:,}", RECOMMENDATIONS[Code(code)])
    return table


def _conclusion(report: AuditReport) -> Iterator[str]:
    errors = int((report.findings["level"] == "error").sum())
    warnings = report.findings.height - errors
    yield f"{number(report.audited, 'picture')} audited: {number(errors, 'error')}, {number(warnings, 'warning')}."
    counts = ", ".join(f"{name} {count:,}" for name, count in list(report.licenses.items())[:12])
    yield f"Licenses: {counts or 'none'}."
    for method, count in report.not_rechecked.items():
        yield f"Not asked again: {number(count, 'picture')} of {method}, whose record `mtf crawl --refresh` renews."
    if report.scope == Scope.RELEASE:
        may = ", ".join(report.release_licenses) or "no license: their terms exclude each other"
        if not report.is_built:
            yield "Not of a built release: these are the pictures that `mtf release` would publish."
        if rule := ConsentRule.of(report.params):
            yield f"Consents checked for {', '.join(rule.purposes)}, on {rule.on}."
        yield f"The release bears {report.params.release.license}; these pictures let it bear {may}."
    yield "Compliant." if report.is_compliant else "Not compliant."


def _slices(findings: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Yield parts of the findings, with the column recommendation."""
    advice = {str(code): text for code, text in RECOMMENDATIONS.items()}
    recommendation = pl.col("code").replace_strict(advice, return_dtype=pl.String)
    for start in range(0, findings.height, _ROWS_AT_ONCE):
        yield findings.slice(start, _ROWS_AT_ONCE).with_columns(recommendation=recommendation)
