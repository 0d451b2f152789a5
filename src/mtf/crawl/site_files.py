"""Site files: robots.txt and other files on a whole site, as bytes that the workers of a crawl can share.

The bytes contain the answer, or the failure: a line of JSON, then the body.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from mtf.crawl.http_client import HttpFetcher, Permission, permit_all
from mtf.schemas import FetchOutcome
from mtf.sources.fetch_failure import FetchFailed


@dataclass(frozen=True, slots=True)
class SiteFile:
    """Answer to a request for a file of a site.

    heard_at: when it was received, by whichever worker.
    """

    status: int
    body: bytes
    heard_at: datetime

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300


async def fetch(
    fetcher: HttpFetcher, url: str, *, max_bytes: int, permission: Permission = permit_all, cut: bool = False
) -> bytes:
    """Request the file at `url`. Returns the answer or the failure as bytes, for `unpacked`."""
    try:
        answer = await fetcher.get(url, max_bytes=max_bytes, permission=permission, cut=cut)
    except FetchFailed as failure:
        return _packed({"outcome": failure.outcome, "detail": failure.detail, "http_status": failure.http_status})
    return _packed({"status": answer.status, "heard_at": fetcher.now().isoformat()}, answer.body)


def _packed(head: dict[str, str | int | None], body: bytes = b"") -> bytes:
    return json.dumps(head).encode("ascii") + b"\n" + body


def unpacked(packed: bytes) -> SiteFile:
    """File in the bytes that `fetch` returns. Raises the failure in them."""
    line, _, body = packed.partition(b"\n")
    head = json.loads(line)
    if "outcome" in head:
        raise FetchFailed(FetchOutcome(head["outcome"]), head["detail"], http_status=head["http_status"])
    return SiteFile(head["status"], body, datetime.fromisoformat(head["heard_at"]))
