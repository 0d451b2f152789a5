"""Pictures that look like one that was taken down: known again when they come from elsewhere, resized or recompressed.

Perceptual hashes are worked out only where a takedown asks for them, and then remembered with the picture: the
first such request looks at every picture once, later ones at none.

The perceptual hashes of stored pictures, as the crawl worked them out (`mtf.crawl.takedown_filter`).
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
from mtf.sources.fetch_failure import FetchFailed

_REFUSAL = re.compile(PERCEPTUAL_HASH_DETAIL)


def perceptual_hash(data: bytes, *, max_pixels: int) -> int | None:
    """The perceptual hash of a picture; None for one that cannot be decoded, which looks like nothing."""
    from mtf.faces import decoding, perceptual_hash

    try:
        return perceptual_hash.picture_hash(data, max_pixels=max_pixels)
    except decoding.Unreadable:
        return None


def refuse(found: int | None, takedowns: Takedowns, *, image_id: str) -> None:
    """Raises Failed(TAKEN_DOWN) for a hash near one that was taken down."""
    request = None if found is None else _request_near(found, takedowns)
    if request is None or found is None:
        return
    bits = _differing_bits(found, request)
    detail = f"{request.kind} {request.value}, asked for on {request.added_at}: differs in {bits} of 64 bits"
    raise FetchFailed(FetchOutcome.TAKEN_DOWN, detail, image_id=image_id)


def refuse_earlier(earlier: Fetch, takedowns: Takedowns) -> None:
    """Raises Failed(TAKEN_DOWN) for what an earlier run refused, while the request stands: it is not fetched again."""
    if (request := _refused_for(earlier, takedowns)) is not None:
        raise FetchFailed(FetchOutcome.TAKEN_DOWN, earlier.detail or str(request.kind), image_id=earlier.image_id)


def relevant_takedowns(fetches: Iterable[Fetch], takedowns: Takedowns) -> list[list[str]]:
    """What decides anew about these fetches when it changes: the requests that one of them is near to, or is gone
    for; and, while there are requests at all, that a picture has no hash yet.
    """
    if not takedowns.perceptual_hashes:
        return []
    fetches = list(fetches)
    hashes = {fetch.picture.content_hash for fetch in fetches if fetch.picture is not None}
    near = {_request_near(each, takedowns) for each in hashes if each is not None}
    gone = {_refused_for(fetch, takedowns) for fetch in fetches}
    unknown = [[str(RequestKind.PERCEPTUAL_HASH), "unknown"]] if None in hashes else []
    return unknown + [[str(request.kind), request.value] for request in (near | gone) - {None} if request]


def _request_near(found: int, takedowns: Takedowns) -> Takedown | None:
    from mtf.faces.perceptual_hash import SAME_PICTURE_BITS

    near = (request for request in _requests(takedowns) if _differing_bits(found, request) <= SAME_PICTURE_BITS)
    return next(near, None)


def _differing_bits(found: int, request: Takedown) -> int:
    from mtf.faces.perceptual_hash import differing_bits

    return differing_bits(found, int(request.value, 16))


def _requests(takedowns: Takedowns) -> list[Takedown]:
    return [request for request in takedowns.records if request.kind == RequestKind.PERCEPTUAL_HASH]


def _refused_for(fetch: Fetch, takedowns: Takedowns) -> Takedown | None:
    """The request that an earlier fetch was refused for, if it stands."""
    found = _REFUSAL.match(fetch.detail or "") if fetch.outcome == FetchOutcome.TAKEN_DOWN else None
    standing = (request for request in _requests(takedowns) if found and request.value == found[1])
    return next(standing, None)


RESPONSES = "responses.parquet"
"""The member of a shard (`mtf.crawl.store`) that has them."""


def stored_perceptual_hashes(workspace: ProjectPaths) -> pl.DataFrame:
    """identity, image_id and content_hash of every stored picture; null where no takedown has asked for it yet."""
    path = workspace.table("crawl", "images")
    schema = {"identity": pl.String, "image_id": pl.String, "content_hash": pl.UInt64}
    if not path.is_file():
        return pl.DataFrame(schema=schema)
    images = pl.read_parquet(path, columns=["identity", "image_id", "offset", "size_bytes"])
    ends = images.group_by("identity", maintain_order=True).agg((pl.col("offset") + pl.col("size_bytes")).max())
    known = [_hashes_behind(workspace.shard("crawl", identity), end) for identity, end in ends.iter_rows()]
    hashes = pl.concat([pl.DataFrame(schema=schema).drop("identity"), *known]).unique("image_id")
    return images.select("identity", "image_id").join(hashes, on="image_id", how="left", maintain_order="left")


def _hashes_behind(path: Path, end: int) -> pl.DataFrame:
    """image_id and content_hash of a shard, none where it is not here or has none. Its tables lie behind the last
    picture, which ends at byte `end`.
    """
    nothing = pl.DataFrame(schema={"image_id": pl.String, "content_hash": pl.UInt64})
    try:
        with path.open("rb") as file:
            file.seek(-(-end // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE)
            with tarfile.open(fileobj=file, mode="r:") as tar:
                member = next((member for member in tar if member.name == RESPONSES), None)
                found = tar.extractfile(member) if member else None
                frame = pl.read_parquet(io.BytesIO(found.read())) if found else pl.DataFrame()
    except (OSError, tarfile.TarError):
        return nothing
    if "content_hash" not in frame.columns:
        return nothing
    return frame.select("image_id", pl.col("content_hash").cast(pl.UInt64))
