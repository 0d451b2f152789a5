"""Record of a reviewer that is no vote: a gold answer, a pair of duplicates, a last look."""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from mtf import __version__
from mtf.annotation.decision import ReviewerName, Text


class Record(BaseModel):
    """Line of one reviewer in a subfolder of the ledger (`mtf.annotation.ledger.records`).

    reviewer: name of the reviewer.
    time: time of the record, with a time zone.
    program: version of the program that wrote the line.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    reviewer: ReviewerName
    time: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))
    program: Text = __version__

    def line(self) -> bytes:
        """Ledger line: one JSON object and a newline."""
        return self.model_dump_json().encode("utf-8") + b"\n"
