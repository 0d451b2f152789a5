"""Bytes to pixels: what the web sends, each with its reason."""

from __future__ import annotations

import io
import struct
import time
import zlib

import cv2
import numpy as np
import piexif
import pytest
from PIL import Image

from mtf.faces import crop, decoding
from mtf.schemas import DetectionOutcome

MAX_PIXELS = 60_000_000


def png_that_claims(width: int, height: int) -> bytes:
    """A well-formed PNG of a few bytes whose header states a size, as a decompression bomb's does."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress(b"\0" * 1000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def outcome_of(data: bytes) -> tuple[DetectionOutcome, str]:
    with pytest.raises(decoding.Unreadable) as caught:
        decoding.colour(data, decoding.header(data, max_pixels=MAX_PIXELS))
    return caught.value.outcome, str(caught.value)


def test_a_bomb_of_30000_by_30000_pixels_is_too_large_and_never_decoded():
    began = time.monotonic()
    outcome, detail = outcome_of(png_that_claims(30_000, 30_000))
    assert outcome == DetectionOutcome.TOO_LARGE
    assert detail == "30000 × 30000 pixels; crawl.max_pixels permits 60000000"
    assert time.monotonic() - began < 1


def test_the_limit_is_the_projects_own_and_pillows_stays_as_it_was():
    before = Image.MAX_IMAGE_PIXELS
    found = decoding.header(png_that_claims(30_000, 30_000), max_pixels=900_000_000)
    assert (found.width, found.height) == (30_000, 30_000)
    assert before == Image.MAX_IMAGE_PIXELS


def test_pillows_limit_comes_back_when_the_last_of_several_threads_is_done():
    before = Image.MAX_IMAGE_PIXELS
    first, second = decoding.of_any_size(), decoding.of_any_size()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert Image.MAX_IMAGE_PIXELS is None
    second.__exit__(None, None, None)
    assert before == Image.MAX_IMAGE_PIXELS


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no bytes"),
        (b"<html><body>Not found</body></html>", "not a picture"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a picture"),
        (b"\xff\xd8\xff\xe0", "not a picture"),
        (png_that_claims(0, 10), "not a picture"),
    ],
    ids=["nothing", "html", "postscript", "jpeg-of-four-bytes", "no-width"],
)
def test_what_is_no_picture_says_so(data, reason):
    outcome, detail = outcome_of(data)
    assert outcome == DetectionOutcome.UNDECODABLE
    assert detail.startswith(reason), detail


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
def test_a_truncated_picture_says_that_it_is_truncated(kind, drawn_face, as_file):
    whole = as_file(drawn_face, kind)
    outcome, detail = outcome_of(whole[: len(whole) // 2])
    assert outcome == DetectionOutcome.UNDECODABLE
    assert "\n" not in detail
    if kind in ("JPEG", "PNG"):
        assert detail.startswith(f"{kind}: image file is truncated")


def test_a_progressive_jpeg_that_lacks_its_last_bytes_is_undecodable_too(drawn_face, as_file):
    outcome, detail = outcome_of(as_file(drawn_face, "JPEG", progressive=True)[:-50])
    assert (outcome, detail[:5]) == (DetectionOutcome.UNDECODABLE, "JPEG:")


@pytest.mark.parametrize(
    ("kind", "mode", "options"),
    [
        ("JPEG", "RGB", {}),
        ("JPEG", "L", {}),
        ("JPEG", "CMYK", {}),
        ("PNG", "RGBA", {}),
        ("PNG", "LA", {}),
        ("PNG", "P", {}),
        ("PNG", "1", {}),
        ("PPM", "L", {}),
        ("WEBP", "RGB", {"lossless": True}),
        ("AVIF", "RGB", {}),
        ("TIFF", "RGB", {}),
        ("BMP", "RGB", {}),
    ],
)
def test_every_usual_kind_of_picture_gives_eight_bit_colours(kind, mode, options, drawn_face, as_file):
    data = as_file(drawn_face, kind, mode=mode, **options)
    pixels = decoding.colour(data, decoding.header(data, max_pixels=MAX_PIXELS))
    assert pixels.shape == drawn_face.shape
    assert pixels.dtype == np.uint8
    if mode != "1":
        light = cv2.cvtColor(drawn_face, cv2.COLOR_BGR2GRAY).astype(int)
        assert np.abs(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY) - light).mean() < (12 if mode == "P" else 8)


@pytest.mark.parametrize("channels", [1, 3])
def test_sixteen_bits_become_eight(channels, drawn_face):
    wide = drawn_face[:, :, :channels].astype(np.uint16) * 257
    data = cv2.imencode(".png", wide)[1].tobytes()
    pixels = decoding.colour(data, decoding.header(data, max_pixels=MAX_PIXELS))
    assert np.abs(pixels[:, :, 0].astype(int) - drawn_face[:, :, 0]).max() <= 1


def test_an_animation_shows_its_first_frame(drawn_face):
    first = Image.fromarray(drawn_face[:, :, ::-1])
    buffer = io.BytesIO()
    black = Image.new("RGB", first.size)
    first.save(buffer, "GIF", save_all=True, append_images=[black, black], duration=50)
    data = buffer.getvalue()
    pixels = decoding.colour(data, decoding.header(data, max_pixels=MAX_PIXELS))
    assert np.abs(pixels.astype(int) - drawn_face).mean() < 12


@pytest.mark.parametrize(("side_px", "expected"), [(480, 480), (224, 224), (100, 100), (40, 40), (2000, 480)])
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_detection_sees_the_wanted_side_and_nothing_is_enlarged(kind, side_px, expected, drawn_face, as_file):
    data = as_file(drawn_face, kind)
    grey = decoding.grey_for_detection(data, decoding.header(data, max_pixels=MAX_PIXELS), side_px=side_px)
    assert grey.shape == (expected, round(expected * 640 / 480))
    small = cv2.resize(cv2.cvtColor(drawn_face, cv2.COLOR_BGR2GRAY), grey.shape[::-1], interpolation=cv2.INTER_AREA)
    assert np.abs(grey.astype(int) - small).mean() < 3


def upright_to_stored(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Pixels as a camera stores them, so that EXIF's `orientation` shows `pixels` upright."""
    return {
        1: pixels,
        2: pixels[:, ::-1],
        3: pixels[::-1, ::-1],
        4: pixels[::-1],
        5: pixels.transpose(1, 0, 2),
        6: np.rot90(pixels, 1),
        7: np.rot90(pixels, 2).transpose(1, 0, 2),
        8: np.rot90(pixels, -1),
    }[orientation]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_gives_the_box_in_the_upright_picture(orientation, drawn_face, as_file, params):
    exif = piexif.dump({"0th": {piexif.ImageIFD.Orientation: orientation}})
    stored = np.ascontiguousarray(upright_to_stored(drawn_face, orientation))
    [face] = crop.cut_faces(as_file(stored, "JPEG", exif=exif, quality=95), params.crop, max_pixels=MAX_PIXELS)
    assert face.shape == (480, 640)
    assert abs(face.box.x + face.box.width / 2 - 240) < 15, "the head is at 240 of 640"
    assert abs(face.box.y + face.box.height / 2 - 200) < 30, "and at 200 of 480"
    shown = crop.decoded(face.jpeg)
    place = crop.cut(drawn_face, face.place)
    assert shown.shape == place.shape
    assert np.abs(shown.astype(int) - place).mean() < 6


# ISO/IEC 23008-12: irot turns, imir mirrors. Pillow writes these boxes from EXIF's orientation.
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_format_is_decoded_upright(kind: str, orientation: int) -> None:
    upright = np.zeros((60, 90, 3), np.uint8)
    upright[:30, :45], upright[30:, 45:] = (255, 0, 0), (0, 255, 0)
    exif = Image.Exif()
    exif[piexif.ImageIFD.Orientation] = orientation
    file = io.BytesIO()
    stored = Image.fromarray(np.ascontiguousarray(upright_to_stored(upright, orientation)))
    stored.save(file, kind, exif=exif if kind == "TIFF" else exif.tobytes(), quality=95)
    data = file.getvalue()
    shown = decoding.colour(data, decoding.header(data, max_pixels=MAX_PIXELS))[:, :, ::-1]
    assert shown.shape == upright.shape
    assert np.abs(shown.astype(int) - upright).mean() < 8
    small = decoding.grey_for_detection(data, decoding.header(data, max_pixels=MAX_PIXELS), side_px=30)
    assert small.shape == (30, 45)
