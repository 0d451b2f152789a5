"""The audits: which pictures are looked at, and which checks they must pass.

`licenses` looks at every picture of the crawl, `attribution` at those of the data set, `optouts` at every picture
and every address that was left alone, `release` at the published files. The first and third say what lies on disk;
only `release` says whether something may leave the house.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path

import polars as pl

from mtf import takedowns
from mtf.errors import BadInput, listed
from mtf.licenses import checks, policy
from mtf.licenses.checks import EVIDENCE_COLUMNS, KEYS, Code
from mtf.params import Params
from mtf.workspace import Workspace

CREDITS = "URL_of_original_images.csv"
UNSTATED = "none stated"
_FACE_ID = re.compile(r"[0-9a-f]{32}(?![0-9a-f])")


class Scope(StrEnum):
    LICENSES = "licenses"
    ATTRIBUTION = "attribution"
    OPTOUTS = "optouts"
    RELEASE = "release"


@dataclass(frozen=True)
class Report:
    """What an audit found. `findings` has checks.FINDING and `in_data_set`; `licenses` counts pictures by license."""

    scope: Scope
    params: Params
    on: date
    audited: int
    findings: pl.DataFrame
    licenses: dict[str, int]

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


# The evidence of the pictures that were looked at, and what each check found.
Audited = tuple[pl.LazyFrame, list[pl.LazyFrame]]


def run(workspace: Workspace, params: Params, scope: Scope, *, today: date, seen: pl.DataFrame | None = None) -> Report:
    """Audit a project. `seen` is what the pages say today, where they were asked again (checks.drifted).

    Raises BadInput where a table that the audit looks at is missing or unreadable.
    """
    audits: dict[Scope, Callable[[Workspace, Params, date], Audited]] = {
        Scope.LICENSES: _licenses,
        Scope.ATTRIBUTION: _attribution,
        Scope.OPTOUTS: _optouts,
        Scope.RELEASE: _release,
    }
    try:
        evidence, findings = audits[scope](workspace, params, today)
        if seen is not None:
            findings.append(checks.drifted(evidence, seen.lazy(), params.licenses))
        return report(scope, params, evidence, findings, members=_members(workspace), today=today)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise BadInput(f"a table of {workspace.relative(workspace.stage('crawl'))}: {_first_line(error)}") from None


def report(
    scope: Scope,
    params: Params,
    evidence: pl.LazyFrame,
    findings: list[pl.LazyFrame],
    *,
    members: pl.LazyFrame | None,
    today: date,
) -> Report:
    """Put findings in order, and mark those that concern the data set (`members`: identity, image_id)."""
    counted = evidence.select(pl.col("license").fill_null(UNSTATED)).group_by("license").len()
    licenses, *found = pl.collect_all([counted, *findings], engine="streaming")
    rows = licenses.sort("len", "license", descending=[True, False]).rows()
    ordered = _in_order(pl.concat(found), members)
    return Report(scope, params, today, int(licenses["len"].sum()), ordered, {name: int(n) for name, n in rows})


def of_data_set(
    pictures: pl.DataFrame, evidence: pl.DataFrame, params: Params, removals: takedowns.Takedowns, *, today: date
) -> Report:
    """The audit that a release has to pass before it is built: `pictures` (identity, image_id) are to be published.

    A picture without a row in `evidence` (tables.EVIDENCE) is a finding.
    """
    wanted = pictures.lazy().select(KEYS).unique()
    known = evidence.lazy().select(EVIDENCE_COLUMNS).join(wanted, on=KEYS, how="semi")
    findings = [*_publishable(known, params, removals, today), _without_evidence(wanted, known)]
    return report(Scope.RELEASE, params, known, findings, members=wanted, today=today)


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


def _licenses(workspace: Workspace, params: Params, today: date) -> Audited:
    evidence, images = _evidence(workspace), _table(workspace, "crawl", "images", [*KEYS, "url", "page_url"])
    removals = takedowns.load(workspace.takedowns)
    findings = [
        checks.policy_kept(evidence, params.licenses, today=today),
        checks.dead_sources(evidence),
        checks.respected_opt_outs(_fetches(workspace)),
    ]
    if removals.records:
        findings.append(checks.taken_down(images.with_columns(license=pl.lit(None, pl.String)), removals))
    if not _same_pictures(images, evidence):
        findings.append(_without_evidence(images, evidence))
    return evidence, findings


def _attribution(workspace: Workspace, _params: Params, _today: date) -> Audited:
    members = _members(workspace)
    if members is None:
        raise BadInput("no data set to audit; run `mtf curate` first (`dvc repro`)")
    wanted = members.unique()
    evidence = _evidence(workspace).join(wanted, on=KEYS, how="semi")
    return evidence, [checks.attributable(evidence), _without_evidence(wanted, evidence)]


def _optouts(workspace: Workspace, params: Params, _today: date) -> Audited:
    evidence = _evidence(workspace)
    return evidence, [
        checks.opted_out(evidence, params.licenses),
        checks.respected_opt_outs(_fetches(workspace)),
    ]


def _release(workspace: Workspace, params: Params, today: date) -> Audited:
    """The published files, by the faces whose names they bear; a file that bears none is a finding of its own."""
    files = _published(workspace)
    faces = _table(workspace, "crop", "faces", [*KEYS, "face_id"])
    # One picture may have been found for two identities: all of them count.
    shown = files.lazy().join(faces, on="face_id", how="left").collect()
    pictures = shown.lazy().filter(pl.col("image_id").is_not_null()).select(KEYS).unique()
    known = _evidence(workspace).join(pictures, on=KEYS, how="semi").collect().lazy()
    described = shown.lazy().join(known.select(*KEYS, "url", "license"), on=KEYS, how="left")
    credited = _listed_faces(workspace.stage("release") / CREDITS)
    return known, [
        *_publishable(known, params, takedowns.load(workspace.takedowns), today),
        _without_evidence(pictures, known),
        checks.unlisted(described.unique("path", keep="first"), credited),
    ]


def _publishable(
    evidence: pl.LazyFrame, params: Params, removals: takedowns.Takedowns, today: date
) -> list[pl.LazyFrame]:
    """What holds for every picture that leaves the house."""
    return [
        checks.policy_kept(evidence, params.licenses, today=today),
        checks.attributable(evidence),
        checks.release_license_kept(evidence, params.release.license),
        checks.taken_down(evidence, removals),
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


def _evidence(workspace: Workspace) -> pl.LazyFrame:
    return _table(workspace, "crawl", "evidence", EVIDENCE_COLUMNS)


def _fetches(workspace: Workspace) -> pl.LazyFrame:
    return _table(workspace, "crawl", "fetches", ["identity", "url", "outcome", "detail"])


def _members(workspace: Workspace) -> pl.LazyFrame | None:
    """The pictures of the data set: the split's, or the curated ones where nothing is split yet; None before that."""
    for stage, table in (("split", "splits"), ("curate", "curated")):
        if workspace.table(stage, table).is_file():
            return _table(workspace, stage, table, KEYS)
    return None


