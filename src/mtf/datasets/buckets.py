"""Buckets of pictures, the unit of work where a data set names nobody: they stand in the column `identity`."""

from __future__ import annotations

import polars as pl

# Pictures per bucket, and so per shard.
SIZE = 500


def named(data_set: str) -> pl.Expr:
    """The bucket of each row: `fairface-0`, `fairface-1`, …"""
    return pl.format(f"{data_set}-{{}}", pl.int_range(pl.len()) // SIZE)


def are_identities(splits: pl.DataFrame) -> bool:
    """Whether the column `identity` of `splits` names people, and not the buckets of the data set that decided."""
    bucket = pl.col("identity").str.strip_prefix(pl.col("decided_by")).str.contains(r"^-\d+$")
    return not splits.select(bucket.fill_null(value=False).all()).item()
