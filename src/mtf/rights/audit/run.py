"""The audits: which pictures are looked at, and which checks they must pass.

`licenses` looks at every picture of the crawl, `attribution` at those that a release would publish, `optouts` at every
picture and every address that was left alone, `release` at the published files, or, where none are built, at the
pictures that would be. The first and third say what lies on disk; only `release` says whether something may leave
the house.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path

import polars as pl

from mtf.config import Params
from mtf.core.errors import BadInput
from mtf.core.project_paths import ProjectPaths
from mtf.rights import attribution, policy
from mtf.rights.audit import audited_pictures, checks, drift
from mtf.rights.audit.checks import EVIDENCE_COLUMNS
from mtf.rights.audit.findings import KEYS, Code, first_line, stored_table
from mtf.schemas import takedown_file

CREDITS = "URL_of_original_images.csv"
UNSTATED = "none stated"


class Scope(StrEnum):
    LICENSES = "licenses"
    ATTRIBUTION = "attribution"
    OPTOUTS = "optouts"
    RELEASE = "release"


@dataclass(frozen=True)
class AuditReport:
    """What an audit found. `findings` has findings.FINDING and `in_data_set`; `licenses` counts pictures by license.

    `evidence_as_of` is the day of the newest evidence that was looked at: the same tables give the same report.
    `not_asked_again` counts, by method, pictures whose source was not asked again where that was wanted. Not `is_built`
    is an audit of the release that judges the pictures of a release to come.
    """

    scope: Scope
    params: Params
    evidence_as_of: date | None
    audited: int
    findings: pl.DataFrame
    licenses: dict[str, int]
    not_asked_again: Mapping[str, int] = field(default_factory=dict)
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
        """What a release of all these pictures may bear."""
        return policy.permitted_release_licenses(name for name in self.licenses if name != UNSTATED)


@dataclass(frozen=True)
class RecheckedSources:
    """What the pages say today (`seen`), and by method how many pictures' sources were not asked."""

    seen: pl.DataFrame
    not_asked: Mapping[str, int]


@dataclass(frozen=True)
class Subject:
    """The project that is audited, the day that ages are counted to, and its pictures' looks (checks.taken_down)."""

    workspace: ProjectPaths
    params: Params
    today: date
    looks: pl.DataFrame | None = None

    @property
    def removals(self) -> takedown_file.Takedowns:
        return takedown_file.load(self.workspace.takedowns)


# The evidence of the pictures that were looked at, and what each check found.
Audited = tuple[pl.LazyFrame, list[pl.LazyFrame]]


def run(subject: Subject, scope: Scope, *, again: RecheckedSources | None = None) -> AuditReport:
    """Audit a project. `again` is what the pages say today, where they were asked again (drift.drifted).

    Raises BadInput where a table that the audit looks at is missing or unreadable.
    """
    if scope == Scope.RELEASE and not audited_pictures.has_published_pictures(subject.workspace):
        return of_plan(subject)
    looks: dict[Scope, Callable[[Subject], Audited]] = {
        Scope.LICENSES: _licenses,
        Scope.ATTRIBUTION: _attribution,
        Scope.OPTOUTS: _optouts,
        Scope.RELEASE: _release,
    }
    return _judged(subject, scope, looks[scope], again)


def of_plan(subject: Subject) -> AuditReport:
    """The audit of the pictures that `mtf release` would publish, whatever is built. Raises BadInput as `run` does."""
    return replace(_judged(subject, Scope.RELEASE, _plan, None), is_built=False)


def _judged(
    subject: Subject, scope: Scope, look: Callable[[Subject], Audited], again: RecheckedSources | None
) -> AuditReport:
    workspace, params = subject.workspace, subject.params
    try:
        evidence, findings = look(subject)
        if again is not None:
            findings.append(drift.drifted(evidence, again.seen.lazy(), params.licenses))
        found = report(
            scope, params, evidence, findings, members=audited_pictures.find_planned_pictures(workspace, params)
        )
    except (pl.exceptions.PolarsError, OSError) as error:
        raise BadInput(f"a table of {workspace.relative(workspace.stage('crawl'))}: {first_line(error)}") from None
    return found if again is None else replace(found, not_asked_again=again.not_asked)


