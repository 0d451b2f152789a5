"""A page that people found of a picture, or that its source states, is as good as one that the search named."""

from __future__ import annotations

import polars as pl
import pytest
from small_project import Small, erasing, image_id, picture

from mtf.config import Params
from mtf.rights import attribution
from mtf.schemas.takedown_file import RequestKind, Takedown, Takedowns
from mtf.takedown import requests
from mtf.takedown.execution import erase
from mtf.takedown.requests import Request

PAGE = "https://blog.example/of-ann"
HEADER = ",".join(attribution.COLUMNS)


def found(project: Small, *rows: tuple[str, str]) -> None:
    """Somebody found the page of what the rows name, kind and value."""
    lines = [f"2026-01-01,{kind},{value},,,,{PAGE},eve,a search" for kind, value in rows]
    path = project.workspace.attribution
    path.unlink(missing_ok=True)
    path.write_text("\n".join([HEADER, *lines]) + "\n", encoding="utf-8")


def meant(
    project: Small, params: Params, value: str = "http://www.blog.example/of-ann#top"
) -> set[tuple[RequestKind, str]]:
    records = requests.resolve(Request(value, "asked", "Ann"), project.workspace, params).records
    assert records[0].value == value
    return {(record.kind, record.value) for record in records[1:] if record.kind == RequestKind.IMAGE_ID} | {
        (records[0].kind, PAGE)
    }


@pytest.fixture
def crawled(project: Small, monkeypatch: pytest.MonkeyPatch) -> Small:
    # Bytes that no decoder knows look like nothing, so where they lie in the shards does not matter.
    monkeypatch.setattr(requests, "_hashes_of_images", lambda *_: set())
    images = [project.row(name, each) for name, each in (("ann", "ann-0"), ("ann", "ann-1"), ("bob", "bob-0"))]
    project.table("crawl", "images", images)
    return project


@pytest.mark.parametrize(
    "row",
    [
        ("image_id", image_id("ann-0")),
        ("picture", "http://X.example/ann-0.jpg"),
        ("page", "https://x.example/of/ann-0#top"),
    ],
)
def test_a_page_that_people_found_means_what_its_row_names(
    crawled: Small, sample_params: Params, row: tuple[str, str]
) -> None:
    found(crawled, row, ("picture", "https://x.example/nobody.jpg"))
    assert meant(crawled, sample_params) == {(RequestKind.PAGE, PAGE), (RequestKind.IMAGE_ID, image_id("ann-0"))}
    asked = Takedowns((Takedown("", RequestKind.PAGE, PAGE, "", "", ""),))
    assert requests.match_counts(asked, crawled.workspace) == {(RequestKind.PAGE, PAGE): 1}


def test_a_page_that_only_the_source_states_is_found(crawled: Small, sample_params: Params) -> None:
    images = pl.read_parquet(crawled.workspace.table("crawl", "images"))
    stated = pl.when(identity="ann").then(pl.lit(PAGE)).otherwise("page_url").alias("page_url")
    images.with_columns(stated).write_parquet(crawled.workspace.table("crawl", "evidence"))
    both = {(RequestKind.IMAGE_ID, image_id(name)) for name in ("ann-0", "ann-1")}
    assert meant(crawled, sample_params) == {(RequestKind.PAGE, PAGE), *both}
    asked = Takedowns((Takedown("", RequestKind.PAGE, PAGE, "", "", ""),))
    assert requests.match_counts(asked, crawled.workspace) == {(RequestKind.PAGE, PAGE): 2}


def test_a_row_that_somebody_mistyped_loses_no_request(crawled: Small, sample_params: Params) -> None:
    found(crawled, ("pictures", "x"), ("image_id", image_id("ann-0")))
    path = crawled.workspace.attribution
    path.write_bytes(path.read_bytes().replace(b"a search", b"caf\xe9", 1) + b"short,row\n")
    assert (RequestKind.IMAGE_ID, image_id("ann-0")) in meant(crawled, sample_params)


def test_what_an_older_version_says_is_on_a_page_is_found_and_erased(
    project: Small, sample_params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "_hashes_of_images", lambda *_: set())
    found(project, ("picture", "https://x.example/ann-1.jpg"))
    project.run({"ann": ["ann-0", "ann-1"], "bob": ["bob-0"]})
    project.commit("v1")
    found(project)
    project.run({"ann": ["ann-0"], "bob": ["bob-0"]})
    project.commit("v2")
    assert meant(project, sample_params) == {(RequestKind.PAGE, PAGE), (RequestKind.IMAGE_ID, image_id("ann-1"))}
    project.take_down("page", PAGE)
    (receipt,) = erase(project.workspace, signed_by="The officer", report=str)
    assert receipt["subjects"]["image_ids"] == [image_id("ann-1")] and receipt["finished_at"]
    assert not project.holding(picture("ann-1")[:40]) and project.holding(picture("ann-0")[:40])


def test_a_page_that_somebody_wrote_down_by_hand_has_to_be_added(
    project: Small, sample_params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The crawl knows no picture on it, so however often `dvc repro` runs, they stay."""
    monkeypatch.setattr(requests, "_hashes_of_images", lambda *_: set())
    found(project, ("image_id", image_id("ann-1")))
    project.take_down("page", PAGE)
    project.run({"ann": ["ann-0", "ann-1"]})
    project.commit("v1")
    code, message = erasing()
    assert code == 1 and "first `mtf takedown add` each of these pages again" in message and PAGE in message
    resolved = requests.resolve(Request(PAGE, "asked", "Ann"), project.workspace, sample_params)
    requests.append(project.workspace.takedowns, resolved.records)
    code, message = erasing("--dry-run")
    assert code == 0 and "run `dvc repro` and commit dvc.lock first" in message and "takedown add" not in message
