"""The pictures' pages, asked again: what they say today. Nothing of the crawl is changed by it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import polars as pl
from rich.console import Console
from rich.progress import Progress

from mtf import tables
from mtf.crawl import commons, flickr, recorded
from mtf.crawl.failure import Failed
from mtf.crawl.fetch import Fetcher, user_agent
from mtf.crawl.pages import Pages
from mtf.crawl.reservations import Reservations
from mtf.crawl.spool import Spool
from mtf.licenses import audit, evidence, optouts
from mtf.params import Params
from mtf.tables import Fetched
from mtf.workspace import Workspace

SEEN = {
    "identity": pl.String,
    "image_id": pl.String,
    "now_read": pl.Boolean,
    "now_license": pl.String,
    "now_opt_out": pl.String,
    "now_gone": pl.String,
}
BY_API = [commons.METHOD, flickr.METHOD]
_PICTURES_AT_ONCE = 256
_PICTURES_OF_A_SPOOL = 5_000

_Row = dict[str, Any]


def ask(workspace: Workspace, params: Params) -> audit.Again:
    """One row per picture that was found on a page: its identity, image_id and what the page says now (SEEN).

    Where the host's own API stated the license, its page is no match for that record: it is counted, and not asked.
    """
    known = tables.read(tables.EVIDENCE, workspace.table("crawl", "evidence"))
    is_of_api = pl.col("method").is_in(BY_API).fill_null(False)
    not_asked = known.filter(is_of_api)["method"].value_counts().sort("method")
    # Sorted by page: the pictures of one page are read while it is at hand, and it is asked for once.
    wanted = known.filter(pl.col("page_url").is_not_null() & ~is_of_api).sort("page_url", "identity", "image_id")
    rows = wanted.select("identity", "image_id", "url", "page_url", "claim").to_dicts()
    web = params.crawl.web
    with nullcontext(None) if web is None else recorded.serve(workspace.root / web) as recorded_web:
        seen = asyncio.run(_ask(rows, workspace, params, recorded_web))
    return audit.Again(pl.DataFrame(seen, schema=SEEN, orient="row"), dict(not_asked.iter_rows()))


async def _ask(
    rows: Sequence[_Row], workspace: Workspace, params: Params, web: recorded.RecordedWeb | None
) -> list[_Row]:
    seen: list[_Row] = []
    console = Console(stderr=True)
    async with Fetcher(params.crawl, user_agent=user_agent(params.project), web=web) as fetcher:
        reservations = Reservations(fetcher, params.licenses.binding_opt_outs)
        with Progress(console=console, transient=True, disable=not sys.stderr.isatty()) as progress:
            bar = progress.add_task("pages", total=len(rows))
            for start in range(0, len(rows), _PICTURES_OF_A_SPOOL):
                with Spool(workspace.stage("crawl")) as spool:
                    pages = Pages(fetcher, reservations, spool)
                    part = rows[start : start + _PICTURES_OF_A_SPOOL]
                    seen += await _ask_part(part, pages)
                progress.advance(bar, len(part))
    return seen


async def _ask_part(rows: Sequence[_Row], pages: Pages) -> list[_Row]:
    places = asyncio.Semaphore(_PICTURES_AT_ONCE)

    async def one(row: _Row) -> _Row:
        async with places:
            return await _look(row, pages)

    return list(await asyncio.gather(*(one(row) for row in rows)))


async def _look(row: _Row, pages: Pages) -> _Row:
    keys = {name: row[name] for name in ("identity", "image_id")}
    try:
        page = await pages.at(row["page_url"])
    except Failed as failure:
        is_reserved = failure.outcome == Fetched.OPTED_OUT
        return keys | {
            "now_read": False,
            ("now_opt_out" if is_reserved else "now_gone"): failure.detail or str(failure.outcome),
        }
    stated = await asyncio.to_thread(page.statement, row["url"])
    fields = evidence.combine(row["claim"], stated, opt_out=optouts.joined(*page.opt_outs))
    return keys | {
        "now_read": page.detail is None,
        "now_license": fields["license"],
        "now_opt_out": fields["opt_out"],
        "now_gone": page.detail,
    }
