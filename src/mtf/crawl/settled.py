"""Settled identities: a run leaves their shards as they are without reading them, and the stage has their rows already.

At the end of a run, `build/crawl/settled.parquet` says of each shard which bytes it had and what decides whether it is
done again. A shard counts as the same if its head, with the digests of its inputs, and all that follows its last
picture, which are its tables, have the same bytes: they name each picture by its SHA-256.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from mtf import schemas
from mtf.core.hashing import file_digest, fingerprint
from mtf.crawl import store, visits
from mtf.crawl.shard_inputs import ShardInputs
from mtf.crawl.unopened_shards import DuePicture, UnopenedShard
from mtf.crawl.visits import IdentityVisits
from mtf.schemas import FetchOutcome
from mtf.schemas.takedown_file import Takedowns
from mtf.sources.base import LocalSource
from mtf.sources.local_sources import LocalSources

if TYPE_CHECKING:
    from mtf.crawl.crawl_job import CrawlJob, RosterPerson

TABLE = "settled.parquet"
OF_STAGE = {
    "images": schemas.IMAGES,
    "fetches": schemas.FETCHES,
    "evidence": schemas.EVIDENCE,
    "earlier": schemas.EARLIER,
    "signals": schemas.SIGNALS,
}
"""Tables of the stage that are gathered from the shards."""

_PICTURES = [FetchOutcome.STORED, FetchOutcome.DUPLICATE]

Row = dict[str, Any]


@dataclass(frozen=True)
class Settled:
    """Settled identities of a run, with their rows.

    kept: of whom nothing is due.
    due: of whom something is due, with what it is.
    """

    kept: dict[str, Row]
    due: dict[str, tuple[Row, UnopenedShard]]

    def rows(self, left: Iterable[str]) -> dict[str, Row]:
        """Identity → its row, of those whose shard was left as it was.

        left: those of whom something was due.
        """
        return self.kept | {identity: self.due[identity][0] for identity in left if identity in self.due}


def find(people: Iterable[RosterPerson], job: CrawlJob, visited: Mapping[str, IdentityVisits]) -> Settled:
    """Settled identities among `people`. visited: identity → visits of earlier runs."""
    stage = job.folder.parent
    rows = {} if job.refresh else _read(stage, job.takedowns)
    found = Settled({}, {})
    if not rows:
        return found
    inputs = ShardInputs(job, LocalSources(job.params.crawl.sources, job.root))
    due = _DueIdentities(job, visited)
    noted = visits.noted(stage)
    attempts = job.params.crawl.attempts

    def is_settled(person: RosterPerson, row: Row) -> bool:
        if person.identity in noted or (row["attempts"] is not None and row["attempts"] < attempts):
            return False
        shard = _Shard.read(job.folder / f"{person.identity}.tar", row["end"])
        if shard is None or shard.digest != row["digest"]:
            return False
        return (shard.inputs.searched, shard.inputs.judged) == (inputs.searched(person), inputs.judged)

    for person in people:
        row = rows.get(person.identity)
        if row is None or not is_settled(person, row):
            continue
        unopened = due.of(person.identity)
        if unopened is None:
            found.kept[person.identity] = row
        else:
            found.due[person.identity] = (row, unopened)
    return found


def row(path: Path, identity: str, tables: Mapping[str, pl.DataFrame], *, attempts: int | None) -> Row | None:
    """Row of the shard at `path` with these tables; None if its head is that of an older version.

    attempts: fewest attempts of its addresses with a retriable failure; None without one.
    """
    end = tables["images"].select((pl.col("offset") + pl.col("size_bytes")).max()).item() or 0
    shard = _Shard.read(path, end)
    if shard is None:
        return None
    fetches = tables["fetches"].select("outcome", "found_by").iter_rows()
    found_by = sorted({key for outcome, keys in fetches if outcome in _PICTURES for key in keys or ()})
    return {
        "identity": identity,
        "end": end,
        "digest": shard.digest,
        "attempts": attempts,
        "found_by": json.dumps(found_by),
    }


def write(stage: Path, rows: Iterable[Row | None], takedowns: Takedowns) -> None:
    """Write the rows, once all tables of the stage are written."""
    of_all = {"takedowns": _takedowns(takedowns), "tables": _tables(stage)}
    schemas.write(schemas.SETTLED, [each | of_all for each in rows if each is not None], stage / TABLE)


def remove(stage: Path) -> None:
    """Remove the table, before the first table of the stage is written: a killed run leaves none that is wrong."""
    (stage / TABLE).unlink(missing_ok=True)


def identities(stage: Path) -> Sequence[str]:
    """Identities of the table, in the order of the stage's tables; none if there is no table."""
    path = stage / TABLE
    return pl.read_parquet(path, columns=["identity"])["identity"].to_list() if path.is_file() else []


