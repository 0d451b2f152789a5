"""The ledger's fast reader either gives the rows of the strict one, or leaves the lines to it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from itertools import product

import polars as pl
from hypothesis import example, given, settings
from hypothesis import strategies as st
from review_lines import decision, image_id

from mtf.annotation import ledger_lines
from mtf.annotation.decision import MAX_PIXEL, Decision, Verdict, contradiction
from mtf.core.errors import BadInput
from mtf.schemas import Reason, Step

TEXTS = st.text(max_size=6)
MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
PIXELS = st.sampled_from([0, 1, 17, MAX_PIXEL - 1])
PERMITTED = [
    {"step": step, "verdict": verdict, "reason": reason, "has_labels": has_labels}
    for step, verdict, reason, has_labels in product(Step, Verdict, [None, *Reason], [False, True])
    if contradiction(step, verdict, reason, has_labels=has_labels) is None
]
NAMES = st.text(min_size=1, max_size=6)
LABELS = st.dictionaries(NAMES, NAMES, min_size=1, max_size=2)


@st.composite
def decisions(draw: st.DrawFn) -> Decision:
    """Any decision that the model permits."""
    said = dict(draw(st.sampled_from(PERMITTED)))
    has_labels = said.pop("has_labels")
    return decision(
        **said,
        image_id=image_id(draw(st.sampled_from("ab"))),
        box=(draw(PIXELS), draw(PIXELS), 1 + draw(PIXELS), 1 + draw(PIXELS)),
        identity=draw(st.sampled_from(["a", "0-a", "ada-lovelace"])),
        labels=draw(LABELS) if has_labels else None,
        time=draw(MOMENTS),
        program=draw(NAMES),
        joint=draw(st.booleans()),
    )


TIMES = [
    "2026-03-01T09:00:00Z", "2026-03-01T09:00:00+02:00", "2026-03-01T09:00:0Z", "2026-03-01 09:00:00Z",
    "2026-03-01T09:00:00.1234567Z", "2026-03-01T09:00Z", "2026-03-01T09:00:00", "2026-03-01T09:00:60Z", "1772355600",
]  # fmt: skip
# Changes that tools and people make to a line: another value, a key removed or added, another spelling of the same.
VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 2**40), st.floats(allow_nan=False), TEXTS,
    st.lists(st.integers(-1, 9), max_size=5), st.dictionaries(TEXTS, TEXTS, max_size=2),
    st.sampled_from(["accept", "face", "rita", *TIMES]),
)  # fmt: skip
KEYS = st.sampled_from([*Decision.model_fields, "note", "file", "line"])


@st.composite
def written(draw: st.DrawFn) -> bytes:
    """A line as `Decision.line` writes it, or as something else may have changed it."""
    line = draw(decisions()).line()
    change = draw(st.sampled_from(["none", "time", "value", "key", "spaces", "ascii", "order", "bytes"]))
    row = json.loads(line)
    if change == "time":
        row["time"] = draw(st.sampled_from(TIMES))
    elif change == "value":
        row[draw(KEYS)] = draw(VALUES)
    elif change == "key":
        row.pop(draw(KEYS), None)
    elif change == "order":
        row = dict(sorted(row.items()))
    elif change == "bytes":
        place = draw(st.integers(0, len(line) - 2))
        return line[:place] + draw(st.binary(max_size=2)).replace(b"\n", b"") + line[place + 1 :]
    elif change == "none":
        return line
    separators = None if change == "spaces" else (",", ":")
    return (json.dumps(row, separators=separators, ensure_ascii=change == "ascii") + "\n").encode("utf-8", "replace")


def strict(data: bytes) -> pl.DataFrame | None:
    try:
        return ledger_lines._one_by_one(data, name="x")
    except BadInput:
        return None


@settings(max_examples=200, deadline=None)
@example(decision().line().replace(b"09:00:00Z", b"09:00:0Z"))
@example(decision().line().replace(b'"reason"', b'"raison"'))
@example(decision(Verdict.LABEL, labels={"age": "Old"}).line().replace(b'{"age":"Old"}', b"{}"))
@given(st.lists(written(), max_size=2).map(b"".join))
def test_what_is_read_at_once_is_what_is_read_line_by_line(data: bytes) -> None:
    fast = ledger_lines._at_once(data)
    if fast is None:
        return
    slow = strict(data)
    assert slow is not None, "the fast reader accepts what the strict one refuses"
    assert fast.select(slow.columns).equals(slow)


@settings(max_examples=100, deadline=None)
@given(st.lists(decisions(), min_size=1, max_size=3))
def test_whatever_is_written_is_read_again(said: list[Decision]) -> None:
    data = b"".join(each.line() for each in said)
    slow = strict(data)
    assert slow is not None
    rows = ledger_lines.parsed(data, name="x", reviewer="rita")
    assert rows.select(slow.columns).equals(slow)
    assert rows["time"].to_list() == [each.time for each in said]
