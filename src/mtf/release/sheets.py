"""CSV files that a spreadsheet may open: text from the web must not become a formula in it."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from mtf.atomic import replacing

# What Excel, LibreOffice and Google Sheets take for the start of a formula, their full-width twins included.
FORMULA = r"^[\s\p{Cc}]*[=+\-@|%＝＋－＠]"


def write(data: pl.DataFrame, path: Path) -> None:
    """`data` as CSV in UTF-8: an apostrophe goes before text that would begin a formula, line breaks become spaces."""
    with replacing(path) as beside:
        data.with_columns(_harmless(name) for name, dtype in data.schema.items() if dtype == pl.String).write_csv(
            beside
        )


def _harmless(column: str) -> pl.Expr:
    text = pl.col(column)
    one_line = text.str.replace_all(r"[\p{Cc}\u2028\u2029]+", " ")
    quoted = pl.concat_str(pl.lit("'"), one_line)
    return pl.when(text.str.contains(FORMULA)).then(quoted).otherwise(one_line).alias(column)
