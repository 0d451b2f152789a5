"""The whole pictures of an export: each under its own name, and none that the export does not speak of."""

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
    """Where a picture lies; `name` is its file name, with the ending that the crawl gave it."""

    shard: Path
    name: str
    offset: int
    size_bytes: int


def find(workspace: ProjectPaths, faces: pl.DataFrame) -> dict[str, Stored]:
    """image_id → the picture, of all pictures that `faces` (identity, image_id) are on, in their order.

    Raises MtfError where a shard, or a picture in it, is not there.
    """
    wanted = faces.select(IMAGE).unique("image_id", keep="first", maintain_order=True)
    held = {identity: _held(workspace, identity) for identity in wanted["identity"].unique(maintain_order=True)}
    found = {}
    for identity, image_id in wanted.iter_rows():
        if image_id not in held[identity]:
            shard = workspace.relative(workspace.shard("crawl", identity))
            raise MtfError(f"{shard}: the picture {image_id} is not in it; {_MADE_BY}")
        found[image_id] = held[identity][image_id]
    return found


def _held(workspace: ProjectPaths, identity: str) -> dict[str, Stored]:
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
    """Write `pictures` to `folder`; others that an earlier export wrote there are removed.

    Raises MtfError where a shard has something else in a picture's place.
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
    """Whether pictures lie there, and nothing but what `write` calls so."""
    files = [*folder.iterdir()] if folder.is_dir() else []
    return bool(files) and all(map(_is_picture, files))


def _is_picture(path: Path) -> bool:
    return bool(_STEM.fullmatch(path.stem)) and path.is_file()
