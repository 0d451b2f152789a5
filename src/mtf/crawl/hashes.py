"""The perceptual hashes of stored pictures, as the crawl worked them out (`mtf.crawl.lookalikes`)."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import polars as pl

from mtf.workspace import Workspace

RESPONSES = "responses.parquet"
"""The member of a shard (`mtf.crawl.store`) that has them."""


def content_hashes(workspace: Workspace) -> pl.DataFrame:
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
