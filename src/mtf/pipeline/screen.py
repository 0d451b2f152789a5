"""Stage screen: measures of each face and groups of duplicates, as hints for reviewers (MTF, section 3.2)."""

from __future__ import annotations

import hashlib
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

import cv2
import numpy as np
import polars as pl

from mtf import schemas
from mtf.config import Params, Screen
from mtf.core import atomic_files, shards
from mtf.core.errors import BadInput
from mtf.core.hashing import fingerprint
from mtf.core.job_files import JobFiles
from mtf.core.project_paths import ProjectPaths
from mtf.faces import crop, face_vectors, model_files, near_duplicates, opencv, quality, quality_components
from mtf.faces.box import Box
from mtf.faces.detectors import Landmarks
from mtf.faces.embeddings import EMBEDDINGS, Embedding, distance_warning, distinguishes_people
from mtf.faces.embeddings import create as create_embedding
from mtf.pipeline import identity_proposals, incremental

# Pairs of people that are printed; the column `resembles` has all.
_MAX_PAIRS = 20
COLUMNS = str(schemas.SCREENING.dtypes)
# Columns that need other faces, and are added later.
_FROM_OTHERS = ("identity_distance", "exact_group", "near_group", "across_group", "cluster", "likeness", "resembles")
_MEASURED: dict[str, Any] = {
    **{name: dtype for name, dtype in schemas.SCREENING.dtypes.items() if name not in _FROM_OTHERS},
    "crop_sha256": pl.String,
    "embedding": pl.Binary,
}


@dataclass(frozen=True)
class ScreenJob:
    """Work of the stage for one identity.

    - `identity`: its slug;
    - `source`, `target`: crop shard to read, screen shard to write;
    - `digest`: digest of the shard to write;
    - `screen`: section of params.yaml;
    - `embedding`: class of the embedding, as `CropJob.detector`;
    - `root`: root of the project, for model files.
    """

    identity: str
    source: Path
    target: Path
    digest: str
    screen: Screen
    embedding: type[Embedding]
    root: Path


def run(workspace: ProjectPaths, params: Params) -> None:
    """Write the table screening: measures per face, groups within an identity, then groups across identities.

    Raises BadInput if there is no face.
    """
    faces = schemas.read(schemas.FACES, workspace.table("crop", "faces"))
    if faces.is_empty():
        raise BadInput(
            f"{workspace.relative(workspace.table('crop', 'faces'))}: no faces, so there is nothing to screen"
        )
    if warning := distance_warning(params.screen):
        print(f"mtf: {warning}", file=sys.stderr)
    identities = faces["identity"].unique().sort().to_list()
    digests = _digests(workspace, params, identities)
    done = incremental.refresh(
        workspace.shards("screen"),
        digests,
        partial(_job, workspace, params, digests),
        make,
        compute=params.compute,
        title="screen",
        files=_files,
    )
    with tempfile.TemporaryFile(dir=workspace.stage("screen")) as file:
        rows = _gathered([workspace.shard("screen", name) for name in identities], file)
        embeddings = _mapped(file, rows.height)
        screening = _across(rows, embeddings, params.screen)
        proposals = _proposals(workspace, params, rows, embeddings)
    screening = screening.with_columns(proposals.columns) if proposals else screening
    path = workspace.table("screen", "screening")
    keys = ["identity", "face_id"]
    schemas.check_refers(screening, faces, on=keys, where=str(path), failures_to=schemas.failures_path(path))
    screening = schemas.write(schemas.SCREENING, screening, path)
    figures = _figures(screening, proposals)
    atomic_files.write_json(workspace.metrics("screen"), figures)
    _print(figures, done)
    # Names are printed alone: metrics are committed to git, from which nobody can be erased.
    for one, other in proposals.same_person[:_MAX_PAIRS] if proposals else []:
        print(f"  {one} and {other} look like one person under two names")


def _files(job: ScreenJob) -> JobFiles:
    weights = model_files.files_in_project(job.screen, job.root)
    return JobFiles(job.root, job.target, job.digest, reads=(job.source,), shared=weights)


