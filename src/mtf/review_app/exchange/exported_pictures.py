"""Images of an export: each under its own name, and none that the export does not refer to."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path, PurePath
from tarfile import TarError
from typing import NamedTuple

import polars as pl

from mtf.core import atomic_files, shards
from mtf.core.errors import MtfError
from mtf.core.project_paths import ProjectPaths
from mtf.schemas import IMAGE, SHA256

_STEM = re.compile(SHA256)
_MADE_BY = "run the stage that makes it (`dvc repro`)"


class Stored(NamedTuple):
    """Place of an image in a crawl shard.

    shard: the tar file.
    name: file name with the crawl's suffix.
    offset: first byte in the shard.
    size_bytes: length.
    """

    shard: Path
    name: str
    offset: int
    size_bytes: int


def find(workspace: ProjectPaths, faces: pl.DataFrame) -> dict[str, Stored]:
    """Places of all images of `faces` (identity, image_id), by image_id and in their order.

    Raises MtfError if a shard, or an image in it, is missing.
    """
    wanted = faces.select(IMAGE).unique("image_id", keep="first", maintain_order=True)
    members_of = {
        identity: _members(workspace, identity) for identity in wanted["identity"].unique(maintain_order=True)
    }
    found = {}
    for identity, image_id in wanted.iter_rows():
        if image_id not in members_of[identity]:
            shard = workspace.relative(workspace.shard("crawl", identity))
            raise MtfError(f"{shard}: the picture {image_id} is not in it; {_MADE_BY}")
        found[image_id] = members_of[identity][image_id]
    return found


def _members(workspace: ProjectPaths, identity: str) -> dict[str, Stored]:
    shard = workspace.shard("crawl", identity)
    try:
        members = shards.members(shard)
    except OSError as error:
        raise MtfError(f"{workspace.relative(shard)}: {error.strerror}; {_MADE_BY}") from None
    except TarError as error:
        raise MtfError(f"{workspace.relative(shard)}: not readable as a shard ({error}); {_MADE_BY}") from None
    paths = ((PurePath(name), place) for name, place in members.items())
    return {path.stem: Stored(shard, path.name, *place) for path, place in paths}  # a foreign tar may hold folders


def write(workspace: ProjectPaths, pictures: dict[str, Stored], folder: Path) -> None:
    """Write the images to `folder`, and remove those of an earlier export.

    Raises MtfError if a shard holds other bytes at an image's place.
    """
    for image_id, one in pictures.items():
        data = shards.read(one.shard, one.offset, one.size_bytes)
        if hashlib.sha256(data).hexdigest() != image_id:
            raise MtfError(f"{workspace.relative(one.shard)}: {one.name} is not what its name says; {_MADE_BY}")
        atomic_files.write_bytes(folder / one.name, data)
    named = {one.name for one in pictures.values()}
    for path in folder.iterdir() if folder.is_dir() else ():
        if _is_picture(path) and path.name not in named:
            path.unlink()


def is_ours(folder: Path) -> bool:
    """True if the folder has files, all of them named like exported images."""
    files = [*folder.iterdir()] if folder.is_dir() else []
    return bool(files) and all(map(_is_picture, files))


def _is_picture(path: Path) -> bool:
    return bool(_STEM.fullmatch(path.stem)) and path.is_file()
