"""What a release is made from, and what its cards say of it: the tables of the other stages, read once."""

from __future__ import annotations

import json
from dataclasses import dataclass

import polars as pl

from mtf import roster, tables
from mtf.licenses import attribution
from mtf.params import Params
from mtf.release import facts, layout, metadata, work
from mtf.workspace import Workspace

KEYS = ["identity", "face_id"]
ROW = [*KEYS, "image_id", *work.PLACE, "license"]


@dataclass(frozen=True)
class Sources:
    """`data` and `non_curated` have no rows where no variant shows them."""

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
        return both.unique(KEYS, keep="first").sort(KEYS)


def read(workspace: Workspace, params: Params) -> Sources:
    data = tables.read(tables.splits(params), workspace.table("split", "splits"))
    non_curated = tables.read(tables.non_curated(params), workspace.table("curate", "non_curated"))
    variants = set(params.release.variants)
    return Sources(
        data=data if variants & set(metadata.DATA_SET) else data.clear(),
        non_curated=non_curated if layout.NON_CURATED in variants else non_curated.clear(),
        faces=tables.read(tables.FACES, workspace.table("crop", "faces")),
        images=tables.read(tables.IMAGES, workspace.table("crawl", "images")),
        evidence=attribution.evidence(workspace),
        roster=roster.load(workspace.roster, params),
    )


def known(workspace: Workspace, params: Params, sources: Sources) -> facts.Facts:
    curated = json.loads(workspace.metrics("curate").read_text(encoding="utf-8"))
    return facts.gather(
        params=params,
        data=sources.data,
        non_curated=sources.non_curated,
        published=sources.everything,
        faces=sources.faces,
        images=sources.images,
        fetches=tables.read(tables.FETCHES, workspace.table("crawl", "fetches")),
        detections=tables.read(tables.DETECTIONS, workspace.table("crop", "detections")),
        curated=curated,
    )
