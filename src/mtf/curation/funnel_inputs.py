"""Inputs of the funnel: one wide row per face with labels, measures, license, takedowns and panel verdicts.

Also the weakest decision by which a face is in the data set.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import polars as pl

from mtf.annotation.consensus import JOINT
from mtf.config import Licenses
from mtf.rights import consent, policy
from mtf.rights.consent import Consents
from mtf.schemas import FACE, IMAGE, QUALITY_COMPONENTS, EvidenceStatus, funnel_steps
from mtf.schemas.takedown_file import Takedowns

GROUPS = ["exact_group", "near_group", "across_group"]
# Measures with limits in `curation.screened`, and the duplicate groups.
_MEASURES = [
    *("size_px", "sharpness", "brightness", "clipped_share", "eyes", "not_photograph", "identity_distance"),
    *("cluster", "likeness"),
    *QUALITY_COMPONENTS,
    *GROUPS,
]


def with_labels_and_measures(faces: pl.DataFrame, *, roster: pl.DataFrame, screening: pl.DataFrame) -> pl.DataFrame:
    """Faces with the roster's labels and screening's measures, sorted by identity and face_id."""
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
    consents: Consents = consent.NONE_NEEDED,
) -> pl.DataFrame:
    """Faces with `license`, `taken_down` and `license_reason`; the last two are null without an objection.

    `license_reason` also says if the person's consent is lacking, where the policy asks for it.

    An image without a record of evidence counts as one whose source states nothing. Requests by perceptual hash are
    left to the crawl, which alone has the whole images.
    """
    if consents.rule is None and licenses.basis != "license":
        raise ValueError("the policy asks for consents, and none are given")
    pictures = images.select(*IMAGE, "url", "page_url", "claim")
    with_evidence = _with_evidence(pictures, evidence)
    judged = with_evidence.select(
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
        license_reason=policy.judge(with_evidence, licenses, today=today),
        # A request may name the page from the search or the one in the evidence.
        taken_down=_taken_down(pictures, takedowns).fill_null(_taken_down(with_evidence, takedowns)),
    )
    joined = faces.join(judged, on=IMAGE, how="left", maintain_order="left")
    return _with_consent(joined, consents)


def _with_consent(faces: pl.DataFrame, consents: Consents) -> pl.DataFrame:
    if consents.rule is None:
        return faces
    verdicts = consents.verdicts(faces["identity"].unique())
    joined = faces.join(verdicts, on="identity", how="left", maintain_order="left")
    is_by_consent = pl.col("license_reason").is_null() & pl.col("consent_reason").is_not_null()
    return joined.with_columns(
        license_reason=pl.coalesce("license_reason", "consent_reason"),
        license_detail=pl.when(is_by_consent).then("consent_detail").otherwise("license_detail"),
    ).drop("consent_reason", "consent_detail")


def _with_evidence(pictures: pl.DataFrame, evidence: pl.DataFrame) -> pl.DataFrame:
    """Images joined with their evidence; a page that people found replaces a missing one."""
    stored = evidence.drop("url", "claim").rename({"page_url": "stated_page_url"})
    recorded = pictures.join(stored, on=IMAGE, how="left", maintain_order="left")
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
    """Faces with the panel's verdict at each step and the labels it corrected.

    Adds STEP_outcome, STEP_reason, STEP_by and STEP_detail for each reviewed step. For each label column it adds
    roster_COLUMN, COLUMN_outcome, COLUMN_by and COLUMN_detail, the last three null without a correction.
    """
    for step in funnel_steps.reviewed():
        panel_columns = verdicts.filter(pl.col("step") == step).select(
            *FACE,
            pl.col("outcome").alias(f"{step}_outcome"),
            pl.col("reason").alias(f"{step}_reason"),
            pl.col("decided_by").alias(f"{step}_by"),
            pl.col("detail").alias(f"{step}_detail"),
        )
        faces = faces.join(panel_columns, on=FACE, how="left", maintain_order="left")
    for column in columns:
        faces = _with_label(faces, label_verdicts.filter(pl.col("column") == column), column)
    return faces


def _with_label(faces: pl.DataFrame, corrected: pl.DataFrame, column: str) -> pl.DataFrame:
    panel_columns = corrected.select(
        *FACE,
        "label",
        pl.col("outcome").alias(f"{column}_outcome"),
        pl.col("decided_by").alias(f"{column}_by"),
        pl.col("detail").alias(f"{column}_detail"),
    )
    joined = faces.join(panel_columns, on=FACE, how="left", maintain_order="left")
    labels = {column: pl.coalesce("label", column), f"roster_{column}": pl.col(column)}
    return joined.with_columns(**labels).drop("label")


def weakest_decision(verdicts: pl.DataFrame) -> pl.DataFrame:
    """Weakest decision per face, as `decided_by`: a joint verdict if there is one, else the one with the least
    agreement.

    `verdicts` is a table as `mtf.annotation.model_verdicts.decided` returns it. Columns: identity, face_id, decided_by,
    and `confidence`: the least of the model's over the steps that it knows; null without a model.
    """
    order = [pl.col("decided_by") != JOINT, pl.col("agreeing") / pl.col("given"), pl.col("given")]
    first = verdicts.sort(*FACE, *order).unique(FACE, keep="first", maintain_order=True)
    least = verdicts.group_by(FACE).agg(pl.col("confidence").min().cast(pl.Float32))
    return first.select(*FACE, "decided_by").join(least, on=FACE, how="left", maintain_order="left")
