"""Audits by scope: their pictures and checks.

- `licenses`: every picture of the crawl.
- `attribution`: the pictures that a release would publish.
- `optouts`: every picture of the crawl, and every address that was not fetched because of an opt-out.
- `release`: the published files, or, before a release is built, the pictures that it would publish.

`licenses` and `optouts` describe the files on disk. Only `release` decides whether pictures may be published.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from enum import StrEnum
from functools import cached_property
from pathlib import Path

import polars as pl

from mtf.config import Params
from mtf.core.errors import BadInput
from mtf.core.project_paths import ProjectPaths
from mtf.rights import attribution, consent, policy
from mtf.rights.audit import audited_pictures, checks, drift
from mtf.rights.audit.checks import EVIDENCE_COLUMNS
from mtf.rights.audit.findings import KEYS, Code, first_line, stored_table
from mtf.rights.consent import Consents
from mtf.schemas import takedown_file

CREDITS = "URL_of_original_images.csv"
UNSTATED = "none stated"


class Scope(StrEnum):
    """Scopes of an audit."""

    LICENSES = "licenses"
    ATTRIBUTION = "attribution"
    OPTOUTS = "optouts"
    RELEASE = "release"


@dataclass(frozen=True)
class AuditReport:
    """Result of an audit.

    evidence_as_of: day of the newest evidence; not of the audit, so that the same tables give the same report.
    audited: number of pictures.
    findings: columns `findings.FINDING` and `in_data_set`, most serious first.
    licenses: license → number of pictures.
    not_rechecked: method of evidence → number of pictures whose source could not be rechecked.
    is_built: False for an audit of the pictures of a future release.
    """

    scope: Scope
    params: Params
    evidence_as_of: date | None
    audited: int
    findings: pl.DataFrame
    licenses: dict[str, int]
    not_rechecked: Mapping[str, int] = field(default_factory=dict)
    is_built: bool = True

    @property
    def is_compliant(self) -> bool:
        return not (self.findings["level"] == "error").any()

    @property
    def by_code(self) -> dict[str, int]:
        """Code → findings, most serious code first."""
        counts = dict(self.findings["code"].value_counts().iter_rows())
        return {str(code): counts[str(code)] for code in Code if str(code) in counts}

    @property
    def release_licenses(self) -> list[str]:
        """Licenses that a release of all these pictures may bear."""
        return policy.permitted_release_licenses(name for name in self.licenses if name != UNSTATED)


@dataclass(frozen=True)
class RecheckedSources:
    """Today's statements of the sources.

    statements: one row per rechecked picture (`mtf.crawl.recheck.STATEMENTS`).
    not_rechecked: method of evidence → number of pictures whose source could not be rechecked.
    """

    statements: pl.DataFrame
    not_rechecked: Mapping[str, int]


@dataclass(frozen=True)
class Subject:
    """Subject of an audit: a project and the tables that are not read from it.

    today: day for the age of evidence.
    hashes: perceptual hashes of the pictures (`checks.taken_down`).
    """

    workspace: ProjectPaths
    params: Params
    today: date
    hashes: pl.DataFrame | None = None

    @cached_property
    def consents(self) -> Consents:
        return consent.load(self.workspace, self.params)

    @property
    def takedowns(self) -> takedown_file.Takedowns:
        return takedown_file.load(self.workspace.takedowns)


# Evidence of the audited pictures, and the findings of each check.
Audited = tuple[pl.LazyFrame, list[pl.LazyFrame]]


def run(subject: Subject, scope: Scope, *, rechecked: RecheckedSources | None = None) -> AuditReport:
    """Audit a project; with `rechecked` sources, changes of their statements are findings, too (`drift.drifted`).

    Raises BadInput if a table of the audit is missing or unreadable.
    """
    if scope == Scope.RELEASE and not audited_pictures.has_published_pictures(subject.workspace):
        return of_plan(subject)
    audits: dict[Scope, Callable[[Subject], Audited]] = {
        Scope.LICENSES: _licenses,
        Scope.ATTRIBUTION: _attribution,
        Scope.OPTOUTS: _optouts,
        Scope.RELEASE: _release,
    }
    return _judged(subject, scope, audits[scope], rechecked)


def of_plan(subject: Subject) -> AuditReport:
    """Audit the pictures that `mtf release` would publish, whatever is built. Raises BadInput, like `run`."""
    return replace(_judged(subject, Scope.RELEASE, _plan, None), is_built=False)


def _judged(
    subject: Subject, scope: Scope, audit: Callable[[Subject], Audited], rechecked: RecheckedSources | None
) -> AuditReport:
    workspace, params = subject.workspace, subject.params
    try:
        evidence, findings = audit(subject)
        if rechecked is not None:
            findings.append(drift.drifted(evidence, rechecked.statements.lazy(), params.licenses))
        members = audited_pictures.find_planned_pictures(workspace, params)
        result = report(scope, params, evidence, findings, members=members)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise BadInput(f"a table of {workspace.relative(workspace.stage('crawl'))}: {first_line(error)}") from None
    return result if rechecked is None else replace(result, not_rechecked=rechecked.not_rechecked)


def report(
    scope: Scope, params: Params, evidence: pl.LazyFrame, findings: list[pl.LazyFrame], *, members: pl.LazyFrame | None
) -> AuditReport:
    """Order the findings, and mark those whose picture a release would publish (`members`: identity, image_id)."""
    license = pl.col("license").fill_null(UNSTATED)
    counted = evidence.group_by(license).agg(pl.len(), pl.col("checked_at").max())
    licenses, *rows_of_checks = pl.collect_all([counted, *findings], engine="streaming")
    rows = licenses.select("license", "len").sort("len", "license", descending=[True, False]).rows()
    # Unique: two checks report a picture that the policy drops for lack of a credit.
    ordered = _in_order(pl.concat(rows_of_checks).unique(maintain_order=True), members)
    newest = licenses["checked_at"].max()
    as_of = newest.date() if isinstance(newest, datetime) else None
    return AuditReport(scope, params, as_of, int(licenses["len"].sum()), ordered, {name: int(n) for name, n in rows})


def of_data_set(
    pictures: pl.DataFrame,
    evidence: pl.DataFrame,
    params: Params,
    takedowns: takedown_file.Takedowns,
    consents: Consents = consent.NONE_NEEDED,
    *,
    today: date,
) -> AuditReport:
    """Audit that a release must pass before it is built; `pictures` (identity, image_id) are to be published.

    A picture without a row in `evidence` (`schemas.EVIDENCE`) is a finding.
    """
    wanted = pictures.lazy().select(KEYS).unique()
    rows = evidence.lazy().select(EVIDENCE_COLUMNS).join(wanted, on=KEYS, how="semi")
    if consents.rule is None and params.licenses.basis != "license":
        raise ValueError("the policy asks for consents, and none are given")
    findings = [*_publishable(rows, params, takedowns, consents, today), _without_evidence(wanted, rows)]
    return report(Scope.RELEASE, params, rows, findings, members=wanted)


def _in_order(findings: pl.DataFrame, members: pl.LazyFrame | None) -> pl.DataFrame:
    """Findings with the column in_data_set: errors first, then by seriousness of the code."""
    order = {str(code): rank for rank, code in enumerate(Code)}
    inside = pl.LazyFrame(schema={"identity": pl.String, "image_id": pl.String}) if members is None else members
    inside = inside.select(KEYS).unique().with_columns(in_data_set=True)
    rank = pl.col("code").replace_strict(order, return_dtype=pl.Int32)
    return (
        findings.lazy()
        .join(inside, on=KEYS, how="left")
        .with_columns(pl.col("in_data_set").fill_null(False))
        .sort("level", rank, "identity", "image_id", "url")  # error, warning
        .collect()
    )


def _licenses(subject: Subject) -> Audited:
    workspace, takedowns = subject.workspace, subject.takedowns
    evidence, images = _evidence(workspace), stored_table(workspace, "crawl", "images", [*KEYS, "url", "page_url"])
    findings = [
        checks.policy_kept(evidence, subject.params.licenses, today=subject.today),
        checks.dead_sources(evidence, subject.params.licenses, today=subject.today),
        checks.consented(evidence, subject.consents),
        checks.respected_opt_outs(_fetches(workspace)),
    ]
    if takedowns.records:
        pictures = images.with_columns(license=pl.lit(None, pl.String))
        findings.append(checks.taken_down(pictures, takedowns, subject.hashes))
    # Projects made of a data set, and crawls by older versions, have no earlier statements.
    if workspace.table("crawl", "earlier").is_file():
        earlier = stored_table(workspace, "crawl", "earlier", [*KEYS, "page_url", "license", "checked_at"])
        findings.append(drift.changed_on_record(evidence, earlier))
    if not _same_pictures(images, evidence):
        findings.append(_without_evidence(images, evidence))
    return evidence, findings


def _attribution(subject: Subject) -> Audited:
    wanted, evidence = _of_planned(subject)
    return evidence, [checks.attributable(evidence), _without_evidence(wanted, evidence)]


def _plan(subject: Subject) -> Audited:
    wanted, evidence = _of_planned(subject)
    findings = _publishable_of(subject, evidence)
    return evidence, [*findings, _without_evidence(wanted, evidence)]


def _of_planned(subject: Subject) -> tuple[pl.LazyFrame, pl.LazyFrame]:
    """Pictures that a release would publish, and their evidence."""
    wanted = audited_pictures.planned_pictures(subject.workspace, subject.params)
    return wanted, _evidence(subject.workspace).join(wanted, on=KEYS, how="semi")


def _optouts(subject: Subject) -> Audited:
    evidence = _evidence(subject.workspace)
    findings = [
        checks.opted_out(evidence, subject.params.licenses),
        checks.respected_opt_outs(_fetches(subject.workspace)),
    ]
    if subject.workspace.table("crawl", "earlier").is_file():
        earlier = stored_table(subject.workspace, "crawl", "earlier", [*KEYS, "page_url", "opt_out", "checked_at"])
        findings.append(drift.opt_outs_changed_on_record(evidence, earlier))
    return evidence, findings


def _release(subject: Subject) -> Audited:
    """Audit of the published files, by the face ids in their names; a file without one is a finding."""
    workspace = subject.workspace
    files = audited_pictures.published_pictures(workspace)
    credited = _credited_faces(workspace.stage("release") / CREDITS)
    published = _with_identity(files, stored_table(workspace, "crop", "faces", [*KEYS, "face_id"]), credited)
    pictures = published.lazy().filter(pl.col("image_id").is_not_null()).select(KEYS).unique()
    evidence = _evidence(workspace).join(pictures, on=KEYS, how="semi").collect().lazy()
    licensed = published.lazy().join(evidence.select(*KEYS, "url", "license"), on=KEYS, how="left")
    described = licensed.unique("path", keep="first")
    return evidence, [
        *_publishable_of(subject, evidence),
        _without_evidence(pictures, evidence),
        checks.unlisted(described, credited["face_id"]),
        checks.unknown(described),
    ]


def _publishable_of(subject: Subject, evidence: pl.LazyFrame) -> list[pl.LazyFrame]:
    return _publishable(evidence, subject.params, subject.takedowns, subject.consents, subject.today, subject.hashes)


def _publishable(
    evidence: pl.LazyFrame,
    params: Params,
    takedowns: takedown_file.Takedowns,
    consents: Consents,
    today: date,
    hashes: pl.DataFrame | None = None,
) -> list[pl.LazyFrame]:
    """Checks that every published picture must pass."""
    return [
        checks.policy_kept(evidence, params.licenses, today=today),
        checks.consented(evidence, consents),
        checks.attributable(evidence),
        checks.release_license_kept(evidence, params.release.license),
        checks.taken_down(evidence, takedowns, hashes),
    ]


def _without_evidence(pictures: pl.LazyFrame, evidence: pl.LazyFrame) -> pl.LazyFrame:
    """Findings for pictures without a row of evidence."""
    return checks.unrecorded(pictures.select(KEYS).unique().join(evidence.select(KEYS), on=KEYS, how="anti"))


def _same_pictures(one: pl.LazyFrame, other: pl.LazyFrame) -> bool:
    """True if two tables have the same pictures in the same order, as those of one crawl do.

    This check is fast, and often saves a large join.
    """
    sides = [side.select(KEYS) for side in (one, other)]
    heights = {side.select(pl.len()).collect().item() for side in sides}
    if len(heights) > 1:
        return False
    pairs = pl.concat([sides[0], sides[1].rename({name: f"{name}_other" for name in KEYS})], how="horizontal")
    same = pl.all_horizontal(pl.col(name).eq_missing(pl.col(f"{name}_other")) for name in KEYS).all()
    return bool(pairs.select(same).collect(engine="streaming").item())


def _evidence(workspace: ProjectPaths) -> pl.LazyFrame:
    """Evidence of the crawl, with gaps filled from the attribution file."""
    table = stored_table(workspace, "crawl", "evidence", EVIDENCE_COLUMNS)
    return attribution.supplemented(table, attribution.load(workspace.attribution))


def _fetches(workspace: ProjectPaths) -> pl.LazyFrame:
    return stored_table(workspace, "crawl", "fetches", ["identity", "url", "outcome", "detail"])


def _with_identity(files: pl.DataFrame, faces: pl.LazyFrame, credited: pl.DataFrame) -> pl.DataFrame:
    """Published files with the identity and the picture of their faces.

    One picture may belong to several identities. The credits name the one that a face is published as; without them all
    count.
    """
    rows = files.lazy().join(faces, on="face_id", how="left")
    names = credited.lazy().select("face_id", "identity").unique().with_columns(is_credited=True)
    marked = rows.join(names, on=["face_id", "identity"], how="left").with_columns(
        pl.col("is_credited").fill_null(False)
    )
    is_kept = pl.col("is_credited") | ~pl.col("is_credited").any().over("path")
    return marked.filter(is_kept).drop("is_credited").collect()


def _credited_faces(path: Path) -> pl.DataFrame:
    """face_id and identity of the faces in the release's credits; empty if the file is missing."""
    columns = ["face_id", "identity"]
    if not path.is_file():
        return pl.DataFrame(schema=dict.fromkeys(columns, pl.String))
    try:
        return pl.read_csv(path, columns=columns, infer_schema=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise BadInput(f"{path.name}: not readable as a table with face_id and identity: {first_line(error)}") from None
