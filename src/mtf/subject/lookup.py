"""Lookup of the person that a slug, an image_id or a picture file names."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import cv2
import polars as pl

from mtf import schemas
from mtf.config import Params
from mtf.core.errors import BadInput, bad_value, listed
from mtf.core.project_paths import ProjectPaths
from mtf.core.regular_files import check_regular
from mtf.crawl import takedown_filter
from mtf.faces import crop, decoding, detectors
from mtf.faces.decoding import Unreadable
from mtf.faces.perceptual_hash import SAME_PICTURE_BITS, picture_hash
from mtf.faces.quality import perceptual_hash
from mtf.schemas import consent_file, roster_file
from mtf.subject import versions

MAX_FILE_BYTES = 100_000_000
# Releases and exports name a file by its face_id, among other parts.
_FACE_ID = re.compile(r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])")


def identity_of(value: str, workspace: ProjectPaths, params: Params) -> str:
    """Identity that `value` names: a slug, an image_id, or the path of a picture file.

    A file is looked up by its digest, then by the face in its name, then by perceptual hash. Raises BadInput if nobody
    is found, or more than one person.
    """
    if Path(value).is_file():
        found = _of_file(Path(value), workspace, params)
        what = "a picture that is held, or one that looks the same"
    elif re.fullmatch(schemas.SHA256, value):
        found = _with(workspace, "crawl", "images", pl.col("image_id") == value)
        what = "an image_id of the current version"
    else:
        found = [value] if _is_known(value, workspace, params) else []
        what = "an identity of the roster, of the consents or of a stored version, an image_id, a picture file"
    if not found:
        raise bad_value("subject", value, what)
    if len(found) > 1:
        raise BadInput(
            f"subject: {Path(value).name!r} is held of {len(found)} people: {listed(found)}; name one of them"
        )
    return found[0]


def _is_known(slug: str, workspace: ProjectPaths, params: Params) -> bool:
    if not re.fullmatch(schemas.SLUG, slug):
        return False
    roster = roster_file.load(workspace.roster, params)["identity"] if workspace.roster.is_file() else []
    if slug in roster or slug in consent_file.load(workspace.consent)["subject"]:
        return True
    if workspace.shard("crawl", slug).is_file():
        return True
    # A person who left may still be in stored versions.
    return bool(versions.find(workspace.root, slug))


def _of_file(path: Path, workspace: ProjectPaths, params: Params) -> list[str]:
    check_regular(path, MAX_FILE_BYTES)
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    if found := _with(workspace, "crawl", "images", pl.col("image_id") == digest):
        return found
    if named := _FACE_ID.findall(path.name):
        found = _with(workspace, "crop", "faces", pl.col("face_id").is_in(named))
    return found or _alike(data, path.name, workspace, params)


def _alike(data: bytes, name: str, workspace: ProjectPaths, params: Params) -> list[str]:
    """Identities with a picture, or a face, that looks like the file's."""
    try:
        whole = picture_hash(data, max_pixels=params.crawl.max_pixels)
        faces = _face_hashes(data, workspace, params)
    except Unreadable as error:
        raise BadInput(f"{name}: not readable as a picture: {error}") from None
    if found := _whole_alike(whole, workspace):
        return found
    bits = pl.min_horizontal(
        (pl.col("hash").cast(pl.UInt64) ^ pl.lit(each, pl.UInt64)).bitwise_count_ones() for each in faces
    )
    return _with(workspace, "screen", "screening", bits <= params.screen.hash_distance)


def _whole_alike(wanted: int, workspace: ProjectPaths) -> list[str]:
    """Identities with a picture whose stored hash is near; the crawl stores hashes once a takedown asks for them."""
    hashes = takedown_filter.stored_perceptual_hashes(workspace).drop_nulls("content_hash")
    bits = (pl.col("content_hash") ^ pl.lit(wanted, pl.UInt64)).bitwise_count_ones()
    return hashes.filter(bits <= SAME_PICTURE_BITS)["identity"].unique().sort().to_list()


def _face_hashes(data: bytes, workspace: ProjectPaths, params: Params) -> list[int]:
    """Hashes as in the table screening: of the picture itself, which may be a crop, and of each face in it."""
    pixels = decoding.colour(data, decoding.header(data, max_pixels=params.crawl.max_pixels))
    detector = detectors.create(params.crop, root=workspace.root)
    cut = crop.cut_faces(data, params.crop, max_pixels=params.crawl.max_pixels, detector=detector)
    pictures = [pixels, *(crop.decoded(face.jpeg) for face in cut)]
    return [perceptual_hash(cv2.cvtColor(each, cv2.COLOR_BGR2GRAY)) for each in pictures]


def _with(workspace: ProjectPaths, stage: str, table: str, holds: pl.Expr) -> list[str]:
    """Identities with a row in a table of the current version that `holds`; none if there is no such table."""
    path = workspace.table(stage, table)
    if not path.is_file():
        return []
    return (
        pl.scan_parquet(path).filter(holds).select(pl.col("identity").unique().sort()).collect()["identity"].to_list()
    )
