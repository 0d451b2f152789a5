import io
import random
import struct
import zlib

import numpy as np
import pytest
from PIL import ExifTags, Image

from crawl_project import picture_bytes
from mtf.config import Crawl
from mtf.crawl.examination import examine
from mtf.crawl.jpeg_header import plain_size
from mtf.crawl.sniffing import EXTENSIONS, sniff
from mtf.faces.decoding import FORMATS, Unreadable, header
from mtf.schemas import FetchOutcome
from mtf.sources.fetch_failure import FetchFailed

CRAWL = Crawl.model_validate({"sources": [{"kind": "bing"}], "max_bytes": 1_000_000, "max_pixels": 1_000_000})


def refusal(data: bytes) -> FetchFailed:
    with pytest.raises(FetchFailed) as failure:
        sniff(data, CRAWL)
    return failure.value


@pytest.mark.parametrize(
    ("kind", "media_type", "extension"),
    [
        ("JPEG", "image/jpeg", "jpg"),
        ("PNG", "image/png", "png"),
        ("WEBP", "image/webp", "webp"),
        ("GIF", "image/gif", "gif"),
        ("BMP", "image/bmp", "bmp"),
        ("TIFF", "image/tiff", "tiff"),
        ("PPM", "image/x-portable-anymap", "pnm"),
        ("AVIF", "image/avif", "avif"),
    ],
)
def test_the_bytes_say_what_a_picture_is(kind: str, media_type: str, extension: str):
    found = sniff(picture_bytes(kind=kind, size=(96, 80)), CRAWL)
    assert (found.media_type, found.extension, found.width, found.height) == (media_type, extension, 96, 80)


def encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


PLAIN = {
    "RGB": {},
    "L": {},
    "progressive": {"progressive": True},
    "profile": {"icc_profile": bytes(400)},
    "comment": {"comment": b"by hand"},
    "restarts": {"restart_marker_rows": 1},
}
"""Options of plain JPEGs."""


@pytest.mark.parametrize("name", PLAIN)
def test_a_plain_jpeg_needs_no_pillow(name: str):
    mode = "L" if name == "L" else "RGB"
    assert plain_size(encoded(Image.new(mode, (96, 80), 90), "JPEG", **PLAIN[name])) == (96, 80)


@pytest.mark.parametrize("name", PLAIN)
def test_a_plain_header_is_read_as_pillow_reads_it(name: str):
    whole = encoded(Image.new("L" if name == "L" else "RGB", (96, 80), 90), "JPEG", **PLAIN[name])
    chance, header_bytes, taken = random.Random(name), whole.index(b"\xff\xda") + 14, 0
    for _ in range(3_000):
        data = bytearray(whole)
        for _ in range(chance.choice((1, 1, 2, 4))):
            place = chance.randrange(header_bytes)
            data[place] = chance.choice((0, 1, 2, 0x10, 0xC0, 0xE1, 0xFF, chance.randrange(256)))
        data = data[: chance.choice((len(data), chance.randrange(len(data))))]
        size = plain_size(bytes(data))
        if size is None:
            continue
        taken += 1
        with Image.open(io.BytesIO(data), formats=["JPEG"]) as picture:
            assert picture.size == size
            assert not picture.info.keys() & {"exif", "xmp", "photoshop", "mp"}
    assert 300 < taken < 2_700


def exif() -> Image.Exif:
    fields = Image.Exif()
    fields[ExifTags.Base.Artist] = "Ada"
    return fields


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(encoded(Image.new("RGB", (96, 80)), "JPEG", exif=exif()), id="EXIF"),
        pytest.param(encoded(Image.new("RGB", (96, 80)), "JPEG", xmp=b"<x/>"), id="XMP"),
        pytest.param(encoded(Image.new("CMYK", (96, 80)), "JPEG"), id="four components"),
        pytest.param(encoded(Image.new("RGB", (96, 80)), "PNG"), id="PNG"),
        pytest.param(
            encoded(Image.new("RGB", (96, 80)), "MPO", save_all=True, append_images=[Image.new("RGB", (96, 80))]),
            id="two pictures",
        ),
        pytest.param(picture_bytes()[:100], id="cut"),
    ],
)
def test_metadata_and_odd_headers_are_left_to_pillow(data: bytes):
    assert plain_size(data) is None


def test_odd_but_whole_pictures_are_taken():
    frames = [Image.new("RGB", (70, 70), color) for color in ("red", "blue")]
    animated = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    sixteen_bit = encoded(Image.fromarray(np.full((70, 70), 40_000, np.uint16)), "PNG")
    cmyk = encoded(Image.new("CMYK", (70, 70)), "JPEG")
    progressive = picture_bytes(progressive=True)
    with_bytes_after_its_end = picture_bytes() + b"\0" * 20
    for data in (animated, sixteen_bit, cmyk, progressive, with_bytes_after_its_end):
        assert sniff(data, CRAWL).width >= 70


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "AVIF"])
@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
def test_a_picture_without_its_end_is_truncated(kind: str, share: float):
    data = picture_bytes(kind=kind)
    assert refusal(data[: max(12, int(len(data) * share))]).outcome == FetchOutcome.TRUNCATED