def make(job: ScreenJob) -> None:
    """Write one identity's shard: rows of screening without `across_group`, with embedding and digest of each crop."""
    opencv.use_one_thread()
    embedding = job.embedding.from_params(job.screen, root=job.root)
    faces = shards.rows_of(job.source)
    boxes = _boxes_of_images(faces)
    with shards.reader(job.source) as source:
        rows = [
            _measured(source.read(face["offset"], face["size_bytes"]), face, boxes[face["image_id"]], embedding)
            for face in faces.iter_rows(named=True)
        ]
    with shards.writing(job.target, job.digest) as writer:
        writer.finish(_with_groups(pl.DataFrame(rows, schema=_MEASURED, orient="row"), job.screen))


def _boxes_of_images(faces: pl.DataFrame) -> dict[str, list[Box]]:
    boxes: dict[str, list[Box]] = {}
    for image_id, *box in faces.select("image_id", "x", "y", "width", "height").iter_rows():
        boxes.setdefault(image_id, []).append(Box(*box))
    return boxes


def _measured(jpeg: bytes, face: dict[str, Any], boxes: list[Box], embedding: Embedding) -> dict[str, Any]:
    """Row of a face, before its groups; `boxes` are those of all faces in its picture."""
    pixels = crop.decoded(jpeg)
    place = (face["crop_x"], face["crop_y"])
    box = Box(face["x"] - place[0], face["y"] - place[1], face["width"], face["height"])
    landmarks = Landmarks.of_row(face, origin=place)
    return {
        "identity": face["identity"],
        "face_id": face["face_id"],
        "image_id": face["image_id"],
        **quality.measure(pixels, box)._asdict(),
        **quality_components.measure(pixels, box, landmarks, boxes=boxes)._asdict(),
        "crop_sha256": hashlib.sha256(jpeg).hexdigest(),
        "embedding": embedding(pixels, box, landmarks).astype(np.float16).tobytes(),
    }


def _with_groups(rows: pl.DataFrame, screen: Screen) -> pl.DataFrame:
    """Rows with identity_distance, exact_group and near_group, which need all faces of one identity."""
    embeddings = _vectors(rows["embedding"])
    face_ids = rows["face_id"].to_list()
    near = near_duplicates.near_groups(rows["hash"].to_numpy(), embeddings, screen)
    return rows.with_columns(
        _series("identity_distance", face_vectors.identity_distances(embeddings), pl.Float32),
        _series("exact_group", near_duplicates.named(near_duplicates.exact_groups(rows["crop_sha256"]), face_ids)),
        _series("near_group", near_duplicates.named(near, face_ids)),
    )


def _gathered(paths: list[Path], embeddings: IO[bytes]) -> pl.DataFrame:
    """Rows of all shards, in their order. Their embeddings go to the file `embeddings`, to save memory."""
    parts = []
    for path in paths:
        rows = shards.rows_of(path)
        embeddings.writelines(rows["embedding"])
        parts.append(rows.drop("embedding"))
    embeddings.flush()
    return pl.concat(parts)


def _mapped(embeddings: IO[bytes], count: int) -> np.ndarray:
    """Memory-mapped embeddings of a file, (count, d) float16."""
    return np.memmap(embeddings, np.float16, mode="r").reshape(count, -1)


def _across(rows: pl.DataFrame, embeddings: np.ndarray, screen: Screen) -> pl.DataFrame:
    """Table screening with across_group, which needs the faces of all identities."""
    labels = near_duplicates.across_groups(
        rows["identity"],
        rows["crop_sha256"],
        rows["hash"].to_numpy(),
        embeddings,
        screen,
    )
    named = near_duplicates.named(labels, rows["face_id"])
    return schemas.frame(schemas.SCREENING, rows.with_columns(_series("across_group", named)))


def _proposals(
    workspace: ProjectPaths, params: Params, rows: pl.DataFrame, embeddings: np.ndarray
) -> identity_proposals.Proposals | None:
    """Identity proposals; None for an embedding that does not distinguish people."""
    if not distinguishes_people(params.screen):
        return None
    sources = identity_proposals.image_sources(workspace)
    return identity_proposals.propose(rows, embeddings, sources)


