"""Run of `mtf fetch`: plans the shards of a list, fetches those that are not whole, and writes the stats of all."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from itertools import chain, islice
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtf.config import Compute
from mtf.core import atomic_files, parallel_map
from mtf.core.errors import BadInput, MtfError
from mtf.core.file_lock import ProcessLock
from mtf.core.hashing import file_digest
from mtf.core.scratch_folder import scratch_folder
from mtf.crawl import worker_processes
from mtf.crawl.work import Work
from mtf.fetch import PRELOADED, shard_writers, url_list
from mtf.fetch.fetch_work import SHARDS_AT_ONCE, FetchWork
from mtf.fetch.options import FetchOptions
from mtf.fetch.url_list import Shard, StoredShard

if TYPE_CHECKING:
    from mtf.crawl.http_client import StandIn

RUN_FOLDER = "_fetch"
"""Folder beside the shards for the files of the whole run. img2dataset takes a JSON file beside them for a shard's."""
STATS, PLAN, LOCK, ROWS = "stats.json", "plan.json", "lock", "rows"
_SHARD_NAME = re.compile(r"\d{5,}\.")


@dataclass
class FetchReport:
    """Report of a run, over all shards of the list.

    shards: number of shards.
    kept: number of those that were whole before this run.
    count: number of addresses.
    successes: number of pictures.
    size_bytes: of all pictures.
    seconds: from the start of the first shard that this run made to the end of the last one.
    made_count: number of addresses of the shards that this run made.
    outcomes: outcome → number of addresses.
    """

    shards: int = 0
    kept: int = 0
    count: int = 0
    successes: int = 0
    size_bytes: int = 0
    seconds: float = 0.0
    made_count: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    _start: float = inf
    _end: float = 0.0

    def add(self, stats: dict[str, Any], *, is_kept: bool) -> None:
        """Add the stats of one shard. is_kept: it was whole before this run."""
        self.shards += 1
        self.count += stats["count"]
        self.successes += stats["successes"]
        self.size_bytes += stats.get("size_bytes", 0)
        self.outcomes.update(stats.get("outcomes", {}))
        if is_kept:
            self.kept += 1
            return
        self.made_count += stats["count"]
        self._start, self._end = min(self._start, stats["start_time"]), max(self._end, stats["end_time"])
        self.seconds = self._end - self._start

    def as_json(self) -> dict[str, Any]:
        """Content of `_fetch/stats.json`."""
        shown = {name: value for name, value in asdict(self).items() if not name.startswith("_")}
        return shown | {"outcomes": dict(self.outcomes.most_common())}


def run(
    options: FetchOptions,
    *,
    processes: int = 0,
    cluster: Compute | None = None,
    web: StandIn | None = None,
    on_shard: Callable[[int], None] | None = None,
) -> FetchReport:
    """Fetch the shards of a list that are not whole yet.

    processes: at most so many; 0 for one on each core.
    cluster: Ray cluster to fetch on, each of whose machines sees the folder or reaches the target; None for this
        machine.
    web: replaces the live web if it is given.
    on_shard: called with the addresses of each shard that is done or was whole.

    Raises BadInput for a list or a folder that does not fit, and MtfError if another run fetches into the folder.
    """
    if options.target is not None:
        with tempfile.TemporaryDirectory(dir=scratch_folder()) as here:
            return _run(replace(options, folder=Path(here)), processes, cluster, web, on_shard)
    _check_apart(options)
    return _run(options, processes, cluster, web, on_shard)


def _run(
    options: FetchOptions,
    processes: int,
    cluster: Compute | None,
    web: StandIn | None,
    on_shard: Callable[[int], None] | None,
) -> FetchReport:
    """As `run`, in the folder of the options; with a target, it is empty."""
    folder, target = options.folder, options.target
    folder.mkdir(parents=True, exist_ok=True)
    lock = ProcessLock(folder / RUN_FOLDER / LOCK)
    if not lock.take():
        raise MtfError(f"{options.place}: another `mtf fetch` is running there; wait for it, or name another folder")
    try:
        if target is not None:
            target.pull(folder, f"{RUN_FOLDER}/{PLAN}")
        _check_plan(options)
        if target is not None:
            target.put(folder, f"{RUN_FOLDER}/{PLAN}")
        shard_writers.sweep(folder)
        report = FetchReport()

        def add(stats: dict[str, Any], *, is_kept: bool = False) -> None:
            report.add(stats, is_kept=is_kept)
            if on_shard is not None:
                on_shard(stats["count"])

        if cluster is None:
            _fetch(options, processes or parallel_map.cores(), web, add)
        else:
            _fetch_on_cluster(options, cluster, web, add)
        atomic_files.write_json(folder / RUN_FOLDER / STATS, report.as_json())
        if target is not None:
            target.put(folder, f"{RUN_FOLDER}/{STATS}")
        return report
    finally:
        lock.release()


