"""Inputs of an identity's shard, as digests: a crawl makes a shard again only if one of them has changed."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtf import schemas
from mtf.core.hashing import file_digest, fingerprint
from mtf.core.import_closure import closure, digest_of, modules_below
from mtf.crawl import recorded_web as recorded
from mtf.crawl import takedown_filter
from mtf.crawl.fetch_results import Fetch
from mtf.crawl.http_client import HttpFetcher
from mtf.crawl.store import Inputs
from mtf.sources import registry
from mtf.sources.base import Source
from mtf.sources.local_sources import LocalSources

if TYPE_CHECKING:
    from mtf.crawl.crawl_job import CrawlJob, RosterPerson

_CRAWLER = "mtf.crawl.crawler"
_COLUMNS = [str(table.dtypes) for table in (schemas.FETCHES, schemas.IMAGES, schemas.EVIDENCE)]


class ShardInputs:
    """Digests of the inputs of one run's shards."""

    def __init__(self, job: CrawlJob, local: LocalSources) -> None:
        self._job = job
        self._crawl = job.params.crawl
        self._local = local

    def of(self, person: RosterPerson, searched: str, fetches: Iterable[Fetch]) -> Inputs:
        """Digests of the inputs of a shard with `fetches`. searched: digest of the inputs of its search."""
        return Inputs(searched, self.judged, fingerprint(self._takedowns(person.identity, list(fetches))))

    def searched(self, person: RosterPerson) -> str:
        """Digest of the search's inputs. Slow for a folder with many files: do not call it in the event loop."""
        stamps = self._local.stamp(person.files)
        is_down = self._job.takedowns.of_identity(person.identity) is not None
        of_person = [person.query, person.files, is_down]
        return fingerprint(of_person, self._sources, stamps, self._web, self._search_code, self._foreign_code)

    @cached_property
    def judged(self) -> str:
        """Digest of everything that decides the outcome of an address, except the takedowns."""
        crawl = self._crawl
        bounds = [crawl.max_bytes, crawl.max_pixels, crawl.min_side_px]
        opt_outs = sorted(self._job.params.licenses.binding_opt_outs)
        return fingerprint(bounds, opt_outs, self._web, _COLUMNS, self._foreign_code, code=[_CRAWLER])

    @cached_property
    def _sources(self) -> list[dict[str, Any]]:
        return [source.model_dump(mode="json") for source in self._crawl.sources]

    @cached_property
    def _search_code(self) -> str:
        return search_code()

    @cached_property
    def _foreign_code(self) -> list[str]:
        return _foreign_code(self._crawl.sources)

    @cached_property
    def _web(self) -> str | None:
        """Digest of the recorded web; None for the live web, and for a folder outside the project in its place."""
        web, root = self._crawl.web, self._job.root
        if web is None or not (root / web).resolve().is_relative_to(root.resolve()):
            return None
        return file_digest(root / web / recorded.RESPONSES)

    def _takedowns(self, identity: str, fetches: list[Fetch]) -> list[list[str]]:
        """Takedowns that concern these fetches: a request must change only the shards that it concerns."""
        takedowns = self._job.takedowns
        if not takedowns.records:
            return []
        requests = {
            request
            for fetch in fetches
            for request in (
                takedowns.of_picture(fetch.candidate.url),
                takedowns.of_picture(self._local.path_address(fetch.candidate.url) or ""),
                takedowns.of_page(fetch.candidate.page_url),
                takedowns.of_image(fetch.image_id),
            )
        } | {takedowns.of_identity(identity)}
        named = [[str(request.kind), request.value] for request in requests if request is not None]
        return sorted([*named, *takedown_filter.relevant_takedowns(fetches, takedowns)])


def search_code() -> str:
    """Digest of the code of the search alone, without the HTTP client and its imports.

    A repeated search drops addresses that an engine no longer names. So a change of the client must not repeat the
    search; it only judges the pictures again.
    """
    package = registry.__name__.rpartition(".")[0]
    modules = {*modules_below(package), registry.__name__} - closure(HttpFetcher.__module__)
    return digest_of(modules)


def _foreign_code(sources: Iterable[Source]) -> list[str]:
    """Digests of the modules of other packages' sources."""
    modules = {module for source in sources for module in registry.code_modules(type(source))}
    return [file_digest(Path(str(import_module(module).__file__))) for module in sorted(modules)]
