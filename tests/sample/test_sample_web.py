"""The sample's web: found through a search engine's pages, with all that is wrong in the real one."""

from __future__ import annotations

import hashlib
import urllib.request
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
import yaml
from icrawler.builtin.bing import BingParser

from mtf import config
from mtf.config import Compute, Params
from mtf.core.project_paths import ProjectPaths
from mtf.crawl import recorded_web
from mtf.pipeline import crawl
from mtf.rights import attribution, policy
from mtf.sample import listing, web
from mtf.sample.finds import OPT_OUTS, RECORDED, PictureKind, SampleSize, plan
from mtf.sample.people import CAST
from mtf.schemas import FetchOutcome, Reason, roster_file, takedown_file
from mtf.sources.bing import Bing

ROOT = Path(__file__).parent.parent.parent
CLAIMS = ("commercial,modify", "publicdomain", None)
BING = Bing(kind="bing", licenses=list(CLAIMS))

OUTCOMES = {
    PictureKind.NOT_FOUND: FetchOutcome.HTTP_ERROR,
    PictureKind.NO_SUCH_HOST: FetchOutcome.CONNECTION,
    PictureKind.SLOW: FetchOutcome.TIMEOUT,
    PictureKind.PRIVATE_REDIRECT: FetchOutcome.REFUSED_ADDRESS,
    PictureKind.TRUNCATED: FetchOutcome.TRUNCATED,
    PictureKind.EMPTY: FetchOutcome.NOT_AN_IMAGE,
    PictureKind.HTML: FetchOutcome.NOT_AN_IMAGE,
    PictureKind.TOO_SMALL: FetchOutcome.TOO_SMALL,
    PictureKind.BOMB: FetchOutcome.TOO_LARGE,
    **dict.fromkeys(OPT_OUTS, FetchOutcome.OPTED_OUT),
}
REASONS = {
    PictureKind.NON_COMMERCIAL: Reason.NOT_PERMITTED,
    PictureKind.NO_DERIVATIVES: Reason.NOT_PERMITTED,
    PictureKind.CLAIM_CONTRADICTED: Reason.CONTRADICTION,
    PictureKind.FILE_CONTRADICTS_PAGE: Reason.CONTRADICTION,
    PictureKind.UNSTATED: Reason.NO_EVIDENCE,
    PictureKind.CLAIM_ONLY: Reason.CLAIM_ONLY,
    PictureKind.DEAD_PAGE: Reason.CLAIM_ONLY,
}
# Signal that each planted preference ends with.
SIGNALS = {
    PictureKind.ROBOTS_TXT: "robots.txt",
    PictureKind.ROBOTS_HEADER: "x-robots-tag",
    PictureKind.ROBOTS_META: "meta-robots",
    PictureKind.TDM_RESERVED: "tdmrep",
    PictureKind.CONTENT_USAGE: "aipref",
    PictureKind.CONTENT_SIGNAL: "content-signal",
    PictureKind.RSL_LINK: "rsl",
    PictureKind.AI_TXT: "ai.txt",
    PictureKind.IPTC_MINING: "iptc-data-mining",
    PictureKind.C2PA_MINING: "cawg",
    PictureKind.TDM_POLICY: "tdm-policy",
    PictureKind.CC_SIGNALS: "cc-signals",
    PictureKind.UNREADABLE_TDMREP: "unknown",
}


@pytest.fixture(scope="module")
def crawled(small, tmp_path_factory: pytest.TempPathFactory) -> ProjectPaths:
    """The small sample, crawled by the real crawler."""
    workspace = ProjectPaths(tmp_path_factory.mktemp("crawled"))
    settings = yaml.safe_load((ROOT / "params.yaml").read_text())
    settings["crawl"]["timeout_s"] = 1.0
    workspace.data.symlink_to(small.data)
    crawl.run(workspace, config.parse(settings))
    return workspace


def _with_kind(table: Path, sample) -> pl.DataFrame:
    kinds = pl.DataFrame([{"identity": t.identity, "url": t.url, "kind": str(t.kind)} for t in sample.truths])
    return pl.read_parquet(table).join(kinds, on=["identity", "url"], how="left")


def _result_pages(sample, name: str, claim: str | None) -> list[bytes]:
    """The pages of a search as the crawler asks for them, up to the empty one."""
    found = []
    with recorded_web.serve(sample.data / "web") as served:
        for address in BING.page_urls(name, claim):
            url, headers = served.locate(address)
            with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as answer:  # noqa: S310
                found.append(answer.read())
            if b"iusc" not in found[-1]:
                return found
    raise AssertionError(f"no empty page ends the search for {name}")


class _Page:
    def __init__(self, content: bytes) -> None:
        self.content = content


def test_a_search_without_filter_finds_every_picture_of_its_identity(small) -> None:
    for person in small.people:
        tasks = [task for page in _result_pages(small, person.name, None) for task in BING.parse(page)]
        listed = {(t.url, t.page_url) for t in small.truths if t.identity == person.identity}
        assert {(task["file_url"], task["page_url"]) for task in tasks} == listed
        assert sum(person.name in str(task["title"]) for task in tasks) >= len(tasks) - 1  # one is of someone else