def test_the_end_of_a_thumbnail_is_not_the_end_of_the_picture():
    thumbnail = picture_bytes(size=(16, 16))
    segment = b"\xff\xe2" + struct.pack(">H", len(thumbnail) + 2) + thumbnail
    data = picture_bytes()
    whole = data[:2] + segment + data[2:]
    assert sniff(whole, CRAWL).width == 96
    assert refusal(whole[:-40]).outcome == FetchOutcome.TRUNCATED


@pytest.mark.parametrize(
    ("data", "detail"),
    [
        (b"", "zero bytes"),
        (b"<!DOCTYPE html><html></html>", "begins with b'<!DOCTYPE html><html></h'"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 'begins with b"<svg xmlns=\'http://www.w"'),
        (b"%PDF-1.7", "begins with b'%PDF-1.7'"),
    ],
)
def test_what_is_no_picture_says_how_it_begins(data: bytes, detail: str):
    failure = refusal(data)
    assert (failure.outcome, failure.detail) == (FetchOutcome.NOT_AN_IMAGE, detail)


@pytest.mark.parametrize("side_px", [2_000, 30_000])
def test_a_decompression_bomb_is_judged_by_its_header(side_px: int):
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", side_px, side_px, 8, 0, 0, 0, 0)
    pixels = zlib.compress(b"\0" * 10_000)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    failure = refusal(bomb)
    assert failure.outcome == FetchOutcome.TOO_LARGE
    assert failure.detail == f"{side_px}×{side_px} pixels; permitted: 1000000 in all"


def test_a_bound_above_pillows_own_holds_for_the_picture_and_for_what_it_states():
    permitting = CRAWL.model_copy(update={"max_pixels": 10**9})
    rdf = 'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:cc="http://creativecommons.org/ns#"'
    license = '<cc:license rdf:resource="https://creativecommons.org/licenses/by/4.0/"/>'
    xmp = f"<rdf:RDF {rdf}><rdf:Description>{license}</rdf:Description></rdf:RDF>"
    small = picture_bytes(xmp=xmp.encode())
    frame = small.index(b"\xff\xc0") + 5  # where the frame's header has height and width (ITU T.81, B.2.2)
    data = small[:frame] + struct.pack(">HH", 20_000, 20_000) + small[frame + 4 :]
    assert sniff(data, permitting).width == 20_000
    assert examine(lambda: data, permitting).statement.license == "CC-BY-4.0"


def test_all_that_can_be_decoded_can_be_fetched():
    assert set(FORMATS) <= set(EXTENSIONS)


def test_bounds_are_named_with_what_is_permitted():
    small = refusal(picture_bytes(size=(200, 20)))
    assert (small.outcome, small.detail) == (FetchOutcome.TOO_SMALL, "200×20 pixels; a side has at least 64")
    large = refusal(b"\0" * 1_000_001)
    assert (large.outcome, large.detail) == (FetchOutcome.TOO_LARGE, "1000001 bytes; permitted: 1000000")


def _progressive(scans: int) -> bytes:
    """A progressive JPEG whose last scan stands there `scans` times."""
    buffer = io.BytesIO()
    Image.new("L", (300, 300), 90).save(buffer, "JPEG", progressive=True)
    data = buffer.getvalue()
    last = data.rfind(b"\xff\xda")
    return data[:last] + data[last:-2] * scans + data[-2:]


def test_a_jpeg_of_a_few_scans_is_a_picture():
    assert sniff(_progressive(10), CRAWL).width == 300


@pytest.mark.parametrize(
    ("data", "detail"),
    [
        (_progressive(3_000), r"JPEG: 30\d\d scans; permitted: 100"),
        (_progressive(1)[:2] + b"\xff" * 12_000_000 + _progressive(1)[2:], "JPEG: 12000000 fill bytes; permitted"),
    ],
    ids=["scans", "fill bytes"],
)
def test_a_jpeg_that_costs_too_much_to_decode_is_refused_undecoded(data: bytes, detail: str):
    with pytest.raises(FetchFailed, match=detail) as failure:
        sniff(data, CRAWL.model_copy(update={"max_bytes": 20_000_000}))
    assert failure.value.outcome == FetchOutcome.UNDECODABLE
    with pytest.raises(Unreadable, match="JPEG: "):
        header(data, max_pixels=10**8)
