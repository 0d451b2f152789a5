"""Heard signals: the preferences that a crawl heard for each address, as rows of the table `signals`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import polars as pl

from mtf import schemas
from mtf.core import row_tables, shards
from mtf.rights.signals.preferences import Answer, Preference, Signal, Use

SIGNALS = "signals.parquet"
MAX_ROWS_PER_ADDRESS = 500
MAX_TEXT_CHARS = 1_000
_SAME = ("signal", "use", "answer", "statement", "found_in", "found_at")


def rows(identity: str, url: str, image_id: str | None, preferences: Iterable[Preference]) -> list[dict[str, Any]]:
    """Rows of one address, without repetitions, at most MAX_ROWS_PER_ADDRESS."""
    distinct: dict[tuple[Any, ...], dict[str, Any]] = {}
    for each in preferences:
        row = _row(each) | {"identity": identity, "url": url, "image_id": image_id}
        distinct.setdefault(tuple(row[name] for name in _SAME), row)
    return list(distinct.values())[:MAX_ROWS_PER_ADDRESS]


def key(each: Preference) -> tuple[str | None, ...]:
    """Key of a statement: equal for the same statement, whenever and in whichever bytes it was heard."""
    row = _row(each)
    return tuple(row[name] for name in _SAME)


def _row(each: Preference) -> dict[str, Any]:
    return {
        "signal": str(each.signal),
        "said_by": None if each.said_by is None else _encodable(each.said_by),
        "use": str(each.use),
        "answer": str(each.answer),
        "statement": _encodable(each.statement),
        "found_in": _encodable(each.carrier),
        "found_at": None if each.found_at is None else _encodable(each.found_at),
        "heard_at": each.heard_at,
        "sha256": each.sha256,
        "detail": each.detail,
    }


def _encodable(text: str) -> str:
    """Text of a stranger, cut, and without half surrogate pairs, which bytes of a header that are no UTF-8 become."""
    return text[:MAX_TEXT_CHARS].encode("utf-8", "replace").decode("utf-8")


def add(shard: shards.ShardWriter, heard: list[dict[str, Any]]) -> None:
    """Add rows to a shard."""
    shard.add(SIGNALS, row_tables.parquet_bytes(heard, schemas.SIGNALS.dtypes))


def of_tables(tables: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Rows (`schemas.SIGNALS`) among the tables of a shard; none in a shard of an older version."""
    return schemas.frame(schemas.SIGNALS, tables.get(SIGNALS, ()))


def by_address(table: pl.DataFrame) -> dict[str, tuple[Preference, ...]]:
    """Address → preferences of a table of signals."""
    found: dict[str, list[Preference]] = {}
    for row in table.iter_rows(named=True):
        found.setdefault(row["url"], []).append(_preference(row))
    return {url: tuple(preferences) for url, preferences in found.items()}


def _preference(row: dict[str, Any]) -> Preference:
    return Preference(
        Signal(row["signal"]),
        Use(row["use"]),
        Answer(row["answer"]),
        row["statement"],
        row["found_in"],
        row["said_by"],
        row["found_at"],
        row["sha256"],
        row["heard_at"],
        row["detail"],
    )
