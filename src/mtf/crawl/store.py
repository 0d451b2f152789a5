"""Store of a crawl: one shard per identity, with pictures, pages, and the state for later runs.

Members after `digest`:

- `inputs`: digests of the shard's inputs.
- `IMAGE_ID.EXT`, `IMAGE_ID.page.gz`: a picture, and its page if it was read.
- `fetches.parquet`, `evidence.parquet`: the identity's rows of these tables.
- `responses.parquet`: headers, pages' states and perceptual hashes.
- Answers of APIs (`mtf.sources.records`).
- `earlier.parquet`: earlier statements of sources (`mtf.crawl.fetch_results`).
- `signals.parquet`: preferences of rights holders (`mtf.crawl.heard_signals`).

The digest covers the pictures alone: stages that read pictures do not rerun if only evidence changed.
"""

from __future__ import annotations

import io
import json
import tarfile
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from mtf import schemas
from mtf.core import shards
from mtf.core.hashing import fingerprint
from mtf.crawl import fetch_results, heard_signals
from mtf.crawl.fetch_results import Fetch, FetchedPicture
from mtf.crawl.page_client import FetchedPage
from mtf.crawl.sniffing import ImageFormat
from mtf.crawl.takedown_filter import RESPONSES
from mtf.rights.signals.preferences import from_json, to_json
from mtf.schemas import FetchOutcome
from mtf.sources import records
from mtf.sources.candidate import Candidate

INPUTS = "inputs"
HEAD_BYTES = shards.HEAD_BYTES + 1024
"""Bytes at the beginning of a shard that hold its digest and the digests of its inputs."""
FETCHES = "fetches.parquet"
EVIDENCE = "evidence.parquet"

_RESPONSES: dict[str, Any] = {
    "image_id": pl.String,
    "headers": pl.String,
    "page_status": pl.Int32,
    "page_headers": pl.String,
    "page_detail": pl.String,
    "page_sha256": pl.String,
    "page_opt_outs": pl.String,
    "page_answered_by": pl.String,
    "page_preferences": pl.String,
    "page_fetched_at": schemas.UTC,
    "content_hash": pl.UInt64,
}
_FROM_CANDIDATE = ("url", "page_url", "title", "source", "claim", "query", "rank")


@dataclass(frozen=True)
class Inputs:
    """Digests of a shard's inputs.

    searched: of the search; empty if the search was incomplete.
    judged: of everything that decides the outcome of an address.
    taken_down: of the takedowns that concern the shard's fetches.
    """

    searched: str
    judged: str
    taken_down: str


@dataclass(frozen=True)
class EarlierRun:
    """State of an earlier run, from its shard.

    inputs: None if there is no shard.
    fetches: by address, with their pictures.
    """

    inputs: Inputs | None
    fetches: dict[str, Fetch]

    @property
    def stored(self) -> list[str]:
        """Addresses whose pictures are in the shard."""
        return [url for url, fetch in self.fetches.items() if fetch.outcome == FetchOutcome.STORED]


def write(path: Path, identity: str, fetches: list[Fetch], inputs: Inputs) -> None:
    """Write the shard of `identity`. Of fetches with the same bytes only one may be STORED."""
    pictures = [fetch for fetch in fetches if fetch.outcome == FetchOutcome.STORED and fetch.picture is not None]
    digest = fingerprint([fetch.image_id for fetch in pictures])
    with shards.writing(path, digest) as shard:
        shard.add(INPUTS, json.dumps(asdict(inputs)).encode("ascii"))
        images = [_add_picture(shard, identity, fetch, fetch.picture) for fetch in pictures if fetch.picture]
        evidence = [fetch.picture.evidence for fetch in pictures if fetch.picture]
        shard.add(FETCHES, shards.parquet_bytes(_fetch_rows(identity, fetches)))
        shard.add(EVIDENCE, shards.parquet_bytes(schemas.frame(schemas.EVIDENCE, evidence)))
        responses = [_response_row(fetch.picture) for fetch in pictures if fetch.picture]
        shard.add(RESPONSES, shards.parquet_bytes(pl.DataFrame(responses, schema=_RESPONSES, orient="row")))
        records.add(shard, _records(fetches))
        fetch_results.add_earlier_statements(shard, (fetch.picture for fetch in pictures if fetch.picture))
        heard_signals.add(shard, [row for fetch in fetches for row in _signal_rows(identity, fetch)])
        shard.finish(schemas.frame(schemas.IMAGES, images))


