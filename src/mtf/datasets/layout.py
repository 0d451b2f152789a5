"""A published data set as the tables that training reads: crops and splits, by the papers' own divisions."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import polars as pl
from sklearn.model_selection import train_test_split

from mtf import shards, tables
from mtf.datasets.labelled import DataSet
from mtf.errors import BadInput
from mtf.params import Params
from mtf.workspace import Workspace

BUCKET = 500
TEST_SHARE, VAL_SHARE_OF_REST = 0.2, 0.1


class Files:
    """The files of a folder or an uncompressed tar, by their names in it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        if path.is_dir():
            names = (file for file in sorted(path.rglob("*")) if file.is_file() and not file.is_symlink())
            self._places: dict[str, tuple[int, int] | None] = {str(file.relative_to(path)): None for file in names}
        elif path.is_file():
            self._places = dict(shards.members(path))
        else:
            raise BadInput(f"{path}: no such folder or tar")

    def names(self) -> list[str]:
        return sorted(self._places)

    def read(self, name: str) -> bytes:
        """The bytes of `name`. Raises BadInput where there is no such file."""
        if name not in self._places:
            raise BadInput(f"{self._path}: no file {name!r} in it")
        place = self._places[name]
        return (self._path / name).read_bytes() if place is None else shards.read(self._path, *place)


def stratified(pictures: pl.DataFrame, column: str, *, seed: int) -> pl.Series:
    """72 % train, 8 % val, 20 % test, stratified by `column` in two steps (EFRS, section 3)."""
    rows = np.arange(pictures.height)
    strata = pictures[column].to_numpy()
    rest, test = train_test_split(rows, test_size=TEST_SHARE, stratify=strata, random_state=seed)
    _, val = train_test_split(rest, test_size=VAL_SHARE_OF_REST, stratify=strata[rest], random_state=seed)
    splits = np.full(pictures.height, "train", dtype=object)
    splits[val], splits[test] = "val", "test"
    return pl.Series("split", splits.tolist(), dtype=pl.String)


def by_part(pictures: pl.DataFrame) -> pl.Series:
    """UTKFace as Das et al. divide it (section 4.2): part I trains, II tests, III validates."""
    if pictures["part"].null_count() or not set(pictures["part"]) <= {"1", "2", "3"}:
        raise BadInput("UTKFace: not every picture lies in a folder part1, part2 or part3")
    return pictures["part"].replace_strict({"1": "train", "2": "test", "3": "val"}).alias("split")


def write(
    data_set: DataSet,
    read: Callable[[str], bytes],
    split: pl.Series,
    workspace: Workspace,
    params: Params,
    *,
    keep_identities: bool = False,
) -> list[str]:
    """Write build/crop/shards and build/split/splits.parquet; returns what is to be told, a line each.

    Every picture counts as one crop. Byte-identical pictures after the first are left out: they would lie on both
    sides of a split. Where identities are single pictures, shards hold `BUCKET` pictures each.
    """
    rows: list[dict[str, object]] = []
    seen: set[str] = set()
    left_out = {"byte-identical to another": 0, "not readable as a picture": 0}
    pictures = data_set.pictures.with_columns(split)
    if not keep_identities:
        buckets = pl.int_range(pl.len()) // BUCKET
        pictures = pictures.with_columns(identity=pl.format(f"{data_set.name}-{{}}", buckets))
    for group in pictures.partition_by("identity", maintain_order=True):
        rows += _shard(data_set, group, read, workspace, seen, left_out)
    tables.write(tables.splits(params), rows, workspace.table("split", "splits"))
    return [f"left out, {why}: {count}" for why, count in left_out.items() if count]


def _shard(
    data_set: DataSet,
    group: pl.DataFrame,
    read: Callable[[str], bytes],
    workspace: Workspace,
    seen: set[str],
    left_out: dict[str, int],
) -> list[dict[str, object]]:
    """One identity's pictures into its shard. The shard's digest is that of its pictures."""
    kept = []
    for picture in group.iter_rows(named=True):
        data = read(picture["file"])
        image_id = hashlib.sha256(data).hexdigest()
        size = _size(data)
        if size is None:
            left_out["not readable as a picture"] += 1
        elif image_id in seen:
            left_out["byte-identical to another"] += 1
        else:
            seen.add(image_id)
            kept.append((picture, data, image_id, size))
    if not kept:
        return []
    identity = group["identity"][0]
    digest = hashlib.sha256("".join(image_id for _, _, image_id, _ in kept).encode("ascii")).hexdigest()
    rows = []
    with shards.writing(workspace.shard("crop", identity), digest) as shard:
        for picture, data, image_id, (width, height) in kept:
            offset, size_bytes = shard.add(f"{image_id[:32]}.jpg", data)
            place = {"x": 0, "y": 0, "width": width, "height": height, "offset": offset, "size_bytes": size_bytes}
            ids = {"identity": identity, "face_id": image_id[:32], "image_id": image_id}
            labels = {column: picture[column] for column in data_set.attributes}
            terms = {"license": data_set.license, "duplicate_group": None, "decided_by": data_set.name}
            rows.append({**ids, **place, **labels, **terms, "split": picture["split"]})
        shard.finish(pl.DataFrame(rows))
    return rows


def _size(data: bytes) -> tuple[int, int] | None:
    """Width and height; None where OpenCV cannot read the picture."""
    encoded = np.frombuffer(data, np.uint8)
    picture = cv2.imdecode(encoded, cv2.IMREAD_COLOR) if encoded.size else None
    return None if picture is None else (picture.shape[1], picture.shape[0])
