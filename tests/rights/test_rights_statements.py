"""Statements as text, as shards keep those of files."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from mtf.rights.evidence.statement import Statement
from mtf.rights.signals.preferences import Answer, Preference, Signal, Use

HEARD = Preference(
    Signal.IPTC_DATA_MINING, Use.TRAIN_AI, Answer.DISALLOW, "DMI", "", "a.example", None, "0" * 64, datetime.now(UTC)
)


@pytest.mark.parametrize(
    "statement",
    [
        Statement(),
        Statement(license="CC-BY-4.0", method="file: xmp", statement="by \ud800 Łucja", creator="Łucja"),
        Statement(opt_out="iptc: no", preferences=(HEARD, HEARD), rsl_links=("https://a.example/rsl",)),
    ],
)
def test_a_statement_survives_its_text(statement: Statement) -> None:
    assert Statement.from_json(statement.to_json()) == statement


@pytest.mark.parametrize("text", ["", "[]", '{"licence": "CC0-1.0"}', '{"preferences": [{}]}'])
def test_no_other_text_is_a_statement(text: str) -> None:
    with pytest.raises((KeyError, ValueError, TypeError, AttributeError)):
        Statement.from_json(text)
