"""Export of evidence: for each identity one file with what its pictures' sources said, made from its shard.

- Pages, answers of APIs and the pictures' responses are records as they were received; the conclusion for each picture
  is a statement that refers to them, with the preferences of rights holders that were heard, and so are the earlier
  statements of its source.
- Nothing of the roster is exported but the slug. The pictures' bytes are exported only if `evidence.pictures` asks for
  it.
- An identity whose evidence did not change is left alone. A signed file is replaced only by one that the same key
  signs.
"""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Literal

from mtf import __version__
from mtf.config import Params
from mtf.core import atomic_files, parallel_map
from mtf.core.errors import BadInput, MtfError, listed
from mtf.core.hashing import fingerprint
from mtf.core.project_paths import ProjectPaths
from mtf.crawl import heard_signals, store
from mtf.crawl.fetch_results import Fetch, FetchedPicture
from mtf.crawl.page_client import MAX_PAGE_BYTES, FetchedPage
from mtf.rights.web_archive import files, reading, signature, timestamp, warc
from mtf.rights.web_archive.files import WACZ, WARC, Proof, records_path
from mtf.rights.web_archive.reading import Unreadable
from mtf.rights.web_archive.records_file import FORMAT, RecordsFile, UnreadableRecords
from mtf.rights.web_archive.warc import WarcRecord, iso_date
from mtf.schemas import SLUG, FetchOutcome
from mtf.sources.records import Record

PASSWORD_VARIABLE = "MTF_EVIDENCE_KEY_PASSWORD"  # noqa: S105 (the variable's name)
SUFFIXES = {"wacz": WACZ, "warc": WARC}
MAX_ANSWER_BYTES = 64 * 2**20
SOFTWARE = f"mtf {__version__}"
# The statement that has the signals says whose picture it is about.
_OF_PICTURE = ("identity", "url", "image_id")


@dataclass(frozen=True)
class ExportJob:
    """Export of one identity in one format.

    path: file to write; its suffix is that of the format.
    with_pictures: include the pictures' bytes.
    key, certificates: files; None for none.
    """

    identity: str
    shard: Path
    path: Path
    with_pictures: bool
    key: Path | None
    timestamp_url: str | None
    certificates: Path | None


@dataclass(frozen=True)
class ExportResult:
    """Result of one job.

    detail: number of records, or the reason of a failure.
    """

    identity: str
    state: Literal["written", "unchanged", "failed"]
    detail: str


def export(
    workspace: ProjectPaths, params: Params, *, folder: Path | None = None, identities: Sequence[str] = ()
) -> tuple[list[ExportResult], list[str]]:
    """Export the evidence of `identities`, default all, to `folder`, default `build/evidence`.

    Returns the results, and the names of removed files of people who are no longer crawled: only the default folder is
    cleared of them, and only if no identities are named. Raises BadInput for a key or a certificate that cannot be
    used, and for an identity without a shard.
    """
    wanted = params.evidence
    key, certificates = (_path(name, workspace) for name in (wanted.key, wanted.timestamp_certificates))
    _proof(key, wanted.timestamp_url, certificates)  # a bad key stops everything, before any file is written
    shards = {path.stem: path for path in sorted(workspace.shards("crawl").glob("*.tar")) if re.match(SLUG, path.stem)}
    if not shards:
        raise BadInput(f"{workspace.relative(workspace.shards('crawl'))}: no shards; run `mtf crawl` first")
    if unknown := [name for name in identities if name not in shards]:
        raise BadInput(
            f"{listed(unknown)}: no shard in {workspace.relative(workspace.shards('crawl'))}; run `mtf crawl`"
        )
    target = folder or workspace.evidence
    try:
        target.mkdir(parents=True, exist_ok=True)
        atomic_files.sweep(target)
    except OSError as error:
        raise BadInput(f"{target}: cannot be written: {error.strerror}") from None
    removed = [] if folder is not None or identities else _remove_others(target, set(shards))
    jobs = [
        ExportJob(
            identity,
            shards[identity],
            target / f"{identity}{SUFFIXES[name]}",
            wanted.pictures,
            key,
            wanted.timestamp_url,
            certificates,
        )
        for identity in identities or shards
        for name in dict.fromkeys(wanted.formats)
    ]
    return parallel_map.map_items(export_one, jobs, compute=params.compute, title="export the evidence"), removed


