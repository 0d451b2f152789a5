"""Copies that were resized or saved again: each has its own image_id, and goes with the picture that it matches."""

from __future__ import annotations

import io
import re

import cv2
import numpy as np
import polars as pl
import pytest
from PIL import Image
from small_project import Small, picture

from mtf.faces.perceptual_hash import picture_hash
from mtf.takedown import perceptual_matches
from mtf.takedown.execution import erase

ALL = {"ann": ["hers"], "bob": ["bob-0", "copy"]}
WITHOUT = {"bob": ["bob-0"]}


def scene(seed: int, width: int = 320) -> bytes:
    """A picture with some structure, unlike that of other seeds; of other widths a copy of it."""
    rough = np.random.default_rng(seed).integers(0, 255, (6, 6, 3), dtype=np.uint8)
    pixels = cv2.resize(cv2.resize(rough, (320, 240), interpolation=cv2.INTER_CUBIC), (width, width * 3 // 4))
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=80)
    return buffer.getvalue()


def needle(data: bytes) -> bytes:
    return data[-60:]


def request_perceptual_hash(project: Small, of: bytes) -> None:
    project.take_down("identity", "ann")
    project.take_down("perceptual_hash", f"{picture_hash(of, max_pixels=10**6):016x}")


def test_a_resized_copy_of_somebody_else_goes_from_old_versions(project: Small) -> None:
    project.contents = {"hers": scene(1), "copy": scene(1, 200), "bob-0": scene(2)}
    project.run(ALL)
    project.commit("v1")
    request_perceptual_hash(project, scene(1))
    project.run(WITHOUT)
    project.commit("v2")
    for data in (scene(1, 200), b"crop copy crop", b"published copy pub"):
        assert project.holding(needle(data)), data[:20]

    (receipt,) = erase(project.workspace, signed_by="The officer")

    for data in (scene(1), scene(1, 200), b"crop copy crop", b"published copy pub"):
        assert project.holding(needle(data)) == [], data[:20]
    assert receipt["finished_at"] and receipt["subjects"]["affected"] == ["ann", "bob"]
    assert project.image_id("copy") in receipt["subjects"]["image_ids"]
    assert scene(2) in project.workspace.shard("crawl", "bob").read_bytes()


def test_a_copy_that_only_a_forgotten_run_had_goes_too(project: Small) -> None:
    project.contents = {"hers": scene(1), "copy": scene(1, 200), "bob-0": scene(2)}
    project.run(ALL)
    for listing in (project.root / ".dvc/cache").rglob("*.dir"):
        listing.unlink()
    request_perceptual_hash(project, scene(1))
    project.run(WITHOUT)
    project.commit()
    erase(project.workspace, signed_by="The officer")
    assert project.holding(needle(scene(1, 200))) == []


def test_a_hash_that_the_crawl_kept_is_not_worked_out_again(project: Small) -> None:
    """The stored bytes are no pictures here: only the table in the shard can tell that they are alike."""
    wanted = picture_hash(scene(1), max_pixels=10**6)
    project.hashes = {"copy": wanted ^ 0b111, "bob-0": wanted ^ 0xFFFF}
    project.run(ALL)
    project.commit("v1")
    request_perceptual_hash(project, scene(1))
    project.run(WITHOUT)
    project.commit("v2")
    erase(project.workspace, signed_by="The officer")
    assert project.holding(picture("copy")[:40]) == [] and project.holding(picture("bob-0")[:40])


def test_what_the_crawl_refused_for_its_looks_goes_from_peoples_own_files(project: Small) -> None:
    """It was never stored, so no shard has it; the table of fetches says what it was."""
    copy = scene(1, 200)
    project.contents = {"hers": scene(1), "copy": copy, "withdrawn": scene(3)}
    mine = project.workspace.data / "mine"
    mine.mkdir()
    (mine / "copy.jpg").write_bytes(copy)
    (mine / "other.jpg").write_bytes(scene(3))
    project.run(WITHOUT)
    request_perceptual_hash(project, scene(1))
    asked_for = [f"{picture_hash(each, max_pixels=10**6):016x}" for each in (scene(1), scene(3))]
    rows = {
        "outcome": ["taken_down"] * 2,
        "detail": [f"perceptual_hash {each}, asked for on 2026-01-02: differs in 2 of 64 bits" for each in asked_for],
        "image_id": [project.image_id("copy"), project.image_id("withdrawn")],
    }
    pl.DataFrame(rows).write_parquet(project.workspace.table("crawl", "fetches"))
    project.run(WITHOUT)
    project.commit()
    (receipt,) = erase(project.workspace, signed_by="The officer")
    assert project.holding(needle(copy)) == [] and (mine / "other.jpg").exists()
    assert receipt["originals"] == ["data/mine/copy.jpg"]


def test_a_shard_that_cannot_be_compared_is_owed(project: Small) -> None:
    project.run(ALL)
    project.workspace.shard("crawl", "bob").write_bytes(b"no shard" * 99)
    project.store()
    project.commit("v1")
    request_perceptual_hash(project, scene(1))
    project.run(WITHOUT)
    project.commit("v2")
    (receipt,) = erase(project.workspace, signed_by="The officer")
    (unread,) = receipt["unreadable"]
    assert unread.startswith("build/crawl/shards/bob.tar at") and not receipt["finished_at"]


def lower_max_pixels(project: Small) -> None:
    path = project.workspace.params
    text, count = re.subn(r"max_pixels: [0-9_]+", "max_pixels: 100_000", path.read_text())
    assert count == 1
    path.write_text(text)


def large_copy(project: Small) -> None:
    """Stored while its 120,000 pixels were permitted; today's bound is less."""
    project.contents = {"hers": scene(1), "copy": scene(1, 400), "bob-0": scene(2)}
    project.run(ALL)
    project.commit("v1")
    request_perceptual_hash(project, scene(1))
    lower_max_pixels(project)
    project.run(WITHOUT)
    project.commit("v2")


def test_a_copy_from_before_the_crawl_took_smaller_pictures_goes_too(project: Small) -> None:
    large_copy(project)
    (receipt,) = erase(project.workspace, signed_by="The officer")
    assert project.holding(needle(scene(1, 400))) == [] and receipt["finished_at"]


def test_a_picture_too_large_to_be_looked_at_is_owed(project: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(perceptual_matches, "STORED_PIXELS", 100_000)
    large_copy(project)
    (receipt,) = erase(project.workspace, signed_by="The officer")
    (unread,) = receipt["unreadable"]
    assert unread.startswith("build/crawl/shards/bob.tar at") and not receipt["finished_at"]
    assert f"{project.image_id('copy')}: 400 × 300 pixels" in unread