def report(
    scope: Scope, params: Params, evidence: pl.LazyFrame, findings: list[pl.LazyFrame], *, members: pl.LazyFrame | None
) -> AuditReport:
    """Put findings in order, and mark those whose picture a release would publish (`members`: identity, image_id)."""
    license = pl.col("license").fill_null(UNSTATED)
    counted = evidence.group_by(license).agg(pl.len(), pl.col("checked_at").max())
    licenses, *found = pl.collect_all([counted, *findings], engine="streaming")
    rows = licenses.select("license", "len").sort("len", "license", descending=[True, False]).rows()
    # What the policy drops for want of a credit, the check of credits finds again.
    ordered = _in_order(pl.concat(found).unique(maintain_order=True), members)
    newest = licenses["checked_at"].max()
    as_of = newest.date() if isinstance(newest, datetime) else None
    return AuditReport(scope, params, as_of, int(licenses["len"].sum()), ordered, {name: int(n) for name, n in rows})


def of_data_set(
    pictures: pl.DataFrame, evidence: pl.DataFrame, params: Params, removals: takedown_file.Takedowns, *, today: date
) -> AuditReport:
    """The audit that a release has to pass before it is built: `pictures` (identity, image_id) are to be published.

    A picture without a row in `evidence` (tables.EVIDENCE) is a finding.
    """
    wanted = pictures.lazy().select(KEYS).unique()
    known = evidence.lazy().select(EVIDENCE_COLUMNS).join(wanted, on=KEYS, how="semi")
    findings = [*_publishable(known, params, removals, today), _without_evidence(wanted, known)]
    return report(Scope.RELEASE, params, known, findings, members=wanted)


def _in_order(found: pl.DataFrame, members: pl.LazyFrame | None) -> pl.DataFrame:
    """Errors first, the most serious code first; with a column that says whether the picture is in the data set."""
    order = {str(code): rank for rank, code in enumerate(Code)}
    inside = pl.LazyFrame(schema={"identity": pl.String, "image_id": pl.String}) if members is None else members
    inside = inside.select(KEYS).unique().with_columns(in_data_set=True)
    rank = pl.col("code").replace_strict(order, return_dtype=pl.Int32)
    return (
        found.lazy()
        .join(inside, on=KEYS, how="left")
        .with_columns(pl.col("in_data_set").fill_null(False))
        .sort("level", rank, "identity", "image_id", "url")  # error, warning
        .collect()
    )


def _licenses(subject: Subject) -> Audited:
    workspace, removals = subject.workspace, subject.removals
    evidence, images = _evidence(workspace), stored_table(workspace, "crawl", "images", [*KEYS, "url", "page_url"])
    findings = [
        checks.policy_kept(evidence, subject.params.licenses, today=subject.today),
        checks.dead_sources(evidence, subject.params.licenses, today=subject.today),
        checks.respected_opt_outs(_fetches(workspace)),
    ]
    if removals.records:
        shown = images.with_columns(license=pl.lit(None, pl.String))
        findings.append(checks.taken_down(shown, removals, subject.looks))
    # Data sets that were opened as a project were never asked twice, nor were earlier crawls recorded.
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
    found = _publishable(evidence, subject.params, subject.removals, subject.today, subject.looks)
    return evidence, [*found, _without_evidence(wanted, evidence)]


def _of_planned(subject: Subject) -> tuple[pl.LazyFrame, pl.LazyFrame]:
    """The pictures that a release would publish, and their evidence."""
    wanted = audited_pictures.planned_pictures(subject.workspace, subject.params)
    return wanted, _evidence(subject.workspace).join(wanted, on=KEYS, how="semi")


def _optouts(subject: Subject) -> Audited:
    evidence = _evidence(subject.workspace)
    return evidence, [
        checks.opted_out(evidence, subject.params.licenses),
        checks.respected_opt_outs(_fetches(subject.workspace)),
    ]


