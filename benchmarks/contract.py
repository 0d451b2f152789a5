"""Time to check a million rows against the contract of `fetches`, the longest table: pandera on polars and on pandas.

Every stage uses pandera on polars; the pandas schema has the same rules.

    python benchmarks/contract.py [--rows 1000000]
"""

from __future__ import annotations

import argparse
import datetime as dt
import hashlib
import time
from collections.abc import Callable

import pandera.pandas as pandas_pandera
import polars as pl

from mtf import schemas
from mtf.core import parallel_map


def made_up(rows: int) -> pl.DataFrame:
    """Table of `rows` addresses of 640 identities, nine in ten of them stored."""
    stored = [number % 10 != 0 for number in range(rows)]
    digests = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(rows)]
    data = pl.DataFrame(
        {
            "identity": [f"person-{number % 640:03d}" for number in range(rows)],
            "url": [f"https://pictures.example/{number}.jpg" for number in range(rows)],
            "page_url": [f"https://pictures.example/{number}" for number in range(rows)],
            "title": "A picture",
            "source": "bing",
            "claim": "commercial,modify",
            "query": "a person",
            "rank": range(rows),
            "outcome": ["stored" if kept else "http_error" for kept in stored],
            "detail": None,
            "http_status": [200 if kept else 404 for kept in stored],
            "image_id": [digest if kept else None for digest, kept in zip(digests, stored, strict=True)],
            "size_bytes": 144_000,
            "attempts": 1,
            "fetched_at": dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
        }
    )
    return schemas.frame(schemas.FETCHES, data)


def pandas_schema() -> pandas_pandera.DataFrameSchema:
    """Schema with the same rules for pandas; pandera keeps the name and arguments of each built-in check."""
    columns = {
        name: pandas_pandera.Column(
            checks=[getattr(pandas_pandera.Check, check.name)(**check.statistics) for check in column.checks],
            nullable=column.nullable,
        )
        for name, column in schemas.FETCHES.schema.columns.items()
    }
    rule = pandas_pandera.Check(lambda data: (data["outcome"] != "stored") | data["image_id"].notna())
    return pandas_pandera.DataFrameSchema(columns, checks=[rule], unique=["identity", "url"], strict=True)


def seconds(action: Callable[[], object]) -> float:
    """Seconds of the faster of two runs."""
    taken = []
    for _ in range(2):
        start = time.perf_counter()
        action()
        taken.append(time.perf_counter() - start)
    return min(taken)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    data = made_up(rows := parser.parse_args().rows)
    as_pandas, schema = data.to_pandas(), pandas_schema()
    ours = seconds(lambda: schemas.check(schemas.FETCHES, data, where="fetches"))
    theirs = seconds(lambda: schema.validate(as_pandas, lazy=True))
    print(f"{rows:,} rows x {data.width} columns, {parallel_map.cores()} cores")
    print(f"pandera on polars (mtf.schemas.check)  {ours:6.2f} s")
    print(f"pandera on pandas                     {theirs:6.2f} s")
    print(f"ratio                                 {theirs / ours:6.1f} x")


if __name__ == "__main__":
    main()
