"""Takedown filter: refuses what was taken down, by person, page, address, content or perceptual hash.

A perceptual hash recognises a picture from another address, resized or recompressed. Hashes are computed only if there
is a takedown by perceptual hash, and then stored with the picture (`stored_perceptual_hashes`): the first such takedown
decodes every picture once, later ones none.
"""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Iterable
from pathlib import Path

import polars as pl

from mtf.core.project_paths import ProjectPaths
from mtf.crawl.fetch_results import Fetch
from mtf.schemas import FetchOutcome
from mtf.schemas.takedown_file import PERCEPTUAL_HASH_DETAIL, RequestKind, Takedown, Takedowns
from mtf.sources.candidate import Candidate
from mtf.sources.fetch_failure import FetchFailed
from mtf.sources.local_sources import LocalSources

RESPONSES = "responses.parquet"
"""Member of a shard (`mtf.crawl.store`) with the perceptual hashes."""
_REFUSAL = re.compile(PERCEPTUAL_HASH_DETAIL)


def perceptual_hash(data: bytes, *, max_pixels: int) -> int | None:
    """Perceptual hash of a picture, 64 bits; None if it cannot be decoded."""
    from mtf.faces import decoding, perceptual_hash

    try:
        return perceptual_hash.picture_hash(data, max_pixels=max_pixels)
    except decoding.Unreadable:
        return None


def refuse_address(candidate: Candidate, takedowns: Takedowns, *, identity: str, local: LocalSources) -> None:
    """Raise FetchFailed(TAKEN_DOWN) for an address that was taken down, or whose page or person was."""
    request = takedowns.of_address(identity=identity, url=candidate.url, page_url=candidate.page_url)
    if request is None and (path_address := local.path_address(candidate.url)) is not None:
        request = takedowns.of_picture(path_address)  # as requests before version 0.2 name a file
    if request is not None:
        raise _taken_down(request)


def refuse_image(image_id: str | None, takedowns: Takedowns) -> None:
    """Raise FetchFailed(TAKEN_DOWN) for a file whose content was taken down; None passes."""
    if (request := takedowns.of_image(image_id)) is not None:
        raise _taken_down(request, image_id=image_id)


def _taken_down(request: Takedown, *, image_id: str | None = None) -> FetchFailed:
    return FetchFailed(FetchOutcome.TAKEN_DOWN, f"{request.kind}, asked for on {request.added_at}", image_id=image_id)


def refuse_hash(hash_value: int | None, takedowns: Takedowns, *, image_id: str) -> None:
    """Raise FetchFailed(TAKEN_DOWN) for a perceptual hash near one that was taken down; None passes."""
    request = None if hash_value is None else _request_near(hash_value, takedowns)
    if request is None or hash_value is None:
        return
    bits = _differing_bits(hash_value, request)
    detail = f"{request.kind} {request.value}, asked for on {request.added_at}: differs in {bits} of 64 bits"
    raise FetchFailed(FetchOutcome.TAKEN_DOWN, detail, image_id=image_id)


def refuse_earlier(earlier: Fetch, takedowns: Takedowns) -> None:
    """Raise FetchFailed(TAKEN_DOWN) for a fetch that an earlier run refused by hash, if the takedown still exists."""
    if (request := _refused_for(earlier, takedowns)) is not None:
        raise FetchFailed(FetchOutcome.TAKEN_DOWN, earlier.detail or str(request.kind), image_id=earlier.image_id)


def relevant_takedowns(fetches: Iterable[Fetch], takedowns: Takedowns) -> list[list[str]]:
    """Takedowns by perceptual hash that concern these fetches, as rows for a digest.

    These are the ones near a picture's hash and the ones that refused a fetch. If there are any takedowns by hash, a
    picture without a hash adds a row, too.
    """
    if not takedowns.perceptual_hashes:
        return []
    fetches = list(fetches)
    hashes = {fetch.picture.content_hash for fetch in fetches if fetch.picture is not None}
    near = {_request_near(each, takedowns) for each in hashes if each is not None}
    gone = {_refused_for(fetch, takedowns) for fetch in fetches}
    unknown = [[str(RequestKind.PERCEPTUAL_HASH), "unknown"]] if None in hashes else []
    return unknown + [[str(request.kind), request.value] for request in (near | gone) - {None} if request]


def _request_near(hash_value: int, takedowns: Takedowns) -> Takedown | None:
    from mtf.faces.perceptual_hash import SAME_PICTURE_BITS

    near = (request for request in _requests(takedowns) if _differing_bits(hash_value, request) <= SAME_PICTURE_BITS)
    return next(near, None)


def _differing_bits(hash_value: int, request: Takedown) -> int:
    from mtf.faces.perceptual_hash import differing_bits

    return differing_bits(hash_value, int(request.value, 16))


def _requests(takedowns: Takedowns) -> list[Takedown]:
    return [request for request in takedowns.records if request.kind == RequestKind.PERCEPTUAL_HASH]


def _refused_for(fetch: Fetch, takedowns: Takedowns) -> Takedown | None:
    """Takedown by hash that refused an earlier fetch; None if it was withdrawn, or something else refused it."""
    refusal = _REFUSAL.match(fetch.detail or "") if fetch.outcome == FetchOutcome.TAKEN_DOWN else None
    same = (request for request in _requests(takedowns) if refusal and request.value == refusal[1])
    return next(same, None)


def stored_perceptual_hashes(workspace: ProjectPaths) -> pl.DataFrame:
    """identity, image_id and content_hash of every stored picture; a null hash was not computed yet."""
    path = workspace.table("crawl", "images")
    schema = {"identity": pl.String, "image_id": pl.String, "content_hash": pl.UInt64}
    if not path.is_file():
        return pl.DataFrame(schema=schema)
    images = pl.read_parquet(path, columns=["identity", "image_id", "offset", "size_bytes"])
    ends = images.group_by("identity", maintain_order=True).agg((pl.col("offset") + pl.col("size_bytes")).max())
    stored = [_hashes_after(workspace.shard("crawl", identity), end) for identity, end in ends.iter_rows()]
    hashes = pl.concat([pl.DataFrame(schema=schema).drop("identity"), *stored]).unique("image_id")
    return images.select("identity", "image_id").join(hashes, on="image_id", how="left", maintain_order="left")


def _hashes_after(path: Path, end: int) -> pl.DataFrame:
    """image_id and content_hash of the pictures of a shard; empty if it is missing or has no hashes.

    Its tables follow the last picture, which ends at byte `end`.
    """
    no_hashes = pl.DataFrame(schema={"image_id": pl.String, "content_hash": pl.UInt64})
    try:
        with path.open("rb") as file:
            file.seek(-(-end // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE)
            with tarfile.open(fileobj=file, mode="r:") as tar:
                member = next((member for member in tar if member.name == RESPONSES), None)
                file_in_tar = tar.extractfile(member) if member else None
                frame = pl.read_parquet(io.BytesIO(file_in_tar.read())) if file_in_tar else pl.DataFrame()
    except (OSError, tarfile.TarError):
        return no_hashes
    if "content_hash" not in frame.columns:
        return no_hashes
    return frame.select("image_id", pl.col("content_hash").cast(pl.UInt64))