def _release(subject: Subject) -> Audited:
    """The published files, by the faces whose names they bear; a file that bears none is a finding of its own."""
    workspace = subject.workspace
    files = audited_pictures.published_pictures(workspace)
    credited = _listed_faces(workspace.stage("release") / CREDITS)
    shown = _as_whom(files, stored_table(workspace, "crop", "faces", [*KEYS, "face_id"]), credited)
    pictures = shown.lazy().filter(pl.col("image_id").is_not_null()).select(KEYS).unique()
    known = _evidence(workspace).join(pictures, on=KEYS, how="semi").collect().lazy()
    described = (
        shown.lazy().join(known.select(*KEYS, "url", "license"), on=KEYS, how="left").unique("path", keep="first")
    )
    return known, [
        *_publishable(known, subject.params, subject.removals, subject.today, subject.looks),
        _without_evidence(pictures, known),
        checks.unlisted(described, credited["face_id"]),
        checks.unknown(described),
    ]


def _publishable(
    evidence: pl.LazyFrame,
    params: Params,
    removals: takedown_file.Takedowns,
    today: date,
    looks: pl.DataFrame | None = None,
) -> list[pl.LazyFrame]:
    """What holds for every picture that leaves the house."""
    return [
        checks.policy_kept(evidence, params.licenses, today=today),
        checks.attributable(evidence),
        checks.release_license_kept(evidence, params.release.license),
        checks.taken_down(evidence, removals, looks),
    ]


def _without_evidence(pictures: pl.LazyFrame, evidence: pl.LazyFrame) -> pl.LazyFrame:
    """Pictures that no row of the evidence is about."""
    return checks.unrecorded(pictures.select(KEYS).unique().join(evidence.select(KEYS), on=KEYS, how="anti"))


def _same_pictures(one: pl.LazyFrame, other: pl.LazyFrame) -> bool:
    """Whether two tables are about the same pictures in the same order, as those of one crawl are: a quick look
    that spares a large join.
    """
    sides = [side.select(KEYS) for side in (one, other)]
    heights = {side.select(pl.len()).collect().item() for side in sides}
    if len(heights) > 1:
        return False
    pairs = pl.concat([sides[0], sides[1].rename({name: f"{name}_other" for name in KEYS})], how="horizontal")
    same = pl.all_horizontal(pl.col(name).eq_missing(pl.col(f"{name}_other")) for name in KEYS).all()
    return bool(pairs.select(same).collect(engine="streaming").item())


def _evidence(workspace: ProjectPaths) -> pl.LazyFrame:
    """What the sources state, with what people found where these leave it out."""
    known = stored_table(workspace, "crawl", "evidence", EVIDENCE_COLUMNS)
    return attribution.supplemented(known, attribution.load(workspace.attribution))


def _fetches(workspace: ProjectPaths) -> pl.LazyFrame:
    return stored_table(workspace, "crawl", "fetches", ["identity", "url", "outcome", "detail"])


def _as_whom(files: pl.DataFrame, faces: pl.LazyFrame, credited: pl.DataFrame) -> pl.DataFrame:
    """The published files with the identity and the picture of their faces.

    A picture may have been found for several identities: where the credits say whom a face is published as, that find
    counts, else all of them do.
    """
    found = files.lazy().join(faces, on="face_id", how="left")
    said = credited.lazy().select("face_id", "identity").unique().with_columns(said=True)
    named = found.join(said, on=["face_id", "identity"], how="left").with_columns(pl.col("said").fill_null(False))
    return named.filter(pl.col("said") | ~pl.col("said").any().over("path")).drop("said").collect()


def _listed_faces(path: Path) -> pl.DataFrame:
    """The faces that the release's credits name, and as whom; none where the file is missing."""
    columns = ["face_id", "identity"]
    if not path.is_file():
        return pl.DataFrame(schema=dict.fromkeys(columns, pl.String))
    try:
        return pl.read_csv(path, columns=columns, infer_schema=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise BadInput(f"{path.name}: not readable as a table with face_id and identity: {first_line(error)}") from None
