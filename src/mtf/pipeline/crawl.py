"""Stage crawl: search for the pictures of the roster's identities and fetch them into `build/crawl`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import polars as pl

from mtf import schemas
from mtf.config import Params, Source
from mtf.core import atomic_files, cluster_storage, shards
from mtf.core.console import progress_bar
from mtf.core.counts import number
from mtf.core.errors import GateFailed, listed
from mtf.core.project_paths import ProjectPaths
from mtf.crawl import fetch_results, recorded_web, settled, store, visits
from mtf.crawl.crawl_job import CrawlItem, CrawlJob, CrawlReport, RosterPerson
from mtf.crawl.crawler import crawl
from mtf.crawl.visits import IdentityVisits
from mtf.rights import attribution
from mtf.schemas import FetchOutcome, roster_file, takedown_file
from mtf.schemas.takedown_file import Takedowns
from mtf.sources import local_sources, source_listing
from mtf.sources.base import source_key
from mtf.sources.fetch_failure import is_retriable

STAGE = "crawl"
SHOWN_PROBLEMS = 10
_PICTURES = (FetchOutcome.STORED, FetchOutcome.DUPLICATE)


def run(workspace: ProjectPaths, params: Params, *, refresh: bool = False, due: bool = False) -> None:
    """Update every identity's shard, write the tables and metrics, and print a summary.

    refresh: search again for every identity, and request the pages of stored pictures again.
    due: ask the sources again where that is due by `watch` of params.yaml.

    Raises BadInput for an invalid roster, takedown or source, and GateFailed for a source that yields no picture.
    """
    people = [
        RosterPerson(row["identity"], row["query"], row["files"])
        for row in roster_file.load(workspace.roster, params).iter_rows(named=True)
    ]
    folder = workspace.shards(STAGE)
    folder.mkdir(parents=True, exist_ok=True)
    identities = [person.identity for person in people]
    atomic_files.sweep(workspace.stage(STAGE))
    removed = shards.remove_except(folder, set(identities).__contains__)
    cluster_storage.remove_except(params.compute, folder, set(identities))
    wanted = visits.Due.of(params, now=now(workspace, params)) if due else None
    job = _job(workspace, params, refresh=refresh, due=wanted)
    visits_before = visits.table(workspace.stage(STAGE))
    visited = visits.by_identity(visits.with_journal(visits_before, workspace.stage(STAGE))) if due else {}
    found = settled.find(people, job, visited)
    report = _crawl(_items(people, found, visited), job)
    report.kept += found.kept
    if source_listing.write(workspace.local_sources, report.local_sources):
        print(f"crawl: {workspace.relative(workspace.local_sources)} says which folders were read; `dvc add data`")
    revisits = {"revisits": visits.counts(workspace.stage(STAGE))} if due else {}
    gathered = _gather(workspace, people, found, visits_before, job.takedowns, report)
    retriable = _retriable_failures(gathered["fetches"], report, params.crawl.attempts)
    metrics = _metrics(gathered, len(identities), retriable) | revisits
    atomic_files.write_json(workspace.metrics(STAGE), metrics)
    _print(report, removed, metrics)
    _print_old_addresses(workspace, params, set(gathered["fetches"]["url"]))
    _check_sources(params, workspace, people, report)


def now(workspace: ProjectPaths, params: Params) -> datetime:
    """Time of the crawl: of the machine, or of a recorded web that has a time of its own."""
    web = params.crawl.web
    recorded_at = None if web is None else recorded_web.recorded_at(workspace.root / web)
    return recorded_at or datetime.now(UTC)


def _job(workspace: ProjectPaths, params: Params, *, refresh: bool, due: visits.Due | None) -> CrawlJob:
    return CrawlJob(
        root=workspace.root,
        folder=workspace.shards(STAGE),
        params=params,
        takedowns=takedown_file.load(workspace.takedowns),
        refresh=refresh,
        due=due,
    )


def _items(
    people: list[RosterPerson], found: settled.Settled, visited: Mapping[str, IdentityVisits]
) -> list[CrawlItem]:
    """Items of the identities that are not settled, or of whom something is due."""
    return [
        CrawlItem(
            person, visited.get(person.identity, IdentityVisits()), found.due.get(person.identity, (None, None))[1]
        )
        for person in people
        if person.identity not in found.kept
    ]


def _crawl(items: list[CrawlItem], job: CrawlJob) -> CrawlReport:
    with progress_bar() as progress:
        bar = progress.add_task("crawl", total=len(items))
        job = replace(job, done=lambda: progress.advance(bar))
        if job.params.compute.engine == "ray":
            from mtf.crawl import cluster_crawl

            return cluster_crawl.crawl(items, job)
        return crawl(items, job)


def _print_old_addresses(workspace: ProjectPaths, params: Params, fetched: set[str]) -> None:
    """Print a line for each row of attribution.csv that names a file by the path of its folder, as before 0.2."""
    for found in attribution.load(workspace.attribution):
        address = local_sources.relative_address(found.value, params.crawl.sources)
        if address is not None and found.value not in fetched:
            where = f"{workspace.attribution.name} row {found.row} column value"
            print(
                f"  {where}: {found.value} names no picture, as addresses are relative to their folder; write {address}"
            )


def _gather(
    workspace: ProjectPaths,
    people: list[RosterPerson],
    found: settled.Settled,
    visits_before: pl.DataFrame,
    takedowns: Takedowns,
    report: CrawlReport,
) -> dict[str, pl.DataFrame]:
    """Write the stage's tables and return them. found: identities whose rows the tables of the last run may have."""
    stage, identities = workspace.stage(STAGE), [person.identity for person in people]
    known = found.rows(report.left)
    is_same = identities == settled.identities(stage) == [name for name in identities if name in known]
    if is_same and not visits.noted(stage):
        return _last_rows(workspace)
    visited = visits.with_journal(visits_before, stage)
    if is_same:
        rows, of_shards = _last_rows(workspace), [known[identity] for identity in identities]
        changed = {"evidence"}
    else:
        rows, of_shards = _rows(workspace, identities, known, report)
        changed = set(settled.OF_STAGE)
    rows["evidence"] = visits.confirmed(rows["evidence"], visited)
    if not is_same:
        _check_keys(workspace, rows, pl.DataFrame({"identity": identities}))
    settled.remove(stage)
    for name in changed:
        rows[name] = schemas.write(settled.OF_STAGE[name], rows[name], workspace.table(STAGE, name))
    of_settled, made = [*found.kept, *found.due], [*report.made, *report.retried]
    visits.write(stage, visited, images=rows["images"], identities=identities, settled=of_settled, made=made)
    settled.write(stage, of_shards, takedowns)
    return rows


