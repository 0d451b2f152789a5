"""Sources of a release: the tables of the other stages, read once; the facts for its documents; and its license gate.

No release is built while its license audit has an error.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import polars as pl

from mtf import schemas
from mtf.config import Params
from mtf.core import revisions
from mtf.core.errors import GateFailed, listed
from mtf.core.project_paths import ProjectPaths
from mtf.curation import certificate
from mtf.faces import weights_in_use
from mtf.release import facts, folders, layout, metadata
from mtf.rights import attribution, consent
from mtf.schemas import FACE, roster_file, takedown_file
from mtf.sources import local_sources

if TYPE_CHECKING:
    from mtf.rights.audit.run import AuditReport

# So many pictures are named in an error.
_MAX_NAMED = 5
DATA_VERSION = "data.dvc"
ROW = [*FACE, "image_id", *folders.PLACE, "license"]


@dataclass(frozen=True)
class Sources:
    """Tables of the other stages.

    - `data`: the split data set; no rows if no variant contains it;
    - `non_curated`: faces that the automatic steps keep; no rows if no variant contains them;
    - the others: tables of these names.
    """

    data: pl.DataFrame
    non_curated: pl.DataFrame
    faces: pl.DataFrame
    images: pl.DataFrame
    evidence: pl.DataFrame
    roster: pl.DataFrame

    @property
    def everything(self) -> pl.DataFrame:
        """Each face that is published, once."""
        both = pl.concat([self.data.select(ROW), self.non_curated.select(ROW)])
        return both.unique(FACE, keep="first").sort(FACE)


def read_sources(workspace: ProjectPaths, params: Params) -> Sources:
    data = schemas.read(schemas.splits(params), workspace.table("split", "splits"))
    non_curated = schemas.read(schemas.non_curated(params), workspace.table("curate", "non_curated"))
    variants = set(params.release.variants)
    return Sources(
        data=data if variants & set(metadata.DATA_SET) else data.clear(),
        non_curated=non_curated if layout.NON_CURATED in variants else non_curated.clear(),
        faces=schemas.read(schemas.FACES, workspace.table("crop", "faces")),
        images=_relative(schemas.read(schemas.IMAGES, workspace.table("crawl", "images")), "images", workspace, params),
        evidence=_relative(attribution.evidence(workspace), "evidence", workspace, params),
        roster=roster_file.load(workspace.roster, params),
    )


def _relative(table: pl.DataFrame, name: str, workspace: ProjectPaths, params: Params) -> pl.DataFrame:
    """Table with addresses relative to their folder; an older crawl wrote paths of this machine."""
    where = workspace.relative(workspace.table("crawl", name))
    corrected, count = local_sources.relative_addresses(table, params.crawl.sources, where=where)
    if count:
        print(
            f"release: {where}: {count} addresses were paths of this machine and are published relative to their folder"
        )
    return corrected


def gather_facts(workspace: ProjectPaths, params: Params, sources: Sources) -> facts.Facts:
    """Facts of the release for its documents. Reads the figures of curate, and the tables fetches and detections."""
    curated = json.loads(workspace.metrics("curate").read_text(encoding="utf-8"))
    return facts.gather(
        params=params,
        data=sources.data,
        non_curated=sources.non_curated,
        published=sources.everything,
        faces=sources.faces,
        images=sources.images,
        fetches=schemas.read(schemas.FETCHES, workspace.table("crawl", "fetches")),
        detections=schemas.read(schemas.DETECTIONS, workspace.table("crop", "detections")),
        curated=curated,
        certified=_certified(workspace, params, sources),
        weights=weights_in_use.of_faces(params.crop, params.screen, root=workspace.root),
        recorded_on=revisions.committed_on(workspace.root, DATA_VERSION),
    )


def _certified(workspace: ProjectPaths, params: Params, sources: Sources) -> certificate.Certificate | None:
    """Certificate of the data set, None if no variant contains it."""
    return None if sources.data.is_empty() else certificate.read(workspace, params, sources.data)


def audit(workspace: ProjectPaths, params: Params, sources: Sources) -> AuditReport:
    """Audit, as of today, of all pictures that a release would publish."""
    from mtf.rights.audit import run

    removals, today = takedown_file.load(workspace.takedowns), datetime.now(UTC).date()
    consents = consent.load(workspace, params)
    return run.of_data_set(sources.everything, sources.evidence, params, removals, consents, today=today)


def audit_errors(workspace: ProjectPaths, params: Params, sources: Sources) -> list[str]:
    """Pictures that the audit forbids, with the reason; the most serious first."""
    findings = audit(workspace, params, sources).findings.filter(pl.col("level") == "error")
    return [_line(row) for row in findings.iter_rows(named=True)]


def refuse_failed_audit(findings: pl.DataFrame) -> None:
    """Raise GateFailed if the audit found an error; the message names the first pictures and reasons.

    `findings` has code, level, identity, image_id and reason, the most serious first.
    """
    errors = findings.filter(pl.col("level") == "error")
    if errors.is_empty():
        return
    codes = errors["code"].value_counts().sort("count", "code", descending=[True, False])
    counts = ", ".join(f"{count} {code}" for code, count in codes.iter_rows())
    first = listed((_line(row) for row in errors.iter_rows(named=True)), _MAX_NAMED)
    raise GateFailed(
        f"release: the audit forbids it ({counts}): {first}; `mtf audit release --planned` lists all of them"
    )


def _line(row: dict[str, str | None]) -> str:
    picture = f"{row['identity']}/{(row['image_id'] or '')[:12]}"
    return f"{picture} ({row['reason'] or row['code']})"