def test_icrawlers_own_parser_reads_the_pages_and_finds_the_jpegs(small) -> None:
    person = small.people[1]
    parser = BingParser(thread_num=1, signal=None, session=None)
    found = {task["file_url"] for page in _result_pages(small, person.name, None) for task in parser.parse(_Page(page))}
    jpegs = {t.url for t in small.truths if t.identity == person.identity and t.url.endswith(".jpg")}
    assert found == jpegs


def test_a_filtered_search_finds_what_the_filter_claims_and_no_more(small) -> None:
    for person in small.people:
        for claim in CLAIMS[:2]:
            found = {task["file_url"] for page in _result_pages(small, person.name, claim) for task in BING.parse(page)}
            claimed = {t.url for t in small.truths if (t.identity, t.claim) == (person.identity, claim)}
            assert found == claimed


def test_addresses_of_searches_are_those_of_the_feeder() -> None:
    for person in CAST:
        for claim in CLAIMS:
            addresses = [listing.search_address(person.name, first, claim) for first in (0, 20)]
            assert BING.page_urls(person.name, claim)[:2] == addresses


def test_what_comes_back_is_what_was_planted(small, crawled: ProjectPaths) -> None:
    fetches = _with_kind(crawled.table("crawl", "fetches"), small)
    assert fetches.height == len(small.truths)
    for kind, outcome, claim, url in fetches.select("kind", "outcome", "claim", "url").iter_rows():
        expected = OUTCOMES.get(PictureKind(kind), FetchOutcome.STORED)
        # Of two addresses with the same bytes either may be the first.
        assert outcome == expected or (expected, outcome) == (FetchOutcome.STORED, FetchOutcome.DUPLICATE), (kind, url)
        assert claim == next(t.claim for t in small.truths if t.url == url)


def test_each_planted_signal_is_heard_and_only_those(small, crawled: ProjectPaths) -> None:
    fetches = _with_kind(crawled.table("crawl", "fetches"), small).filter(pl.col("outcome") == FetchOutcome.OPTED_OUT)
    refused = fetches.select("kind", pl.col("detail").str.extract(r"^([^:]+):"))
    evidence = _with_kind(crawled.table("crawl", "evidence"), small).filter(pl.col("opt_out").is_not_null())
    recorded = evidence.select("kind", pl.col("opt_out").str.extract(r"^([^:]+):"))
    assert dict([*refused.rows(), *recorded.rows()]) == {str(kind): signal for kind, signal in SIGNALS.items()}
    assert set(recorded["kind"]) == {str(kind) for kind in RECORDED}


def test_each_dirty_license_is_refused_for_its_own_reason(small, crawled: ProjectPaths, sample_params: Params) -> None:
    evidence = _with_kind(crawled.table("crawl", "evidence"), small)
    reasons = policy.judge(evidence, sample_params.licenses, today=datetime.now(UTC).date())
    for kind, reason in zip(evidence["kind"], reasons, strict=True):
        assert reason == REASONS.get(PictureKind(kind)), kind
    assert set(REASONS) <= set(evidence["kind"])


def test_sources_state_the_license_creator_and_title_that_were_planted(small, crawled: ProjectPaths) -> None:
    planted = {t.url: t for t in small.truths}
    evidence = _with_kind(crawled.table("crawl", "evidence"), small)
    stated = evidence.filter(pl.col("stated") == "stated")
    assert stated.height > 30
    for row in stated.iter_rows(named=True):
        assert row["license"] == planted[row["url"]].license
        assert row["creator"]
        assert row["title"]
    assert stated["method"].n_unique() >= 3


def test_roster_takedowns_and_found_authors_are_read_by_their_own_readers(small, sample_params: Params) -> None:
    names = roster_file.load(small.data / "roster.csv", sample_params)["name"].to_list()
    assert names == [person.name for person in small.people]
    assert "Cobalt O'Circle" in names
    assert any(not name.isascii() for name in names)
    assert (small.data / "takedowns.csv").read_text().strip() == ",".join(takedown_file.COLUMNS)
    assert attribution.load(small.data / "attribution.csv") == ()


def test_the_same_seed_gives_the_same_bytes_on_one_process_or_two(tmp_path: Path) -> None:
    dirt = dict.fromkeys(
        (
            PictureKind.BURST,
            PictureKind.WEBP,
            PictureKind.ROTATED,
            PictureKind.ANIMATED_GIF,
            PictureKind.GROUP,
            PictureKind.CARTOON,
        ),
        1,
    )
    size = SampleSize(cast=CAST[:2], rare=(), clean=(1, 1), dirt=dirt)
    for workers in (1, 2):
        web.write(tmp_path / str(workers), seed=3, compute=Compute(workers=workers), size=size)
    assert _digests(tmp_path / "1") == _digests(tmp_path / "2")


def _digests(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_another_seed_plans_another_web() -> None:
    assert plan(1) != plan(2)
    assert Counter(find.kind for find in plan(1) if find.kind is not PictureKind.CLEAN) == Counter(
        find.kind for find in plan(2) if find.kind is not PictureKind.CLEAN
    )
