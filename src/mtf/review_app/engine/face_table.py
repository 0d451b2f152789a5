"""Face table of the review: everything a reviewer may need on each face, joined from the stages' tables."""

from __future__ import annotations

from datetime import date

import polars as pl

from mtf import schemas
from mtf.annotation import duplicate_rules, pairs
from mtf.config import Params
from mtf.core.project_paths import ProjectPaths
from mtf.rights import attribution, consent, policy
from mtf.schemas import FACE, IMAGE, roster_file, takedown_file

ADDRESSED = ("identity", "image_id", "url", "page_url")
MEASURES = (
    "size_px",
    "sharpness",
    "brightness",
    "clipped_share",
    "eyes",
    "not_photograph",
    "identity_distance",
    *schemas.QUALITY_COMPONENTS,
    "exact_group",
    "near_group",
    "across_group",
)
NO_GROUP = pl.lit(None, pl.String)


def load(workspace: ProjectPaths, params: Params, *, today: date) -> pl.DataFrame:
    """Faces to review: not taken down, and with a license that the policy permits as of `today`.

    Columns that a stage has not produced yet are null or missing:

    - those of `schemas.FACES`, and those of MEASURES that screening wrote;
    - `name` and the labels of the roster;
    - `also_under`: names of other people for whom the same shot was found;
    - `resembles`: name of another person on the roster whom the face is more like, by the embedding;
    - `duplicate_group` and `proposed_keeper`; pairs that reviewers found by eye are groups, too;
    - `contradicts`: labels of the roster that the label classifier contradicts, in words; `contradiction`: its
      confidence (0 to 1; 0 without a contradiction);
    - `url`, `page_url`, `title`, `license`, `creator`;
    - `image_offset` and `image_size_bytes`: place of the image in its crawl shard.
    """
    faces = schemas.read(schemas.FACES, workspace.table("crop", "faces"))
    faces = _with_measures(faces, workspace)
    faces = pairs.grouped(faces, pairs.read(workspace.review), box_iou=params.curate.box_iou)
    faces = _with_sources(faces, workspace, params, today)
    people = roster_file.load(workspace.roster, params).select("identity", "name", *params.attributes)
    faces = faces.join(people, on="identity", how="inner", maintain_order="left")
    faces = _with_resemblance(faces, people)
    faces = _with_contradictions(faces, workspace)
    faces = _not_taken_down(faces, takedown_file.load(workspace.takedowns))
    return with_keepers(_with_others(faces)).sort(FACE)


def _with_resemblance(faces: pl.DataFrame, people: pl.DataFrame) -> pl.DataFrame:
    """Faces with `resembles` as a person's name instead of the identity."""
    if "resembles" not in faces.columns:
        return faces.with_columns(resembles=pl.lit(None, pl.String))
    names = people.select(resembles="identity", resembles_name="name")
    joined = faces.join(names, on="resembles", how="left", maintain_order="left")
    return joined.with_columns(resembles="resembles_name").drop("resembles_name")


def _with_others(faces: pl.DataFrame) -> pl.DataFrame:
    """Faces with `also_under`: names of the other people for whom the same shot was found."""
    shots = faces.filter(pl.col("across_group").is_not_null()).select(*FACE, "across_group", "name")
    both = shots.join(shots, on="across_group", suffix="_other").filter(pl.col("identity") != pl.col("identity_other"))
    others = both.group_by(FACE).agg(also_under=pl.col("name_other").unique().sort().str.join("; "))
    return faces.join(others, on=FACE, how="left", maintain_order="left")


def _with_measures(faces: pl.DataFrame, workspace: ProjectPaths) -> pl.DataFrame:
    share = pl.col("width") * pl.col("height") / (pl.col("image_width").cast(pl.Int64) * pl.col("image_height"))
    faces = faces.with_columns(face_share=share)
    path = workspace.table("screen", "screening")
    if not path.is_file():
        return faces.with_columns(exact_group=NO_GROUP, near_group=NO_GROUP, across_group=NO_GROUP)
    screening = schemas.read(schemas.SCREENING, path).select(*FACE, *MEASURES, "resembles")
    return faces.join(screening, on=FACE, how="left", maintain_order="left")


