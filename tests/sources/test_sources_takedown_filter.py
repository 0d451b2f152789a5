"""A picture that was taken down is known again by its looks, wherever it comes from."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from crawl_project import Project, bing_result
from mtf.core import shards
from mtf.faces import decoding
from mtf.faces.perceptual_hash import SAME_PICTURE_BITS, differing_bits, picture_hash

HOST = "https://a.example"


def drawn(seed: int, size: tuple[int, int] = (240, 200)) -> Image.Image:
    """Shapes that survive resizing, as a photograph's do."""
    random = np.random.default_rng(seed)
    picture = Image.new("RGB", size, tuple(int(value) for value in random.integers(0, 255, 3)))
    draw = ImageDraw.Draw(picture)
    for _ in range(12):
        x, y = (int(random.integers(0, side)) for side in size)
        radius = int(random.integers(15, 60))
        colour = tuple(int(value) for value in random.integers(0, 255, 3))
        draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=colour)
    return picture.filter(ImageFilter.GaussianBlur(2))


def encoded(picture: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def hashed(data: bytes) -> int:
    return picture_hash(data, max_pixels=60_000_000)


def flipped(value: int, bits: int) -> str:
    """The hash with this many of its bits turned over, as takedowns.csv writes it."""
    return f"{value ^ ((1 << bits) - 1):016x}"


def found(project: Project, *pictures: bytes, name: str = "ana") -> list[str]:
    urls = [f"{HOST}/{name}-{number}.jpg" for number in range(len(pictures))]
    for url, data in zip(urls, pictures, strict=True):
        project.answer(url, data)
    project.person(name)
    project.finds(name, [bing_result(url) for url in urls])
    return urls


def outcomes(project: Project) -> dict[str, str]:
    return dict(project.table("fetches").select("url", "outcome").iter_rows())


def test_copies_that_were_resized_or_recompressed_are_not_stored(project):
    original = drawn(1)
    copies = [
        encoded(original, quality=95),
        encoded(original, quality=40),
        encoded(original.resize((480, 400)), "PNG"),
        encoded(original.resize((150, 125)), "WEBP", quality=70),
    ]
    urls = found(project, *copies, encoded(drawn(2)))
    project.takedowns(("perceptual_hash", flipped(hashed(copies[0]), 0)))
    project.run()
    assert outcomes(project) == dict.fromkeys(urls[:4], "taken_down") | {urls[4]: "stored"}
    detail = project.fetch(urls[0])["detail"]
    value = flipped(hashed(copies[0]), 0)
    assert detail == f"perceptual_hash {value}, asked for on 2026-01-02: differs in 0 of 64 bits"


@pytest.mark.parametrize(
    ("bits", "outcome"), [(0, "taken_down"), (SAME_PICTURE_BITS, "taken_down"), (SAME_PICTURE_BITS + 1, "stored")]
)
def test_six_bits_of_difference_are_the_same_picture_and_seven_are_not(project, bits, outcome):
    data = encoded(drawn(1))
    urls = found(project, data, encoded(drawn(2)))
    project.takedowns(("perceptual_hash", flipped(hashed(data), bits)))
    project.run()
    assert outcomes(project) == {urls[0]: outcome, urls[1]: "stored"}


def test_what_is_stored_already_is_dropped_at_the_next_run_without_a_request(project, asked):
    pictures = [encoded(drawn(seed)) for seed in (1, 2)]
    urls = found(project, *pictures)
    project.run()
    shard = project.workspace.shard("crawl", "ana")
    digest = shards.digest_of(shard)
    project.takedowns(("perceptual_hash", flipped(hashed(pictures[0]), 3)))
    project.run()
    assert outcomes(project) == {urls[0]: "taken_down", urls[1]: "stored"}
    assert shards.digest_of(shard) != digest
    assert pictures[0] not in shard.read_bytes()
    assert not [path for path in asked[1] if path.endswith(".jpg")]


def test_what_was_taken_down_by_its_looks_is_not_fetched_again(project, asked):
    pictures = [encoded(drawn(seed)) for seed in (1, 2)]
    urls = found(project, *pictures)
    project.takedowns(("perceptual_hash", flipped(hashed(pictures[0]), 0)))
    project.run()
    project.run()
    assert asked[1] == {}, "nothing has changed"
    project.crawl["min_side_px"] = 65
    project.run()
    assert not [path for path in asked[2] if path.endswith(".jpg")]
    assert outcomes(project) == {urls[0]: "taken_down", urls[1]: "stored"}


def test_a_request_that_is_withdrawn_lets_the_picture_be_fetched_again(project):
    pictures = [encoded(drawn(seed)) for seed in (1, 2)]
    urls = found(project, *pictures)
    project.takedowns(("perceptual_hash", flipped(hashed(pictures[0]), 0)))
    project.run()
    project.takedowns()
    project.run()
    assert outcomes(project) == dict.fromkeys(urls, "stored")


def test_a_second_request_touches_only_the_identities_whose_pictures_it_meets(project):
    ana, bo = encoded(drawn(1)), encoded(drawn(2))
    others = [encoded(drawn(seed)) for seed in (3, 4, 5)]
    found(project, ana, others[0])
    found(project, bo, others[1], name="bo")
    first = ("perceptual_hash", flipped(hashed(others[2]), 0))
    project.takedowns(first)
    project.run()
    shard = {name: project.workspace.shard("crawl", name) for name in ("ana", "bo")}
    before = {name: path.stat().st_mtime_ns for name, path in shard.items()}
    project.takedowns(first, ("perceptual_hash", flipped(hashed(ana), 0)))
    project.run()
    assert outcomes(project)[f"{HOST}/ana-0.jpg"] == "taken_down"
    assert shard["ana"].stat().st_mtime_ns != before["ana"]
    assert shard["bo"].stat().st_mtime_ns == before["bo"]


def test_a_picture_that_cannot_be_decoded_looks_like_nothing_and_is_looked_at_once(project, asked):
    whole = encoded(drawn(1), "PNG")
    start = whole.index(b"IDAT") + 4
    broken = whole[:start] + bytes(64) + whole[start + 64 :]
    with pytest.raises(decoding.Unreadable):
        hashed(broken)
    urls = found(project, broken, encoded(drawn(2)))
    project.takedowns(("perceptual_hash", "0" * 16))
    project.run()
    shard = project.workspace.shard("crawl", "ana")
    written = shard.stat().st_mtime_ns
    project.run()
    assert outcomes(project)[urls[0]] == "stored"
    assert shard.stat().st_mtime_ns == written
    assert asked[1] == {}


def test_unlike_pictures_of_the_drawings_differ_in_more_than_six_bits() -> None:
    hashes = [hashed(encoded(drawn(seed))) for seed in range(1, 6)]
    pairs = [(one, other) for at, one in enumerate(hashes) for other in hashes[at + 1 :]]
    assert min(differing_bits(one, other) for one, other in pairs) > 2 * SAME_PICTURE_BITS


def test_a_takedown_by_image_id_is_not_fetched_again_either(project, asked):
    pictures = [encoded(drawn(seed)) for seed in (1, 2)]
    urls = found(project, *pictures)
    project.run()
    image_id = project.fetch(urls[0])["image_id"]
    project.takedowns(("image_id", str(image_id)))
    project.run()
    project.crawl["min_side_px"] = 65
    project.run()
    assert outcomes(project) == {urls[0]: "taken_down", urls[1]: "stored"}
    assert not [path for counts in asked[1:] for path in counts if path.endswith(".jpg")]
