"""Decoding of pictures from the web. The header is checked before any pixel is decoded.

OpenCV decodes in the upright orientation of EXIF, with 8 bits a channel, without alpha; of an animation the first
frame. An AVIF, which it leaves as stored, is turned here. OpenCV would decode 30,000 × 30,000 pixels from a few
kilobytes, hence the check. A picture that may still cost much is decoded under a time limit.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import NamedTuple

import cv2
import numpy as np
from PIL import ExifTags, Image

from mtf.faces import decoding_bounds, limited_decoder
from mtf.schemas.enums import DetectionOutcome

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "PPM", "TIFF", "AVIF")
MAX_DETAIL = 160

# Work that a decoder may have, in pixels × passes over them: above it, it runs under a time limit. OpenCV decodes some
# 250 million a second. A photograph of 24 megapixels in ten scans is below it.
MAX_UNLIMITED_WORK = 250_000_000
MAX_DECODE_S = 10
# Passes that one pixel costs at most, by format; for JPEG, and TIFF, which may contain it, its scans are counted.
_PASSES = {"AVIF": 20, "WEBP": 5, "PNG": 3}

# OpenCV's flags by divisor of the picture's size.
_IN_GREY = {
    1: cv2.IMREAD_GRAYSCALE,
    2: cv2.IMREAD_REDUCED_GRAYSCALE_2,
    4: cv2.IMREAD_REDUCED_GRAYSCALE_4,
    8: cv2.IMREAD_REDUCED_GRAYSCALE_8,
}
_IN_COLOUR = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}


class Unreadable(Exception):
    """A picture cannot be decoded. `outcome` is a value of the table of detections, the message its detail."""

    def __init__(self, outcome: DetectionOutcome, detail: str) -> None:
        super().__init__(detail[:MAX_DETAIL])
        self.outcome = outcome


class TooCostly(Unreadable):
    """A picture is not decoded, or not to its end, because that takes too much time."""

    def __init__(self, detail: str) -> None:
        super().__init__(DetectionOutcome.UNDECODABLE, detail)


class Header(NamedTuple):
    """Header of a picture; width and height in pixels as stored, before the EXIF orientation."""

    format: str
    width: int
    height: int


def header(data: bytes, *, max_pixels: int) -> Header:
    """Read and check a picture's header.

    Raises Unreadable if it is no picture, or has more than `max_pixels`, and TooCostly if its file exceeds one of
    `decoding_bounds`.
    """
    if not data:
        raise Unreadable(DetectionOutcome.UNDECODABLE, "no bytes")
    if excess := decoding_bounds.excess(data):
        raise TooCostly(excess)
    try:
        with of_any_size(), Image.open(io.BytesIO(data), formats=FORMATS) as picture:
            result = Header(picture.format or "", picture.width, picture.height)
    except Image.UnidentifiedImageError:
        raise Unreadable(DetectionOutcome.UNDECODABLE, f"not a picture ({', '.join(FORMATS)})") from None
    except Exception as error:  # a hostile header may raise anything in a parser
        raise Unreadable(DetectionOutcome.UNDECODABLE, f"header: {_one_line(error)}") from None
    if result.width * result.height > max_pixels:
        size = f"{result.width} × {result.height} pixels"
        raise Unreadable(DetectionOutcome.TOO_LARGE, f"{size}; crawl.max_pixels permits {max_pixels}")
    return result


def grey_for_detection(data: bytes, header: Header, *, side_px: int) -> np.ndarray:
    """Grey upright pixels (height, width; uint8), the shorter side `side_px` or less (`reduced`)."""
    return reduced(data, header, side_px=side_px, colour=False)


def reduced(data: bytes, header: Header, *, side_px: int, colour: bool) -> np.ndarray:
    """Upright pixels, uint8, the shorter side `side_px` or less; never enlarged. Raises Unreadable.

    (height, width, 3) in blue, green, red with `colour`, else (height, width) in grey. JPEG is decoded at a half, a
    quarter or an eighth of its size if that leaves `side_px` or more, which saves most of the work.
    """
    flags = _IN_COLOUR if colour else _IN_GREY
    pixels = decoded(data, header, flags=flags[_reduction(header, side_px)])
    height, width = pixels.shape[:2]
    share = side_px / min(height, width)
    if share >= 1:
        return pixels
    size = (max(round(width * share), 1), max(round(height * share), 1))
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)


def colour(data: bytes, header: Header) -> np.ndarray:
    """All upright pixels: (height, width, 3) in blue, green, red, uint8. Raises Unreadable."""
    pixels = decoded(data, header, flags=cv2.IMREAD_COLOR)
    if pixels.shape[0] * pixels.shape[1] != header.width * header.height:
        raise Unreadable(
            DetectionOutcome.UNDECODABLE, f"{header.format}: its pixels are not as many as its header states"
        )
    return pixels


def _reduction(header: Header, side_px: int) -> int:
    """Divisor of the size to decode at: 1, 2, 4 or 8. Only for JPEG: of other formats, OpenCV would drop pixels."""
    if header.format not in ("JPEG", "MPO"):
        return 1
    possible = min(header.width, header.height) // side_px
    return max(divisor for divisor in _IN_GREY if divisor <= max(possible, 1))


def decoded(data: bytes, header: Header, *, flags: int) -> np.ndarray:
    """Pixels of a checked picture, uint8, as `cv2.imdecode` gives them with `flags`.

    Every picture of a stranger is decoded here: under a time limit of MAX_DECODE_S seconds of processor time if its
    header permits much work. Raises Unreadable, and TooCostly past the limit.
    """
    try:
        if _work(data, header) > MAX_UNLIMITED_WORK:
            pixels = limited_decoder.decode(data, flags, cpu_s=MAX_DECODE_S)
        else:
            pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except limited_decoder.OverLimit as error:
        raise TooCostly(f"{header.format}: {error}") from None
    except cv2.error as error:
        raise Unreadable(DetectionOutcome.UNDECODABLE, f"{header.format}: {_one_line(error)}") from None
    if pixels is not None and header.format == "AVIF":
        return _turned(pixels, _orientation(data))
    if pixels is None:
        why = "not decodable by OpenCV" if _work(data, header) > MAX_UNLIMITED_WORK else _why(data)
        raise Unreadable(DetectionOutcome.UNDECODABLE, f"{header.format}: {why}")
    return pixels


def _orientation(data: bytes) -> int:
    """Orientation of an AVIF, 1 to 8 as in EXIF, from its boxes irot and imir; OpenCV heeds neither.

    These boxes count, and not what EXIF says (ISO/IEC 23008-12, section 6.5.10). Pillow translates them.
    """
    try:
        with of_any_size(), Image.open(io.BytesIO(data), formats=("AVIF",)) as picture:
            return int(picture.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # damaged metadata may raise anything, and leave the picture as it is stored
        return 1


def _turned(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Upright pixels of a picture that is stored in an EXIF orientation (CIPA DC-008, section 4.6.4)."""
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def _work(data: bytes, header: Header) -> int:
    """Work of decoding a picture, at most, in pixels × passes over them."""
    passes = _PASSES.get(header.format) or (
        decoding_bounds.scans_at_most(data) if header.format in ("JPEG", "MPO", "TIFF") else 1
    )
    return header.width * header.height * passes


def _why(data: bytes) -> str:
    """Reason why a picture cannot be decoded, from Pillow: OpenCV gives none."""
    try:
        with of_any_size(), Image.open(io.BytesIO(data), formats=FORMATS) as picture:
            picture.load()
    except Exception as error:  # a damaged picture may raise anything in a decoder
        return _one_line(error)
    return "not decodable by OpenCV"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


class _PillowLimit:
    """Pillow's limit of pixels, of the whole process, and the number of threads that have disabled it."""

    lock = threading.Lock()
    disabled = 0
    value = Image.MAX_IMAGE_PIXELS


@contextmanager
def of_any_size() -> Generator[None]:
    """Disable Pillow's own limit of pixels: `header` applies the one of params.yaml, which may be higher."""
    with _PillowLimit.lock:
        if _PillowLimit.disabled == 0:
            _PillowLimit.value, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        _PillowLimit.disabled += 1
    try:
        yield
    finally:
        with _PillowLimit.lock:
            _PillowLimit.disabled -= 1
            if _PillowLimit.disabled == 0:
                Image.MAX_IMAGE_PIXELS = _PillowLimit.value