def sources(stage: Path) -> frozenset[str]:
    """Keys of the sources that found a picture of anybody (`mtf.sources.base.source_key`)."""
    texts = pl.read_parquet(stage / TABLE, columns=["found_by"])["found_by"].unique()
    return frozenset(key for text in texts for key in json.loads(text))


def _read(stage: Path, takedowns: Takedowns) -> dict[str, Row]:
    """Identity → its row; empty unless the table is of these takedowns and of the stage's tables as they are."""
    path = stage / TABLE
    if not path.is_file():
        return {}
    try:
        table = pl.read_parquet(path)
        of_all = table.select("takedowns", "tables").unique().rows()
        if of_all != [(_takedowns(takedowns), _tables(stage))]:
            return {}
        return {each["identity"]: each for each in table.select("identity", *_OWN).iter_rows(named=True)}
    except (OSError, pl.exceptions.PolarsError):
        return {}


_OWN = ("end", "digest", "attempts", "found_by")


def _takedowns(takedowns: Takedowns) -> str:
    return fingerprint([[str(each.kind), each.value] for each in takedowns.records])


def _tables(stage: Path) -> str:
    return fingerprint([file_digest(stage / f"{name}.parquet") for name in OF_STAGE])


@dataclass(frozen=True)
class _Shard:
    """A shard without its pictures."""

    inputs: store.Inputs
    digest: str

    @classmethod
    def read(cls, path: Path, end: int) -> _Shard | None:
        """Head and tables of the shard at `path`, whose last picture ends at byte `end`; None without such a head."""
        try:
            with path.open("rb") as file:
                head = file.read(store.HEAD_BYTES)
                file.seek(end)
                digest = hashlib.sha256(head)
                digest.update(file.read())
        except OSError:
            return None
        inputs = store.inputs_in(head)
        return None if inputs is None else cls(inputs, digest.hexdigest())


class _DueIdentities:
    """Identities of which something is due, by the tables of the stage and of the visits."""

    def __init__(self, job: CrawlJob, visited: Mapping[str, IdentityVisits]) -> None:
        self._due = None if all(isinstance(each, LocalSource) for each in job.params.crawl.sources) else job.due
        self._takedowns = job.takedowns
        self._visited = visited
        self._pictures: dict[str, list[tuple[Any, ...]]] = {}
        self._fetches: dict[str, list[tuple[Any, ...]]] = {}
        if self._due is None:
            return
        stage = job.folder.parent
        self._pictures = _by_identity(stage / "evidence.parquet", "image_id", "url", "checked_at")
        self._fetches = _by_identity(stage / "fetches.parquet", "url", "page_url", "claim", "fetched_at")

    def of(self, identity: str) -> UnopenedShard | None:
        """Pictures and search of an identity that are due; None if nothing is."""
        due, of_identity = self._due, self._visited.get(identity, IdentityVisits())
        if due is None or self._takedowns.of_identity(identity) is not None:
            return None
        pictures = tuple(
            DuePicture(image_id, url, of_identity.condition(image_id), of_identity.unchanged.get(image_id, 0))
            for _, image_id, url, checked_at in self._pictures.get(identity, [])
            if due.is_due(identity, image_id, checked_at, of_identity)
        )
        fetches = self._fetches.get(identity, [])
        fetched_at = max((each[-1] for each in fetches), default=None)
        is_search_due = due.is_search_due(of_identity, identity, fetched_at)
        if not (pictures or is_search_due):
            return None
        addresses = {url: (page_url, claim) for _, url, page_url, claim, _ in fetches}
        return UnopenedShard(pictures, addresses if is_search_due else None)


def _by_identity(table: Path, *columns: str) -> dict[str, list[tuple[Any, ...]]]:
    """Identity → its rows of a table, with these columns after that of the identity."""
    names = ["identity", *columns]
    rows = pl.read_parquet(table, columns=names).select(names).rows()
    found: dict[str, list[tuple[Any, ...]]] = {}
    for identity, of_identity in groupby(rows, itemgetter(0)):
        found.setdefault(identity, []).extend(of_identity)
    return found
