"""Perceptual hash of a whole picture, by which a picture that was taken down is recognised."""

from __future__ import annotations

from mtf.faces import decoding
from mtf.faces.quality import perceptual_hash

HASH_SIDE_PX = 64
SAME_PICTURE_BITS = 6
"""Largest distance of copies. Of 64 bits, copies differ in a few, other pictures of a person in some thirty."""


def picture_hash(data: bytes, *, max_pixels: int) -> int:
    """Perceptual hash, 64 bits, which changes little when a picture is resized or recompressed.

    Raises decoding.Unreadable if it is no picture, or has more than `max_pixels`.
    """
    header = decoding.header(data, max_pixels=max_pixels)
    return perceptual_hash(decoding.grey_for_detection(data, header, side_px=HASH_SIDE_PX))


def differing_bits(one: int, other: int) -> int:
    """Hamming distance of two hashes, 0 to 64."""
    return (one ^ other).bit_count()
