"""Which objects hold an erased picture: by the shard they are, by their name, or by what is in them."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any

import polars as pl

from mtf.erasure.history import History, Version
from mtf.erasure.subjects import SPLITS, Subjects
from mtf.shards import ROWS


@dataclass(frozen=True)
class Holder:
    """An object to erase. `others` counts the pictures in it that nobody asked to erase."""

    oid: str
    path: str
    revisions: tuple[str, ...]
    listings: tuple[str, ...]
    size_bytes: int
    others: int

    def plain(self) -> dict[str, Any]:
        return asdict(self) | {"revisions": list(self.revisions), "listings": list(self.listings)}


def find(subjects: Subjects, history: History) -> list[Holder]:
    """All holders, of any version, whose original is still somewhere."""
    return [holder for version in history.versions if (holder := _holder(version, subjects, history)) is not None]


def trained_models(subjects: Subjects, history: History) -> Iterator[dict[str, Any]]:
    """Models of any version whose training or validation saw an erased face: to retrain or withdraw."""
    for version, rows in history.tables(SPLITS):
        seen = rows.filter(pl.col("face_id").is_in(sorted(subjects.face_ids)) & (pl.col("split") != "test")).height
        for model in history.versions if seen else ():
            shared = sorted(set(model.revisions) & set(version.revisions))
            if model.path.startswith("build/models/") and shared:
                yield {"path": model.path, "revisions": shared, "trained_on_faces": seen}


def _holder(version: Version, subjects: Subjects, history: History) -> Holder | None:
    if not _may_hold(version, subjects):
        return None
    data = history.read(version.oid)
    if data is None:
        return None
    others = _others_beside(version, data, subjects)
    if others is None:
        return None
    return Holder(
        version.oid, version.path, tuple(version.revisions), tuple(sorted(version.listings)), len(data), others
    )


def _may_hold(version: Version, subjects: Subjects) -> bool:
    """Without reading it: shards of others, and single files of another name, are left alone."""
    name = version.name
    if name.parent.name == "shards":
        return name.stem in subjects.affected
    if name.stem in subjects.names:
        return True
    return name.suffix == ".tar" or (name.suffix == ".parquet" and "release" in name.parts)


def _others_beside(version: Version, data: bytes, subjects: Subjects) -> int | None:
    """How many other pictures the object holds; None where it holds no erased one."""
    name = version.name
    if name.suffix == ".tar":
        return _in_tar(name, data, subjects)
    if name.suffix == ".parquet":
        return _in_parquet(data, subjects)
    return 0


def _in_tar(name: PurePosixPath, data: bytes, subjects: Subjects) -> int | None:
    erased = others = 0
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        for member in tar:
            stem = PurePosixPath(member.name).name.partition(".")[0]
            if member.name == ROWS and name.parent.name == "shards":
                erased += _rows_of_erased(tar.extractfile(member), subjects)
            elif stem in subjects.names or _digest(tar, member) in subjects.image_ids:
                erased += 1
            elif len(stem) in (32, 64):
                others += 1
    if name.parent.name == "shards" and name.stem in subjects.whole:
        return 0
    return others if erased else None


def _rows_of_erased(file: Any, subjects: Subjects) -> int:
    """Embeddings and measures are a person's data too, though no picture lies beside them."""
    rows = pl.read_parquet(io.BytesIO(file.read()))
    found = 0
    for column, wanted in (("image_id", subjects.image_ids), ("face_id", subjects.face_ids)):
        if column in rows.columns:
            found += rows.filter(pl.col(column).is_in(sorted(wanted))).height
    return found


def _digest(tar: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    file = tar.extractfile(member) if member.isfile() else None
    return hashlib.sha256(file.read()).hexdigest() if file else ""


def _in_parquet(data: bytes, subjects: Subjects) -> int | None:
    """A published table that carries pictures in its cells, and not only their names."""
    table = pl.read_parquet(io.BytesIO(data))
    carries = any(dtype in (pl.Binary, pl.Struct) for dtype in table.dtypes)
    if not carries or "face_id" not in table.columns:
        return None
    erased = table.filter(pl.col("face_id").is_in(sorted(subjects.face_ids))).height
    return table.height - erased if erased else None
