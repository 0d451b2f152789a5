"""Cache of input pictures: crops decoded and resized once, so that training reads bytes instead of JPEGs.

It has one file of raw pixels per input size, in the order of the requested faces, and a small table with the source of
each picture. It can be deleted; it is then made again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import polars as pl

from mtf.config import Alignment
from mtf.core import parallel_map, shards
from mtf.core.atomic_files import replacing
from mtf.core.errors import BadInput, MtfError
from mtf.core.file_lock import waiting_lock
from mtf.core.hashing import fingerprint
from mtf.core.import_closure import code_digest
from mtf.faces import decoding
from mtf.faces.alignment import aligned_face

KEY = ["identity", "face_id", "source"]
CHANNELS = 3
# Crop's bytes and row of the table faces → (size, size, 3) uint8 RGB, or None.
Decoder = Callable[[bytes, Mapping[str, Any]], np.ndarray | None]
# Pixels up to which a picture is decoded; above it, Pillow refuses a picture as a decompression bomb.
MAX_PIXELS = 178_956_970
# Decoding at 1/2, 1/4 or 1/8 is much faster: libjpeg leaves the high frequencies out.
_REDUCED = {8: cv2.IMREAD_REDUCED_COLOR_8, 4: cv2.IMREAD_REDUCED_COLOR_4, 2: cv2.IMREAD_REDUCED_COLOR_2}


def prepare(
    faces: pl.DataFrame, crops: Path, cache: Path, *, size_px: int, alignment: Alignment = "none"
) -> np.ndarray:
    """Pictures of `faces` as a read-only memory map of the shape (faces, size_px, size_px, 3), uint8, RGB.

    `faces` has identity, face_id, offset and size_bytes; the shards are in the folder `crops`. Pictures that the folder
    `cache` already holds, made from the same shards, are not decoded again; pictures that are no longer requested leave
    it. With the alignment `landmarks`, the faces are aligned by the landmarks in the rows of their shards.

    Raises MtfError if there are no faces, a shard is missing, or a picture in it cannot be decoded; BadInput if a face
    that is to be aligned has no landmarks.
    """
    if faces.is_empty():
        raise MtfError("no faces to learn from: the split is empty")
    wanted = _keyed(faces, crops)
    name = f"{size_px}" if alignment == "none" else f"{size_px}-aligned"
    pixels, table = cache / f"{name}.pixels", cache / f"{name}.parquet"
    if not _holds(_table(pixels, table), wanted):
        # Of processes that train together, one decodes.
        with waiting_lock(cache / f".{name}.lock"):
            cached = _table(pixels, table)
            if not _holds(cached, wanted):
                places = faces.select("offset", "size_bytes")
                decode = partial(_decoded_face if alignment == "none" else _aligned_face, size_px=size_px)
                _renew(
                    pl.concat([wanted, places], how="horizontal"),
                    crops,
                    pixels,
                    table,
                    cached=cached,
                    size_px=size_px,
                    decode=decode,
                )
    return _opened(pixels, len(wanted), size_px)


def digest_of_faces(faces: pl.DataFrame, columns: Sequence[str], crops: Path, *, alignment: Alignment) -> str:
    """Digest of the faces, their values in `columns`, and the shards in the folder `crops` with their pictures.

    Without alignment the digest is that of earlier versions, which knew none: their trainings are kept.
    """
    identities = faces["identity"].unique().sort().to_list()
    pictures = {identity: shards.digest_of(crops / f"{identity}.tar") for identity in identities}
    selected = dict.fromkeys(["identity", "face_id", *columns])
    rows = faces.select(*selected).sort(*selected).write_csv()
    return fingerprint(rows, pictures) if alignment == "none" else fingerprint(rows, pictures, alignment)


def decoded(data: bytes, *, size_px: int) -> np.ndarray | None:
    """Picture file as (size_px, size_px, 3) uint8 RGB; None if it cannot be decoded."""
    try:
        header = decoding.header(data, max_pixels=MAX_PIXELS)
        picture = decoding.decoded(data, header, flags=_reduction(header, size_px))
    except decoding.Unreadable:
        return None
    return cv2.cvtColor(resized(picture, size_px=size_px), cv2.COLOR_BGR2RGB)


def resized(picture: np.ndarray, *, size_px: int) -> np.ndarray:
    """Picture (height, width, channels) as a square of `size_px`: area-averaged to shrink, bilinear to enlarge."""
    if picture.shape[:2] == (size_px, size_px):
        return picture
    method = cv2.INTER_AREA if min(picture.shape[:2]) >= size_px else cv2.INTER_LINEAR
    return cv2.resize(picture, (size_px, size_px), interpolation=method)


def _reduction(header: decoding.Header, size_px: int) -> int:
    """OpenCV's flag of the strongest reduced decoding that leaves at least `size_px` on the shorter side."""
    shorter = min(header.width, header.height)
    return next((flag for factor, flag in _REDUCED.items() if shorter >= factor * size_px), cv2.IMREAD_COLOR)


