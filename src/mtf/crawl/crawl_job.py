"""Job of one crawl: what is to be done with each identity of the roster, and what was done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from mtf.config import Params
from mtf.crawl import visits as visits_table
from mtf.crawl.revisit import Visit
from mtf.crawl.unopened_shards import UnopenedShard
from mtf.crawl.visits import Due, IdentityVisits
from mtf.schemas.takedown_file import Takedowns
from mtf.sources.source_listing import SourceListing


@dataclass(frozen=True)
class RosterPerson:
    """Columns of a roster's row that the crawl needs."""

    identity: str
    query: str
    files: str | None


@dataclass(frozen=True)
class CrawlItem:
    """An identity that is to be brought up to date.

    visits: those of earlier runs.
    unopened: what is due of it, if that may be visited without its shard; None to read the shard.
    """

    person: RosterPerson
    visits: IdentityVisits
    unopened: UnopenedShard | None = None


@dataclass(frozen=True)
class IdentityDone:
    """Work done for one identity.

    state: name of its list in `CrawlReport`.
    is_written: True if its shard was written.
    visits: of its stored pictures.
    searched_at: time of a complete search for it.
    attempts: fewest attempts of its addresses with a retriable failure; None without one.
    """

    identity: str
    state: str
    problems: list[str]
    is_written: bool
    visits: tuple[Visit, ...] = ()
    searched_at: datetime | None = None
    attempts: int | None = None


@dataclass
class CrawlReport:
    """Report of a run.

    made: identities whose shard was made again.
    retried: identities of which only retriable failures were requested.
    revisited: identities whose sources were asked again because it was due.
    kept: identities whose shard is unchanged.
    problems: one line for each incomplete search.
    local_sources: folders and archives that were read.
    left: identities whose shard was left as it was.
    attempts: identity → `IdentityDone.attempts`.
    """

    made: list[str] = field(default_factory=list)
    retried: list[str] = field(default_factory=list)
    revisited: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    local_sources: list[SourceListing] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    attempts: dict[str, int | None] = field(default_factory=dict)

    def add(self, done: IdentityDone) -> None:
        """Add what was done with one identity."""
        getattr(self, done.state).append(done.identity)
        self.problems += done.problems
        self.left += [] if done.is_written else [done.identity]
        self.attempts[done.identity] = done.attempts


@dataclass(frozen=True)
class CrawlJob:
    """One run over a roster.

    root: start of relative paths of sources.
    folder: of the shards.
    refresh: search again, and request the pages of stored pictures again.
    due: what is searched for and requested again because it was not for too long; None leaves it.
    done: called after each identity.
    """

    root: Path
    folder: Path
    params: Params
    takedowns: Takedowns
    refresh: bool
    due: Due | None = None
    done: Callable[[], None] | None = None

    def settings(self) -> CrawlJob:
        """The job without `done`, for another process."""
        return replace(self, done=None)

    def note(self, done: IdentityDone) -> None:
        """Append an identity's visits to the journal."""
        visits_table.append(self.folder.parent, done.identity, done.visits, searched_at=done.searched_at)
