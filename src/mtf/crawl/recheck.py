"""Recheck of sources: fetches the pictures' pages and records again, without changing the crawl's results."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any
from urllib.parse import urlsplit

import polars as pl
from rich.console import Console
from rich.progress import Progress

from mtf import schemas
from mtf.config import Params
from mtf.core.project_paths import ProjectPaths
from mtf.crawl import recorded_web as recorded
from mtf.crawl.http_client import HttpFetcher, user_agent
from mtf.crawl.page_client import Pages
from mtf.crawl.signals_client import SignalsClient
from mtf.crawl.spool import Spool
from mtf.rights.audit import run
from mtf.rights.evidence import combination
from mtf.rights.evidence.combination import Statement
from mtf.rights.signals import opt_outs as optouts
from mtf.schemas import FetchOutcome
from mtf.sources import registry
from mtf.sources.base import Source
from mtf.sources.fetch_failure import FetchFailed

STATEMENTS = {
    "identity": pl.String,
    "image_id": pl.String,
    "now_read": pl.Boolean,
    "now_license": pl.String,
    "now_opt_out": pl.String,
    "now_gone": pl.String,
}
_COLUMNS = ["identity", "image_id", "url", "page_url", "claim", "method"]
_PICTURES_AT_ONCE = 256
_PICTURES_OF_A_SPOOL = 5_000

_Row = dict[str, Any]


def recheck_sources(workspace: ProjectPaths, params: Params) -> run.RecheckedSources:
    """Recheck the source of each picture that has a page: a table of today's statements, with the columns STATEMENTS.

    If the host's own API stated the license, its record is fetched, not the page. Pictures whose record could not be
    fetched are counted.
    """
    evidence = schemas.read(schemas.EVIDENCE, workspace.table("crawl", "evidence"))
    with_page = evidence.filter(pl.col("page_url").is_not_null())
    is_of_api = pl.col("method").is_in(list(_recheckable())).fill_null(False)
    # Sorted by page: a page is fetched once for all its pictures.
    rows = with_page.sort("page_url", "identity", "image_id").select(*_COLUMNS, is_of_api=is_of_api)
    on_pages, in_records = (rows.filter(is_of_api=value).to_dicts() for value in (False, True))
    web = params.crawl.web
    with nullcontext(None) if web is None else recorded.serve(workspace.root / web) as recorded_web:
        statements = asyncio.run(_recheck(on_pages, in_records, workspace, params, recorded_web))
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
) -> list[_Row]:
    async with HttpFetcher(params.crawl, user_agent=user_agent(params.project), web=web) as fetcher:
        signals_client = SignalsClient(fetcher, params.licenses.binding_opt_outs)
        statements = await _recheck_pages(on_pages, workspace, fetcher, signals_client)
        return statements + await _recheck_records(in_records, params, fetcher, signals_client)


async def _recheck_records(
    rows: Sequence[_Row], params: Params, fetcher: HttpFetcher, signals_client: SignalsClient
) -> list[_Row]:
    rechecked: list[_Row] = []
    for method, source in _recheckable().items():
        own = [row for row in rows if row["method"] == method]
        if not own:
            continue
        pages = sorted({row["page_url"] for row in own})
        statements = await source.recheck(fetcher, pages, params.crawl.sources)
        rechecked += [
            await _statement_of_record(row, statements[row["page_url"]], signals_client)
            for row in own
            if row["page_url"] in statements
        ]
    return rechecked


def _recheckable() -> dict[str, type[Source]]:
    """Method of evidence → source that can fetch its records again."""
    return {source.recheck_method: source for source in registry.classes() if source.recheck_method is not None}


async def _statement_of_record(row: _Row, statement: Statement | None, signals_client: SignalsClient) -> _Row:
    if statement is None:
        return _keys(row) | {"now_read": False, "now_gone": f"{row['method']} knows it no longer"}
    signals = await signals_client.of_site(row["page_url"], ())
    return _today(row, statement, tuple(signals), gone=None)


async def _recheck_pages(
    rows: Sequence[_Row], workspace: ProjectPaths, fetcher: HttpFetcher, signals_client: SignalsClient
) -> list[_Row]:
    rechecked: list[_Row] = []
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not sys.stderr.isatty()) as progress:
        bar = progress.add_task("pages", total=len(rows))
        for start in range(0, len(rows), _PICTURES_OF_A_SPOOL):
            with Spool(workspace.stage("crawl")) as spool:
                pages = Pages(fetcher, signals_client, spool)
                part = rows[start : start + _PICTURES_OF_A_SPOOL]
                rechecked += await _recheck_part(part, pages, signals_client)
            progress.advance(bar, len(part))
    return rechecked


async def _recheck_part(rows: Sequence[_Row], pages: Pages, signals_client: SignalsClient) -> list[_Row]:
    slots = asyncio.Semaphore(_PICTURES_AT_ONCE)

    async def one(row: _Row) -> _Row:
        async with slots:
            return await _statement_of_page(row, pages, signals_client)

    return list(await asyncio.gather(*(one(row) for row in rows)))


async def _statement_of_page(row: _Row, pages: Pages, signals_client: SignalsClient) -> _Row:
    try:
        page = await pages.at(row["page_url"])
    except FetchFailed as failure:
        is_reserved = failure.outcome == FetchOutcome.OPTED_OUT
        return _keys(row) | {
            "now_read": False,
            ("now_opt_out" if is_reserved else "now_gone"): failure.detail or str(failure.outcome),
        }
    statement = await asyncio.to_thread(page.statement, row["url"])
    of_picture = await _opt_outs_of_picture(row["url"], statement, signals_client)
    return _today(row, statement, (*page.opt_outs, *of_picture), gone=page.detail)


async def _opt_outs_of_picture(url: str, statement: Statement, signals_client: SignalsClient) -> list[str]:
    """Opt-outs of the site that holds the picture, and of the RSL documents that its page names."""
    if urlsplit(url).scheme not in ("http", "https"):
        return []
    return [
        *await signals_client.of_robots(url),
        *await signals_client.of_site(url, ()),
        *await signals_client.of_rsl(url, statement.rsl_links),
    ]


def _today(row: _Row, statement: Statement, opt_outs: tuple[str, ...], *, gone: str | None) -> _Row:
    fields = combination.combine(row["claim"], statement, opt_out=optouts.joined(*opt_outs))
    return _keys(row) | {
        "now_read": gone is None,
        "now_license": fields["license"],
        "now_opt_out": fields["opt_out"],
        "now_gone": gone,
    }


def _keys(row: _Row) -> _Row:
    return {name: row[name] for name in ("identity", "image_id")}
