"""A source of another package: registered, named in params.yaml, crawled, rechecked, described; nothing is edited."""

from __future__ import annotations

import json
import sys
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from typing import ClassVar, Literal
from urllib.parse import quote

import pytest

from crawl_project import Project, picture_bytes
from mtf.core.errors import BadInput
from mtf.crawl import recheck
from mtf.crawl.recorded_web import Response
from mtf.project import parameter_checks
from mtf.release import facts
from mtf.rights.evidence import combination
from mtf.sources import registry
from mtf.sources.api import ApiSource, complete_description
from mtf.sources.api_answers import ApiAnswer, ApiPicture, json_object
from mtf.sources.base import WEB_API, Fetcher, RecheckedStatements, Source
from mtf.sources.bing import Bing

HOST = "museum.example"
PAGE = f"https://{HOST}/works/1"
PICTURE = f"https://{HOST}/1.jpg"


@dataclass
class MuseumRequest:
    url: str
    headers: ClassVar[dict[str, str]] = {}
    secret: None = None
    delay_s: float = 0.0

    def first(self) -> str:
        return self.url

    def following(self, listing: ApiAnswer) -> None:  # noqa: ARG002 (one answer is all)
        return None

    def signed(self, url: str) -> str:
        return url

    def read(self, body: bytes) -> ApiAnswer:
        return Museum.read(body)


class Museum(ApiSource):
    """A museum's API, the host of its pictures."""

    kind: Literal["museum"]
    max_results: int = 10
    room: Literal["east", "west"] = "east"

    hosts: ClassVar[tuple[str, ...]] = (HOST,)
    record_is_evidence: ClassVar[bool] = True
    recheck_method: ClassVar[str | None] = "museum-api"

    def request(self, query: str) -> MuseumRequest:
        return MuseumRequest(f"https://{HOST}/api?room={self.room}&q={quote(query)}")

    @classmethod
    def read(cls, body: bytes) -> ApiAnswer:
        return ApiAnswer([_described(work) for work in json_object(body)["works"]])

    @classmethod
    async def recheck(
        cls,
        fetcher: Fetcher,
        page_urls: Sequence[str],
        sources: Iterable[Source],  # noqa: ARG003 (no key)
    ) -> RecheckedStatements:
        found = await complete_description(fetcher, MuseumRequest(f"https://{HOST}/api/works"), kind="museum")
        by_page = {each.page_url: each.statement for each in found or []}
        return {} if found is None else {page: by_page.get(page) for page in page_urls}


def _described(work: dict[str, str]) -> ApiPicture:
    stated = combination.of_record("museum-api", [work["license"]], creator="The Museum", title=work["title"])
    return ApiPicture(url=work["url"], page_url=work["page"], title=work["title"], statement=stated)


def works(license: str) -> bytes:
    return json.dumps({"works": [{"url": PICTURE, "page": PAGE, "title": "Ana", "license": license}]}).encode()


@pytest.fixture
def museum() -> Generator[None]:
    registry.register(Museum)
    yield
    registry.unregister("museum")


@pytest.fixture
def crawled(project: Project, museum: None) -> Project:
    project.crawl = {"sources": [{"kind": "museum", "room": "west"}]}
    project.person("ana")
    project.answer(f"https://{HOST}/api?room=west&q=ana", works("CC BY 4.0"))
    project.answer(PICTURE, picture_bytes(1))
    project.run()
    return project


def test_its_pictures_are_crawled_with_the_record_as_evidence(crawled: Project):
    (row,) = crawled.table("evidence").to_dicts()
    assert (row["license"], row["creator"], row["method"]) == ("CC-BY-4.0", "The Museum", "museum-api")
    assert crawled.table("images")["source"].to_list() == ["museum"]


def test_a_second_run_reads_the_record_from_the_shard_and_asks_nothing(crawled: Project, asked):
    before = crawled.table("evidence")
    crawled.run()
    assert not asked[-1]
    assert crawled.table("evidence").equals(before)


def test_its_records_are_rechecked(crawled: Project):
    url = f"https://{HOST}/api/works"
    crawled.run_with({url: Response(url, body=works("CC BY-NC 4.0"))})
    rechecked = recheck.recheck_sources(crawled.workspace, crawled.params())
    assert rechecked.statements.select("now_read", "now_license", "now_gone").rows() == [(True, "CC-BY-NC-4.0", None)]
    gone = json.dumps({"works": []}).encode()
    crawled.run_with({url: Response(url, body=gone)})
    rechecked = recheck.recheck_sources(crawled.workspace, crawled.params())
    assert rechecked.statements["now_gone"].to_list() == ["museum-api knows it no longer"]


