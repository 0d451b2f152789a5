"""Files of a few kilobytes that would hold a decoder for minutes are refused, and the run goes on."""

from __future__ import annotations

import io
import struct
import zlib

import cv2
import numpy as np
import polars as pl
import pytest
from PIL import Image

from mtf import schemas
from mtf.faces import decoding, decoding_bounds, limited_decoder
from mtf.pipeline import crop
from mtf.schemas import DetectionOutcome

MAX_PIXELS = 60_000_000
PIXELS = np.random.default_rng(0).integers(0, 255, (96, 128, 3)).astype(np.uint8)


def saved(kind: str, pixels: np.ndarray = PIXELS, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def after_start(data: bytes, count: int, extra: bytes) -> bytes:
    return data[:count] + extra + data[count:]


def with_scans(count: int, pixels: np.ndarray = PIXELS) -> bytes:
    """A progressive JPEG of `count` scans: its last one again and again."""
    data = saved("JPEG", pixels, progressive=True)
    last, more = data.rfind(b"\xff\xda"), count - data.count(b"\xff\xda")
    return data[:last] + data[last:-2] * (more + 1) + data[-2:]


def chunk(kind: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def gif_with(blocks: bytes) -> bytes:
    data = saved("GIF")
    return after_start(data, 13 + (3 << (data[10] & 7) + 1 if data[10] & 0x80 else 0), blocks)


def tiff_of_strips(count: int, *, is_big: bool = False) -> bytes:
    entries = [(256, 3, 1, 8), (257, 3, 1, 8), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, count, 300)]
    field, head = ("<HHQQ", struct.pack("<4sHHQQ", b"II+\0", 8, 0, 16, len(entries))) if is_big else ("<HHII", b"")
    head = head or struct.pack("<4sIH", b"II*\0", 8, len(entries))
    return head + b"".join(struct.pack(field, *entry) for entry in entries) + bytes(4 * count + 300)


JPEG = saved("JPEG")
HOSTILE = {
    "JPEG: 3000 scans; permitted: 100": with_scans(3_000),
    "JPEG: 12000000 fill bytes; permitted: 100000": after_start(JPEG, 2, b"\xff" * 12_000_000),
    "JPEG: more than 4000 segments": after_start(JPEG, 2, b"\xff\xe5\x00\x02" * 1_000_000),
    "PNG: more than 4000 chunks beside the pixels": after_start(saved("PNG"), 33, chunk(b"teXt") * 500_000),
    "PNG: more than 64 compressed chunks beside the pixels": after_start(
        saved("PNG"), 33, chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(7_000_000))) * 300
    ),
    "GIF: more than 100000 blocks before the first picture": gif_with(b"\x21\xfe\x01a\0" * 1_000_000),
    "PNG: more than 100000 chunks of pixels": after_start(saved("PNG"), 33, chunk(b"IDAT") * 300_000),
    "TIFF: 3000000 values of tag 273; permitted: 200000": tiff_of_strips(3_000_000),
    "TIFF: 3000001 values of tag 273; permitted: 200000": tiff_of_strips(3_000_001, is_big=True),
    "PNM: a header of more than 100000 bytes": b"P6\n#" + b"a" * 5_000_000 + b"\n1 1\n255\n\0\0\0",
}


@pytest.fixture
def no_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "open", lambda *_, **__: pytest.fail("Pillow has the file"))
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("OpenCV has the file"))


@pytest.mark.parametrize("detail", HOSTILE)
def test_a_file_that_costs_too_much_is_refused_before_anything_parses_it(detail: str, no_parser: None) -> None:
    with pytest.raises(decoding.TooCostly) as refused:
        decoding.header(HOSTILE[detail], max_pixels=MAX_PIXELS)
    assert refused.value.outcome == DetectionOutcome.UNDECODABLE
    assert str(refused.value) == detail


@pytest.mark.parametrize(
    "data",
    [
        saved("JPEG", progressive=True, quality=95),
        with_scans(100),
        after_start(JPEG, 2, b"\xff" * 1_000),
        # A thumbnail of many scans is metadata, which no decoder of the picture reads.
        after_start(JPEG, 2, b"\xff\xe2" + struct.pack(">H", 60_002) + b"\xff\xda" * 30_000),
        # Phones append a film, in which any two bytes occur.
        JPEG + b"\xff\xda\xff\xff" * 1_000_000,
        saved("JPEG", restart_marker_rows=1),
        saved("PNG"),
        saved("GIF", comment=b"a" * 60_000),
        saved("TIFF"),
        saved("TIFF", compression="jpeg"),
        saved("PPM"),
        b"P6 # a comment\n128 96\n255\n" + PIXELS.tobytes(),
        saved("WEBP"),
        saved("AVIF"),
    ],
    ids=[
        "progressive",
        "scans",
        "fill",
        "thumbnail",
        "film",
        "restarts",
        "png",
        "gif",
        "tiff",
        "jpeg-in-tiff",
        "ppm",
        "comment",
        "webp",
        "avif",
    ],
)
def test_usual_files_are_decoded(data: bytes) -> None:
    assert decoding_bounds.excess(data) is None
    assert decoding.colour(data, decoding.header(data, max_pixels=MAX_PIXELS)).shape == PIXELS.shape


