"""Manual follow-ups of an erasure: messages on copies and records that people must remove.

- Copies that this program cannot see or must not touch: in the clone, a remote or a shared database.
- Records on an erased person in the current version: roster, ledger, fetches, attribution.csv. They hold no picture,
  and people wrote most of them, so people remove them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator
from pathlib import Path

import polars as pl

from mtf.core import csv_files
from mtf.core.project_paths import ProjectPaths
from mtf.core.urls import address_key
from mtf.forget import out_of_reach
from mtf.forget.history import History
from mtf.forget.object_store import ObjectStore
from mtf.rights import attribution

_DATABASE = "FIFTYONE_DATABASE_URI"


def about_clone_and_storage(workspace: ProjectPaths, stores: list[ObjectStore], unlistable: list[str]) -> Iterator[str]:
    """Messages on copies in the clone, the stores and the database of FiftyOne."""
    yield from out_of_reach.about_clone_and_stores(workspace.root, stores, unlistable)
    if address := os.environ.get(_DATABASE):
        yield (
            f"FiftyOne's database at {address.rpartition('@')[2].removeprefix('mongodb://')}: the erasure drops the "
            "databases of this project's reviews there, with names, boxes and embeddings. The server's journal keeps "
            "them until it is started anew; databases of other copies of this project, and backups, are its owner's "
            "to empty."
        )


def unreadable_versions(history: History) -> Iterator[str]:
    """Messages on commits whose DVC files cannot be read; only a rewritten git history would repair them."""
    for line in history.fault_lines:
        yield (
            f"Versions that could not be read ({line}): what they alone name was looked for by its content, in every "
            "place that can be listed; models that were trained then may be missing from this receipt."
        )


def about_remaining_records(identities: Collection[str], workspace: ProjectPaths) -> Iterator[str]:
    """Messages on records of people who are erased altogether, with the rows to remove."""
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
        if files := [*_ledger_files(workspace, identity)]:
            yield (
                f"Decisions about {identity} are in {'; '.join(files)}: while nobody reviews, take these lines out "
                "(the figures of agreement then count fewer faces), then `dvc add data`."
            )
        if rows := _attribution_rows(workspace, identity):
            where = ", ".join(str(row) for row in rows)
            found = workspace.relative(workspace.attribution)
            yield f"{found} row {where} names pictures of {identity}: remove it, then `dvc add data`."


def _roster_rows(path: Path, identity: str) -> list[int]:
    """Rows of the roster with the identity, numbered as a spreadsheet shows them."""
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


def _attribution_rows(workspace: ProjectPaths, identity: str) -> list[int]:
    """Rows of attribution.csv with an address or image_id of the identity, numbered as a spreadsheet shows them."""
    fetches = workspace.table("crawl", "fetches")
    if not fetches.is_file():
        return []
    rows = pl.scan_parquet(fetches)
    columns = rows.collect_schema()
    if "identity" not in columns:
        return []
    keys = [name for name in ("url", "page_url", "image_id") if name in columns]
    named = rows.filter(pl.col("identity") == identity).select(keys).collect()
    addresses = {address_key(value) for name in keys for value in named[name].drop_nulls()}
    found = attribution.load(workspace.attribution)
    return [each.row for each in found if address_key(each.value) in addresses]


def _ledger_files(workspace: ProjectPaths, identity: str) -> Iterator[str]:
    """Files of the ledger and of the certificate with decisions about the identity, each with their number."""
    folders = (workspace.review, workspace.certificate)
    for path in sorted(path for folder in folders for path in folder.glob("*/**/*.jsonl")):
        lines = sum(_names(line, identity) for line in path.read_bytes().splitlines())
        if lines:
            yield f"{workspace.relative(path)} ({lines} {'line' if lines == 1 else 'lines'})"


def _names(line: bytes, identity: str) -> bool:
    """True if a line of the ledger names the identity. An incomplete line, which is no JSON, is searched as text."""
    try:
        decision = json.loads(line)
    except ValueError:
        return identity.encode("ascii") in line
    # The line of a gold answer also names the person whose picture was shown.
    return isinstance(decision, dict) and identity in (decision.get("identity"), decision.get("source"))
