"""The audits, as `mtf audit` calls them. No stage of dvc.yaml: they read what the stages wrote, and write nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TextIO

import polars as pl

from mtf import params, takedowns
from mtf.errors import BadInput
from mtf.licenses import audit, report
from mtf.licenses.stored import first_line
from mtf.workspace import Workspace


def run(workspace: Workspace, scope: str, *, style: str, out: TextIO, refresh: bool = False) -> bool:
    """Audit a project and write the report in one style: table, json, plain or quiet. True if it is compliant.

    With `refresh` the pictures' pages are asked again first, and what they say is compared with the record.
    """
    subject = _subject(workspace)
    again = _asked_again(workspace, subject.params) if refresh else None
    return _written(audit.run(subject, audit.Scope(scope), again=again), style=style, out=out)


def of_plan(workspace: Workspace, *, style: str, out: TextIO) -> bool:
    """The audit of the release to come, written as `run` writes. True if it is compliant."""
    return _written(audit.of_plan(_subject(workspace)), style=style, out=out)


def _subject(workspace: Workspace) -> audit.Subject:
    settings, removals = params.load(workspace.params), takedowns.load(workspace.takedowns)
    return audit.Subject(workspace, settings, datetime.now(UTC).date(), _looks(workspace, removals))


def _written(found: audit.Report, *, style: str, out: TextIO) -> bool:
    if style == "json":
        report.write_json(found, out)
    elif style == "plain":
        report.write_plain(found, out)
    elif style == "table":
        from rich.console import Console

        report.write_table(found, Console(file=out))
    return found.is_compliant


def _asked_again(workspace: Workspace, settings: params.Params) -> audit.Again:
    from mtf.stages import pages_again

    return pages_again.ask(workspace, settings)


def _looks(workspace: Workspace, removals: takedowns.Takedowns) -> pl.DataFrame | None:
    """They lie in the shards, and are read where a request asks for them."""
    if not removals.perceptual_hashes:
        return None
    from mtf.crawl import hashes

    try:
        return hashes.content_hashes(workspace)
    except (pl.exceptions.PolarsError, OSError) as error:
        path = workspace.relative(workspace.table("crawl", "images"))
        raise BadInput(f"{path}: not readable as a table: {first_line(error)}") from None