def _fetch(options: FetchOptions, processes: int, web: StandIn | None, add: Callable[..., None]) -> None:
    pending = _pending(options, add)
    # More processes than shards would have nothing to do.
    first = list(islice(pending, processes))
    if not first:
        return
    work = Work(options.crawl, FetchWork(options, web).open, SHARDS_AT_ONCE)
    worker_processes.run(
        work,
        chain(first, pending),
        lambda result: add(result.stats),
        processes=min(len(first), options.crawl.concurrency),
        folder=options.folder,
        preloaded=PRELOADED,
    )


def _fetch_on_cluster(options: FetchOptions, cluster: Compute, web: StandIn | None, add: Callable[..., None]) -> None:
    """As `_fetch`, by workers on other machines. They read the rows of a shard from a file beside the shards."""
    from mtf.crawl import ray_workers

    options = replace(options, folder=options.folder.resolve())
    folder = f"{RUN_FOLDER}/{ROWS}"
    items = [StoredShard.of(shard, options, folder) for shard in _pending(options, add)]
    own_folder = options.target is not None
    work = Work(options.crawl, FetchWork(options, web, own_folder=own_folder).open, SHARDS_AT_ONCE)
    try:
        ray_workers.run(work, items, lambda result: add(result.stats), compute=cluster)
    finally:
        if options.target is not None:
            options.target.remove(folder)
        else:
            shutil.rmtree(options.folder / folder, ignore_errors=True)
            shard_writers.sweep(options.folder)  # of workers that died


def _pending(options: FetchOptions, add: Callable[..., None]) -> Iterator[Shard]:
    """Shards that are not whole."""
    for shard in url_list.shards(options):
        stats = shard_writers.read_stats(options.folder, shard.number)
        if stats is None:
            yield shard
        else:
            add(stats, is_kept=True)


def _check_apart(options: FetchOptions) -> None:
    """Raise BadInput if a shard could replace a list, or be taken for one."""
    folder = options.folder.resolve()
    files = [path.resolve() for path in url_list.files(options)]
    if options.source.is_dir() and folder == options.source.resolve():
        raise BadInput(f"--to: {options.folder} is the folder of the lists; name another one")
    if replaced := [path.name for path in files if path.parent == folder and _SHARD_NAME.match(path.name)]:
        raise BadInput(f"--to: {options.folder} has the list {replaced[0]}, which a shard could replace; name another")


def _check_plan(options: FetchOptions) -> None:
    """Write the plan: all that decides the keys of the samples.

    Raises BadInput if the folder's shards were made by another plan, or by another program.
    """
    plan = {
        "list": {path.name: file_digest(path) for path in url_list.files(options)},
        "columns": options.columns.renamed(),
        "shard_size": options.shard_size,
        "output_format": options.output_format,
        "exif": options.has_exif,
    }
    path = options.folder / RUN_FOLDER / PLAN
    whole = next(options.folder.glob("*_stats.json"), None)
    if whole is not None and path.is_file():
        try:
            before = {"exif": options.has_exif} | json.loads(path.read_text(encoding="utf-8"))
        except (ValueError, TypeError):
            raise BadInput(
                f"{options.place}/{RUN_FOLDER}/{PLAN}: damaged, so nobody knows the list; name another folder with --to"
            ) from None
        if changed := [name for name in plan if plan[name] != before.get(name)]:
            raise BadInput(
                f"{options.place}: its shards have another {changed[0].replace('_', ' ')}; "
                "name another folder with --to, or use the same list and options to continue"
            )
        return
    if whole is not None:
        raise BadInput(f"{options.place}: {whole.name} is of another program; name another folder with --to")
    atomic_files.write_json(path, plan)
