"""Stage crop: detect the faces of every image and crop them, identity by identity (MTF, section 3.2)."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import polars as pl

from mtf import schemas
from mtf.config import Crop, Params
from mtf.core import atomic_files, shards
from mtf.core.counts import number
from mtf.core.errors import BadInput
from mtf.core.hashing import fingerprint
from mtf.core.job_files import JobFiles
from mtf.core.project_paths import ProjectPaths
from mtf.faces import crop as cut
from mtf.faces import decoding, detectors, model_files, opencv, undetected
from mtf.faces.box import face_id
from mtf.faces.detectors import Detector
from mtf.pipeline import incremental
from mtf.schemas import DetectionOutcome, roster_file

COLUMNS = [str(table.dtypes) for table in (schemas.FACES, schemas.DETECTIONS)]
DETECTIONS_MEMBER = "detections.parquet"


@dataclass(frozen=True)
class CropJob:
    """Work of the stage for one identity.

    - `identity`: its slug;
    - `images`: its images as (image_id, offset in bytes, size in bytes) in the crawl shard;
    - `source`, `target`: crawl shard to read, crop shard to write;
    - `digest`: digest of the shard to write;
    - `crop`: section of params.yaml;
    - `detector`: class of the detector, not its name, so that a worker process finds one that another package
      registered;
    - `root`: root of the project, for model files;
    - `max_pixels`: images with more pixels are not decoded.
    """

    identity: str
    images: tuple[tuple[str, int, int], ...]
    source: Path
    target: Path
    digest: str
    crop: Crop
    detector: type[Detector]
    root: Path
    max_pixels: int


def run(workspace: ProjectPaths, params: Params) -> None:
    """Write the tables faces, detections and undetected, and one shard per identity; unchanged shards are kept.

    Raises BadInput if there is no image.
    """
    images = schemas.read(schemas.IMAGES, workspace.table("crawl", "images"))
    if images.is_empty():
        raise BadInput(
            f"{workspace.relative(workspace.table('crawl', 'images'))}: no images, so there is no face to find"
        )
    identities = images["identity"].unique().sort().to_list()
    detector = detectors.create(params.crop, root=workspace.root).fingerprint()
    digests = {identity: _digest(workspace, params, identity, detector) for identity in identities}
    done = incremental.refresh(
        workspace.shards("crop"),
        digests,
        partial(_job, workspace, params, _by_identity(images), digests),
        make,
        compute=params.compute,
        title="crop",
        files=_files,
    )
    faces, detections = _write_tables(workspace, identities, images)
    groups = _undetected(workspace, params, detections)
    figures = _figures(faces, detections) | {"undetected": undetected.headline(groups)}
    atomic_files.write_json(workspace.metrics("crop"), figures)
    _print(figures, done)
    for row in groups:
        print(f"  without a face, {row['attribute']} {row['label']}: {undetected.in_words(row)}")


def _files(job: CropJob) -> JobFiles:
    weights = model_files.files_in_project(job.crop, job.root)
    return JobFiles(job.root, job.target, job.digest, reads=(job.source,), shared=weights)


def make(job: CropJob) -> None:
    """Write one identity's shard: its crops, its rows of faces, and its rows of detections."""
    opencv.use_one_thread()
    detector = job.detector.from_params(job.crop, root=job.root)
    faces: list[dict[str, Any]] = []
    detections: list[dict[str, Any]] = []
    with shards.writing(job.target, job.digest) as writer, shards.reader(job.source) as source:
        for image_id, offset, size_bytes in job.images:
            cut_faces, outcome, detail = _attempt(source.read(offset, size_bytes), job, detector)
            detections.append(
                {
                    "identity": job.identity,
                    "image_id": image_id,
                    "outcome": outcome,
                    "detail": detail,
                    "faces": len(cut_faces),
                }
            )
            for face in cut_faces:
                name = face_id(image_id, face.box)
                byte_range = writer.add(f"{name}.jpg", face.jpeg)
                faces.append(_face_row(job.identity, image_id, name, face, byte_range))
        writer.add(DETECTIONS_MEMBER, shards.parquet_bytes(schemas.frame(schemas.DETECTIONS, detections)))
        writer.finish(schemas.frame(schemas.FACES, faces))


def _attempt(data: bytes, job: CropJob, detector: Detector) -> tuple[list[cut.CutFace], DetectionOutcome, str | None]:
    """Faces of one picture, the outcome and its detail. An unreadable picture gets an outcome, and stops no run."""
    try:
        faces = cut.cut_faces(data, job.crop, max_pixels=job.max_pixels, detector=detector)
    except decoding.Unreadable as error:
        return [], error.outcome, str(error)
    return faces, DetectionOutcome.CROPPED if faces else DetectionOutcome.NO_FACE, None