def _signal_rows(identity: str, fetch: Fetch) -> list[dict[str, Any]]:
    """Rows of one address; none if it was taken down."""
    heard = () if fetch.outcome == FetchOutcome.TAKEN_DOWN else fetch.preferences
    return heard_signals.rows(identity, fetch.candidate.url, fetch.image_id, heard)


def read_tables(path: Path) -> dict[str, pl.DataFrame]:
    """Table → rows of one shard: images, fetches (with found_by, a list of String), evidence, earlier and signals."""
    members = shards.members(path)
    with shards.reader(path) as shard:
        return {
            name: pl.read_parquet(io.BytesIO(shard.read(*members[member])))
            for name, member in (("images", shards.ROWS), ("fetches", FETCHES), ("evidence", EVIDENCE))
        } | {
            "earlier": fetch_results.read_earlier_statements(path, members),
            "signals": heard_signals.read(path, members),
        }


def load(path: Path) -> EarlierRun:
    """State in the shard at `path`; empty if there is no shard that this version of the program can read."""
    try:
        members = shards.members(path)
        with shards.reader(path) as shard:
            frames = {
                name: pl.read_parquet(io.BytesIO(shard.read(*members[name])))
                for name in (FETCHES, EVIDENCE, RESPONSES, shards.ROWS)
            }
            inputs = _inputs(shard.read(*members[INPUTS]))
        pictures = _pictures(path, members, frames)
        answers = records.load(path, members)
        heard = heard_signals.by_address(heard_signals.read(path, members))
        fetches = [
            replace(_fetch(row, pictures, answers), preferences=heard.get(row["url"], ()))
            for row in frames[FETCHES].iter_rows(named=True)
        ]
    except (OSError, tarfile.TarError, LookupError, TypeError, ValueError, AttributeError, pl.exceptions.PolarsError):
        return EarlierRun(None, {})
    return EarlierRun(inputs, {fetch.candidate.url: fetch for fetch in fetches})


def inputs_in(head: bytes) -> Inputs | None:
    """Digests in the first HEAD_BYTES of a shard; None if they are not those of a shard of a crawl."""
    header, data = head[shards.HEAD_BYTES :][: tarfile.BLOCKSIZE], head[shards.HEAD_BYTES + tarfile.BLOCKSIZE :]
    try:
        info = tarfile.TarInfo.frombuf(header, "utf-8", "strict")
        return _inputs(data[: info.size]) if info.name == INPUTS and info.size <= len(data) else None
    except (tarfile.TarError, ValueError):
        return None


def _inputs(text: bytes) -> Inputs:
    """Parse the digests. One that another version did not write counts as changed: pictures are judged again."""
    digests = json.loads(text)
    return Inputs(**{field.name: digests.get(field.name, "") for field in fields(Inputs)})


def _add_picture(shard: shards.ShardWriter, identity: str, fetch: Fetch, picture: FetchedPicture) -> dict[str, Any]:
    offset, size_bytes = shard.add(f"{picture.image_id}.{picture.kind.extension}", picture.read())
    if picture.page.compressed is not None:
        shard.add(_page_member(picture.image_id), picture.page.compressed())
    return {
        "identity": identity,
        "image_id": picture.image_id,
        **{name: getattr(fetch.candidate, name) for name in ("url", "page_url", "title", "source", "claim")},
        "media_type": picture.kind.media_type,
        "width": picture.kind.width,
        "height": picture.kind.height,
        "offset": offset,
        "size_bytes": size_bytes,
    }


def _records(fetches: list[Fetch]) -> dict[str, records.Record]:
    """Address → record of its API, without those of addresses that were taken down."""
    standing = [fetch.candidate for fetch in fetches if fetch.outcome != FetchOutcome.TAKEN_DOWN]
    return {candidate.url: candidate.record for candidate in standing if candidate.record is not None}


def _page_member(image_id: str) -> str:
    return f"{image_id}.page.gz"


