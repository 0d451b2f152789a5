"""Data types that tables share."""

from __future__ import annotations

import polars as pl

UTC = pl.Datetime("us", "UTC")
