"""Writing a request to take something down: what a person names, and all that it turns out to mean.

A request by identity, address or image_id is written down with the content and the looks of every picture that it
means, so that the crawl knows them again under another address, under another person, resized or saved anew.
"""

from __future__ import annotations

import csv
import datetime as dt
import fcntl
import hashlib
import io
import os
import re
import subprocess
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path

import polars as pl

from mtf import engine, roster, shards, tables, takedowns
from mtf.atomic import write_text
from mtf.crawl import hashes
from mtf.erasure import known
from mtf.errors import BadInput, bad_value
from mtf.faces.decode import Unreadable
from mtf.faces.picture import SAME_PICTURE_BITS, differing_bits, picture_hash
from mtf.params import Params
from mtf.takedowns import Kind, Takedown, Takedowns
from mtf.workspace import Workspace

Meaning = tuple[Kind, str]
_PLACES = ["identity", "image_id", "offset", "size_bytes"]


@dataclass(frozen=True)
class Request:
    """Who asks for what to be taken down, and why. `value` is as the person gave it."""

    value: str
    reason: str
    requested_by: str
    reference: str = ""


def resolve(request: Request, workspace: Workspace, params: Params) -> list[Takedown]:
    """The takedowns that a request amounts to: what it names, then content and looks of each picture meant.

    Raises BadInput where `value` is none of: a picture file, an image_id, an address, an identity of any version.
    """
    added_at = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    words = [_one_line(text) for text in (request.reason, request.requested_by, request.reference)]
    meanings = dict.fromkeys(_meanings(request.value, workspace, params))
    return [Takedown(added_at, kind, value, *words) for kind, value in meanings]


def append(path: Path, records: list[Takedown]) -> list[Takedown]:
    """Add `records` to the file at `path`, in one atomic write; returns those that were not there already.

    Of several at the same time one waits for the other.
    """
    with _alone(path.parent):
        earlier = takedowns.load(path)
        there = {(record.kind, record.value) for record in earlier.records}
        new = [record for record in records if (record.kind, record.value) not in there]
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(takedowns.COLUMNS)
        writer.writerows(astuple(record) for record in (*earlier.records, *new))
        write_text(path, text.getvalue())
    return new


def matches(requests: Takedowns, workspace: Workspace) -> dict[Meaning, int | None]:
    """How many pictures of the current version each request names; by looks: None before the crawl compared them."""
    images = _images(workspace, ["identity", "image_id", "url", "page_url"])
    counts: dict[Meaning, int | None] = {}
    looks = hashes.content_hashes(workspace) if requests.content_hashes else pl.DataFrame()
    for record in requests.records:
        counts[record.kind, record.value] = (
            _alike_count(looks, record.value) if record.kind == Kind.CONTENT_HASH else _named(images, record).height
        )
    return counts


