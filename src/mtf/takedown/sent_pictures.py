"""Sent pictures: the crawled pictures that a picture file is, matches, or was cropped from."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import cv2

from mtf.config import Params
from mtf.core import parallel_map, shards
from mtf.core.errors import BadInput
from mtf.core.project_paths import ProjectPaths
from mtf.faces import decoding
from mtf.faces.decoding import Unreadable
from mtf.faces.perceptual_hash import SAME_PICTURE_BITS, differing_bits, picture_hash
from mtf.faces.quality import perceptual_hash
from mtf.takedown import perceptual_matches
from mtf.takedown.local_versions import LocalVersions

# Releases and exports name a file by its face_id, among other parts.
_FACE_ID = re.compile(r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])")


@dataclass(frozen=True)
class SentPicture:
    """Picture file that somebody sent.

    - `image_id`: sha256 of the file;
    - `perceptual_hash`: its hash (64 bits);
    - `alike`: image_ids of pictures whose hash is near;
    - `cropped`: image_ids of pictures that it may be a crop of.
    """

    image_id: str
    perceptual_hash: int
    alike: frozenset[str]
    cropped: frozenset[str]


def identify(path: Path, workspace: ProjectPaths, versions: LocalVersions, params: Params) -> SentPicture:
    """Identify a picture file among the whole pictures of the current version and the crops of all local versions.

    A crop is found by the face_id in the file's name, else by a hash in the table screening that differs in at most
    `screen.hash_distance` bits. Raises BadInput for a file that is no picture.
    """
    data = path.read_bytes()
    try:
        whole_hash = picture_hash(data, max_pixels=params.crawl.max_pixels)
        as_crop = _crop_hash(data, max_pixels=params.crawl.max_pixels)
    except Unreadable as error:
        raise BadInput(f"{path.name}: not readable as a picture: {error}") from None
    jobs = [(shard, whole_hash, params.crawl.max_pixels) for shard in sorted(workspace.shards("crawl").glob("*.tar"))]
    alike = parallel_map.map_items(_alike, jobs, compute=params.compute, title="search for the picture")
    named = versions.images_of_faces(_FACE_ID.findall(path.name))
    cropped = named or versions.images_of_crops(as_crop, distance=params.screen.hash_distance)
    return SentPicture(
        image_id=hashlib.sha256(data).hexdigest(),
        perceptual_hash=whole_hash,
        alike=frozenset(name for names in alike for name in names),
        cropped=frozenset(cropped),
    )


def hash_of(data: bytes, *, max_pixels: int) -> int | None:
    """Perceptual hash (64 bits) of a stored picture; None if it cannot be decoded or is too large.

    Such a picture is not compared here; the erasure names it as unread.
    """
    try:
        return perceptual_matches.hash_of(data, max_pixels=max_pixels)
    except Unreadable:
        return None


def _crop_hash(data: bytes, *, max_pixels: int) -> int:
    """Perceptual hash as in the table screening, of all pixels rather than of a reduced picture."""
    pixels = decoding.colour(data, decoding.header(data, max_pixels=max_pixels))
    return perceptual_hash(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY))


def _alike(job: tuple[Path, int, int]) -> list[str]:
    """Images of a crawl shard whose perceptual hash is near the given one."""
    path, wanted, max_pixels = job
    images = shards.rows_of(path)
    with shards.reader(path) as shard:
        return [
            row["image_id"]
            for row in images.iter_rows(named=True)
            if (found := hash_of(shard.read(row["offset"], row["size_bytes"]), max_pixels=max_pixels)) is not None
            and differing_bits(found, wanted) <= SAME_PICTURE_BITS
        ]
