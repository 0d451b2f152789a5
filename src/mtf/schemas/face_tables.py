"""Tables of faces: detections, faces with boxes and landmarks, screening measures, and hints for reviewers."""

from __future__ import annotations

from math import inf

import pandera.polars as pa
import polars as pl

from mtf.schemas.columns import BOX, CROP_PLACE, at_least, column, holds, identity, matches, one_of, table, text
from mtf.schemas.enums import FACE_ID, SHA256, SLUG, DetectionOutcome

# Outcome of detection for each image, those without a face included.
DETECTIONS = table(
    "detections",
    {
        "identity": identity(),
        "image_id": column(pl.String, matches(SHA256)),
        "outcome": column(pl.String, one_of(DetectionOutcome)),
        "detail": text(),
        "faces": at_least(pl.Int32, 0),
    },
    unique=["identity", "image_id"],
)

# Images without a detected face, by group of the people: one row for each label of each attribute.
# undetected: images that were read and have no face, of `images` that were read.
# share: undetected / images; null without images.
# low, high: 95 % interval of the share, clustered by person; null for fewer than 30 people.
UNDETECTED = table(
    "undetected",
    {
        "attribute": text(null=False),
        "label": text(null=False),
        "people": at_least(pl.Int32, 0),
        "images": at_least(pl.Int32, 0),
        "undetected": at_least(pl.Int32, 0),
        "share": column(pl.Float64, pa.Check.in_range(0, 1), null=True),
        "low": column(pl.Float64, pa.Check.in_range(0, 1), null=True),
        "high": column(pl.Float64, pa.Check.in_range(0, 1), null=True),
    },
    unique=["attribute", "label"],
    checks=[holds(pl.col("undetected") <= pl.col("images"), "no more images are undetected than there are")],
)

# Five points of a face, left and right as seen in the picture.
LANDMARKS = tuple(
    f"{point}_{axis}" for point in ("left_eye", "right_eye", "nose", "left_mouth", "right_mouth") for axis in ("x", "y")
)

# x, y, width, height: the detected box.
# crop_…: the box with its margin, as cut.
# left_eye_x, …: landmarks, which may lie outside the box; null if the detector has none.
# image_width, image_height: size of the original image in its upright (EXIF) orientation; all boxes and points are in
#   its pixels.
# offset, size_bytes: of the crop in its shard.
# score: the detector's confidence, 0 to 1; null if it has none.
FACES = table(
    "faces",
    {
        "identity": identity(),
        "face_id": column(pl.String, matches(FACE_ID)),
        "image_id": column(pl.String, matches(SHA256)),
        **BOX,
        "crop_x": at_least(pl.Int32, 0),
        "crop_y": at_least(pl.Int32, 0),
        "crop_width": at_least(pl.Int32, 1),
        "crop_height": at_least(pl.Int32, 1),
        "image_width": at_least(pl.Int32, 1),
        "image_height": at_least(pl.Int32, 1),
        **CROP_PLACE,
        "score": column(pl.Float32, pa.Check.in_range(0, 1), null=True),
        **{name: column(pl.Float32, null=True) for name in LANDMARKS},
    },
    unique=["identity", "face_id"],
    checks=[
        holds(
            pl.sum_horizontal(pl.col(name).is_null() for name in LANDMARKS).is_in([0, len(LANDMARKS)]),
            "a face has all five landmarks or none",
        ),
        holds(
            (pl.col("x") + pl.col("width") <= pl.col("image_width"))
            & (pl.col("y") + pl.col("height") <= pl.col("image_height")),
            "the box lies inside its image",
        ),
        holds(
            (pl.col("crop_x") + pl.col("crop_width") <= pl.col("image_width"))
            & (pl.col("crop_y") + pl.col("crop_height") <= pl.col("image_height")),
            "the crop lies inside its image",
        ),
    ],
)

# Quality components of ISO/IEC 29794-5 and their ranges, in the units of `mtf.faces.quality_components`. Null in tables
# of older versions; all but the last three are null if the detector has no landmarks.
QUALITY_COMPONENTS: dict[str, tuple[float, float]] = {
    "head_pose_yaw": (-180, 180),
    "head_pose_pitch": (-180, 180),
    "head_pose_roll": (-180, 180),
    "inter_eye_distance": (0, inf),
    "eyes_visible": (0, 1),
    "mouth_occlusion_prevention": (0, 1),
    "under_exposure_prevention": (0, 1),
    "over_exposure_prevention": (0, 1),
    "single_face_present": (0, 1),
}

# size_px: the box's shorter side.
# sharpness: variance of the Laplacian of the face at a common size, in grey levels².
# brightness: mean grey level, 0 to 255.
# clipped_share: share of pixels at 0 or 255.
# eyes: eyes found, 0 to 2.
# not_photograph: 0 (a photograph) to 1 (drawn, flat, synthetic).
# identity_distance: cosine distance of the face's embedding to the middle of its identity's, 0 to 2.
# cluster: number of the face's identity cluster within its identity, the largest one 0; null for an embedding that does
#   not distinguish people.
# likeness: likeness to the cluster proposed as the person: above 0 the person, below a stranger; see
#   faces/identity_clusters.py.
#   Null without a proposal.
# resembles: another identity whose proposed person this face is more like than its own; null if there is none.
# hash: perceptual hash, 64 bits.
# exact_group, near_group, across_group: duplicates, named by the group's least face_id; null for no group.
SCREENING = table(
    "screening",
    {
        "identity": identity(),
        "face_id": column(pl.String, matches(FACE_ID)),
        "image_id": column(pl.String, matches(SHA256)),
        "size_px": at_least(pl.Int32, 1),
        "sharpness": at_least(pl.Float32, 0),
        "brightness": column(pl.Float32, pa.Check.in_range(0, 255)),
        "clipped_share": column(pl.Float32, pa.Check.in_range(0, 1)),
        "eyes": column(pl.Int32, pa.Check.in_range(0, 2)),
        "not_photograph": column(pl.Float32, pa.Check.in_range(0, 1)),
        "identity_distance": column(pl.Float32, pa.Check.in_range(0, 2), null=True),
        "cluster": at_least(pl.Int32, 0, null=True),
        "likeness": column(pl.Float32, null=True),
        "resembles": column(pl.String, matches(SLUG), null=True),
        "hash": column(pl.UInt64),
        "exact_group": column(pl.String, matches(FACE_ID), null=True),
        "near_group": column(pl.String, matches(FACE_ID), null=True),
        "across_group": column(pl.String, matches(FACE_ID), null=True),
        **{
            name: column(pl.Float32, pa.Check.in_range(*limits), null=True)
            for name, limits in QUALITY_COMPONENTS.items()
        },
    },
    unique=["identity", "face_id"],
)

# Faces for which the label classifier contradicts the roster with enough confidence: hints for reviewers, no verdicts.
# confidence: of the predicted label, calibrated, 0 to 1.
HINTS = table(
    "hints",
    {
        "identity": identity(),
        "face_id": column(pl.String, matches(FACE_ID)),
        "attribute": text(null=False),
        "roster_label": text(null=False),
        "predicted": text(null=False),
        "confidence": column(pl.Float32, pa.Check.in_range(0, 1)),
    },
    unique=["identity", "face_id", "attribute"],
    checks=[holds(pl.col("roster_label") != pl.col("predicted"), "the prediction contradicts the roster")],
)
