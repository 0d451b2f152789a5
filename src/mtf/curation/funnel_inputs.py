"""All that the funnel judges a face by, gathered beside it: one wide row per face.

By whose decision a face is in the data set: a chain of steps is as strong as its weakest.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import polars as pl

from mtf.annotation.consensus import JOINT
from mtf.config import Licenses
from mtf.rights import policy
from mtf.schemas import FACE, IMAGE, EvidenceStatus, funnel_steps
from mtf.schemas.takedown_file import Takedowns

GROUPS = ["exact_group", "near_group", "across_group"]
# All that `curation.screened` holds against limits, and the groups of duplicates.
_MEASURES = [
    *("size_px", "sharpness", "brightness", "clipped_share", "eyes", "not_photograph", "identity_distance"),
    *GROUPS,
]


def with_labels_and_measures(faces: pl.DataFrame, *, roster: pl.DataFrame, screening: pl.DataFrame) -> pl.DataFrame:
    """`faces` with the roster's labels and what screening measured, sorted by identity and face_id."""
    labels = roster.drop("name", "query", "files")
    measured = faces.join(screening.select(*FACE, *_MEASURES), on=FACE, how="left")
    return measured.join(labels, on="identity", how="left").sort(FACE)


def with_legal(
    faces: pl.DataFrame,
    *,
    images: pl.DataFrame,
    evidence: pl.DataFrame,
    takedowns: Takedowns,
    licenses: Licenses,
    today: date,
) -> pl.DataFrame:
    """`faces` with `license`, and with `taken_down` and `license_reason`, null where neither stands against them.

    A picture without a record of evidence is one whose source states nothing. Requests by perceptual hash are the
    crawl's: it alone sees whole pictures.
    """
    pictures = images.select(*IMAGE, "url", "page_url", "claim")
    stated = _stated(pictures, evidence)
    judged = stated.select(
        *IMAGE,
        "license",
        license_detail=pl.concat_str(
            "stated",
            pl.format("license {}", "license"),
            pl.format("claim {}", "claim"),
            pl.format("opt-out {}", "opt_out"),
            separator="; ",
            ignore_nulls=True,
        ),
        license_reason=policy.judge(stated, licenses, today=today),
        # By the page that the search named, and by the one that is stated: a request may name either.
        taken_down=_taken_down(pictures, takedowns).fill_null(_taken_down(stated, takedowns)),
    )
    return faces.join(judged, on=IMAGE, how="left", maintain_order="left")


def _stated(pictures: pl.DataFrame, evidence: pl.DataFrame) -> pl.DataFrame:
    """`pictures` with what is stated of each; people may have found a page where the search named none."""
    said = evidence.drop("url", "claim").rename({"page_url": "stated_page_url"})
    recorded = pictures.join(said, on=IMAGE, how="left", maintain_order="left")
    return recorded.with_columns(
        stated=pl.col("stated").fill_null(EvidenceStatus.UNSTATED.value),
        page_url=pl.coalesce("stated_page_url", "page_url"),
    )


def _taken_down(pictures: pl.DataFrame, takedowns: Takedowns) -> pl.Series:
    return pl.Series(
        [
            _request(takedowns, identity=identity, image_id=image_id, url=url, page_url=page_url)
            for identity, image_id, url, page_url in pictures.select(*IMAGE, "url", "page_url").iter_rows()
        ],
        dtype=pl.String,
    )


def _request(takedowns: Takedowns, *, identity: str, image_id: str, url: str, page_url: str | None) -> str | None:
    found = takedowns.of_address(identity=identity, url=url, page_url=page_url) or takedowns.of_image(image_id)
    return None if found is None else f"{found.kind} {found.value}; reference {found.reference}"


def with_verdicts(
    faces: pl.DataFrame, *, verdicts: pl.DataFrame, label_verdicts: pl.DataFrame, columns: Sequence[str]
) -> pl.DataFrame:
    """`faces` with the panel's word at each step, and with the labels it corrected.

    Adds STEP_outcome, STEP_reason, STEP_by and STEP_detail for each reviewed step; for each label column
    roster_COLUMN and COLUMN_outcome, COLUMN_by, COLUMN_detail, null where nobody corrected it.
    """
    for step in funnel_steps.reviewed():
        said = verdicts.filter(pl.col("step") == step).select(
            *FACE,
            pl.col("outcome").alias(f"{step}_outcome"),
            pl.col("reason").alias(f"{step}_reason"),
            pl.col("decided_by").alias(f"{step}_by"),
            pl.col("detail").alias(f"{step}_detail"),
        )
        faces = faces.join(said, on=FACE, how="left", maintain_order="left")
    for column in columns:
        faces = _with_label(faces, label_verdicts.filter(pl.col("column") == column), column)
    return faces


def _with_label(faces: pl.DataFrame, corrected: pl.DataFrame, column: str) -> pl.DataFrame:
    said = corrected.select(
        *FACE,
        "label",
        pl.col("outcome").alias(f"{column}_outcome"),
        pl.col("decided_by").alias(f"{column}_by"),
        pl.col("detail").alias(f"{column}_detail"),
    )
    joined = faces.join(said, on=FACE, how="left", maintain_order="left")
    labels = {column: pl.coalesce("label", column), f"roster_{column}": pl.col(column)}
    return joined.with_columns(**labels).drop("label")


def weakest(verdicts: pl.DataFrame) -> pl.DataFrame:
    """Per face the `decided_by` of one step: a joint verdict where there was one, else the least agreement.

    `verdicts` as `mtf.annotation.consensus.verdicts` gives them. Columns: identity, face_id, decided_by.
    """
    order = [pl.col("decided_by") != JOINT, pl.col("agreeing") / pl.col("given"), pl.col("given")]
    first = verdicts.sort(*FACE, *order).unique(FACE, keep="first", maintain_order=True)
    return first.select(*FACE, "decided_by")