def _keyed(faces: pl.DataFrame, crops: Path) -> pl.DataFrame:
    """Table of sources: each face with the digest of its shard and of the code that decodes it."""
    digests = {}
    for identity in faces["identity"].unique().sort():
        digest = shards.digest_of(crops / f"{identity}.tar")
        if digest is None:
            raise MtfError(f"{crops / identity}.tar: no such shard; run the stage that makes it (`dvc repro`)")
        digests[identity] = f"{digest}-{code_digest(__name__)}"
    return faces.select(
        "identity", "face_id", source=pl.col("identity").replace_strict(digests, return_dtype=pl.String)
    )


def _table(pixels: Path, table: Path) -> pl.DataFrame | None:
    """Table of sources of the cached pictures, None if there are none or another process is renewing them."""
    try:
        return pl.read_parquet(table) if pixels.is_file() else None
    except FileNotFoundError:
        return None


def _holds(cached: pl.DataFrame | None, wanted: pl.DataFrame) -> bool:
    return cached is not None and cached.equals(wanted)


def _renew(
    faces: pl.DataFrame,
    crops: Path,
    pixels: Path,
    table: Path,
    *,
    cached: pl.DataFrame | None,
    size_px: int,
    decode: Decoder,
) -> None:
    # A cache without its table is not used: no crash can leave new pixels beside an old table.
    table.unlink(missing_ok=True)
    old = _opened(pixels, len(cached), size_px) if cached is not None else None
    places = faces.with_row_index("row").join(_numbered(cached), on=KEY, how="left")
    with replacing(pixels) as beside:
        new = np.memmap(beside, np.uint8, "w+", shape=(len(faces), size_px, size_px, CHANNELS))
        kept = places.filter(pl.col("cached_row").is_not_null())
        if old is not None:
            new[kept["row"].to_numpy()] = old[kept["cached_row"].to_numpy()]
        missing = places.filter(pl.col("cached_row").is_null()).partition_by("identity", maintain_order=True)
        _decode_all(missing, crops, new, decode)
        new.flush()
    with replacing(table) as beside:
        faces.select(KEY).write_parquet(beside)


def _numbered(cached: pl.DataFrame | None) -> pl.DataFrame:
    if cached is None:
        return pl.DataFrame(schema=dict.fromkeys(KEY, pl.String) | {"cached_row": pl.UInt32})
    return cached.with_row_index("cached_row")


def _decode_all(identities: Sequence[pl.DataFrame], crops: Path, into: np.ndarray, decode: Decoder) -> None:
    # Threads: OpenCV releases the interpreter lock while it decodes and resizes.
    with ThreadPoolExecutor(parallel_map.cores()) as pool:
        list(pool.map(lambda faces: _decode_identity(faces, crops, into, decode), identities))


def _decode_identity(faces: pl.DataFrame, crops: Path, into: np.ndarray, decode: Decoder) -> None:
    path = crops / f"{faces['identity'][0]}.tar"
    table = shards.rows_of(path)
    # Shards of a labelled data set have no rows of faces.
    rows = {row["face_id"]: row for row in table.iter_rows(named=True)} if "face_id" in table.columns else {}
    with shards.reader(path) as shard:
        for row, face_id, offset, size_bytes in faces.select("row", "face_id", "offset", "size_bytes").iter_rows():
            picture = decode(shard.read(offset, size_bytes), rows.get(face_id, {}))
            if picture is None:
                raise MtfError(f"{path.name}: the crop of face {face_id} cannot be decoded; run `mtf crop` again")
            into[row] = picture


def _decoded_face(data: bytes, _row: Mapping[str, Any], *, size_px: int) -> np.ndarray | None:
    return decoded(data, size_px=size_px)


def _aligned_face(data: bytes, row: Mapping[str, Any], *, size_px: int) -> np.ndarray | None:
    """Aligned face, (size_px, size_px, 3) uint8 RGB; None for a crop that cannot be decoded. Raises BadInput."""
    encoded = np.frombuffer(data, np.uint8)
    crop = cv2.imdecode(encoded, cv2.IMREAD_COLOR) if encoded.size else None
    if crop is None:
        return None
    face = None
    if row.get("left_eye_x") is not None:
        face = aligned_face(crop, row, side_px=size_px, origin=(row["crop_x"], row["crop_y"]))
    if face is None:
        raise BadInput(
            f"params.yaml: train.alignment: landmarks: face {row.get('face_id')} has none; choose a crop.detector that "
            "finds them (centerface, mtcnn, yunet), or alignment: none"
        )
    return cv2.cvtColor(face, cv2.COLOR_BGR2RGB)


def _opened(pixels: Path, count: int, size_px: int) -> np.ndarray:
    return np.memmap(pixels, np.uint8, "r", shape=(count, size_px, size_px, CHANNELS))