def track(workspace: Workspace) -> None:
    """`dvc add data`: what people decided is versioned as soon as it is written."""
    command = ("dvc", "--wait-for-lock", "add", "--quiet", "data")
    done = subprocess.run(command, cwd=workspace.root, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BadInput(f"data: dvc add failed: {done.stderr.strip()}")


def _meanings(value: str, workspace: Workspace, params: Params) -> Iterator[Meaning]:
    if Path(value).is_file():
        yield from _of_file(Path(value), workspace, params)
        return
    images = _images(workspace, [*_PLACES, "url", "page_url"])
    named = _kind(value, images, workspace, params)
    yield named.meaning
    pictures = _named(images, named.record)
    yield from ((Kind.IMAGE_ID, image_id) for image_id in sorted({*pictures["image_id"], *named.image_ids}))
    yield from ((Kind.CONTENT_HASH, each) for each in _hashes(pictures, workspace, params))


@dataclass(frozen=True)
class _Named:
    """What a value is, and the pictures of older versions that it means."""

    meaning: Meaning
    image_ids: frozenset[str] = frozenset()

    @property
    def record(self) -> Takedown:
        return Takedown("", *self.meaning, "", "", "")


def _kind(value: str, images: pl.DataFrame, workspace: Workspace, params: Params) -> _Named:
    """Looked for in the current version first; in older ones where that does not know it."""
    if re.fullmatch(tables.SHA256, value):
        return _Named((Kind.IMAGE_ID, value))
    if re.match(r"https?://", value):
        return _address(value, images, workspace)
    people = {*roster.load(workspace.roster, params)["identity"], *images["identity"]}
    if value in people:
        return _Named((Kind.IDENTITY, value))
    if re.fullmatch(tables.SLUG, value) and (found := known.of_older_versions(workspace, Kind.IDENTITY, value)):
        return _Named((Kind.IDENTITY, value), found)
    permitted = (
        "an identity of the roster or of an older version that is here (`dvc fetch --all-commits` brings them), "
        "an http(s) address, an image_id (64 hexadecimal digits), a picture file"
    )
    raise bad_value("takedown", value, permitted)


def _address(value: str, images: pl.DataFrame, workspace: Workspace) -> _Named:
    """A page, where any version knows it as one; else the address of a picture, seen or not."""
    path = workspace.table("crawl", "fetches")
    fetches = pl.read_parquet(path, columns=["url", "page_url"]) if path.is_file() else images
    for kind in (Kind.PAGE, Kind.PICTURE):
        if _named(fetches, Takedown("", kind, value, "", "", "")).height:
            return _Named((kind, value))
    for kind in (Kind.PAGE, Kind.PICTURE):
        if found := known.of_older_versions(workspace, kind, value):
            return _Named((kind, value), found)
    return _Named((Kind.PICTURE, value))


def _images(workspace: Workspace, columns: list[str]) -> pl.DataFrame:
    path = workspace.table("crawl", "images")
    return pl.read_parquet(path, columns=columns) if path.is_file() else tables.frame(tables.IMAGES, []).select(columns)


def _named(pictures: pl.DataFrame, record: Takedown) -> pl.DataFrame:
    """The rows that a request names by identity, address or image_id."""
    addresses = {Kind.PAGE: "page_url", Kind.PICTURE: "url"}
    if record.kind in addresses:
        one = Takedowns((record,))
        return takedowns.named_by_address(pictures.lazy(), one, record.kind, addresses[record.kind]).collect()
    return pictures.filter(pl.col(str(record.kind)) == record.value)


def _hashes(pictures: pl.DataFrame, workspace: Workspace, params: Params) -> list[str]:
    """The perceptual hashes of stored pictures."""
    jobs = [
        (workspace.shard("crawl", str(identity)), rows.select("offset", "size_bytes").rows(), params.crawl.max_pixels)
        for (identity,), rows in pictures.partition_by("identity", as_dict=True).items()
    ]
    for shard, _, _ in jobs:
        if not shard.is_file():
            raise BadInput(f"{workspace.relative(shard)}: not here; `dvc pull` fetches it")
    found = engine.map_items(_hashes_of, jobs, compute=params.compute, title="look at the pictures")
    return sorted({f"{each:016x}" for some in found for each in some})


def _hashes_of(job: tuple[Path, list[tuple[int, int]], int]) -> list[int]:
    path, places, max_pixels = job
    with shards.reader(path) as shard:
        found = (_hash(shard.read(offset, size_bytes), max_pixels) for offset, size_bytes in places)
        return [each for each in found if each is not None]


def _of_file(path: Path, workspace: Workspace, params: Params) -> Iterator[Meaning]:
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
            if (found := _hash(shard.read(row["offset"], row["size_bytes"]), max_pixels)) is not None
            and differing_bits(found, wanted) <= SAME_PICTURE_BITS
        ]


def _hash(data: bytes, max_pixels: int) -> int | None:
    """None for what cannot be decoded, which looks like nothing."""
    try:
        return picture_hash(data, max_pixels=max_pixels)
    except Unreadable:
        return None


def _alike_count(looks: pl.DataFrame, wanted: str) -> int | None:
    if looks.is_empty():
        return 0
    if looks["content_hash"].has_nulls():
        return None
    bits = (looks["content_hash"] ^ int(wanted, 16)).bitwise_count_ones()
    return int((bits <= SAME_PICTURE_BITS).sum())


@contextmanager
def _alone(folder: Path) -> Generator[None]:
    """Whoever else adds a request to the same folder waits."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _one_line(value: object) -> str:
    """A reason with a line break would end the row in spreadsheets that people open this file with."""
    return " ".join(str(value).split())
