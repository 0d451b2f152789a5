"""Table of embeddings behind `mtf embed`: for the faces of a stage or of a folder, by any embedding or network.

The work is done in parts of a few hundred items. Each part is a file beside the table until all are done, so that an
interrupted run goes on where it ended, and memory does not grow with the data.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import polars as pl
import pyarrow.parquet as pq

from mtf import config, schemas
from mtf.config import Params, Screen
from mtf.core import atomic_files, cluster_storage, parallel_map, shards
from mtf.core.errors import BadInput, bad_value
from mtf.core.hashing import fingerprint
from mtf.core.job_files import JobFiles
from mtf.core.project_paths import ProjectPaths
from mtf.faces import crop, decoding, detectors, model_files, opencv, weights_in_use
from mtf.faces.box import Box
from mtf.faces.detectors import DETECTORS, Detector, Landmarks
from mtf.faces.embeddings import EMBEDDINGS, Embedding
from mtf.schemas.embedding_table import EMBEDDINGS as COLUMNS

ITEMS_A_PART = 256
STAGES = {"crop": "faces", "curate": "curated", "split": "splits"}
"""Stage → its table of faces."""
MAX_PROBLEM = 200


@dataclass(frozen=True)
class Model:
    """An embedding by its registered name, or the file of a network that was trained here.

    implementation: class of the registered embedding; None for a network. Another process may not have it registered.
    """

    name: str
    screen: Screen
    root: Path
    implementation: type[Embedding] | None = None

    def create(self) -> Any:
        """The embedding. Raises BadInput for a missing or bad file."""
        if self.implementation is not None:
            return self.implementation.from_params(self.screen, root=self.root)
        from mtf.training.network_embedding import NetworkEmbedding

        return NetworkEmbedding(self.root / self.name)


@dataclass(frozen=True)
class Part:
    """Some items, and the file of their rows.

    items: paths of pictures, relative to `folder`; or face ids of the crop shard `shard`.
    detector: class of the detector, for a folder.
    """

    target: Path
    items: tuple[str, ...]
    model: Model
    params: Params
    folder: Path | None
    shard: Path | None
    detector: type[Detector] | None


@dataclass(frozen=True)
class Embedded:
    """Numbers of a run: faces with a vector, items without one, and parts that an earlier run had done."""

    vectors: int
    problems: int
    kept_parts: int
    path: Path


def run(workspace: ProjectPaths, source: str, *, model: str, weights: str | None, to: Path | None) -> Embedded:
    """Write the table of embeddings of `source`: a stage of STAGES, or a folder of pictures.

    model: a registered embedding, or the path of a `model.pt`.
    weights: file of the embedding's weights, in place of `screen.embedding_weights`.
    to: the table; by default build/embed/SOURCE-MODEL.parquet. Relative paths start at the current folder.

    Raises BadInput for an unknown source or model, and for files that cannot be read at all.
    """
    params = config.load(workspace.params)
    chosen = _model(workspace, params, model, weights)
    made_of = chosen.create().fingerprint()
    folder = None if source in STAGES else _folder(source)
    path = to if to is not None else default_path(workspace, source, model)
    parts_folder = path.with_name(f".{path.name}.parts")
    if path.is_dir():
        raise BadInput(f"--to: {path} is a folder; name a file, such as {path / 'embeddings.parquet'}")
    detector = DETECTORS.get(params.crop.detector) if folder is not None else None
    found_by = detectors.create(params.crop, root=workspace.root).fingerprint() if folder is not None else None
    key = [made_of, chosen.name, found_by, params.crop if folder is not None else None, params.crawl.max_pixels]
    parts = [
        Part(
            target=parts_folder / f"{fingerprint(key, state, code=[__name__])}.parquet",
            items=items,
            model=chosen,
            params=params,
            folder=folder,
            shard=shard,
            detector=detector,
        )
        for items, state, shard in (_of_folder(folder) if folder is not None else _of_stage(workspace, params, source))
    ]
    parts_folder.mkdir(parents=True, exist_ok=True)
    missing = [part for part in parts if not part.target.is_file()]
    # A folder's pictures are single files that may lie anywhere: they are not sent to a cluster's storage.
    of_project = folder is None and all(each.is_relative_to(workspace.root) for each in (path, chosen.root))
    files = partial(_part_files, workspace.root) if of_project else None
    parallel_map.map_items(embed_part, missing, compute=params.compute, title="embed", files=files)
    vectors, problems = _join([part.target for part in parts], path, _model_columns(chosen, made_of))
    shutil.rmtree(parts_folder)
    if files is not None:
        cluster_storage.remove(params.compute, parts_folder, root=workspace.root)
    return Embedded(vectors, problems, len(parts) - len(missing), path)


def default_path(workspace: ProjectPaths, source: str, model: str) -> Path:
    """The table that `run` writes if no other is named."""
    return workspace.stage("embed") / f"{Path(source).name}-{_short(model)}.parquet"


def weights_sha256(workspace: ProjectPaths, params: Params, *, model: str, weights: str | None) -> str | None:
    """Column `weights_sha256` of the table that `run` would write. Raises BadInput as `run` does."""
    return _weights_sha256(_model(workspace, params, model, weights).create().fingerprint())


def faces_of(workspace: ProjectPaths, params: Params, stage: str) -> pl.DataFrame:
    """`identity` and `face_id` of the faces in the table of a stage of STAGES."""
    contracts = {"crop": schemas.FACES, "curate": schemas.curated(params), "split": schemas.splits(params)}
    chosen = schemas.read(contracts[stage], workspace.table(stage, STAGES[stage]))
    return chosen.select("identity", "face_id").unique().sort("identity", "face_id")


def _model(workspace: ProjectPaths, params: Params, name: str, weights: str | None) -> Model:
    is_own = params.screen.embedding == name
    screen = params.screen.model_copy(
        update={
            "embedding": name,
            "embedding_weights": weights or (params.screen.embedding_weights if is_own else None),
        }
    )
    if name in EMBEDDINGS.names():
        return Model(name, screen, workspace.root, EMBEDDINGS.get(name))
    if Path(name).is_file():
        return Model(name, screen, Path.cwd())
    raise bad_value("--model", name, f"{', '.join(EMBEDDINGS.names())}, or the file of a trained network (model.pt)")


def _short(model: str) -> str:
    """Name of a model for a file name: of `build/models/resnet50/race/model.pt` its last three parts."""
    return "-".join(part for part in Path(model).with_suffix("").parts[-3:] if part.strip("./"))


def _folder(source: str) -> Path:
    folder = Path(source).resolve()
    if not folder.is_dir():
        raise bad_value("SOURCE", source, f"{', '.join(STAGES)}, or a folder of pictures")
    return folder


Items = tuple[tuple[str, ...], Any, Path | None]
"""Items of a part, the state of their files, and their shard. If the state changes, the part is embedded again."""


def _of_folder(folder: Path) -> Iterator[Items]:
    """Relative paths of all files, by name. Links are not followed, hidden files left out."""
    names = _names(folder)
    while some := tuple(islice(names, ITEMS_A_PART)):
        yield some, [_file_state(folder / name) for name in some], None


def _names(folder: Path) -> Iterator[str]:
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            file = Path(place) / name
            if not name.startswith(".") and not file.is_symlink() and file.is_file():
                yield str(file.relative_to(folder))


def _file_state(path: Path) -> list[Any]:
    try:
        stat = path.stat()
    except OSError:
        return [_printable(str(path))]
    return [_printable(str(path)), stat.st_size, stat.st_mtime_ns]


def _printable(name: str) -> str:
    """Name as UTF-8; bytes of it that are none are written as \\udc…."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def _of_stage(workspace: ProjectPaths, params: Params, stage: str) -> Iterator[Items]:
    """Face ids of each identity, of the faces in the stage's table. Raises BadInput if a crop shard is missing."""
    for (identity,), faces in faces_of(workspace, params, stage).group_by("identity", maintain_order=True):
        shard = workspace.shard("crop", str(identity))
        digest = shards.digest_of(shard)
        if digest is None:
            raise BadInput(f"{workspace.relative(shard)}: no readable shard; run `mtf crop`")
        for some in faces.iter_slices(ITEMS_A_PART):
            items = tuple(some["face_id"])
            yield items, [digest, *items], shard


