"""Checks of the consents against the roster and the calendar."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from mtf import config
from mtf.core.errors import MtfError
from mtf.core.project_paths import ProjectPaths
from mtf.project.finding import Finding
from mtf.rights import consent
from mtf.schemas import consent_file

CONSENT = "consents"


def examine(workspace: ProjectPaths, settings: config.Params, *, today: date) -> Iterator[Finding]:
    """Findings on the file of consents, if the project has one or needs one."""
    try:
        consent.load(workspace, settings)
        if not workspace.consent.is_file():
            return
        rows = consent_file.load(workspace.consent)
    except MtfError as error:
        yield Finding(CONSENT, "wrong", str(error))
        return
    yield Finding(CONSENT, "good", f"{workspace.relative(workspace.consent)}: {rows.height} consents")
    for row in rows.filter(rows["given_on"] > today).iter_rows(named=True):
        detail = f"{row['subject']}: given_on {row['given_on']} lies in the future; nobody has signed that form yet"
        yield Finding(CONSENT, "wrong", detail)