def _fetch_rows(identity: str, fetches: list[Fetch]) -> pl.DataFrame:
    """Rows of the table of fetches, with the column found_by: the sources that named each address."""
    found_by = pl.Series("found_by", [list(fetch.candidate.found_by) for fetch in fetches], pl.List(pl.String))
    return schemas.frame(schemas.FETCHES, [_fetch_row(identity, each) for each in fetches]).with_columns(found_by)


def _fetch_row(identity: str, fetch: Fetch) -> dict[str, Any]:
    return {
        "identity": identity,
        **{name: getattr(fetch.candidate, name) for name in _FROM_CANDIDATE},
        "outcome": fetch.outcome,
        "detail": fetch.detail,
        "http_status": fetch.http_status,
        "image_id": fetch.image_id,
        "size_bytes": fetch.size_bytes,
        "attempts": fetch.attempts,
        "fetched_at": fetch.fetched_at,
    }


def _response_row(picture: FetchedPicture) -> dict[str, Any]:
    page = picture.page
    return {
        "image_id": picture.image_id,
        "headers": json.dumps(picture.headers),
        "page_status": page.status,
        "page_headers": json.dumps(page.headers),
        "page_detail": page.detail,
        "page_sha256": page.sha256,
        "page_opt_outs": json.dumps(page.opt_outs),
        "page_answered_by": page.answered_by,
        "page_preferences": json.dumps([to_json(each) for each in page.preferences]),
        "page_fetched_at": page.fetched_at,
        "content_hash": picture.content_hash,
    }


def _pictures(
    path: Path, members: dict[str, tuple[int, int]], frames: dict[str, pl.DataFrame]
) -> dict[str, FetchedPicture]:
    """Image id → picture of a shard. Bytes are read on demand."""
    joined = frames[shards.ROWS].join(frames[RESPONSES], on="image_id", how="left", maintain_order="left")
    evidence = {row["image_id"]: row for row in frames[EVIDENCE].iter_rows(named=True)}
    before = fetch_results.earlier_statements_of(path, members)
    names = {name.partition(".")[0]: name for name in members if not name.endswith(".gz")}
    return {
        row["image_id"]: FetchedPicture(
            image_id=row["image_id"],
            url=row["url"],
            kind=ImageFormat(row["media_type"], names[row["image_id"]].partition(".")[2], row["width"], row["height"]),
            size_bytes=row["size_bytes"],
            read=partial(shards.read, path, row["offset"], row["size_bytes"]),
            headers=_pairs(row["headers"]),
            page=_page(path, members, row),
            evidence=evidence[row["image_id"]],
            content_hash=row.get("content_hash"),
            earlier=before.get(row["image_id"], ()),
        )
        for row in joined.iter_rows(named=True)
    }


def _page(path: Path, members: dict[str, tuple[int, int]], row: dict[str, Any]) -> FetchedPage:
    place = members.get(_page_member(row["image_id"]))
    return FetchedPage(
        url=row["page_url"],
        fetched_at=row["page_fetched_at"],
        status=row["page_status"],
        headers=_pairs(row["page_headers"]),
        compressed=None if place is None else partial(shards.read, path, *place),
        sha256=row["page_sha256"],
        detail=row["page_detail"],
        opt_outs=tuple(json.loads(row["page_opt_outs"])),
        answered_by=row.get("page_answered_by"),
        preferences=tuple(from_json(each) for each in json.loads(row.get("page_preferences") or "[]")),
    )


def _pairs(text: str) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in json.loads(text))


def _fetch(row: dict[str, Any], pictures: dict[str, FetchedPicture], answers: dict[str, records.Record]) -> Fetch:
    outcome = FetchOutcome(row["outcome"])
    has_picture = outcome in (FetchOutcome.STORED, FetchOutcome.DUPLICATE)
    return Fetch(
        candidate=Candidate(
            **{name: row[name] for name in _FROM_CANDIDATE},
            record=answers.get(row["url"]),
            found_by=tuple(row.get("found_by") or ()),
        ),
        outcome=outcome,
        attempts=row["attempts"],
        fetched_at=row["fetched_at"],
        detail=row["detail"],
        http_status=row["http_status"],
        image_id=row["image_id"],
        size_bytes=row["size_bytes"],
        picture=pictures.get(row["image_id"]) if has_picture else None,
    )