def test_the_release_says_how_its_pictures_were_collected(museum):
    assert facts.collection_type("museum") == WEB_API
    assert facts.collection_type("lfw") == "Secondary Data Analysis"


def test_its_parameters_are_checked_as_those_of_a_built_in_source(project: Project, museum):
    project.crawl = {"sources": [{"kind": "museum", "rooms": "east"}]}
    with pytest.raises(BadInput, match=r"crawl\.sources\.0\.rooms: unknown key; is room meant\? permitted: .*room"):
        project.params()
    project.crawl = {"sources": [{"kind": "museum", "room": "north"}]}
    with pytest.raises(BadInput, match=r"crawl\.sources\.0\.room: 'north' is not permitted"):
        project.params()


def test_an_unknown_source_is_answered_with_the_known_ones(project: Project):
    project.crawl = {"sources": [{"kind": "museum"}]}
    with pytest.raises(BadInput, match=r"crawl\.sources\.0: kind: 'museum' is not a crawl source; .*'bing', 'google'"):
        project.params()


def test_a_name_is_registered_once(museum):
    assert registry.register(Museum) is Museum

    class Other(Museum):
        pass

    with pytest.raises(ValueError, match="'museum' is already registered"):
        registry.register(Other)

    class OtherBing(Bing):
        pass

    with pytest.raises(ValueError, match="'bing' is already registered"):
        registry.register(OtherBing)


@pytest.fixture
def entry_point(monkeypatch: pytest.MonkeyPatch) -> Generator[list[EntryPoint]]:
    """Entry points of the group, in place of those of installed packages."""
    points: list[EntryPoint] = []
    monkeypatch.setattr(registry, "entry_points", lambda *, group: points if group == "mtf.sources" else [])
    registry._entry_points.cache_clear()
    yield points
    monkeypatch.undo()
    registry._entry_points.cache_clear()
    registry.unregister("museum")


def test_an_installed_package_adds_a_source_by_an_entry_point(project: Project, entry_point, monkeypatch):
    monkeypatch.setitem(sys.modules, "museum_plugin", sys.modules[__name__])
    entry_point.append(EntryPoint("museum", "museum_plugin:Museum", "mtf.sources"))
    project.crawl = {"sources": [{"kind": "museum"}]}
    assert isinstance(project.params().crawl.sources[0], Museum)


def test_an_entry_point_that_does_not_load_is_named(project: Project, entry_point):
    entry_point.append(EntryPoint("museum", "no_such_module:Museum", "mtf.sources"))
    project.crawl = {"sources": [{"kind": "museum"}]}
    with pytest.raises(BadInput, match="'museum': its entry point no_such_module:Museum cannot be loaded"):
        project.params()


def test_doctor_names_the_key_that_a_source_lacks(project: Project, monkeypatch):
    project.crawl = {"sources": [{"kind": "bing"}, {"kind": "flickr"}]}
    monkeypatch.delenv("FLICKR_API_KEY")
    (finding,) = parameter_checks._keys_of_sources(project.params())
    assert (finding.what, finding.state) == ("key of flickr", "lacking")
    assert "FLICKR_API_KEY is not set; a crawl of api.flickr.com" in finding.detail
    monkeypatch.setenv("FLICKR_API_KEY", "x")
    assert [each.state for each in parameter_checks._keys_of_sources(project.params())] == ["good"]


def test_built_in_names_are_those_of_their_classes():
    names = ["bing", "google", "folder", "openverse", "commons", "flickr"]
    assert registry.names()[:6] == names
    assert [registry._kind(source) for source in registry.classes()][:6] == names


def test_keys_of_entries_are_those_of_earlier_versions(project: Project):
    from mtf.sources.base import source_key

    project.crawl = {"sources": [{"kind": "bing"}, {"kind": "google", "people": "face"}, {"kind": "flickr"}]}
    keys = [source_key(source) for source in project.params().crawl.sources]
    assert keys == ["ccc9824446476e1f", "44fd5e8e98fcd24b", "fd477a2e5d7a3544"]