@pytest.mark.parametrize(
    "kwargs", [{}, {"progressive": True}, {"comment": b"a" * 60_000}], ids=["plain", "scans", "comment"]
)
def test_of_a_jpeg_all_but_the_coded_pixels_may_hold_metadata(kwargs: dict[str, object]) -> None:
    data = saved("JPEG", **kwargs)
    with_metadata = data[:2] + b"\xff\xeb\x00\x08before" + data[2:] + b"after the end"
    excess, metadata = decoding_bounds.walked(with_metadata)
    assert excess is None
    assert b"before" in metadata
    assert metadata.endswith(b"\xff\xd9after the end")
    coded = data[data.rindex(b"\xff\xda") + 20 : -2]
    assert len(coded) > 100
    assert coded not in metadata
    assert len(metadata) < len(with_metadata) - len(coded)


def test_metadata_behind_a_damaged_marker_or_between_scans_counts() -> None:
    data = saved("JPEG", progressive=True)
    second = data.index(b"\xff\xda", data.index(b"\xff\xda") + 2)
    damaged = data[:2] + b"\x00\xeb\x00\x09damaged" + data[2:second] + b"\xff\xeb\x00\x09between" + data[second:]
    metadata = decoding_bounds.walked(damaged)[1]
    assert b"damaged" in metadata
    assert b"between" in metadata


@pytest.mark.parametrize("kind", ["PNG", "GIF", "TIFF", "PPM", "WEBP"])
def test_of_other_formats_the_whole_file_may_hold_metadata(kind: str) -> None:
    assert decoding_bounds.walked(saved(kind)) == (None, saved(kind))


@pytest.mark.parametrize("cut", [*range(2, 60, 3), 400, 2_000])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "TIFF", "PPM"])
def test_a_file_that_ends_early_is_walked_to_its_end(kind: str, cut: int) -> None:
    assert decoding_bounds.excess(saved(kind)[:cut]) is None


@pytest.mark.parametrize(
    "data",
    [
        b"GIF89a" + struct.pack("<HHBBB", 60_000, 60_000, 0, 0, 0) + saved("GIF")[13:],
        b"BM" + struct.pack("<IIIIiiHHIIiiII", 1_000, 0, 54, 40, 60_000, 60_000, 1, 24, 0, 0, 0, 0, 0, 0) + bytes(946),
        b"RIFF" + struct.pack("<I", 22) + b"WEBPVP8X" + struct.pack("<I", 10) + bytes(4) + b"\xff\xff\x00" * 2,
    ],
    ids=["gif", "bmp", "webp"],
)
def test_the_bound_on_pixels_is_checked_before_any_is_decoded(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("decoded"))
    with pytest.raises(decoding.Unreadable):
        decoding.header(data, max_pixels=MAX_PIXELS)


@pytest.mark.parametrize("flags", [cv2.IMREAD_COLOR, cv2.IMREAD_GRAYSCALE, cv2.IMREAD_REDUCED_COLOR_2])
def test_a_process_of_its_own_gives_the_same_pixels(flags: int) -> None:
    there = limited_decoder.decode(JPEG, flags, cpu_s=30)
    assert there is not None
    np.testing.assert_array_equal(there, cv2.imdecode(np.frombuffer(JPEG, np.uint8), flags))
    assert limited_decoder.decode(b"no picture", flags, cpu_s=30) is None


@pytest.fixture(scope="module")
def costly() -> bytes:
    """A progressive JPEG within all bounds, whose decoding takes several seconds."""
    return with_scans(decoding_bounds.MAX_SCANS, np.full((7_000, 8_000), 90, np.uint8))


def test_a_picture_that_may_cost_much_is_decoded_under_a_limit(costly: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    header = decoding.header(costly, max_pixels=MAX_PIXELS)
    monkeypatch.setattr(decoding, "MAX_DECODE_S", 1)
    with pytest.raises(decoding.TooCostly, match=r"^JPEG: decoding takes more than 1 s of processor time"):
        decoding.colour(costly, header)


def test_the_crop_stage_names_it_and_goes_on(
    workspace, params, crawled, make_face, as_jpeg, costly, monkeypatch
) -> None:
    monkeypatch.setattr(decoding, "MAX_DECODE_S", 1)
    hostile = [costly, *list(HOSTILE.values())[:2]]
    crawled(
        {"ann": [as_jpeg(make_face(seed=1)), *hostile, as_jpeg(make_face(seed=2))], "bob": [as_jpeg(make_face(seed=3))]}
    )
    crop.run(workspace, params)
    detections = schemas.read(schemas.DETECTIONS, workspace.table("crop", "detections"))
    assert dict(detections["outcome"].value_counts().iter_rows()) == {"cropped": 3, "undecodable": 3}
    details = detections.filter(pl.col("outcome") == "undecodable")["detail"].sort().to_list()
    assert details == [
        "JPEG: 12000000 fill bytes; permitted: 100000",
        "JPEG: 3000 scans; permitted: 100",
        "JPEG: decoding takes more than 1 s of processor time, or too much memory",
    ]