def _part_files(root: Path, part: Part) -> JobFiles:
    weights = model_files.files_in_project(part.model.screen, root)
    is_network = part.model.implementation is None
    shared = (*weights, part.model.root / part.model.name) if is_network else weights
    reads = () if part.shard is None else (part.shard,)
    return JobFiles(root, part.target, reads=reads, shared=shared)


def embed_part(part: Part) -> None:
    """Write the rows of one part."""
    opencv.use_one_thread()
    embedding = part.model.create()
    if part.shard is not None:
        rows = list(_stage_rows(part.shard, part, embedding))
    else:
        assert part.detector is not None and part.folder is not None  # noqa: S101 (by `run`)
        detector = part.detector.from_params(part.params.crop, root=part.model.root)
        rows = [row for name in part.items for row in _picture_rows(part.folder, name, part, detector, embedding)]
    own = {name: dtype for name, dtype in COLUMNS.items() if name not in ("model", "weights_sha256")}
    with atomic_files.replacing(part.target) as beside:
        pl.DataFrame(rows, schema=own, orient="row").write_parquet(beside)


def _stage_rows(path: Path, part: Part, embedding: Embedding) -> Iterator[dict[str, Any]]:
    faces = shards.rows_of(path).filter(pl.col("face_id").is_in(part.items)).sort("face_id")
    with shards.reader(path) as shard:
        for face in faces.iter_rows(named=True):
            place = (face["crop_x"], face["crop_y"])
            box = Box(face["x"] - place[0], face["y"] - place[1], face["width"], face["height"])
            row = {key: face[key] for key in ("identity", "face_id", "x", "y", "width", "height")}
            try:
                pixels = crop.decoded(shard.read(face["offset"], face["size_bytes"]))
                yield row | _vector(embedding, pixels, box, Landmarks.of_row(face, origin=place))
            except (ValueError, OSError, cv2.error, RuntimeError) as error:
                yield row | _problem(error)


