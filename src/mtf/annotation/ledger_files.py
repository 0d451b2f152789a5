"""Files of the ledger: their complete lines, and lines from the future, which are held back.

The latest decision counts. One that a wrong clock dated years ahead could not be corrected until its time has come, so
it does not count until then.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
from pydantic_core import from_json

from mtf.core.counts import number
from mtf.core.errors import BadInput
from mtf.core.regular_files import check_regular

MAX_BYTES = 2**31
CLOCKS_DIFFER_BY = timedelta(minutes=5)
"""Difference between the clocks of two machines that counts as none."""


def complete_lines(path: Path, name: str) -> tuple[bytes, list[str]]:
    """Complete lines of the file at `path`, and a message if its last line is torn. `name` is for messages.

    Raises BadInput if it is no regular file, or larger than MAX_BYTES.
    """
    try:
        check_regular(path, MAX_BYTES)
        whole, rest = _without_torn_end(path.read_bytes())
    except OSError as error:
        reason = error.strerror or "not readable"
        raise BadInput(
            f"{name}: {reason[0].lower()}{reason[1:]}; permitted: a file of decisions; move it away"
        ) from None
    line = whole.count(b"\n") + 1
    return whole, [f"{name} line {line}: torn while it was written, ignored"] if rest else []


def _without_torn_end(data: bytes) -> tuple[bytes, bytes]:
    """Complete lines, and the incomplete rest: a last line without a newline, or one that is not JSON."""
    end = data.rfind(b"\n") + 1
    if end < len(data):
        return data[:end], data[end:]
    last = data[:-1].rfind(b"\n") + 1
    return (data, b"") if not data or is_json(data[last:]) else (data[:last], data[last:])


def is_json(line: bytes) -> bool:
    """True if the line is a JSON value, and no torn one."""
    try:
        from_json(line)
    except ValueError:
        return False
    return True


def without_future(decisions: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
    """Decisions up to now, and a message for each file with later ones. Columns: `time`, `file` and `line`."""
    is_ahead = pl.col("time") > datetime.now(UTC) + CLOCKS_DIFFER_BY
    ahead = decisions.filter(is_ahead)
    if ahead.is_empty():
        return decisions, []
    by_file = ahead.group_by("file", maintain_order=True).agg(pl.len(), pl.col("time").min(), pl.col("line").first())
    messages = [
        f"{file} line {line}: {number(count, 'decision is', 'decisions are')} dated ahead of this machine's clock "
        f"(from {time:%Y-%m-%d %H:%M} UTC), not counted until then; if a clock was wrong, correct the times in the file"
        for file, count, time, line in by_file.iter_rows()
    ]
    return decisions.filter(~is_ahead), messages
