"""Sniffing of files by their first and last bytes: format, size in pixels, completeness. No pixel is decoded."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass

from PIL import Image, ImageFile, UnidentifiedImageError

from mtf.config import Crawl
from mtf.core.errors import shortened
from mtf.crawl import jpeg_header
from mtf.faces import decoding_bounds
from mtf.faces.decoding import of_any_size
from mtf.schemas import FetchOutcome
from mtf.sources.fetch_failure import FetchFailed

EXTENSIONS = {
    "JPEG": "jpg",
    "MPO": "jpg",
    "PNG": "png",
    "WEBP": "webp",
    "GIF": "gif",
    "BMP": "bmp",
    "TIFF": "tiff",
    "PPM": "pnm",
    "AVIF": "avif",
}
_READ = tuple(name for name in EXTENSIONS if name != "MPO")  # Pillow opens these as JPEG
_MEDIA_TYPES = {"jpg": "image/jpeg", "pnm": "image/x-portable-anymap"}
_MAGIC = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8", b"II*\0", b"MM\0*")
_JPEG_END = b"\xff\xd9"
_PNG_END = b"IEND\xaeB`\x82"
_AVIF_START = b"ftypavi"


@dataclass(frozen=True, slots=True)
class ImageFormat:
    """Format and size of a picture. Width and height are in pixels as stored, before any EXIF orientation."""

    media_type: str
    extension: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class OpenedPicture:
    """A picture whose header is parsed.

    picture: None for a JPEG without metadata.
    metadata: the file's bytes without its coded pixels (`decoding_bounds.walked`).
    """

    kind: ImageFormat
    picture: ImageFile.ImageFile | None
    metadata: bytes


def sniff(data: bytes, crawl: Crawl) -> ImageFormat:
    """Format and size of a complete picture within the bounds of `crawl`. Raises FetchFailed as `opened`."""
    return opened(data, crawl).kind


def opened(data: bytes, crawl: Crawl) -> OpenedPicture:
    """Open a complete picture within the bounds of `crawl`.

    Raises FetchFailed: NOT_AN_IMAGE, TRUNCATED, UNDECODABLE (a file that costs too much to decode), TOO_LARGE (judged
    by the header, so that a decompression bomb is never inflated) or TOO_SMALL.
    """
    if len(data) > crawl.max_bytes:
        raise FetchFailed(FetchOutcome.TOO_LARGE, f"{len(data)} bytes; permitted: {crawl.max_bytes}")
    excess, metadata = decoding_bounds.walked(data)
    if excess:
        raise FetchFailed(FetchOutcome.UNDECODABLE, excess)
    plain = jpeg_header.plain_size(data)
    kind, picture = _kind(data) if plain is None else (ImageFormat("image/jpeg", "jpg", *plain), None)
    if kind.width * kind.height > crawl.max_pixels:
        detail = f"{kind.width}×{kind.height} pixels; permitted: {crawl.max_pixels} in all"
        raise FetchFailed(FetchOutcome.TOO_LARGE, detail)
    if min(kind.width, kind.height) < crawl.min_side_px:
        raise FetchFailed(
            FetchOutcome.TOO_SMALL, f"{kind.width}×{kind.height} pixels; a side has at least {crawl.min_side_px}"
        )
    if not _is_whole(data, kind.extension):
        raise FetchFailed(FetchOutcome.TRUNCATED, f"{kind.media_type} of {len(data)} bytes without its end")
    return OpenedPicture(kind, picture, metadata)


def _kind(data: bytes) -> tuple[ImageFormat, ImageFile.ImageFile]:
    try:
        with warnings.catch_warnings(), of_any_size():
            warnings.simplefilter("ignore")  # Pillow warns of oddities that the checks here judge
            picture = Image.open(io.BytesIO(data), formats=_READ)
            extension = EXTENSIONS[picture.format or ""]
            media_type = _MEDIA_TYPES.get(extension, f"image/{extension}")
            return ImageFormat(media_type, extension, *picture.size), picture
    except UnidentifiedImageError:
        raise _unidentified(data) from None
    except Exception as error:  # a broken header may raise anything in Pillow's parsers
        raise FetchFailed(FetchOutcome.TRUNCATED, f"header cannot be read: {type(error).__name__}: {error}") from None


def _unidentified(data: bytes) -> FetchFailed:
    if not data:
        return FetchFailed(FetchOutcome.NOT_AN_IMAGE, "zero bytes")
    if data.startswith(_MAGIC) or data[4:11] == _AVIF_START:
        return FetchFailed(FetchOutcome.TRUNCATED, f"the header ends within {len(data)} bytes")
    return FetchFailed(FetchOutcome.NOT_AN_IMAGE, f"begins with {shortened(data[:24])}")


def _is_whole(data: bytes, extension: str) -> bool:
    """True if the file has its end. Bytes after it are common and harmless."""
    if extension == "jpg":
        # A thumbnail in the header has an end marker of its own: only one after the scan's start counts.
        return data.rfind(_JPEG_END, _jpeg_scan(data)) >= 0
    if extension == "png":
        return data.rfind(_PNG_END) >= 0
    if extension == "webp":
        return int.from_bytes(data[4:8], "little") + 8 <= len(data)
    if extension == "bmp":
        return int.from_bytes(data[2:6], "little") <= len(data)
    if extension == "avif":
        return _has_whole_boxes(data)
    return True


def _has_whole_boxes(data: bytes) -> bool:
    """True if the last of the file's boxes ends within the file.

    Each box is size, type, content (ISO/IEC 14496-12, section 4.2).
    """
    place = 0
    while place + 8 <= len(data):
        size = int.from_bytes(data[place : place + 4], "big")
        if size == 0:  # up to the file's end, wherever that is
            return True
        if size == 1:
            size = int.from_bytes(data[place + 8 : place + 16], "big")
        if size < 8:  # bytes after the last box
            return True
        place += size
    return place <= len(data)


def _jpeg_scan(data: bytes) -> int:
    """Offset of the first start-of-scan marker (JPEG, ITU T.81 B.1.1), or the file's length if there is none."""
    place = 2
    while place + 4 <= len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if marker == 0xDA:
            return place
        # Fill bytes, and markers without a segment, are one or two bytes long.
        if marker == 0xFF:
            place += 1
        elif marker == 0x01 or 0xD0 <= marker <= 0xD7:
            place += 2
        else:
            place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    return len(data)
