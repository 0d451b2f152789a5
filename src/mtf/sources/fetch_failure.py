"""Why an address gave no picture: raised where it is found out, turned into a row where the address is recorded."""

from __future__ import annotations

from mtf.schemas import FetchOutcome

# Answers that will not change by asking again: gone, and withheld for legal reasons.
FINAL_STATUSES = frozenset({410, 451})
# What befell an address on its way here, and may pass; all else is what somebody, we or its site, made of it.
FAILED_ON_ITS_WAY = frozenset(
    {FetchOutcome.HTTP_ERROR, FetchOutcome.TIMEOUT, FetchOutcome.CONNECTION, FetchOutcome.TRUNCATED}
)
_LONGEST_DETAIL = 300


class FetchFailed(Exception):
    """One address failed, for a reason of `tables.Fetched`; `detail` is one line for people."""

    def __init__(
        self, outcome: FetchOutcome, detail: str, *, http_status: int | None = None, image_id: str | None = None
    ) -> None:
        super().__init__(f"{outcome}: {detail}")
        self.outcome = outcome
        self.detail = " ".join(detail.split())[:_LONGEST_DETAIL]
        self.http_status = http_status
        self.image_id = image_id


def is_retriable(outcome: str, http_status: int | None) -> bool:
    """Whether a later run should ask for the address again."""
    return outcome in FAILED_ON_ITS_WAY and http_status not in FINAL_STATUSES
