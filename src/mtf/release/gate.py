"""Gate: no release is built while its license audit has an error."""

from __future__ import annotations

import polars as pl

from mtf.errors import GateFailed, listed

SHOWN = 5


def refuse(findings: pl.DataFrame) -> None:
    """Raise GateFailed if the audit found an error; the message names the first pictures and reasons.

    `findings` has code, level, identity, image_id and reason, the most serious first.
    """
    errors = findings.filter(pl.col("level") == "error")
    if errors.is_empty():
        return
    codes = errors["code"].value_counts().sort("count", "code", descending=[True, False])
    counts = ", ".join(f"{count} {code}" for code, count in codes.iter_rows())
    first = listed((_line(row) for row in errors.iter_rows(named=True)), SHOWN)
    raise GateFailed(
        f"release: the audit forbids it ({counts}): {first}; `mtf audit release --planned` lists all of them"
    )


def _line(row: dict[str, str | None]) -> str:
    picture = f"{row['identity']}/{(row['image_id'] or '')[:12]}"
    return f"{picture} ({row['reason'] or row['code']})"
