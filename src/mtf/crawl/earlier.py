"""What a picture's source stated before: the row of evidence by which each of its statements was first seen.

A page that is asked again takes the earlier one's place. Whoever received a picture under a Creative Commons license
keeps it, whatever the page says today: so the first row of every statement stays, with its day and the digest of the
answer. An identity's shard holds these rows in `earlier.parquet`; one without any is left as it is.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from mtf import shards, tables
from mtf.crawl.fetched import Fetch, Picture
from mtf.tables import Stated

MEMBER = "earlier.parquet"
# Two rows that agree in these say the same.
_SAID = ("stated", "license", "opt_out")

Row = dict[str, Any]


def remembered(picture: Picture, earlier: Fetch | None) -> Picture:
    """`picture` with what was stated of it before, by `earlier`, the same address's fetch of an earlier run.

    Where its source was not asked again, the statement may be read anew, but nothing new was said.
    """
    before = None if earlier is None else earlier.picture
    if before is None or before.image_id != picture.image_id:
        return picture
    is_asked_again = before.evidence["checked_at"] != picture.evidence["checked_at"]
    return replace(picture, earlier=_with(before.earlier, before.evidence) if is_asked_again else before.earlier)


def _with(known: tuple[Row, ...], row: Row) -> tuple[Row, ...]:
    says_nothing = row["stated"] in (Stated.UNSTATED, Stated.UNREACHABLE) and row["opt_out"] is None
    is_known = bool(known) and all(known[-1][name] == row[name] for name in _SAID)
    return known if says_nothing or is_known else (*known, row)


def add(shard: shards.ShardWriter, pictures: Iterable[Picture]) -> None:
    """Keep the pictures' earlier rows in a shard."""
    rows = [row for picture in pictures for row in picture.earlier]
    if not rows:
        return
    buffer = io.BytesIO()
    tables.frame(tables.EARLIER, rows).write_parquet(buffer, statistics=False)
    shard.add(MEMBER, buffer.getvalue())


def read(path: Path, members: Mapping[str, tuple[int, int]]) -> pl.DataFrame:
    """The earlier rows (tables.EARLIER) that the shard at `path` keeps."""
    if MEMBER not in members:
        return tables.frame(tables.EARLIER, [])
    return tables.frame(tables.EARLIER, pl.read_parquet(io.BytesIO(shards.read(path, *members[MEMBER]))))


def of_pictures(path: Path, members: Mapping[str, tuple[int, int]]) -> dict[str, tuple[Row, ...]]:
    """`read` by image_id, in the order of their days."""
    rows = read(path, members).sort("checked_at").partition_by("image_id", as_dict=True)
    return {str(image_id): tuple(frame.to_dicts()) for (image_id,), frame in rows.items()}
