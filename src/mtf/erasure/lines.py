"""Lines of text about an erased person that the current version keeps: roster, ledger, fetches, found authors.

They hold no picture, and people wrote most of them, so people take them out; here they are named.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from pathlib import Path

import polars as pl

from mtf import csv_files
from mtf.addresses import address_key
from mtf.licenses import attribution
from mtf.workspace import Workspace


def left(identities: Collection[str], workspace: Workspace) -> Iterator[str]:
    """What to remove by hand of people who are erased altogether, in words; nothing where nothing is left."""
    table = workspace.relative(workspace.table("crawl", "fetches"))
    for identity in sorted(identities):
        rows = _roster_rows(workspace.roster, identity)
        fetches = _fetch_rows(workspace.table("crawl", "fetches"), identity)
        if rows:
            also = f", which also drops the {fetches} rows of {table}" if fetches else ""
            where = ", ".join(str(row) for row in rows)
            roster = workspace.relative(workspace.roster)
            yield f"{roster} row {where} names {identity}: remove the row and run `dvc repro`{also}."
        elif fetches:
            yield f"{table} has {fetches} rows of {identity}: `dvc repro` drops them."
        if sittings := [*_sittings(workspace, identity)]:
            yield (
                f"Decisions about {identity} are in {'; '.join(sittings)}: while nobody reviews, take these lines out "
                "(the figures of agreement then count fewer faces), then `dvc add data`."
            )
        if rows := _attribution_rows(workspace, identity):
            where = ", ".join(str(row) for row in rows)
            found = workspace.relative(workspace.attribution)
            yield f"{found} row {where} names pictures of {identity}: remove it, then `dvc add data`."


def _roster_rows(path: Path, identity: str) -> list[int]:
    """Numbers of rows as a spreadsheet shows them."""
    if not path.is_file():
        return []
    return [row.number for row in csv_files.read_leniently(path.read_bytes()) if row.text("identity") == identity]


def _fetch_rows(path: Path, identity: str) -> int:
    if not path.is_file():
        return 0
    fetches = pl.scan_parquet(path)
    if "identity" not in fetches.collect_schema():
        return 0
    return fetches.filter(pl.col("identity") == identity).select(pl.len()).collect().item()


def _attribution_rows(workspace: Workspace, identity: str) -> list[int]:
    """Rows that name an address or a page at which the identity was found, as a spreadsheet shows them."""
    fetches = workspace.table("crawl", "fetches")
    if not fetches.is_file():
        return []
    rows = pl.scan_parquet(fetches)
    columns = rows.collect_schema()
    if "identity" not in columns:
        return []
    known = [name for name in ("url", "page_url", "image_id") if name in columns]
    named = rows.filter(pl.col("identity") == identity).select(known).collect()
    keys = {address_key(value) for name in known for value in named[name].drop_nulls()}
    found = attribution.load(workspace.attribution)
    return [each.row for each in found if address_key(each.value) in keys]


def _sittings(workspace: Workspace, identity: str) -> Iterator[str]:
    for path in sorted(workspace.review.glob("*/*.jsonl")):
        lines = sum(_names(line, identity) for line in path.read_bytes().splitlines())
        if lines:
            yield f"{workspace.relative(path)} ({lines} {'line' if lines == 1 else 'lines'})"


def _names(line: bytes, identity: str) -> bool:
    """A line that was torn while it was written is looked through as it is."""
    try:
        decision = json.loads(line)
    except ValueError:
        return identity.encode("ascii") in line
    return isinstance(decision, dict) and decision.get("identity") == identity
