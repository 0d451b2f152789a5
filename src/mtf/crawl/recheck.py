"""The pictures' pages and records, asked again: what they say today. Nothing of the crawl is changed by it."""

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

SEEN = {
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
    """One row per picture that was found on a page: its identity, image_id and what its source says now (SEEN).

    Where the host's own API stated the license, that record is asked for again and not the page; pictures whose record
    could not be had are counted.
    """
    known = schemas.read(schemas.EVIDENCE, workspace.table("crawl", "evidence")).filter(
        pl.col("page_url").is_not_null()
    )
    is_of_api = pl.col("method").is_in(list(_recheckable())).fill_null(False)
    # Sorted by page: the pictures of one page are read while it is at hand, and it is asked for once.
    rows = known.sort("page_url", "identity", "image_id").select(*_COLUMNS, is_of_api=is_of_api)
    on_pages, in_records = (rows.filter(is_of_api=wanted).to_dicts() for wanted in (False, True))
    web = params.crawl.web
    with nullcontext(None) if web is None else recorded.serve(workspace.root / web) as recorded_web:
        seen = asyncio.run(_ask(on_pages, in_records, workspace, params, recorded_web))
    found = {(row["identity"], row["image_id"]) for row in seen}
    lacking = [row for row in in_records if (row["identity"], row["image_id"]) not in found]
    not_asked = Counter(row["method"] for row in lacking)
    return run.RecheckedSources(pl.DataFrame(seen, schema=SEEN, orient="row"), dict(sorted(not_asked.items())))


async def _ask(
    on_pages: Sequence[_Row],
    in_records: Sequence[_Row],
    workspace: ProjectPaths,
    params: Params,
    web: recorded.RecordedWeb | None,
) -> list[_Row]:
    async with HttpFetcher(params.crawl, user_agent=user_agent(params.project), web=web) as fetcher:
        reservations = SignalsClient(fetcher, params.licenses.binding_opt_outs)
        seen = await _ask_pages(on_pages, workspace, fetcher, reservations)
        return seen + await _ask_records(in_records, params, fetcher, reservations)


async def _ask_records(
    rows: Sequence[_Row], params: Params, fetcher: HttpFetcher, reservations: SignalsClient
) -> list[_Row]:
    seen: list[_Row] = []
    for method, source in _recheckable().items():
        own = [row for row in rows if row["method"] == method]
        if not own:
            continue
        pages = sorted({row["page_url"] for row in own})
        statements = await source.recheck(fetcher, pages, params.crawl.sources)
        seen += [
            await _recorded(row, statements[row["page_url"]], reservations)
            for row in own
            if row["page_url"] in statements
        ]
    return seen


def _recheckable() -> dict[str, type[Source]]:
    """Sources whose records can be asked for again, by the method of their evidence."""
    return {source.recheck_method: source for source in registry.classes() if source.recheck_method is not None}


async def _recorded(row: _Row, stated: Statement | None, reservations: SignalsClient) -> _Row:
    if stated is None:
        return _keys(row) | {"now_read": False, "now_gone": f"{row['method']} knows it no longer"}
    signals = await reservations.of_site(row["page_url"], ())
    return _now(row, stated, tuple(signals), gone=None)


async def _ask_pages(
    rows: Sequence[_Row], workspace: ProjectPaths, fetcher: HttpFetcher, reservations: SignalsClient
) -> list[_Row]:
    seen: list[_Row] = []
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not sys.stderr.isatty()) as progress:
        bar = progress.add_task("pages", total=len(rows))
        for start in range(0, len(rows), _PICTURES_OF_A_SPOOL):
            with Spool(workspace.stage("crawl")) as spool:
                pages = Pages(fetcher, reservations, spool)
                part = rows[start : start + _PICTURES_OF_A_SPOOL]
                seen += await _ask_part(part, pages, reservations)
            progress.advance(bar, len(part))
    return seen


async def _ask_part(rows: Sequence[_Row], pages: Pages, reservations: SignalsClient) -> list[_Row]:
    places = asyncio.Semaphore(_PICTURES_AT_ONCE)

    async def one(row: _Row) -> _Row:
        async with places:
            return await _look(row, pages, reservations)

    return list(await asyncio.gather(*(one(row) for row in rows)))


async def _look(row: _Row, pages: Pages, reservations: SignalsClient) -> _Row:
    try:
        page = await pages.at(row["page_url"])
    except FetchFailed as failure:
        is_reserved = failure.outcome == FetchOutcome.OPTED_OUT
        return _keys(row) | {
            "now_read": False,
            ("now_opt_out" if is_reserved else "now_gone"): failure.detail or str(failure.outcome),
        }
    stated = await asyncio.to_thread(page.statement, row["url"])
    of_picture = await _opt_outs_of_picture(row["url"], stated, reservations)
    return _now(row, stated, (*page.opt_outs, *of_picture), gone=page.detail)


async def _opt_outs_of_picture(url: str, stated: Statement, reservations: SignalsClient) -> list[str]:
    """The opt-outs of the site that holds the picture, and of the RSL documents that its page names."""
    if urlsplit(url).scheme not in ("http", "https"):
        return []
    return [
        *await reservations.of_robots(url),
        *await reservations.of_site(url, ()),
        *await reservations.of_rsl(url, stated.rsl_links),
    ]


def _now(row: _Row, stated: Statement, opt_outs: tuple[str, ...], *, gone: str | None) -> _Row:
    fields = combination.combine(row["claim"], stated, opt_out=optouts.joined(*opt_outs))
    return _keys(row) | {
        "now_read": gone is None,
        "now_license": fields["license"],
        "now_opt_out": fields["opt_out"],
        "now_gone": gone,
    }


def _keys(row: _Row) -> _Row:
    return {name: row[name] for name in ("identity", "image_id")}