def _published(workspace: Workspace) -> pl.DataFrame:
    """Every picture file below build/release: path, and the face_id that its name begins with."""
    root = workspace.stage("release")
    paths = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.jpg")) if root.is_dir() else []
    if not paths:
        raise BadInput(f"{workspace.relative(root)}: no release to audit; build it with `mtf release` (`dvc repro`)")
    names = [_FACE_ID.match(path.rpartition("/")[2]) for path in paths]
    found = {"path": paths, "face_id": [name[0] if name else None for name in names]}
    return pl.DataFrame(found, schema={"path": pl.String, "face_id": pl.String})


def _listed_faces(path: Path) -> pl.Series:
    """The faces that the release's credits name; none where the file is missing."""
    if not path.is_file():
        return pl.Series("face_id", [], dtype=pl.String)
    try:
        return pl.read_csv(path, columns=["face_id"], infer_schema=False)["face_id"]
    except (pl.exceptions.PolarsError, OSError) as error:
        raise BadInput(f"{path.name}: not readable as a table with a column face_id: {_first_line(error)}") from None


def _table(workspace: Workspace, stage: str, table: str, columns: list[str]) -> pl.LazyFrame:
    """Some columns of a table. The stage that wrote the table has checked it: here it is enough that they are there."""
    path = workspace.table(stage, table)
    if not path.is_file():
        raise BadInput(f"{workspace.relative(path)}: no such table; run the stage that makes it (`dvc repro`)")
    lazy = pl.scan_parquet(path)
    try:
        missing = [name for name in columns if name not in lazy.collect_schema()]
    except (pl.exceptions.PolarsError, OSError) as error:
        raise BadInput(f"{workspace.relative(path)}: not readable as a table: {_first_line(error)}") from None
    if missing:
        raise BadInput(f"{workspace.relative(path)}: missing column {listed(missing)}; run its stage again")
    return lazy.select(columns)


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
