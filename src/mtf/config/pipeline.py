"""From the pictures to the data set: the license policy, and the steps that find, measure, choose and divide faces."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from mtf.config.section import Count, Section, Share

OptOutSignal = Literal[
    "robots.txt",
    "x-robots-tag",
    "meta-robots",
    "tdmrep",
    "iptc-data-mining",
    "aipref",
    "content-signal",
    "rsl",
    "ai.txt",
    "tdm-policy",
    "unknown",
]
"""`tdm-policy` names a document for people, and `unknown` is a statement that could not be read: both are recorded, and
bind only where params.yaml names them.
"""


class Licenses(Section):
    """Which pictures may be used. A claim is what a search engine says; evidence is what the source itself states.

    The default is the paper's: modify, share, use commercially (MTF, section 3.1). A picture that has to be credited
    and cannot be, since its author or page is not known, stops the release (`refuse`) or is left out (`drop`).
    """

    permitted: Annotated[list[str], Field(min_length=1)]
    accept_claim: bool = False
    accept_unstated: bool = False
    on_contradiction: Literal["refuse", "accept_evidence"] = "refuse"
    without_attribution: Literal["refuse", "drop"] = "refuse"
    binding_opt_outs: list[OptOutSignal] = [
        "robots.txt",
        "x-robots-tag",
        "meta-robots",
        "tdmrep",
        "iptc-data-mining",
        "aipref",
        "content-signal",
        "rsl",
        "ai.txt",
    ]
    max_evidence_age_days: Annotated[int, Field(ge=1)] | None = None


class Crop(Section):
    """Detection and cutting of faces (MTF, section 3.2).

    detector: the name of a registered detector; `haar` is the paper's.
    cascade, scale_factor, min_neighbors: of `haar`.
    min_face_share: the smallest face, as a share of the picture's shorter side.
    detection_side_px: of `haar`: the picture's shorter side when faces are sought in it.
    detectors: parameters of the other detectors, by name; each one's class says which it has.
    margin_share: added to the box on every side, as a share of its size.
    jpeg_quality: of the crops, 1 to 100.
    """

    detector: Annotated[str, Field(min_length=1)] = "haar"
    cascade: Literal["frontalface_default", "frontalface_alt", "frontalface_alt2", "profileface"] = (
        "frontalface_default"
    )
    scale_factor: Annotated[float, Field(gt=1.0, le=2.0)] = 1.17
    min_neighbors: Annotated[int, Field(ge=0, le=50)] = 2
    min_face_share: Annotated[float, Field(gt=0, lt=1)] = 0.13
    detection_side_px: Annotated[int, Field(ge=64, le=4096)] = 192
    detectors: Annotated[dict[str, dict[str, Any]], Field(default_factory=dict)]
    margin_share: Annotated[float, Field(ge=0, le=2)] = 0.2
    jpeg_quality: Annotated[int, Field(ge=1, le=100)] = 95


class Screen(Section):
    """Hints for people, never verdicts.

    hash_distance: bits, 0 to 20, in which near-duplicates' perceptual hashes may differ.
    embedding: the name of a registered embedding.
    embedding_weights: its model file, relative to the project; for those that need one.
    embedding_distance: the largest cosine distance, 0 to 2, of near-duplicates.
    """

    hash_distance: Annotated[int, Field(ge=0, le=20)] = 4
    embedding: Annotated[str, Field(min_length=1)] = "appearance"
    embedding_weights: str | None = None
    embedding_distance: Annotated[float, Field(ge=0, le=2)] = 0.04


class Screened(Section):
    """What a machine alone keeps: limits on the table `screening`'s measures, and one face per duplicate group.

    Sizes in pixels, sharpness in grey levels², brightness in grey levels of 0 to 255, `max_identity_distance` a
    cosine distance (0 to 2) that goes with `screen.embedding`.
    """

    min_size_px: Count = 64
    min_sharpness: Annotated[float, Field(ge=0)] = 30.0
    brightness: tuple[Annotated[float, Field(ge=0)], Annotated[float, Field(le=255)]] = (50.0, 205.0)
    max_clipped_share: Share = 0.05
    min_eyes: Annotated[int, Field(ge=0, le=2)] = 1
    max_not_photograph: Share = 0.35
    max_identity_distance: Annotated[float, Field(ge=0, le=2)] = 0.4

    @model_validator(mode="after")
    def _brightness_rises(self) -> Screened:
        if self.brightness[0] >= self.brightness[1]:
            raise ValueError("brightness must run from the darkest to the brightest")
        return self


class Curate(Section):
    """The funnel (MTF, section 3.2). `mode` is what goes on to the split: people's work (`curated`), what passes
    `screened`'s limits, or every crop that may be used (`non_curated`).
    """

    mode: Literal["curated", "screened", "non_curated"] = "curated"
    screened: Screened = Screened()
    reviewers: Annotated[int, Field(ge=1, le=15)] = 3
    box_iou: Annotated[float, Field(gt=0, le=1)] = 0.5
    min_images_per_identity: Count = 5


class Split(Section):
    """MTF, section 4.1: 70 % train; of the rest 20 % val and 80 % test; at least 3 / 1 / 1 images per label."""

    train_share: Annotated[float, Field(gt=0, lt=1)] = 0.7
    val_share_of_rest: Annotated[float, Field(gt=0, lt=1)] = 0.2
    min_train: Annotated[int, Field(ge=0)] = 3
    min_val: Annotated[int, Field(ge=0)] = 1
    min_test: Annotated[int, Field(ge=0)] = 1
