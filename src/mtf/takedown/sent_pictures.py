"""What a picture file means that somebody sends: the crawled pictures that it is or looks like, and those that a
published crop was cut from.
"""

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

# In a name, between whatever else there is: releases and exports call a file by its face_id.
_FACE_ID = re.compile(r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])")


@dataclass(frozen=True)
class SentPicture:
    """`image_id` and `look` (64 bits) are the file's own; `alike` are images that look like it; `cropped` are images
    that it may be a crop of.
    """

    image_id: str
    perceptual_hash: int
    alike: frozenset[str]
    cropped: frozenset[str]


def identify(path: Path, workspace: ProjectPaths, versions: LocalVersions, params: Params) -> SentPicture:
    """Whole pictures of the current version, and crops of any version here: by name, or by the hash of `screening`.

    A crop is near where it differs in at most `screen.hash_distance` bits. Raises BadInput for what is no picture.
    """
    data = path.read_bytes()
    try:
        whole_hash = picture_hash(data, max_pixels=params.crawl.max_pixels)
        as_crop = _crop_hash(data, max_pixels=params.crawl.max_pixels)
    except Unreadable as error:
        raise BadInput(f"{path.name}: not readable as a picture: {error}") from None
    jobs = [(shard, whole_hash, params.crawl.max_pixels) for shard in sorted(workspace.shards("crawl").glob("*.tar"))]
    alike = parallel_map.map_items(_alike, jobs, compute=params.compute, title="look for the picture")
    named = versions.images_of_faces(_FACE_ID.findall(path.name))
    cropped = named or versions.images_of_crops(as_crop, distance=params.screen.hash_distance)
    return SentPicture(
        image_id=hashlib.sha256(data).hexdigest(),
        perceptual_hash=whole_hash,
        alike=frozenset(name for names in alike for name in names),
        cropped=frozenset(cropped),
    )


def hash_of(data: bytes, *, max_pixels: int) -> int | None:
    """The perceptual hash of a stored picture; None for what cannot be decoded or is too large, and can be compared
    with nothing here (the erasure names it).
    """
    try:
        return perceptual_matches.hash_of(data, max_pixels=max_pixels)
    except Unreadable:
        return None


def _crop_hash(data: bytes, *, max_pixels: int) -> int:
    """As `screening` has it: of all pixels, not of a reduced picture."""
    pixels = decoding.colour(data, decoding.header(data, max_pixels=max_pixels))
    return perceptual_hash(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY))


def _alike(job: tuple[Path, int, int]) -> list[str]:
    """The images of a crawl shard that look like the picture with the wanted hash."""
    path, wanted, max_pixels = job
    images = shards.rows_of(path)
    with shards.reader(path) as shard:
        return [
            row["image_id"]
            for row in images.iter_rows(named=True)
            if (found := hash_of(shard.read(row["offset"], row["size_bytes"]), max_pixels=max_pixels)) is not None
            and differing_bits(found, wanted) <= SAME_PICTURE_BITS
        ]