def _face_row(
    identity: str, image_id: str, name: str, face: cut.CutFace, byte_range: tuple[int, int]
) -> dict[str, Any]:
    return {
        "identity": identity,
        "face_id": name,
        "image_id": image_id,
        **face.box._asdict(),
        **{f"crop_{side}": value for side, value in face.place._asdict().items()},
        "image_width": face.shape[1],
        "image_height": face.shape[0],
        "offset": byte_range[0],
        "size_bytes": byte_range[1],
        "score": face.score,
        **({} if face.landmarks is None else face.landmarks.as_row()),
    }


def _digest(workspace: ProjectPaths, params: Params, identity: str, detector: dict[str, Any]) -> str:
    source = workspace.shard("crawl", identity)
    upstream = shards.digest_of(source)
    if upstream is None:
        raise BadInput(f"{workspace.relative(source)}: no readable shard, though images.parquet names its identity")
    return fingerprint(
        upstream, params.crop, detector, params.crawl.max_pixels, cv2.__version__, COLUMNS, code=[__name__]
    )


def _by_identity(images: pl.DataFrame) -> dict[str, tuple[tuple[str, int, int], ...]]:
    ordered = images.sort("identity", "image_id").select("identity", "image_id", "offset", "size_bytes")
    groups = ordered.partition_by("identity", as_dict=True, include_key=False)
    return {str(identity): tuple(rows.iter_rows()) for (identity,), rows in groups.items()}


def _job(
    workspace: ProjectPaths,
    params: Params,
    images: dict[str, tuple[tuple[str, int, int], ...]],
    digests: dict[str, str],
    identity: str,
) -> CropJob:
    return CropJob(
        identity=identity,
        images=images[identity],
        source=workspace.shard("crawl", identity),
        target=workspace.shard("crop", identity),
        digest=digests[identity],
        crop=params.crop,
        detector=detectors.DETECTORS.get(params.crop.detector),
        root=workspace.root,
        max_pixels=params.crawl.max_pixels,
    )


def _write_tables(
    workspace: ProjectPaths, identities: list[str], images: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    pairs = [_rows_of(workspace.shard("crop", identity)) for identity in identities]
    faces, detections = (pl.concat(rows) for rows in zip(*pairs, strict=True))
    for table, rows in ((schemas.FACES, faces), (schemas.DETECTIONS, detections)):
        path = workspace.table("crop", table.name)
        schemas.check_refers(
            rows, images, on=["identity", "image_id"], where=str(path), failures_to=schemas.failures_path(path)
        )
        schemas.write(table, rows, path)
    return faces, detections


def _rows_of(shard: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows of faces and of detections of one identity's shard."""
    members = shards.members(shard)
    faces, detections = (shards.read(shard, *members[name]) for name in (shards.ROWS, DETECTIONS_MEMBER))
    return pl.read_parquet(io.BytesIO(faces)), pl.read_parquet(io.BytesIO(detections))


def _undetected(workspace: ProjectPaths, params: Params, detections: pl.DataFrame) -> list[dict[str, Any]]:
    """Write and return the table undetected, without rows if no roster tells the groups."""
    rows: list[dict[str, Any]] = []
    if workspace.roster.is_file():
        attributes = {column: task.labels for column, task in params.attributes.items()}
        rows = undetected.by_group(detections, roster_file.load(workspace.roster, params), attributes)
    schemas.write(schemas.UNDETECTED, rows, workspace.table("crop", "undetected"))
    return rows


def _figures(faces: pl.DataFrame, detections: pl.DataFrame) -> dict[str, Any]:
    counts = dict(detections["outcome"].value_counts().iter_rows())
    return {
        "images": detections.height,
        "images_with_faces": counts.get(DetectionOutcome.CROPPED, 0),
        "faces": faces.height,
        "outcomes": {str(outcome): counts.get(outcome, 0) for outcome in DetectionOutcome},
    }


def _print(figures: dict[str, Any], done: incremental.Refreshed) -> None:
    outcomes = figures["outcomes"]
    print(f"crop: {done}")
    print(f"  {number(figures['faces'], 'face')} in {figures['images_with_faces']} of {figures['images']} images")
    others = [name for name in DetectionOutcome if name != DetectionOutcome.CROPPED]
    print(f"  without: {', '.join(f'{outcomes[name]} {name}' for name in others)}")
