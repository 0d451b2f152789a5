"""Parameters of the stages from pictures to the data set: license policy, crop, screen, curate and split."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

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
    "c2pa",
    "cawg",
    "tdm-policy",
    "cc-signals",
    "unknown",
]
"""Names of opt-out signals.

`tdm-policy` names a document for people, `cc-signals` are a draft, and `unknown` is a statement that could not be read:
they are recorded, and bind only if params.yaml names them.
"""


class Licenses(Section):
    """License policy: the pictures that may be used (MTF, section 3.1: to modify, share and use commercially).

    permitted: identifiers of licenses (SPDX or `LicenseRef-…`).
    accept_claim: accept a search engine's claim for a picture whose source states no license.
    accept_unstated: accept pictures whose source states no license.
    on_contradiction: if sources agree and only the claim differs, `accept_evidence` takes the sources' license.
    without_attribution: if a picture must be credited and its author or page is unknown, `refuse` stops the release
        and `drop` leaves the picture out.
    binding_opt_outs: signals that exclude a picture; all others are only recorded.
    max_evidence_age_days: oldest evidence that counts; null sets no limit.
    basis: what permits the use of a picture: its `license`, its subject's `consent` (data/consent.csv), or `both`.
        Consent is checked for `release.purposes` on `release.date`.
    age_of_consent: age in years from which a person may consent without a guardian. The law of the place decides it:
        GDPR, article 8(1) lets Member States choose 13 to 16 for online services; the default is majority.
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
        "c2pa",
        "cawg",
    ]
    max_evidence_age_days: Annotated[int, Field(ge=1)] | None = None
    basis: Literal["license", "consent", "both"] = "license"
    age_of_consent: Annotated[int, Field(ge=0, le=130)] = 18


class Crop(Section):
    """Detection and cutting of faces (MTF, section 3.2).

    detector: name of a registered detector; `haar` is the paper's. A file that names none and has a parameter of
        `haar` is read as `haar` (`config.renamed`).
    cascade, scale_factor, min_neighbors: parameters of `haar`.
    min_face_share: size of the smallest face, as a share of the picture's shorter side.
    detection_side_px: for `haar`, the picture's shorter side during detection.
    detectors: parameters of the other detectors, by name; each class documents its own.
    margin_share: added to the box on every side, as a share of its size.
    jpeg_quality: of the crops, 1 to 100.
    """

    detector: Annotated[str, Field(min_length=1)] = "centerface"
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

    @model_validator(mode="after")
    def _haar_is_not_among_the_others(self) -> Crop:
        if "haar" in self.detectors:
            raise ValueError("detectors.haar: write its parameters directly under crop, such as crop.scale_factor")
        return self


class Screen(Section):
    """Measures and duplicate groups of faces: hints for reviewers, never verdicts.

    hash_distance: largest Hamming distance of near-duplicates' perceptual hashes, 0 to 20 of 64 bits.
    embedding: name of a registered embedding.
    embedding_weights: model file of `sface` or `facenet`, relative to the project; null takes the published one.
    embedding_distance: largest cosine distance of near-duplicates, 0 to 2. The default suits `appearance`.
    """

    hash_distance: Annotated[int, Field(ge=0, le=20)] = 4
    embedding: Annotated[str, Field(min_length=1)] = "appearance"
    embedding_weights: str | None = None
    embedding_distance: Annotated[float, Field(ge=0, le=2)] = 0.04