def _with_sources(faces: pl.DataFrame, workspace: ProjectPaths, params: Params, today: date) -> pl.DataFrame:
    images = schemas.read(schemas.IMAGES, workspace.table("crawl", "images"))
    places = images.select(
        *IMAGE, "url", "page_url", "title", image_offset=pl.col("offset"), image_size_bytes=pl.col("size_bytes")
    )
    faces = faces.join(places, on=IMAGE, how="inner", maintain_order="left")
    path = workspace.table("crawl", "evidence")
    if not path.is_file():
        return faces.with_columns(license=pl.lit(None, pl.String), creator=pl.lit(None, pl.String))
    evidence = attribution.evidence(workspace).drop("url", "claim")
    # As in curation, an image without a record has a source that states nothing.
    recorded = images.select(*IMAGE, "claim").join(evidence, on=IMAGE, how="left", maintain_order="left")
    recorded = recorded.with_columns(pl.col("stated").fill_null(schemas.EvidenceStatus.UNSTATED.value))
    judged = recorded.with_columns(policy.judge(recorded, params.licenses, today=today).alias("forbidden"))
    permitted = judged.filter(pl.col("forbidden").is_null()).select(*IMAGE, "license", "creator")
    return _consented(faces.join(permitted, on=IMAGE, how="inner", maintain_order="left"), workspace, params)


def _consented(faces: pl.DataFrame, workspace: ProjectPaths, params: Params) -> pl.DataFrame:
    """Faces of people whose consent permits the release, where the policy asks for it."""
    consents = consent.load(workspace, params)
    if consents.rule is None:
        return faces
    refused = consents.verdicts(faces["identity"].unique()).filter(pl.col("consent_reason").is_not_null())
    return faces.join(refused, on="identity", how="anti", maintain_order="left")


def _with_contradictions(faces: pl.DataFrame, workspace: ProjectPaths) -> pl.DataFrame:
    path = workspace.table("label", "hints")
    if not path.is_file():
        return faces.with_columns(contradicts=pl.lit(None, pl.String), contradiction=pl.lit(0.0))
    text = pl.format(
        "{}: {} on the roster, {} predicted ({})",
        "attribute",
        "roster_label",
        "predicted",
        pl.col("confidence").round(2).cast(pl.Float64).round(2),
    )
    by_face = schemas.read(schemas.HINTS, path).sort(*FACE, "attribute").group_by(FACE, maintain_order=True)
    hints = by_face.agg(contradicts=text.str.join("; "), contradiction=pl.col("confidence").max().cast(pl.Float64))
    joined = faces.join(hints, on=FACE, how="left", maintain_order="left")
    return joined.with_columns(pl.col("contradiction").fill_null(0.0))


def _not_taken_down(faces: pl.DataFrame, requests: takedown_file.Takedowns) -> pl.DataFrame:
    if not requests.records:
        return faces
    gone = [is_taken_down(requests, *names) for names in faces.select(ADDRESSED).iter_rows()]
    return faces.filter(~pl.Series(gone, dtype=pl.Boolean))


def is_taken_down(
    requests: takedown_file.Takedowns, identity: str, image_id: str, url: str, page_url: str | None
) -> bool:
    """True if a request names the image by one of ADDRESSED; requests by perceptual hash are applied by the crawl."""
    return bool(requests.of_image(image_id) or requests.of_address(identity=identity, url=url, page_url=page_url))


def with_keepers(faces: pl.DataFrame) -> pl.DataFrame:
    """Faces with `duplicate_group` (null without duplicates) and `proposed_keeper`, the best face of the group.

    The best face has the most eyes found, then the largest size, then the highest sharpness. The reviewer decides.
    """
    group = duplicate_rules.duplicate_group()
    group = pl.when(pl.len().over("identity", group) > 1).then(group)
    order = [-pl.col(name).cast(pl.Float64) for name in ("eyes", "size_px", "sharpness") if name in faces.columns]
    ranked = faces.with_columns(duplicate_group=group).sort(*order, *FACE, nulls_last=True)
    first = pl.int_range(pl.len()).over("identity", "duplicate_group") == 0
    return ranked.with_columns(proposed_keeper=pl.col("duplicate_group").is_not_null() & first)
