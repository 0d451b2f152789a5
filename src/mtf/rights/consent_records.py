"""Changes of the consent file, `data/consent.csv`: a new consent, and a revocation. Concurrent changes wait."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from mtf.core.errors import BadInput, bad_value
from mtf.core.file_lock import folder_lock
from mtf.schemas import consent_file, contract


def add(path: Path, consent: dict[str, Any]) -> bool:
    """Add one consent (`consent_file.CONSENT`) to the file at `path`, which is created if missing.

    False if the file has it already. Raises BadInput if another consent has the same subject, form, version and day.
    """
    with folder_lock(path.parent):
        consents = consent_file.load(path)
        row = contract.frame(consent_file.CONSENT, [consent])
        if row.row(0) in consents.rows():
            return False
        key = ["subject", "form", "form_version", "given_on"]
        if consents.join(row, on=key, how="semi").height:
            where, day = f"{path.name}: {consent['subject']}", consent["given_on"]
            raise BadInput(
                f"{where}: a consent of {day} with form {consent['form']} {consent['form_version']} is recorded "
                "already, with other values; correct that row, or name another form or version"
            )
        consent_file.write(path, pl.concat([consents, row]))
    return True


@dataclass(frozen=True)
class Revocation:
    """Recorded revocation of a subject's consents.

    - `consents`: number of the subject's consents;
    - `changed`: number of those that this call revoked; the others were revoked before.
    """

    consents: int
    changed: int


def revoke(path: Path, subject: str, *, on: date) -> Revocation:
    """Set revoked_on of all consents of `subject` that are not revoked yet.

    A consent that was given after `on` is revoked on its own day. Raises BadInput if no consent of the subject is
    recorded.
    """
    with folder_lock(path.parent):
        consents = consent_file.load(path)
        is_theirs = pl.col("subject") == subject
        theirs = consents.filter(is_theirs)
        if theirs.is_empty():
            permitted = f"a subject of {path.name}; `mtf takedown add` takes down people without a consent, too"
            raise bad_value("consent", subject, permitted)
        is_open = is_theirs & pl.col("revoked_on").is_null()
        changed = consents.filter(is_open).height
        if changed:
            day = pl.max_horizontal(pl.lit(on), "given_on")
            revoked_on = pl.when(is_open).then(day).otherwise("revoked_on")
            consent_file.write(path, consents.with_columns(revoked_on=revoked_on))
    return Revocation(theirs.height, changed)
