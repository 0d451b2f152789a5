"""Writing a request to take something down: what a person names, and all that it turns out to mean."""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import io
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import polars as pl

from mtf import engine, roster, shards, tables, takedowns
from mtf.atomic import write_text
from mtf.errors import BadInput, bad_value
from mtf.faces.decode import Unreadable
from mtf.faces.picture import SAME_PICTURE_BITS, differing_bits, picture_hash
from mtf.params import Params
from mtf.takedowns import Kind, Takedown, Takedowns
from mtf.workspace import Workspace


@dataclass(frozen=True)
class Request:
    """Who asks for what to be taken down, and why. `value` is as the person gave it."""

    value: str
    reason: str
    requested_by: str
    reference: str = ""


def resolve(request: Request, workspace: Workspace, params: Params) -> list[Takedown]:
    """The takedowns that a request amounts to: one, or several for a picture file and its near-duplicates.

    Raises BadInput where `value` is none of: a picture file, an image_id, an identity, an address that was crawled.
    """
    added_at = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return [
        Takedown(added_at, kind, value, request.reason, request.requested_by, request.reference)
        for kind, value in _meanings(request.value, workspace, params)
    ]


def append(path: Path, records: list[Takedown]) -> list[Takedown]:
    """Add `records` to the file at `path`, in one atomic write; returns those that were not there already."""
    known = takedowns.load(path)
    there = {(record.kind, record.value) for record in known.records}
    new = [record for record in records if (record.kind, record.value) not in there]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(takedowns.COLUMNS)
    names = [field.name for field in fields(Takedown)]
    writer.writerows([_one_line(getattr(record, name)) for name in names] for record in (*known.records, *new))
    write_text(path, text.getvalue())
    return new


def matches(requests: Takedowns, workspace: Workspace) -> dict[tuple[Kind, str], int]:
    """How many pictures of the current version each request names (by hash: none, these are named by image_id)."""
    path = workspace.table("crawl", "images")
    images = pl.read_parquet(path) if path.is_file() else tables.frame(tables.IMAGES, [])
    columns = {Kind.IDENTITY: "identity", Kind.IMAGE_ID: "image_id", Kind.PAGE: "page_url", Kind.PICTURE: "url"}
    counts = {}
    for record in requests.records:
        column = columns.get(record.kind)
        counts[record.kind, record.value] = images.filter(pl.col(column) == record.value).height if column else 0
    return counts


def track(workspace: Workspace) -> None:
    """`dvc add data`: what people decided is versioned as soon as it is written."""
    done = subprocess.run(
        ("dvc", "add", "--quiet", "data"), cwd=workspace.root, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise BadInput(f"data: dvc add failed: {done.stderr.strip()}")


def _meanings(value: str, workspace: Workspace, params: Params) -> Iterator[tuple[Kind, str]]:
    if Path(value).is_file():
        yield from _of_file(Path(value), workspace, params)
    elif re.fullmatch(tables.SHA256, value):
        yield Kind.IMAGE_ID, value
    elif re.match(r"https?://", value):
        yield _of_address(value, workspace), value
    elif value in set(roster.load(workspace.roster, params)["identity"]):
        yield Kind.IDENTITY, value
    else:
        permitted = "an identity of the roster, an http(s) address, an image_id (64 hexadecimal digits), a picture file"
        raise bad_value("takedown", value, permitted)


def _of_address(value: str, workspace: Workspace) -> Kind:
    """A page, where the crawl knows it as one; else the address of a picture, seen or not."""
    path = workspace.table("crawl", "fetches")
    if not path.is_file():
        return Kind.PICTURE
    key = takedowns.address_key(value)
    pages = pl.read_parquet(path, columns=["page_url"])["page_url"].drop_nulls().unique()
    return Kind.PAGE if any(takedowns.address_key(page) == key for page in pages) else Kind.PICTURE


def _of_file(path: Path, workspace: Workspace, params: Params) -> Iterator[tuple[Kind, str]]:
    """The file's own content, what looks like it in the crawl, and its hash, by which the crawl will know it again."""
    data = path.read_bytes()
    try:
        wanted = picture_hash(data, max_pixels=params.crawl.max_pixels)
    except Unreadable as error:
        raise BadInput(f"{path.name}: not readable as a picture: {error}") from None
    own = hashlib.sha256(data).hexdigest()
    jobs = [(shard, wanted, params.crawl.max_pixels) for shard in sorted(workspace.shards("crawl").glob("*.tar"))]
    found = engine.map_items(_alike, jobs, compute=params.compute, title="look for the picture")
    yield from ((Kind.IMAGE_ID, image_id) for image_id in sorted({own, *(name for names in found for name in names)}))
    yield Kind.CONTENT_HASH, f"{wanted:016x}"


def _alike(job: tuple[Path, int, int]) -> list[str]:
    """The images of a crawl shard that look like the picture with the wanted hash."""
    path, wanted, max_pixels = job
    images = shards.rows_of(path)
    with shards.reader(path) as shard:
        return [
            row["image_id"]
            for row in images.iter_rows(named=True)
            if _looks_like(shard.read(row["offset"], row["size_bytes"]), wanted, max_pixels)
        ]


def _looks_like(data: bytes, wanted: int, max_pixels: int) -> bool:
    try:
        return differing_bits(picture_hash(data, max_pixels=max_pixels), wanted) <= SAME_PICTURE_BITS
    except Unreadable:
        return False


def _one_line(value: object) -> str:
    """A reason with a line break would end the row in spreadsheets that people open this file with."""
    return " ".join(str(value).split())
