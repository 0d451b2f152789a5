"""Picture files in many formats: usual, unusual and damaged ones."""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass
from importlib import resources
from typing import Any
from xml.sax.saxutils import escape

import cv2
import numpy as np
from PIL import Image, TiffImagePlugin

JPEG_QUALITY = 70
BOMB_SIDE_PX = 30_000
_ORIENTATION, _GPS, _MODEL = 0x0112, 0x8825, 0x0110
_TURNED_LEFT = 6  # EXIF orientation: rotate right by 90 degrees


@dataclass(frozen=True)
class File:
    """Content of an address.

    - `data`: the bytes;
    - `extension`: extension in the address, by which the server states the media type.
    """

    data: bytes
    extension: str


def jpeg(pixels: np.ndarray, *, xmp: str | None = None, quality: int = JPEG_QUALITY) -> File:
    """JPEG of `pixels` (height, width, 3), BGR, uint8. `xmp`: packet to embed."""
    return _saved(_picture(pixels), "jpg", format="JPEG", quality=quality, **({"xmp": xmp.encode()} if xmp else {}))


def grey_jpeg(pixels: np.ndarray) -> File:
    """Greyscale JPEG."""
    return _saved(_picture(pixels).convert("L"), "jpg", format="JPEG", quality=JPEG_QUALITY)


def cmyk_jpeg(pixels: np.ndarray) -> File:
    """JPEG in CMYK."""
    return _saved(_picture(pixels).convert("CMYK"), "jpg", format="JPEG", quality=JPEG_QUALITY)


def webp(pixels: np.ndarray) -> File:
    """WebP file."""
    return _saved(_picture(pixels), "webp", format="WEBP", quality=JPEG_QUALITY)


def png(pixels: np.ndarray) -> File:
    """PNG with 64 levels per channel, which keeps it small."""
    return _saved(_picture(pixels // 4 * 4), "png", format="PNG", optimize=True)


def png_16_bit(pixels: np.ndarray) -> File:
    """PNG with 16 bits per channel, and 64 levels."""
    deep = (pixels // 4 * 4).astype(np.uint16) * 257
    return File(cv2.imencode(".png", deep, [cv2.IMWRITE_PNG_COMPRESSION, 9])[1].tobytes(), "png")


def animated_gif(frames: list[np.ndarray]) -> File:
    """Animated GIF of the frames, with 64 colours each."""
    first, *others = [_picture(frame).quantize(64, dither=Image.Dither.NONE) for frame in frames]
    return _saved(first, "gif", format="GIF", save_all=True, append_images=others, duration=400, loop=0)


def rotated_jpeg(pixels: np.ndarray) -> File:
    """JPEG as a telephone stores it: rotated to the left, with an EXIF orientation and GPS position."""
    exif = Image.Exif()
    exif[_ORIENTATION] = _TURNED_LEFT
    exif[_MODEL] = "Drawn Camera"
    degrees = tuple(TiffImagePlugin.IFDRational(value) for value in (12, 34, 56))
    exif[_GPS] = {1: "N", 2: degrees, 3: "E", 4: degrees}
    turned = np.ascontiguousarray(np.rot90(pixels))
    return _saved(_picture(turned), "jpg", format="JPEG", quality=JPEG_QUALITY, exif=exif)


def resaved(file: File) -> File:
    """Same picture with other bytes: a JPEG with a comment after its start."""
    comment = b"saved again"
    return File(file.data[:2] + b"\xff\xfe" + struct.pack(">H", len(comment) + 2) + comment + file.data[2:], "jpg")


def with_manifest(file: File) -> File:
    """JPEG with a C2PA manifest whose assertion `cawg.training-mining` says notAllowed.

    The manifest was signed for another picture, so that its bytes stay the same. Its validation fails, as that of a
    picture whose pixels were changed does, and its "no" counts.
    """
    segments = (resources.files("mtf.sample") / "training_mining.app11").read_bytes()
    return File(file.data[:2] + segments + file.data[2:], file.extension)


def truncated(file: File) -> File:
    """First two fifths of the bytes of a file."""
    return File(file.data[: len(file.data) * 2 // 5], file.extension)


def bomb() -> File:
    """Decompression bomb: a PNG of some hundred kilobytes with 30,000 × 30,000 pixels."""
    header = struct.pack(">IIBBBBB", BOMB_SIDE_PX, BOMB_SIDE_PX, 1, 0, 0, 0, 0)
    row = bytes(1 + (BOMB_SIDE_PX + 7) // 8)
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(row * 100) for _ in range(BOMB_SIDE_PX // 100)) + packer.flush()
    chunks = [(b"IHDR", header), (b"IDAT", packed), (b"IEND", b"")]
    return File(b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in chunks), "png")


def xmp_packet(*, license_url: str, creator: str, title: str) -> str:
    """XMP packet with license, creator and title, as photographers' programs write it."""
    url, who, what = (escape(text, {'"': "&quot;"}) for text in (license_url, creator, title))
    return f"""<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"
 xmlns:xmpRights="http://ns.adobe.com/xap/1.0/rights/" xmlns:cc="http://creativecommons.org/ns#"
 xmpRights:Marked="True" xmpRights:WebStatement="{url}">
<cc:license rdf:resource="{url}"/>
<dc:creator><rdf:Seq><rdf:li>{who}</rdf:li></rdf:Seq></dc:creator>
<dc:title><rdf:Alt><rdf:li xml:lang="x-default">{what}</rdf:li></rdf:Alt></dc:title>
</rdf:Description></rdf:RDF></x:xmpmeta>
<?xpacket end="w"?>"""


def mining_packet() -> str:
    """XMP packet that reserves training (IPTC 2023.1)."""
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:plus="http://ns.useplus.org/ldf/xmp/1.0/" '
        'plus:DataMining="http://ns.useplus.org/ldf/vocab/DMI-PROHIBITED-AIMLTRAINING"/></rdf:RDF></x:xmpmeta>'
    )


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _picture(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(pixels[..., ::-1]))


def _saved(picture: Image.Image, extension: str, **options: Any) -> File:
    buffer = io.BytesIO()
    picture.save(buffer, **options)
    return File(buffer.getvalue(), extension)
