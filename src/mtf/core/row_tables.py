"""Small Parquet tables, encoded from rows: members of a shard.

Polars hands even a table of some rows to the threads of its streaming engine, which takes several times as long as to
encode it. Arrow encodes it in the calling thread.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import polars as pl

if TYPE_CHECKING:
    import pyarrow as pa


def parquet_bytes(rows: Iterable[Mapping[str, Any]], dtypes: Mapping[str, Any]) -> bytes:
    """Parquet file of `rows`, with the columns and polars types of `dtypes`; the same rows give the same bytes.

    Values of other columns are left out, and missing values are null.
    """
    import pyarrow as pa  # not needed to read params.yaml
    import pyarrow.parquet as pq

    table = pa.Table.from_pylist(list(rows), schema=_arrow_schema(tuple(dtypes.items())))
    encoded = pa.BufferOutputStream()
    # A dictionary for each column takes longer than it saves.
    pq.write_table(table, encoded, use_dictionary=False, write_statistics=False, store_schema=False)
    return encoded.getvalue().to_pybytes()


@lru_cache(maxsize=64)
def _arrow_schema(dtypes: tuple[tuple[str, Any], ...]) -> pa.Schema:
    """Schema of columns (name, polars type)."""
    return pl.DataFrame(schema=dict(dtypes)).to_arrow(compat_level=pl.CompatLevel.oldest()).schema
