"""`mtf takedown add`: what a person names, and what it turns out to mean."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import cv2
import numpy as np
import polars as pl
import pytest
from PIL import Image

from mtf import shards, tables, takedowns
from mtf.erasure import requests
from mtf.erasure.requests import Request
from mtf.errors import BadInput
from mtf.params import Params
from mtf.takedowns import Kind
from mtf.workspace import Workspace


def scene(seed: int) -> np.ndarray:
    """A picture with some structure, unlike that of other seeds."""
    rough = np.random.default_rng(seed).integers(0, 255, (6, 6, 3), dtype=np.uint8)
    return cv2.resize(rough, (320, 240), interpolation=cv2.INTER_CUBIC)


def jpeg(pixels: np.ndarray, quality: int = 90) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Two identities with two pictures each, crawled."""
    project = Workspace(tmp_path)
    project.data.mkdir()
    project.roster.write_text("identity,name,race,gender,age\nann,Ann,Blue,Males,Old\nbob,Bob,Blue,Males,Old\n")
    everything = []
    for number, name in enumerate(("ann", "bob")):
        rows = []
        with shards.writing(project.shard("crawl", name), "d") as shard:
            for seed in (2 * number, 2 * number + 1):
                data = jpeg(scene(seed))
                image_id = hashlib.sha256(data).hexdigest()
                offset, size = shard.add(f"{image_id}.jpg", data)
                rows.append(
                    {
                        "identity": name,
                        "image_id": image_id,
                        "url": f"https://p.example/{seed}.jpg",
                        "page_url": f"https://p.example/page/{seed}",
                        "title": None,
                        "source": "bing",
                        "claim": None,
                        "media_type": "image/jpeg",
                        "width": 320,
                        "height": 240,
                        "offset": offset,
                        "size_bytes": size,
                    }
                )
            shard.finish(tables.frame(tables.IMAGES, rows))
        everything += rows
    tables.write(tables.IMAGES, everything, project.table("crawl", "images"))
    fetches = [{"identity": row["identity"], "url": row["url"], "page_url": row["page_url"]} for row in everything]
    project.table("crawl", "fetches").parent.mkdir(exist_ok=True)
    pl.DataFrame(fetches).write_parquet(project.table("crawl", "fetches"))
    return project


def meaning(value: str, workspace: Workspace, params: Params) -> list[tuple[Kind, str]]:
    records = requests.resolve(Request(value, "asked", "Ann"), workspace, params)
    return [(record.kind, record.value) for record in records]


def test_an_identity_an_address_and_an_image_id_are_told_apart(workspace: Workspace, sample_params: Params) -> None:
    for value, kind in [
        ("ann", Kind.IDENTITY),
        ("https://p.example/1.jpg", Kind.PICTURE),
        ("http://P.example/page/1", Kind.PAGE),
        ("https://elsewhere.example/new.jpg", Kind.PICTURE),
        ("ab" * 32, Kind.IMAGE_ID),
    ]:
        assert meaning(value, workspace, sample_params) == [(kind, value)]


@pytest.mark.parametrize("value", ["carl", "../ann", "ftp://p.example/1.jpg", ""])
def test_what_names_nothing_is_refused_with_what_is_permitted(
    workspace: Workspace, sample_params: Params, value: str
) -> None:
    with pytest.raises(BadInput, match="permitted: an identity of the roster"):
        meaning(value, workspace, sample_params)


def test_a_picture_file_finds_its_recompressed_copy_and_no_other(
    workspace: Workspace, sample_params: Params, tmp_path: Path
) -> None:
    file = tmp_path / "their copy.jpg"
    file.write_bytes(jpeg(cv2.resize(scene(1), (200, 150)), quality=60))
    found = meaning(str(file), workspace, sample_params)
    stored = hashlib.sha256(jpeg(scene(1))).hexdigest()
    own = hashlib.sha256(file.read_bytes()).hexdigest()
    assert {value for kind, value in found if kind is Kind.IMAGE_ID} == {stored, own}
    assert [kind for kind, _ in found].count(Kind.CONTENT_HASH) == 1


def test_a_file_that_is_no_picture_is_refused(workspace: Workspace, sample_params: Params, tmp_path: Path) -> None:
    file = tmp_path / "letter.txt"
    file.write_text("please")
    with pytest.raises(BadInput, match="not readable as a picture"):
        meaning(str(file), workspace, sample_params)


def test_requests_are_added_once_and_read_back(workspace: Workspace, sample_params: Params) -> None:
    request = Request("ann", 'left, "for good"\nreally', "=Ann", "letter 7")
    records = requests.resolve(request, workspace, sample_params)
    assert requests.append(workspace.takedowns, records) == records
    assert requests.append(workspace.takedowns, requests.resolve(request, workspace, sample_params)) == []
    (known,) = takedowns.load(workspace.takedowns).records
    assert (known.kind, known.value, known.reason) == (Kind.IDENTITY, "ann", 'left, "for good" really')
    assert requests.matches(takedowns.load(workspace.takedowns), workspace) == {(Kind.IDENTITY, "ann"): 2}