def export_one(job: ExportJob) -> ExportResult:
    """Export one identity; a failure is a result, so that the others are exported."""
    try:
        return _exported(job)
    except (MtfError, OSError, ValueError, zlib.error) as error:
        return ExportResult(job.identity, "failed", " ".join(str(error).split())[:400])


def _exported(job: ExportJob) -> ExportResult:
    run = store.load(job.shard)
    if run.inputs is None:
        raise BadInput(f"{job.shard.name}: no readable shard; `dvc pull` or `mtf crawl` makes it")
    fetches = sorted(
        (fetch for fetch in run.fetches.values() if fetch.outcome == FetchOutcome.STORED and fetch.picture is not None),
        key=lambda fetch: fetch.image_id or "",
    )
    proof = _proof(job.key, job.timestamp_url, job.certificates)
    digest = _digest(fetches, with_pictures=job.with_pictures)
    before = _before(job.path)
    if before is not None and _is_current(before, digest, proof):
        return ExportResult(job.identity, "unchanged", f"{len(before.records)} records")
    if before is not None and before.signature is not None and not _is_signed_by(before, proof):
        raise BadInput(
            f"{job.path.name} is signed and its evidence changed; name its key with --key, or another folder with --to"
        )
    created = max((iso_date(when) for fetch in fetches for when in _dates(fetch)), default="1970-01-01T00:00:00Z")
    written = files.write(
        job.path,
        _records(job.identity, created, fetches, with_pictures=job.with_pictures),
        identity=job.identity,
        evidence=digest,
        software=SOFTWARE,
        created=created,
        proof=proof,
        erased={} if before is None else before.erased_on,
    )
    return ExportResult(job.identity, "written", f"{len(written.records)} records")


def _records(identity: str, created: str, fetches: Sequence[Fetch], *, with_pictures: bool) -> Iterator[WarcRecord]:
    """Records of one identity: sources first, then the statements that refer to them."""
    yield warc.warcinfo(identity, created, SOFTWARE)
    sources: dict[tuple[Any, ...], str] = {}
    for fetch in sorted(fetches, key=lambda each: _page_key(_picture(each).page)):
        for key, make in _sources(fetch):
            if key not in sources:
                record = make()
                sources[key] = record.record_id
                yield record
    for fetch in fetches:
        picture = _picture(fetch)
        own = None
        if picture.headers:
            own = warc.response(
                picture.url,
                iso_date(fetch.fetched_at),
                status=fetch.http_status or 200,
                fields=picture.headers,
                body=picture.read() if with_pictures else None,
            )
            yield own
        used = [sources[key] for key, _ in _sources(fetch)]
        for row in (*picture.earlier, picture.evidence):
            is_earlier = row is not picture.evidence
            links = {
                "records": [] if is_earlier else used,
                "own_record": None if own is None else own.record_id,
                "is_earlier": is_earlier,
            }
            heard = [] if is_earlier else _signals(fetch)
            content = {**_plain(row), "identity": identity, "signals": heard, **links}
            date = iso_date(row["checked_at"])
            yield warc.statement(picture.url, date, content, refers_to=used[0] if used and not is_earlier else None)


def _signals(fetch: Fetch) -> list[dict[str, Any]]:
    """Preferences of rights holders that were heard for a picture; columns as of the table `signals`."""
    found = heard_signals.rows("", fetch.candidate.url, fetch.image_id, fetch.preferences)
    return [{name: value for name, value in _plain(row).items() if name not in _OF_PICTURE} for row in found]


def _sources(fetch: Fetch) -> list[tuple[tuple[Any, ...], Any]]:
    """Page and API answer of a picture: a key for each, and a function that makes its record."""
    page, record = _picture(fetch).page, fetch.candidate.record
    found: list[tuple[tuple[Any, ...], Any]] = []
    if page.url is not None and page.status is not None and (record is None or page.sha256 != record.sha256):
        found.append((_page_key(page), partial(_page_record, page, _picture(fetch).evidence["title"])))
    if record is not None:
        found.append((("record", record.source, record.sha256), partial(_api_record, record)))
    return found


