"""Store of a crawl: one shard per identity, with pictures, pages, and the state for later runs.

Members after `digest`:

- `inputs`: digests of the shard's inputs.
- `IMAGE_ID.EXT`, `IMAGE_ID.page.gz`: a picture, and its page if it was read.
- `fetches.parquet`, `evidence.parquet`: the identity's rows of these tables.
- `responses.parquet`: headers, pages' states, perceptual hashes and the files' own statements.
- Answers of APIs (`mtf.sources.records`).
- `earlier.parquet`: earlier statements of sources (`mtf.crawl.fetch_results`).
- `signals.parquet`: preferences of rights holders (`mtf.crawl.heard_signals`).

The digest covers the pictures alone: stages that read pictures do not rerun if only evidence changed.
"""

from __future__ import annotations

import json
import tarfile
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import polars as pl

from mtf import schemas
from mtf.core import row_tables, shards
from mtf.core.hashing import fingerprint
from mtf.crawl import fetch_results, heard_signals
from mtf.crawl.fetch_results import Fetch, FetchedPicture
from mtf.crawl.page_client import FetchedPage
from mtf.crawl.sniffing import ImageFormat
from mtf.crawl.takedown_filter import RESPONSES
from mtf.rights.evidence.statement import Statement
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
    "file_statement": pl.String,
}
_FOUND_BY = {"found_by": pl.List(pl.String)}
_OPTIONAL = (fetch_results.EARLIER_STATEMENTS, heard_signals.SIGNALS)
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
        fetch_rows = [_fetch_row(identity, fetch) for fetch in fetches]
        shard.add(FETCHES, row_tables.parquet_bytes(fetch_rows, schemas.FETCHES.dtypes | _FOUND_BY))
        shard.add(EVIDENCE, row_tables.parquet_bytes(evidence, schemas.EVIDENCE.dtypes))
        responses = [_response_row(fetch.picture) for fetch in pictures if fetch.picture]
        shard.add(RESPONSES, row_tables.parquet_bytes(responses, _RESPONSES))
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
    tables = shards.tables(path, shards.members(path), (shards.ROWS, FETCHES, EVIDENCE, *_OPTIONAL))
    rows = {"images": tables[shards.ROWS], "fetches": tables[FETCHES], "evidence": tables[EVIDENCE]}
    return rows | {
        "earlier": fetch_results.earlier_statements(tables),
        "signals": heard_signals.of_tables(tables),
    }


def load(path: Path) -> EarlierRun:
    """State in the shard at `path`; empty if there is no shard that this version of the program can read."""
    try:
        members = shards.members(path)
        inputs = _inputs(shards.read(path, *members[INPUTS]))
        frames = shards.tables(path, members, (FETCHES, EVIDENCE, RESPONSES, shards.ROWS, *_OPTIONAL))
        pictures = _pictures(path, members, frames)
        answers = records.load(path, members)
        heard = heard_signals.by_address(heard_signals.of_tables(frames))
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
    offset, size_bytes = shard.add_from(f"{picture.image_id}.{picture.kind.extension}", picture.read)
    if picture.page.compressed is not None:
        shard.add_from(_page_member(picture.image_id), picture.page.compressed)
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


def _fetch_row(identity: str, fetch: Fetch) -> dict[str, Any]:
    """Row of the table of fetches, with the column found_by: the sources that named the address."""
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
        "found_by": fetch.candidate.found_by,
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
        "file_statement": None if picture.file_statement is None else picture.file_statement.to_json(),
    }


def _pictures(
    path: Path, members: dict[str, tuple[int, int]], frames: dict[str, pl.DataFrame]
) -> dict[str, FetchedPicture]:
    """Image id → picture of a shard. Bytes are read on demand."""
    responses = {row["image_id"]: row for row in frames[RESPONSES].iter_rows(named=True)}
    evidence = {row["image_id"]: row for row in frames[EVIDENCE].iter_rows(named=True)}
    before = fetch_results.by_picture(fetch_results.earlier_statements(frames))
    names = {name.partition(".")[0]: name for name in members if not name.endswith(".gz")}
    return {
        row["image_id"]: FetchedPicture(
            image_id=row["image_id"],
            url=row["url"],
            kind=ImageFormat(row["media_type"], names[row["image_id"]].partition(".")[2], row["width"], row["height"]),
            size_bytes=row["size_bytes"],
            read=shards.Member(path, row["offset"], row["size_bytes"]),
            headers=_pairs(row["headers"]),
            page=_page(path, members, row),
            evidence=evidence[row["image_id"]],
            content_hash=row.get("content_hash"),
            file_statement=None if (text := row.get("file_statement")) is None else Statement.from_json(text),
            earlier=before.get(row["image_id"], ()),
        )
        for row in (image | responses[image["image_id"]] for image in frames[shards.ROWS].iter_rows(named=True))
    }


def _page(path: Path, members: dict[str, tuple[int, int]], row: dict[str, Any]) -> FetchedPage:
    place = members.get(_page_member(row["image_id"]))
    return FetchedPage(
        url=row["page_url"],
        fetched_at=row["page_fetched_at"],
        status=row["page_status"],
        headers=_pairs(row["page_headers"]),
        compressed=None if place is None else shards.Member(path, *place),
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