class Screened(Section):
    """Automatic filter of the mode `screened`: limits on the measures of `screening`, and one face per duplicate group.

    min_size_px: shorter side of the face's box.
    min_sharpness: variance of the Laplacian, in grey levels².
    brightness: lowest and highest mean grey level, 0 to 255.
    max_clipped_share: share of pixels at 0 or 255.
    min_eyes: eyes found, 0 to 2.
    max_not_photograph: score from 0 (a photograph) to 1 (a drawing).
    max_identity_distance: cosine distance, 0 to 2, of the face to its identity's middle; depends on `screen.embedding`.

    Limits on the quality components of ISO/IEC 29794-5; null sets none. A face without the value passes: a detector
    without landmarks gives only the exposures.

    min_eyes_visible, min_mouth_occlusion_prevention: 0 (hidden) to 1 (visible).
    max_head_pose_yaw, max_head_pose_pitch: degrees to either side.
    min_inter_eye_distance: pixels of the original picture.
    min_under_exposure_prevention, min_over_exposure_prevention: share of pixels neither too dark nor too bright.
    """

    min_size_px: Count = 64
    min_sharpness: Annotated[float, Field(ge=0)] = 30.0
    brightness: tuple[Annotated[float, Field(ge=0)], Annotated[float, Field(le=255)]] = (50.0, 205.0)
    max_clipped_share: Share = 0.05
    min_eyes: Annotated[int, Field(ge=0, le=2)] = 1
    max_not_photograph: Share = 0.35
    max_identity_distance: Annotated[float, Field(ge=0, le=2)] = 0.4
    min_eyes_visible: Share | None = None
    min_mouth_occlusion_prevention: Share | None = None
    max_head_pose_yaw: Annotated[float, Field(gt=0, le=180)] | None = None
    max_head_pose_pitch: Annotated[float, Field(gt=0, le=180)] | None = None
    min_inter_eye_distance: Annotated[float, Field(ge=0)] | None = None
    min_under_exposure_prevention: Share | None = None
    min_over_exposure_prevention: Share | None = None

    @model_validator(mode="after")
    def _brightness_rises(self) -> Screened:
        if self.brightness[0] >= self.brightness[1]:
            raise ValueError("brightness: the first value must be below the second")
        return self


class Curate(Section):
    """The funnel (MTF, section 3.2).

    mode: faces that go on to the split: those that reviewers accept (`curated`), those within the limits of `screened`
        (`screened`), or every crop that may be used (`non_curated`).
    screened: limits of the mode `screened`.
    reviewers: number of reviewers of a panel.
    consensus: `model` lets the model of the reviewers decide where they are split and it is sure, `majority` does not
        (`mtf.annotation.model_verdicts`).
    min_confidence: probability from which the model is sure enough to decide.
    box_iou: smallest intersection over union at which a decision applies to a detected box; nested boxes apply below
        it, too (`mtf.annotation.matching`).
    min_images_per_identity: identities with fewer images are left out.
    """

    mode: Literal["curated", "screened", "non_curated"] = "curated"
    screened: Screened = Screened()
    reviewers: Annotated[int, Field(ge=1, le=15)] = 3
    consensus: Literal["model", "majority"] = "model"
    min_confidence: Annotated[float, Field(ge=0.5, lt=1)] = 0.9
    box_iou: Annotated[float, Field(gt=0, le=1)] = 0.5
    min_images_per_identity: Count = 5


class Balance(Section):
    """Balanced subset of the curated faces that the split divides; `mtf balance --write` writes it.

    over: label columns whose combinations are balanced.
    ratio: faces of the smallest combination that has any, divided by those of the largest, at least.
    """

    over: Annotated[list[str], Field(min_length=1)]
    ratio: Annotated[float, Field(ge=0.01, le=1)] = 0.5

    @field_validator("over")
    @classmethod
    def _each_once(cls, names: list[str]) -> list[str]:
        if repeated := [name for name in names if names.count(name) > 1]:
            raise ValueError(f"{repeated[0]!r} stands there twice; name each column once")
        return names


class Split(Section):
    """Split into train, val and test (MTF, section 4.1: 70 % train; of the rest 20 % val and 80 % test).

    train_share: share of the images.
    val_share_of_rest: share of the images that are not in train.
    min_train, min_val, min_test: images per label; 3, 1 and 1 in the paper.
    balance: divide a balanced subset; null divides all curated faces.
    """

    train_share: Annotated[float, Field(gt=0, lt=1)] = 0.7
    val_share_of_rest: Annotated[float, Field(gt=0, lt=1)] = 0.2
    min_train: Annotated[int, Field(ge=0)] = 3
    min_val: Annotated[int, Field(ge=0)] = 1
    min_test: Annotated[int, Field(ge=0)] = 1
    balance: Balance | None = None