def _page_record(page: FetchedPage, title: str | None) -> WarcRecord:
    body = None if page.compressed is None else _inflated(page.compressed(), MAX_PAGE_BYTES)
    return warc.response(
        page.answered_by or page.url or "",
        iso_date(page.fetched_at),
        status=page.status or 200,
        fields=page.headers,
        body=body,
        is_page=True,
        title=title,
    )


def _api_record(record: Record) -> WarcRecord:
    body = _inflated(record.compressed(), MAX_ANSWER_BYTES)
    return warc.api_record(record.source, record.sha256, iso_date(record.fetched_at), body)


def _page_key(page: FetchedPage) -> tuple[str, str, str, str]:
    return page.url or "", iso_date(page.fetched_at), page.sha256 or "", page.answered_by or ""


def _picture(fetch: Fetch) -> FetchedPicture:
    assert fetch.picture is not None, "only stored pictures are exported"  # noqa: S101
    return fetch.picture


def _dates(fetch: Fetch) -> Iterator[datetime]:
    picture, record = _picture(fetch), fetch.candidate.record
    yield from (fetch.fetched_at, picture.page.fetched_at, picture.evidence["checked_at"])
    yield from (row["checked_at"] for row in picture.earlier)
    if record is not None:
        yield record.fetched_at


def _digest(fetches: Sequence[Fetch], *, with_pictures: bool) -> str:
    """Digest of all that the records are made from, without reading a page or a picture."""
    parts = []
    for fetch in fetches:
        picture, record = _picture(fetch), fetch.candidate.record
        answer = None if record is None else [record.source, record.sha256, iso_date(record.fetched_at), record.status]
        parts.append(
            [
                [_plain(row) for row in (*picture.earlier, picture.evidence)],
                [*_page_key(picture.page), picture.page.status, list(map(list, picture.page.headers))],
                [picture.url, iso_date(fetch.fetched_at), fetch.http_status, list(map(list, picture.headers))],
                answer,
                _signals(fetch),
            ]
        )
    return fingerprint(FORMAT, with_pictures, parts)


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {name: iso_date(value) if isinstance(value, datetime) else value for name, value in row.items()}


def _inflated(data: bytes, max_bytes: int) -> bytes:
    """Body of a page or an answer. Raises ValueError if it is damaged, or larger than `max_bytes`."""
    inflater = zlib.decompressobj(16 + zlib.MAX_WBITS)
    body = inflater.decompress(data, max_bytes + 1)
    if len(body) > max_bytes or not inflater.eof:
        raise ValueError(f"a stored body is damaged, or has more than {max_bytes} bytes")
    return body


def _before(path: Path) -> RecordsFile | None:
    """Records file of an earlier export; None if there is none, or it cannot be read."""
    try:
        records, is_whole = reading.records_of(path)
    except (OSError, Unreadable, UnreadableRecords):
        return None
    return records if is_whole else None


def _is_current(before: RecordsFile, digest: str, proof: Proof) -> bool:
    has_signature = proof.key is None or _is_signed_by(before, proof)
    return before.evidence == digest and has_signature and (proof.timestamp_url is None or before.timestamp is not None)


def _is_signed_by(before: RecordsFile, proof: Proof) -> bool:
    if proof.key is None or before.signature is None:
        return False
    return before.signature["publicKey"] == signature.public_text(proof.key)


def _proof(key: Path | None, timestamp_url: str | None, certificates: Path | None) -> Proof:
    return Proof(
        None if key is None else signature.load_key(key, password=os.environ.get(PASSWORD_VARIABLE)),
        timestamp_url,
        () if certificates is None else tuple(timestamp.load_certificates(certificates)),
    )


def _path(name: str | None, workspace: ProjectPaths) -> Path | None:
    return None if name is None else workspace.root / name


def _remove_others(folder: Path, identities: set[str]) -> list[str]:
    """Remove the files of identities that are no longer crawled; returns their names."""
    removed = []
    for suffix in SUFFIXES.values():
        for path in sorted(folder.glob(f"*{suffix}")):
            if path.name.removesuffix(suffix) not in identities:
                path.unlink()
                records_path(path).unlink(missing_ok=True)
                removed.append(path.name)
    return removed
