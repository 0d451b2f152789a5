"""Check of people's consents: does each subject of a picture permit every purpose of the release, on its date?

Nothing here reads the clock. The date is `release.date`, so the same tables and parameters give the same answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl

from mtf.config import Params
from mtf.core.errors import BadInput
from mtf.core.project_paths import PATHS_IN_PROJECT, ProjectPaths
from mtf.schemas import ConsentGiver, Reason, consent_file

# Most serious first: of several reasons, a subject is given the first.
REASONS = (
    Reason.CONSENT_REVOKED,
    Reason.CONSENT_EXPIRED,
    Reason.GUARDIAN_MISSING,
    Reason.CONSENT_SCOPE,
    Reason.CONSENT_MISSING,
)
_STATES = {
    Reason.CONSENT_REVOKED: "revoked",
    Reason.CONSENT_EXPIRED: "expired",
    Reason.GUARDIAN_MISSING: "lacks guardian",
}
WRITE_DEPS = "run `mtf deps --write`"
VERDICTS = {"identity": pl.String, "consent_reason": pl.String, "consent_detail": pl.String}
Row = dict[str, Any]


@dataclass(frozen=True)
class ConsentRule:
    """Requirement of a release on each consent.

    purposes: members of `ConsentScope`; each must be consented to.
    on: day on which the consent must be valid.
    age_of_consent: age in years from which no guardian is needed.
    """

    purposes: Sequence[str]
    on: date
    age_of_consent: int = 18

    @classmethod
    def of(cls, params: Params) -> ConsentRule | None:
        """Rule of a project; None if its pictures are used by license alone."""
        if params.licenses.basis == "license" or params.release.date is None:
            return None
        return cls(params.release.purposes, params.release.date, params.licenses.age_of_consent)


@dataclass(frozen=True)
class Refusal:
    """Reason why a subject's pictures may not be used, one of REASONS, and its explanation."""

    reason: Reason
    detail: str


class Consents:
    """Consents of a project and the rule that they are checked by.

    - `table`: rows of `consent_file.CONSENT`;
    - `rule`: the rule; None if no consent is needed, so that nobody is refused.
    """

    def __init__(self, table: pl.DataFrame, rule: ConsentRule | None) -> None:
        self.table = table
        self.rule = rule
        self._rows: dict[str, list[Row]] = {}
        for row in table.iter_rows(named=True):
            self._rows.setdefault(row["subject"], []).append(row)

    def refusal(self, subject: str) -> Refusal | None:
        """Reason against the use of a subject's pictures, the first of REASONS; None if every purpose is permitted."""
        if self.rule is None:
            return None
        found = [self._refusal_for(purpose, subject, self.rule) for purpose in self.rule.purposes]
        refusals = [each for each in found if each is not None]
        return min(refusals, key=lambda each: REASONS.index(each.reason), default=None)

    def revoked_later(self, subject: str) -> date | None:
        """Day after the rule's date from which none of the subject's consents holds; None if one does, or none did.

        Such a person may be in a release of the rule's date, and is to be taken down from it.
        """
        if self.rule is None or self.refusal(subject) is not None:
            return None
        days = [row["revoked_on"] for row in self._rows.get(subject, ()) if row["given_on"] <= self.rule.on]
        return None if None in days else max(days)

    def verdicts(self, subjects: Iterable[str]) -> pl.DataFrame:
        """Verdict for each subject: identity, consent_reason and consent_detail, the last two null if permitted."""
        found = ((subject, self.refusal(subject)) for subject in sorted(set(subjects)))
        rows = [(subject, *((str(each.reason), each.detail) if each else (None, None))) for subject, each in found]
        return pl.DataFrame(rows, schema=VERDICTS, orient="row")

    def _refusal_for(self, purpose: str, subject: str, rule: ConsentRule) -> Refusal | None:
        given = [row for row in self._rows.get(subject, ()) if row["given_on"] <= rule.on]
        covering = [row for row in given if purpose in row["scopes"]]
        if any(_failure(row, rule) is None for row in covering):
            return None
        if covering:
            # Sorting is stable: of the same day, the last row of the file counts.
            latest = sorted(covering, key=lambda row: row["given_on"])[-1]
            reason = _failure(latest, rule)
            assert reason is not None  # noqa: S101 (a row without failure returned above)
            return Refusal(reason, _explained(reason, latest, purpose, rule))
        if given:
            scopes = ", ".join(dict.fromkeys(scope for row in given for scope in row["scopes"]))
            return Refusal(Reason.CONSENT_SCOPE, f"consent is given for {scopes}, not for {purpose}")
        later = min((row["given_on"] for row in self._rows.get(subject, ())), default=None)
        detail = f"no consent is recorded on {rule.on}"
        return Refusal(Reason.CONSENT_MISSING, detail if later is None else f"{detail}; the first is of {later}")


def state(row: Row, rule: ConsentRule) -> str:
    """State of one consent on the rule's day: valid, not given yet, or the reason why it is not valid, in words."""
    if row["given_on"] > rule.on:
        return "not given yet"
    reason = _failure(row, rule)
    return "valid" if reason is None else _STATES[reason]


def _failure(row: Row, rule: ConsentRule) -> Reason | None:
    if row["revoked_on"] is not None and row["revoked_on"] <= rule.on:
        return Reason.CONSENT_REVOKED
    if row["valid_until"] is not None and row["valid_until"] < rule.on:
        return Reason.CONSENT_EXPIRED
    if row["given_by"] == ConsentGiver.SELF and row["age"] < rule.age_of_consent:
        return Reason.GUARDIAN_MISSING
    return None


def _explained(reason: Reason, row: Row, purpose: str, rule: ConsentRule) -> str:
    form = f"consent of {row['given_on']} ({row['form']} {row['form_version']}) to {purpose}"
    if reason == Reason.CONSENT_REVOKED:
        return f"{form} was revoked on {row['revoked_on']}; the release is of {rule.on}"
    if reason == Reason.CONSENT_EXPIRED:
        return f"{form} was valid until {row['valid_until']}; the release is of {rule.on}"
    return f"{form} was given by a person of {row['age']}; a guardian is needed below {rule.age_of_consent}"


NONE_NEEDED = Consents(pl.DataFrame(schema=consent_file.CONSENT.dtypes), None)
"""Consents of a project whose pictures are used by license alone."""


def load(workspace: ProjectPaths, params: Params) -> Consents:
    """Consents of a project, with its rule. Raises BadInput if they are needed and the file is missing or malformed."""
    rule = ConsentRule.of(params)
    if rule is None:
        return NONE_NEEDED
    if not workspace.consent.is_file():
        path = workspace.relative(workspace.consent)
        raise BadInput(
            f"{path}: no such file, and licenses.basis is {params.licenses.basis}; `mtf consent add` begins it"
        )
    _check_stages_depend_on_it(workspace)
    return Consents(consent_file.load(workspace.consent), rule)


def _check_stages_depend_on_it(workspace: ProjectPaths) -> None:
    """Raise BadInput if no stage of dvc.yaml has the file as a dependency: a revocation would change nothing."""
    pipeline, path = workspace.root / "dvc.yaml", PATHS_IN_PROJECT.consent.as_posix()
    if pipeline.is_file() and f"- {path}" not in pipeline.read_text(encoding="utf-8"):
        raise BadInput(f"dvc.yaml: no stage depends on {path}, so a revocation would change nothing; {WRITE_DEPS}")
