"""Requests of `mtf takedown add` keep a picture out under every address and every person."""

import hashlib
import io

import numpy as np
import pytest
from PIL import Image

from crawl_project import picture_bytes
from mtf.schemas import takedown_file
from mtf.takedown import requests


def scene(seed: int, side_px: int = 96) -> Image.Image:
    rough = np.random.default_rng(seed).integers(0, 255, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(rough).resize((side_px, side_px), Image.Resampling.BICUBIC)


def jpeg(picture: Image.Image, quality: int) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def take_down(project, value: str) -> None:
    request = requests.Request(value, "asked", "them")
    records = requests.resolve(request, project.workspace, project.params()).records
    requests.append(project.workspace.takedowns, records)


def outcomes(project) -> dict[tuple[str, str], str]:
    rows = project.table("fetches").select("identity", "url", "outcome").rows()
    return {(identity, url.rpartition("/")[2]): outcome for identity, url, outcome in rows}


@pytest.mark.dvc
@pytest.mark.parametrize("value", ["https://a.example/1.jpg", "https://a.example/of/1", "ana", "image_id"])
def test_a_picture_taken_down_is_gone_from_every_address_and_from_everybody(project, value):
    data, other = jpeg(scene(1), 90), picture_bytes(7)
    smaller = jpeg(scene(1, 80), 70)
    project.person("ana", "Ana")
    project.person("bo", "Bo")
    found = [
        project.picture("https://a.example/1.jpg", data, "https://a.example/of/1"),
        project.picture("https://b.example/2.jpg", data, "https://b.example/of/2"),
    ]
    project.finds("Ana", found)
    shared = project.picture("https://c.example/3.jpg", data, "https://c.example/of/3")
    resized = project.picture("https://c.example/4.jpg", smaller, "https://c.example/of/4")
    own = project.picture("https://c.example/5.jpg", other, "https://c.example/of/5")
    project.finds("Bo", [shared, resized, own])
    project.run()
    before = outcomes(project)
    assert before[("ana", "1.jpg")] == "stored" and before[("ana", "2.jpg")] == "duplicate"
    assert {before[("bo", name)] for name in ("3.jpg", "4.jpg", "5.jpg")} == {"stored"}

    take_down(project, hashlib.sha256(data).hexdigest() if value == "image_id" else value)
    project.run()

    assert outcomes(project) == {
        ("ana", "1.jpg"): "taken_down",
        ("ana", "2.jpg"): "taken_down",
        ("bo", "3.jpg"): "taken_down",
        ("bo", "4.jpg"): "taken_down",
        ("bo", "5.jpg"): "stored",
    }
    assert project.table("images")["image_id"].to_list() == [hashlib.sha256(other).hexdigest()]
    counts = requests.match_counts(takedown_file.load(project.workspace.takedowns), project.workspace)
    assert set(counts.values()) == {0}
