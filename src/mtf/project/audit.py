"""Audits behind `mtf audit`. They read the stages' output and write nothing, so they are no stage of dvc.yaml."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

import polars as pl

from mtf import config
from mtf.core.console import console
from mtf.core.errors import BadInput
from mtf.core.project_paths import ProjectPaths
from mtf.project import compliance_record
from mtf.rights.audit import report
from mtf.rights.audit import run as audit
from mtf.rights.audit.findings import first_line
from mtf.schemas import takedown_file


def run_audit(
    workspace: ProjectPaths,
    scope: str,
    *,
    style: str,
    out: TextIO,
    refresh: bool = False,
    record_to: Path | None = None,
) -> bool:
    """Audit a project and print the report in one style: table, json, plain or quiet. True if it is compliant.

    With `refresh` the pictures' sources are rechecked first, and their statements compared with the recorded evidence.
    With `record_to`, the compliance record is written there first (`project.compliance_record`).
    """
    subject = _subject(workspace)
    if record_to is not None:
        rows = compliance_record.write(workspace, subject.params, record_to)
        print(f"{record_to}: {rows:,} rows", file=sys.stderr)
    rechecked = _rechecked(workspace, subject.params, scope) if refresh else None
    return _written(audit.run(subject, audit.Scope(scope), rechecked=rechecked), style=style, out=out)


def run_planned_audit(workspace: ProjectPaths, *, style: str, out: TextIO) -> bool:
    """Audit the pictures that the next release would publish, printed as by `run_audit`. True if it is compliant."""
    return _written(audit.of_plan(_subject(workspace)), style=style, out=out)


def _subject(workspace: ProjectPaths) -> audit.Subject:
    settings, takedowns = config.load(workspace.params), takedown_file.load(workspace.takedowns)
    return audit.Subject(workspace, settings, datetime.now(UTC).date(), _perceptual_hashes(workspace, takedowns))


def _written(found: audit.AuditReport, *, style: str, out: TextIO) -> bool:
    if style == "json":
        report.write_json(found, out)
    elif style == "plain":
        report.write_plain(found, out)
    elif style == "table":
        report.write_table(found, console(out))
    return found.is_compliant


def _rechecked(workspace: ProjectPaths, settings: config.Params, scope: str) -> audit.RecheckedSources:
    from mtf.crawl import recheck

    return recheck.recheck_sources(workspace, settings, with_pictures=scope == audit.Scope.OPTOUTS)


def _perceptual_hashes(workspace: ProjectPaths, takedowns: takedown_file.Takedowns) -> pl.DataFrame | None:
    """Hashes from the crawl's shards; None if no takedown is by perceptual hash."""
    if not takedowns.perceptual_hashes:
        return None
    from mtf.crawl import takedown_filter

    try:
        return takedown_filter.stored_perceptual_hashes(workspace)
    except (pl.exceptions.PolarsError, OSError) as error:
        path = workspace.relative(workspace.table("crawl", "images"))
        raise BadInput(f"{path}: not readable as a table: {first_line(error)}") from None
