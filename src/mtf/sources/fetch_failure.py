"""Failures of a download: an exception that becomes a row of the table of fetches, and the retriable ones."""

from __future__ import annotations

from mtf.rights.signals.preferences import Preference
from mtf.schemas.enums import FetchOutcome

# Permanent failures: gone, and unavailable for legal reasons.
FINAL_STATUSES = frozenset({410, 451})
# Retriable failures, of the connection or the server. All others are decisions, ours or the site's.
RETRIABLE_OUTCOMES = frozenset(
    {FetchOutcome.HTTP_ERROR, FetchOutcome.TIMEOUT, FetchOutcome.CONNECTION, FetchOutcome.TRUNCATED}
)
_LONGEST_DETAIL = 300


class FetchFailed(Exception):
    """The download from one address failed.

    outcome: reason.
    detail: one line for people, at most 300 characters.
    http_status: of the answer, if there was one.
    image_id: of the picture, if its bytes were read.
    preferences: of the rights holder that refused the address.
    """

    def __init__(
        self,
        outcome: FetchOutcome,
        detail: str,
        *,
        http_status: int | None = None,
        image_id: str | None = None,
        preferences: tuple[Preference, ...] = (),
    ) -> None:
        super().__init__(f"{outcome}: {detail}")
        self.outcome = outcome
        self.detail = " ".join(detail.split())[:_LONGEST_DETAIL]
        self.http_status = http_status
        self.image_id = image_id
        self.preferences = preferences


def is_retriable(outcome: str, http_status: int | None) -> bool:
    """True if a later run should request the address again."""
    return outcome in RETRIABLE_OUTCOMES and http_status not in FINAL_STATUSES