def _series(name: str, values: Sequence[Any], dtype: type[pl.DataType] = pl.String) -> pl.Series:
    return pl.Series(name, values, dtype)


def _vectors(column: pl.Series) -> np.ndarray:
    """Embeddings (n, d) of a column of bytes, float16."""
    return np.frombuffer(b"".join(column), np.float16).reshape(len(column), -1)


def _digests(workspace: ProjectPaths, params: Params, identities: list[str]) -> dict[str, str]:
    """Identity → digest of its shard. Missing weights of the embedding stop the run here, before any work."""
    embedding = create_embedding(params.screen, root=workspace.root).fingerprint()
    return {name: _digest(workspace, params, name, embedding) for name in identities}


def _digest(workspace: ProjectPaths, params: Params, name: str, embedding: dict[str, Any]) -> str:
    source = workspace.shard("crop", name)
    upstream = shards.digest_of(source)
    if upstream is None:
        raise BadInput(f"{workspace.relative(source)}: no readable shard, though faces.parquet names its identity")
    return fingerprint(upstream, params.screen, embedding, cv2.__version__, COLUMNS, code=[__name__])


def _job(workspace: ProjectPaths, params: Params, digests: dict[str, str], name: str) -> ScreenJob:
    return ScreenJob(
        identity=name,
        source=workspace.shard("crop", name),
        target=workspace.shard("screen", name),
        digest=digests[name],
        screen=params.screen,
        embedding=EMBEDDINGS.get(params.screen.embedding),
        root=workspace.root,
    )


def _figures(screening: pl.DataFrame, proposals: identity_proposals.Proposals | None) -> dict[str, Any]:
    eyes = dict(screening["eyes"].value_counts().iter_rows())
    return {
        "faces": screening.height,
        "eyes_found": {str(number): eyes.get(number, 0) for number in (0, 1, 2)},
        "not_photographs": screening.filter(pl.col("not_photograph") >= 0.5).height,
        "repeats": {
            "exact": _repeats(screening, ["identity", "exact_group"]),
            "near": _repeats(screening, ["identity", "near_group"]),
            "across_identities": _repeats(screening, ["across_group"]),
        },
        "median": {
            name: round(float(screening.select(pl.col(name).median()).item() or 0), 4)
            for name in ("size_px", "sharpness", "brightness", "clipped_share", "identity_distance")
        },
    } | ({} if proposals is None else {"proposals": _proposed(screening, proposals)})


def _proposed(screening: pl.DataFrame, proposals: identity_proposals.Proposals) -> dict[str, Any]:
    likeness = screening["likeness"]
    return {
        "person": int((likeness > 0).sum()),
        "stranger": int((likeness <= 0).sum()),
        "without_proposal": likeness.null_count(),
        "resembles_another": screening["resembles"].count(),
        "same_person_under_two_names": len(proposals.same_person),
    }


def _repeats(screening: pl.DataFrame, group: list[str]) -> int:
    """Number of faces that would be dropped if one face of each group were kept."""
    grouped = screening.drop_nulls(group[-1])
    return grouped.height - grouped.select(group).unique().height


def _print(figures: dict[str, Any], done: incremental.Refreshed) -> None:
    repeats, eyes = figures["repeats"], figures["eyes_found"]
    print(f"screen: {done}")
    print(f"  {figures['faces']} faces; both eyes found in {eyes['2']}, one in {eyes['1']}, none in {eyes['0']}")
    print(
        f"  repeats: {repeats['exact']} exact, {repeats['near']} near (with the exact), "
        f"{repeats['across_identities']} across identities; {figures['not_photographs']} look drawn"
    )
    if (proposed := figures.get("proposals")) is not None:
        print(
            f"  proposals: {proposed['person']} faces of their person, {proposed['stranger']} of strangers, "
            f"{proposed['without_proposal']} without one; {proposed['resembles_another']} resemble another identity"
        )
