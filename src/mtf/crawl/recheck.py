"""Recheck of sources: fetches the pictures' pages and records again, without changing the crawl's results.

A recheck of the signals fetches the pictures as well, since headers and files carry signals, too.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import polars as pl

from mtf import schemas
from mtf.config import Crawl, Params
from mtf.core.console import progress_bar
from mtf.core.project_paths import ProjectPaths
from mtf.crawl import examination
from mtf.crawl import recorded_web as recorded
from mtf.crawl.http_client import HttpFetcher, user_agent
from mtf.crawl.page_client import Pages
from mtf.crawl.signals_client import SignalsClient
from mtf.crawl.spool import Spool
from mtf.rights.audit import run
from mtf.rights.evidence import combination
from mtf.rights.evidence.combination import Statement
from mtf.rights.signals import opt_outs
from mtf.rights.signals.preferences import Preference
from mtf.rights.signals.preferences import opt_outs as texts_of
from mtf.schemas import FetchOutcome
from mtf.sources import registry
from mtf.sources.base import RecheckedStatements, Source
from mtf.sources.fetch_failure import FetchFailed

STATEMENTS = {
    "identity": pl.String,
    "image_id": pl.String,
    "now_read": pl.Boolean,
    "now_license": pl.String,
    "now_opt_out": pl.String,
    "now_gone": pl.String,
    "now_heard": pl.Boolean,
}
_COLUMNS = ["identity", "image_id", "url", "page_url", "claim", "method"]
_PICTURES_AT_ONCE = 256
_PICTURES_OF_A_SPOOL = 5_000

_Row = dict[str, Any]


@dataclass(frozen=True)
class _Clients:
    """Clients of a recheck. `examiner` is set if the pictures are fetched, too: an executor with one thread."""

    crawl: Crawl
    fetcher: HttpFetcher
    signals_client: SignalsClient
    examiner: Executor | None


def recheck_sources(workspace: ProjectPaths, params: Params, *, with_pictures: bool = False) -> run.RecheckedSources:
    """Recheck the source of each picture that has a page: a table of today's statements, with the columns STATEMENTS.

    If the host's own API stated the license, its record is fetched, not the page. Pictures whose record could not be
    fetched are counted. `with_pictures` fetches the pictures from the web as well, those without a page included.
    """
    evidence = schemas.read(schemas.EVIDENCE, workspace.table("crawl", "evidence"))
    is_asked = pl.col("page_url").is_not_null()
    if with_pictures:
        is_asked = is_asked | pl.col("url").str.contains(r"^https?://")
    is_of_api = pl.col("method").is_in(list(_recheckable())).fill_null(False) & pl.col("page_url").is_not_null()
    # Sorted by page: a page is fetched once for all its pictures.
    rows = evidence.filter(is_asked).sort("page_url", "identity", "image_id").select(*_COLUMNS, is_of_api=is_of_api)
    on_pages, in_records = (rows.filter(is_of_api=value).to_dicts() for value in (False, True))
    web = params.crawl.web
    with (
        nullcontext(None) if web is None else recorded.serve(workspace.root / web) as recorded_web,
        ThreadPoolExecutor(1, thread_name_prefix="examiner") as examiner,
    ):
        job = _recheck(on_pages, in_records, workspace, params, recorded_web, examiner if with_pictures else None)
        statements = asyncio.run(job)
    rechecked = {(row["identity"], row["image_id"]) for row in statements}
    others = [row for row in in_records if (row["identity"], row["image_id"]) not in rechecked]
    not_rechecked = Counter(row["method"] for row in others)
    table = pl.DataFrame(statements, schema=STATEMENTS, orient="row")
    return run.RecheckedSources(table, dict(sorted(not_rechecked.items())))


async def _recheck(
    on_pages: Sequence[_Row],
    in_records: Sequence[_Row],
    workspace: ProjectPaths,
    params: Params,
    web: recorded.RecordedWeb | None,
    examiner: Executor | None,
) -> list[_Row]:
    async with HttpFetcher(params.crawl, user_agent=user_agent(params.project), web=web) as fetcher:
        signals_client = SignalsClient(fetcher, params.licenses.binding_opt_outs)
        clients = _Clients(params.crawl, fetcher, signals_client, examiner)
        statements = await _recheck_pages(on_pages, workspace, clients)
        return statements + await _recheck_records(in_records, params, clients)


async def _recheck_records(rows: Sequence[_Row], params: Params, clients: _Clients) -> list[_Row]:
    rechecked: list[_Row] = []
    for method, source in _recheckable().items():
        own = [row for row in rows if row["method"] == method]
        if not own:
            continue
        pages = sorted({row["page_url"] for row in own})
        statements = await source.recheck(clients.fetcher, pages, params.crawl.sources)
        known = [row for row in own if row["page_url"] in statements]
        recheck = partial(_statement_of_record, statements=statements, clients=clients)
        rechecked += await _some_at_once(known, recheck)
    return rechecked


def _recheckable() -> dict[str, type[Source]]:
    """Method of evidence → source that can fetch its records again."""
    return {source.recheck_method: source for source in registry.classes() if source.recheck_method is not None}


async def _statement_of_record(row: _Row, statements: RecheckedStatements, clients: _Clients) -> _Row:
    statement = statements[row["page_url"]]
    if statement is None:
        return _keys(row) | {"now_read": False, "now_gone": f"{row['method']} knows it no longer"}
    preferences = await clients.signals_client.of_site(row["page_url"], ())
    of_picture, is_heard = await _of_picture(row["url"], statement, clients)
    texts = [*texts_of(preferences), *of_picture]
    return _today(row, statement, texts, gone=None, is_heard=is_heard)


async def _recheck_pages(rows: Sequence[_Row], workspace: ProjectPaths, clients: _Clients) -> list[_Row]:
    rechecked: list[_Row] = []
    with progress_bar() as progress:
        bar = progress.add_task("pages", total=len(rows))
        for start in range(0, len(rows), _PICTURES_OF_A_SPOOL):
            with Spool(workspace.stage("crawl")) as spool:
                pages = Pages(clients.fetcher, clients.signals_client, spool)
                part = rows[start : start + _PICTURES_OF_A_SPOOL]
                rechecked += await _some_at_once(part, partial(_statement_of_page, pages=pages, clients=clients))
            progress.advance(bar, len(part))
    return rechecked


async def _some_at_once(rows: Sequence[_Row], recheck: Callable[[_Row], Awaitable[_Row]]) -> list[_Row]:
    slots = asyncio.Semaphore(_PICTURES_AT_ONCE)

    async def one(row: _Row) -> _Row:
        async with slots:
            return await recheck(row)

    return list(await asyncio.gather(*(one(row) for row in rows)))


async def _statement_of_page(row: _Row, pages: Pages, clients: _Clients) -> _Row:
    try:
        page = await pages.at(row["page_url"])
    except FetchFailed as failure:
        is_reserved = failure.outcome == FetchOutcome.OPTED_OUT
        return _keys(row) | {
            "now_read": False,
            ("now_opt_out" if is_reserved else "now_gone"): failure.detail or str(failure.outcome),
        }
    statement = await asyncio.to_thread(page.statement, row["url"])
    of_picture, is_heard = await _of_picture(row["url"], statement, clients)
    is_whole = page.url is None or page.detail is None
    return _today(row, statement, (*page.opt_outs, *of_picture), gone=page.detail, is_heard=is_heard and is_whole)


async def _of_picture(url: str, statement: Statement, clients: _Clients) -> tuple[list[str], bool]:
    """Opt-outs of the site that holds the picture, and of the RSL documents that its page names.

    If pictures are fetched, those of its headers and its file, too; then the second value is True if it was answered.
    """
    if urlsplit(url).scheme not in ("http", "https"):
        return [], False
    client = clients.signals_client
    preferences = [*await client.of_robots(url), *await client.of_rsl(url, statement.rsl_links)]
    if clients.examiner is None:
        return texts_of([*preferences, *await client.of_site(url, ())]), False
    try:
        answer = await clients.fetcher.get(url, max_bytes=clients.crawl.max_bytes, permission=client.permit)
        answer.demand_success()
    except FetchFailed as failure:
        texts = texts_of([*preferences, *await client.of_site(url, ())])
        return [*texts, *([failure.detail] if failure.outcome == FetchOutcome.OPTED_OUT else [])], False
    headers = tuple(answer.headers.items())
    preferences += client.of_headers(headers, url=answer.url, heard_at=clients.fetcher.now())
    preferences += await client.of_site(url, headers)
    of_file = await _of_file(answer.body, clients.crawl, clients.examiner)
    return texts_of([*preferences, *(of_file or ())]), of_file is not None


async def _of_file(body: bytes, crawl: Crawl, examiner: Executor) -> tuple[Preference, ...] | None:
    """Preferences in a file; None if it is no picture any more."""
    work = partial(examination.examine, lambda: body, crawl)
    try:
        examined = await asyncio.get_running_loop().run_in_executor(examiner, work)
    except FetchFailed:
        return None
    return examined.statement.preferences


def _today(row: _Row, statement: Statement, texts: Sequence[str], *, gone: str | None, is_heard: bool) -> _Row:
    fields = combination.combine(row["claim"], statement, opt_out=opt_outs.joined(*texts))
    return _keys(row) | {
        "now_read": gone is None,
        "now_license": fields["license"],
        "now_opt_out": fields["opt_out"],
        "now_gone": gone,
        "now_heard": is_heard,
    }


def _keys(row: _Row) -> _Row:
    return {name: row[name] for name in ("identity", "image_id")}
