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
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from mtf import schemas
from mtf.core.hashing import file_digest, fingerprint
from mtf.crawl import store, visits
from mtf.crawl.shard_inputs import ShardInputs
from mtf.crawl.visits import IdentityVisits
from mtf.schemas import FetchOutcome
from mtf.schemas.takedown_file import Takedowns
from mtf.sources.local_sources import LocalSources

if TYPE_CHECKING:
    from mtf.crawl.crawler import CrawlJob, RosterPerson

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


def find(people: Iterable[RosterPerson], job: CrawlJob) -> dict[str, Row]:
    """Identity → its row, of the people of whom nothing has changed and nothing is due."""
    stage = job.folder.parent
    rows = {} if job.refresh else _read(stage, job.takedowns)
    if not rows:
        return {}
    inputs = ShardInputs(job, LocalSources(job.params.crawl.sources, job.root))
    is_due = _DueIdentities(job)
    noted = visits.noted(stage)
    attempts = job.params.crawl.attempts

    def is_settled(person: RosterPerson, row: Row) -> bool:
        if person.identity in noted or (row["attempts"] is not None and row["attempts"] < attempts):
            return False
        shard = _Shard.read(job.folder / f"{person.identity}.tar", row["end"])
        if shard is None or shard.digest != row["digest"]:
            return False
        if (shard.inputs.searched, shard.inputs.judged) != (inputs.searched(person), inputs.judged):
            return False
        return not is_due(person.identity)

    return {
        person.identity: rows[person.identity]
        for person in people
        if person.identity in rows and is_settled(person, rows[person.identity])
    }


def row(path: Path, identity: str, tables: Mapping[str, pl.DataFrame], *, attempts: int | None) -> Row | None:
    """Row of the shard at `path` with these tables; None if its head is that of an older version.

    attempts: fewest attempts of its addresses with a retriable failure; None without one.
    """
    end = tables["images"].select((pl.col("offset") + pl.col("size_bytes")).max()).item() or 0
    shard = _Shard.read(path, end)
    if shard is None:
        return None
    pictures = tables["fetches"].filter(pl.col("outcome").is_in(_PICTURES))
    found_by = sorted(set(pictures["found_by"].explode().drop_nulls()))
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
    """Keys of the sources that found a picture of anybody (`mtf.sources.candidate.source_key`)."""
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

    def __init__(self, job: CrawlJob) -> None:
        self._due = job.due
        self._visits: Mapping[str, IdentityVisits] = {}
        self._checked: dict[str, list[tuple[str, datetime]]] = {}
        self._fetched: dict[str, datetime] = {}
        if job.due is None:
            return
        stage = job.folder.parent
        self._visits = visits.by_identity(visits.read(stage))
        evidence = pl.read_parquet(stage / "evidence.parquet", columns=["identity", "image_id", "checked_at"])
        for identity, image_id, checked_at in evidence.iter_rows():
            self._checked.setdefault(identity, []).append((image_id, checked_at))
        fetches = pl.read_parquet(stage / "fetches.parquet", columns=["identity", "fetched_at"])
        self._fetched = dict(fetches.group_by("identity").agg(pl.col("fetched_at").max()).iter_rows())

    def __call__(self, identity: str) -> bool:
        due, of_identity = self._due, self._visits.get(identity, IdentityVisits())
        if due is None:
            return False
        pictures = self._checked.get(identity, [])
        if any(due.is_due(identity, image_id, checked_at, of_identity) for image_id, checked_at in pictures):
            return True
        return due.is_search_due(of_identity, self._fetched.get(identity))