def _picture_rows(
    folder: Path, name: str, part: Part, detector: Detector, embedding: Embedding
) -> Iterator[dict[str, Any]]:
    """Rows of a picture's faces; one row with the problem, if there is none."""
    shown = _printable(name)
    try:
        data = _bytes_of(folder / name, part.params.crawl.max_bytes)
        faces = crop.cut_faces(data, part.params.crop, max_pixels=part.params.crawl.max_pixels, detector=detector)
    except (decoding.Unreadable, OSError, ValueError, cv2.error) as error:
        yield {"path": shown} | _problem(error)
        return
    if not faces:
        yield {"path": shown, "problem": "no face found"}
    for face in faces:
        x, y = face.place.x, face.place.y
        landmarks = face.landmarks and Landmarks(*((px - x, py - y) for px, py in face.landmarks))
        row = {"path": shown, **face.box._asdict()}
        try:
            box = face.box._replace(x=face.box.x - x, y=face.box.y - y)
            yield row | _vector(embedding, crop.decoded(face.jpeg), box, landmarks)
        except (ValueError, cv2.error, RuntimeError) as error:
            yield row | _problem(error)


def _bytes_of(path: Path, max_bytes: int) -> bytes:
    size = path.stat().st_size
    if size > max_bytes:
        raise ValueError(f"{size:,} bytes; crawl.max_bytes permits {max_bytes:,}")
    return path.read_bytes()


def _vector(embedding: Embedding, pixels: np.ndarray, box: Box, landmarks: Landmarks | None) -> dict[str, Any]:
    vector = embedding(pixels, box, landmarks)
    if not np.isfinite(vector).all():
        raise ValueError("the model gives no finite vector")
    return {"vector": vector.tolist()}


def _problem(error: Exception) -> dict[str, Any]:
    return {"problem": (" ".join(str(error).split()) or type(error).__name__)[:MAX_PROBLEM]}


def _model_columns(model: Model, made_of: dict[str, Any]) -> list[pl.Expr]:
    digests = _weights_sha256(made_of)
    return [pl.lit(model.name, pl.String).alias("model"), pl.lit(digests, pl.String).alias("weights_sha256")]


def _weights_sha256(made_of: dict[str, Any]) -> str | None:
    return " ".join(weights_in_use.digests(made_of)) or None


def _join(parts: Sequence[Path], path: Path, model: Sequence[pl.Expr]) -> tuple[int, int]:
    """Write all parts to one table, one at a time; return the numbers of vectors and of problems."""
    empty = pl.DataFrame(schema=COLUMNS)
    vectors = problems = 0
    with atomic_files.replacing(path) as beside, pq.ParquetWriter(beside, empty.to_arrow().schema) as writer:
        for part in parts:
            rows = pl.read_parquet(part).with_columns(model).select(*COLUMNS)
            vectors += rows["vector"].count()
            problems += rows["problem"].count()
            writer.write_table(rows.to_arrow().cast(empty.to_arrow().schema))
    return vectors, problems
