"""The audits, as `mtf audit` calls them. No stage of dvc.yaml: they read what the stages wrote, and write nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TextIO

from mtf import params
from mtf.licenses import audit, report
from mtf.workspace import Workspace


def run(workspace: Workspace, scope: str, *, style: str, out: TextIO, refresh: bool = False) -> bool:
    """Audit a project and write the report in one style: table, json, plain or quiet. True if it is compliant.

    With `refresh` the pictures' pages are asked again first, and what they say is compared with the record.
    """
    settings, today = params.load(workspace.params), datetime.now(UTC).date()
    seen = None
    if refresh:
        from mtf.stages import pages_again

        seen = pages_again.ask(workspace, settings)
    found = audit.run(workspace, settings, audit.Scope(scope), today=today, seen=seen)
    if style == "json":
        report.write_json(found, out)
    elif style == "plain":
        report.write_plain(found, out)
    elif style == "table":
        from rich.console import Console

        report.write_table(found, Console(file=out))
    return found.is_compliant
