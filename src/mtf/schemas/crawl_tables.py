"""Tables of the crawl: roster, fetches, images, evidence and signals."""

from __future__ import annotations

import pandera.polars as pa
import polars as pl

from mtf.config import Params
from mtf.schemas.columns import at_least, column, holds, identity, labels, matches, one_of, table, text
from mtf.schemas.contract import Table
from mtf.schemas.dtypes import UTC
from mtf.schemas.enums import SHA256, EvidenceStatus, FetchOutcome, VisitResult

# Longest texts of a roster's row, in characters.
MAX_NAME = 200
MAX_QUERY = 400


def roster(params: Params) -> Table:
    """Contract of the roster. `query` is the search text; `files` serves the folder source."""
    columns = {
        "identity": identity(),
        "name": column(pl.String, pa.Check.str_length(min_value=1, max_value=MAX_NAME)),
        "query": column(pl.String, pa.Check.str_length(min_value=1, max_value=MAX_QUERY)),
        "files": text(),
    }
    return table("roster", columns | labels(params), unique=["identity"])


FETCHES = table(
    "fetches",
    {
        "identity": identity(),
        "url": text(null=False),
        "page_url": text(),
        "title": text(),
        "source": text(null=False),
        "claim": text(),
        "query": text(),
        "rank": at_least(pl.Int32, 0),
        "outcome": column(pl.String, one_of(FetchOutcome)),
        "detail": text(),
        "http_status": column(pl.Int32, pa.Check.in_range(100, 599), null=True),
        "image_id": column(pl.String, matches(SHA256), null=True),
        "size_bytes": at_least(pl.Int64, 0, null=True),
        "attempts": at_least(pl.Int32, 0),
        "fetched_at": column(UTC),
    },
    unique=["identity", "url"],
    checks=[
        holds(
            (pl.col("outcome") == FetchOutcome.STORED) <= pl.col("image_id").is_not_null(),
            "a stored address has an image_id",
        )
    ],
)

# width, height: in pixels as stored, before the EXIF orientation.
IMAGES = table(
    "images",
    {
        "identity": identity(),
        "image_id": column(pl.String, matches(SHA256)),
        "url": text(null=False),
        "page_url": text(),
        "title": text(),
        "source": text(null=False),
        "claim": text(),
        "media_type": column(pl.String, matches(r"^image/[a-z0-9.+-]+$")),
        "width": at_least(pl.Int32, 1),
        "height": at_least(pl.Int32, 1),
        "offset": at_least(pl.Int64, 0),
        "size_bytes": at_least(pl.Int64, 1),
    },
    unique=["identity", "image_id"],
)

# One record per picture.
# license: SPDX identifier or LicenseRef-…
# statement: the text that states it, word for word.
# method: how the statement was found.
# opt_out: signals by which the source reserves this use.
_EVIDENCE = {
    "identity": identity(),
    "image_id": column(pl.String, matches(SHA256)),
    "url": text(null=False),
    "page_url": text(),
    "claim": text(),
    "stated": column(pl.String, one_of(EvidenceStatus)),
    "license": column(pl.String, matches(r"^[A-Za-z0-9.+-]+$"), null=True),
    "license_url": text(),
    "method": text(),
    "statement": text(),
    "creator": text(),
    "creator_url": text(),
    "title": text(),
    "opt_out": text(),
    "detail": text(),
    "http_status": column(pl.Int32, pa.Check.in_range(100, 599), null=True),
    "response_sha256": column(pl.String, matches(SHA256), null=True),
    "checked_at": column(UTC),
}
_HAS_LICENSE = holds(
    (pl.col("stated") == EvidenceStatus.STATED) <= pl.col("license").is_not_null(), "a stated license has an identifier"
)
EVIDENCE = table("evidence", _EVIDENCE, unique=["identity", "image_id"], checks=[_HAS_LICENSE])

# Earlier statements of sources that were asked again: the first record of each statement.
EARLIER = table("earlier", _EVIDENCE, unique=["identity", "image_id", "checked_at"], checks=[_HAS_LICENSE])

# Preferences of rights holders, for each address: one row per statement and use.
# image_id: of the bytes, if they were received.
# said_by: host, or signer of the file.
# found_in: carrier; found_at: its address; sha256: digest of its bytes.
SIGNALS = table(
    "signals",
    {
        "identity": identity(),
        "image_id": column(pl.String, matches(SHA256), null=True),
        "url": text(null=False),
        "signal": text(null=False),
        "said_by": text(),
        "use": text(null=False),
        "answer": text(null=False),
        "statement": text(null=False),
        "found_in": text(null=False),
        "found_at": text(),
        "heard_at": column(UTC, null=True),
        "sha256": column(pl.String, matches(SHA256), null=True),
        "detail": text(),
    },
    unique=["identity", "url", "signal", "use", "answer", "statement", "found_in", "found_at"],
)

# Shards at the end of a run (`mtf.crawl.settled`).
# end: byte at which the last picture ends; digest: of the bytes before the first and after the last picture.
# attempts: fewest attempts of its addresses with a retriable failure.
# found_by: JSON list of the sources that found a picture.
# takedowns, tables: digests of the requests and of the stage's tables; the same in all rows.
SETTLED = table(
    "settled",
    {
        "identity": identity(),
        "end": at_least(pl.Int64, 0),
        "digest": column(pl.String, matches(SHA256)),
        "attempts": at_least(pl.Int32, 0, null=True),
        "found_by": text(null=False),
        "takedowns": column(pl.String, matches(SHA256)),
        "tables": column(pl.String, matches(SHA256)),
    },
    unique=["identity"],
)

# Revisits of stored pictures: one row per picture, of its last visit; and one per search, without a picture.
# page, file: what became of them; null for a search.
# unchanged_visits: number of visits in a row, the last one included, that found page and file unchanged, or gone as
# before.
# confirmed_at: time at which its page or record was last received, or said to be unchanged.
# condition: JSON; what must hold so that nothing has changed since (`mtf.crawl.revisit.VisitCondition`).
VISITS = table(
    "visits",
    {
        "identity": identity(),
        "image_id": column(pl.String, matches(SHA256), null=True),
        "url": text(),
        "visited_at": column(UTC),
        "page": column(pl.String, one_of(VisitResult), null=True),
        "file": column(pl.String, one_of(VisitResult), null=True),
        "unchanged_visits": at_least(pl.Int32, 0, null=True),
        "confirmed_at": column(UTC, null=True),
        "detail": text(),
        "condition": text(),
    },
    unique=["identity", "image_id"],
)