def _check_keys(workspace: ProjectPaths, rows: dict[str, pl.DataFrame], of_roster: pl.DataFrame) -> None:
    """Check the foreign keys of all tables."""
    parents = {"images": of_roster, "fetches": of_roster, "evidence": rows["images"], "earlier": rows["images"]}
    parents |= {"signals": of_roster}
    for name, parent in parents.items():
        path = workspace.table(STAGE, name)
        key = ["identity"] if parent is of_roster else ["identity", "image_id"]
        schemas.check_refers(rows[name], parent, on=key, where=str(path), failures_to=schemas.failures_path(path))


def _last_rows(workspace: ProjectPaths) -> dict[str, pl.DataFrame]:
    """Rows of each table as the last run has written them."""
    # In one query: for small tables, the start of a query is most of its time.
    frames = pl.collect_all([pl.scan_parquet(workspace.table(STAGE, name)) for name in settled.OF_STAGE])
    return dict(zip(settled.OF_STAGE, frames, strict=True))


def _rows(
    workspace: ProjectPaths, identities: list[str], known: Mapping[str, settled.Row], report: CrawlReport
) -> tuple[dict[str, pl.DataFrame], list[settled.Row | None]]:
    """Rows of each table, in the order of the roster, and the row of each shard for the next run."""
    of_shards: dict[str, settled.Row | None] = dict(known)
    parts = _last_rows_of(known, workspace)
    for identity in identities:
        if identity in known:
            continue
        shard = workspace.shard(STAGE, identity)
        tables = store.read_tables(shard)
        of_shards[identity] = settled.row(shard, identity, tables, attempts=report.attempts.get(identity))
        for name, frame in tables.items():
            parts[name].append(schemas.frame(settled.OF_STAGE[name], frame))
    # A shard may name a stranger, whom the contracts of the tables refuse.
    count = len(identities)
    place = pl.col("identity").replace_strict(identities, list(range(count)), default=count, return_dtype=pl.UInt32)
    rows = {name: pl.concat(frames).sort(place, maintain_order=True) for name, frames in parts.items()}
    return rows, [of_shards[identity] for identity in identities]


def _last_rows_of(known: Mapping[str, settled.Row], workspace: ProjectPaths) -> dict[str, list[pl.DataFrame]]:
    """Rows of the last run's tables that are still those of the shards."""
    if not known:
        return {name: [schemas.frame(table, [])] for name, table in settled.OF_STAGE.items()}
    is_known = pl.col("identity").is_in(list(known))
    last = _last_rows(workspace)
    return {name: [schemas.frame(settled.OF_STAGE[name], rows.filter(is_known))] for name, rows in last.items()}


def _retriable_failures(fetches: pl.DataFrame, report: CrawlReport, attempts: int) -> dict[str, int]:
    """Number of addresses with a retriable failure and attempts left, and of searches that were not completed."""
    rows = fetches.select("outcome", "http_status", "attempts").iter_rows()
    failed = sum(is_retriable(outcome, status) and made < attempts for outcome, status, made in rows)
    return {"addresses": failed, "searches": len(report.problems)}


def _metrics(
    gathered: dict[str, pl.DataFrame], identities: int, retriable: dict[str, int]
) -> dict[str, int | dict[str, int]]:
    fetches, evidence = gathered["fetches"], gathered["evidence"]
    return {
        "identities": identities,
        "addresses": fetches.height,
        "images": gathered["images"].height,
        "outcomes": _counts(fetches["outcome"]),
        "pages_read": evidence.filter(pl.col("response_sha256").is_not_null())["page_url"].n_unique(),
        "evidence": _counts(evidence["stated"]),
        "retriable": retriable,
    }


def _counts(values: pl.Series) -> dict[str, int]:
    return dict(sorted(Counter(values).items(), key=lambda item: (-item[1], item[0])))


def _print(report: CrawlReport, removed: list[str], metrics: dict[str, int | dict[str, int]]) -> None:
    done = [
        (report.made, "made"),
        (report.revisited, "asked for again"),
        (report.retried, "tried again"),
        (report.kept, "left as they were"),
    ]
    parts = [f"{len(identities)} {what}" for identities, what in [*done, (removed, "removed")] if identities]
    print(f"crawl: {metrics['identities']} identities: {', '.join(parts)}")
    addresses, images = (int(str(metrics[name])) for name in ("addresses", "images"))
    print(f"  {number(addresses, 'address', 'addresses')}, {number(images, 'image')} stored")
    for title, counts in (("outcomes", metrics["outcomes"]), ("evidence", metrics["evidence"])):
        assert isinstance(counts, dict)  # noqa: S101 (for the type checker)
        print(f"  {title}: {', '.join(f'{name} {count}' for name, count in counts.items()) or 'none'}")
    print(f"  {metrics['pages_read']} pages read")
    for problem in report.problems[:SHOWN_PROBLEMS]:
        print(f"  search not completed: {problem}")
    if len(report.problems) > SHOWN_PROBLEMS:
        print(f"  … and {len(report.problems) - SHOWN_PROBLEMS} more searches not completed")
    if what := fetch_results.retriable_failures(metrics):
        print(f"  {what}: `{fetch_results.RETRY_COMMAND}`, then `dvc repro`, tries again")


def _check_sources(params: Params, workspace: ProjectPaths, people: list[RosterPerson], report: CrawlReport) -> None:
    """Raise GateFailed for a source that yields no picture for any identity.

    An address counts for every source that found it.
    """
    yielding = settled.sources(workspace.stage(STAGE))
    keys = [source_key(source) for source in params.crawl.sources]
    if yielding.issuperset(keys):
        return
    shards_of_all = [store.read_tables(workspace.shard(STAGE, person.identity)) for person in people]
    found = pl.concat([tables["fetches"].select("outcome", "found_by") for tables in shards_of_all])
    for place, (source, key) in enumerate(zip(params.crawl.sources, keys, strict=True), 1):
        own = found.filter(pl.col("found_by").list.contains(key))
        if not own["outcome"].is_in([str(outcome) for outcome in _PICTURES]).any():
            reasons = [f"{outcome} {count}" for outcome, count in _counts(own["outcome"]).items()]
            problems = [problem for problem in report.problems if problem.startswith(source.kind)]
            why = listed([*reasons, *problems[:1]] or ["nothing was found"])
            raise GateFailed(
                f"crawl.sources: {_named(source, place, params)} yielded no picture for any identity: {why}"
            )


def _named(source: Source, number: int, params: Params) -> str:
    """Label of a source, with its number if params.yaml has several of its kind."""
    is_alone = sum(other.kind == source.kind for other in params.crawl.sources) == 1
    return source.label if is_alone else f"{source.label} (number {number})"
