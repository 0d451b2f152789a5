"""Perceptual code of a picture, which a copy keeps after recompression, resizing, conversion to grey and small crops.

Code: the lowest 6 × 6 frequencies (discrete cosine transform) of the grey picture without its outer tenth, weighted by
frequency, of length one, without the mean: 35 numbers of 8 bits. It says as much as a picture of 6 × 6 grey pixels, so
it is no template of a face.

A crop of at most a tenth of each side still contains the inner part that the code describes, at an unknown place. So a
picture is compared at 256 places, and the most promising ones are refined. The transform of a part of a picture is a
product of two small matrices with the picture, one for each axis, so that a place costs little.
"""

from __future__ import annotations

import io
import warnings
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps

GRID = 64
FREQUENCIES = 6
CODE_BYTES = FREQUENCIES**2 - 1
OUTER_SHARE = 0.1
# Above it, Pillow itself refuses a picture as a decompression bomb.
MAX_PIXELS = 178_956_970
MIN_SIDE_PX = 32
# Parts of a side that may have to be cut from a cropped picture to get the inner part of the whole one.
MAX_TRIM = OUTER_SHARE / (1 - OUTER_SHARE)
PLACES = 4
# Largest distances (1 - cosine) at which a pair is kept, after the 256 places and after each refinement.
COARSE_DISTANCE = 0.18
REFINED_DISTANCES = (0.06, 0.025, 0.012)
# A blank wall (grey levels) or a plain gradient (1: all in one frequency) looks like too many others.
MIN_CONTRAST = 4.0
MIN_SPREAD = 1.2
PAIRS_AT_ONCE = 1 << 22
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "PPM", "TIFF", "AVIF", "MPO")

_KEPT = np.array([y * FREQUENCIES + x for y in range(FREQUENCIES) for x in range(FREQUENCIES)][1:])
_WEIGHTS = np.array([np.hypot(y, x) for y in range(FREQUENCIES) for x in range(FREQUENCIES)][1:], np.float32)


class NotAPicture(Exception):
    """Error: bytes that begin like a picture cannot be decoded, or have more than MAX_PIXELS."""


class Near(NamedTuple):
    """Pair of a picture and a code that match.

    picture, code: their indices.
    distance: 0 (alike) to the last of REFINED_DISTANCES.
    """

    picture: int
    code: int
    distance: float


def grey_grid(data: bytes) -> np.ndarray | None:
    """Picture in GRID × GRID grey levels, upright, uint8; None if it is too small. Raises NotAPicture."""
    with _opened(data) as picture:
        if min(picture.size) < MIN_SIDE_PX:
            return None
        picture.draft("L", (GRID * 3 // 2, GRID * 3 // 2))
        grey = _grey(_upright(picture))
        return np.asarray(grey.resize((GRID, GRID), Image.Resampling.BOX), np.uint8)


def rgb_pixels(data: bytes) -> tuple[tuple[int, int], bytes]:
    """Size and bytes of all pixels as RGB, 8 bits a channel, upright. Raises NotAPicture."""
    with _opened(data) as picture:
        colour = _upright(picture).convert("RGB")
        return colour.size, colour.tobytes()


class _opened:  # noqa: N801 (used as a function)
    """Picture of bounded size; whatever a hostile file makes the decoder raise becomes NotAPicture."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def __enter__(self) -> Image.Image:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                picture = Image.open(io.BytesIO(self._data), formats=FORMATS)
            except Exception as error:
                raise NotAPicture(_one_line(error)) from None
        if picture.width * picture.height > MAX_PIXELS:
            raise NotAPicture(f"{picture.width} × {picture.height} pixels; at most {MAX_PIXELS} are decoded")
        return picture

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if isinstance(error, Exception):
            raise NotAPicture(_one_line(error)) from None


def _upright(picture: Image.Image) -> Image.Image:
    picture.load()
    if picture.getexif().get(0x0112, 1) == 1:
        return picture
    return ImageOps.exif_transpose(picture)


def _grey(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I"):
        deep = np.asarray(picture, np.float64)
        return Image.fromarray(np.clip(deep / max(deep.max(), 255.0) * 255.0, 0, 255).astype(np.uint8))
    return picture if picture.mode == "L" else picture.convert("L")


def _one_line(error: Exception) -> str:
    return (" ".join(str(error).split()) or type(error).__name__)[:160]


def code_of(grid: np.ndarray) -> bytes | None:
    """Code of a picture's grey grid: CODE_BYTES bytes; None if it has too little contrast or structure to tell."""
    vectors, telling = _inner_vectors(grid[None])
    if not telling[0]:
        return None
    return np.clip(np.rint(vectors[0] * 128), -127, 127).astype(np.int8).tobytes()


def is_telling(grids: np.ndarray) -> np.ndarray:
    """Mask of the grids (n, GRID, GRID) with enough contrast and structure for a code."""
    return _inner_vectors(grids)[1]


def _inner_vectors(grids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Vectors (n, CODE_BYTES) of the inner part of the grids, and the mask of `is_telling`."""
    side = np.array([[OUTER_SHARE]])
    inner = _transforms(side, side)
    vectors = _vectors(grids.astype(np.float32), inner, inner)[:, 0]
    spread = 1 / np.maximum((vectors**4).sum(axis=1), 1e-9)
    contrast = grids.reshape(len(grids), -1).std(axis=1)
    return vectors, (spread >= MIN_SPREAD) & (contrast >= MIN_CONTRAST)


class CodeIndex:
    """Index of codes, to find the pictures that match one.

    codes: each CODE_BYTES bytes.
    """

    def __init__(self, codes: list[bytes]) -> None:
        vectors = np.frombuffer(b"".join(codes), np.int8).reshape(-1, CODE_BYTES).astype(np.float32)
        self._codes = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
        self._trims = (np.arange(PLACES) + 0.5) * (MAX_TRIM / PLACES)
        left, right = np.repeat(self._trims, PLACES), np.tile(self._trims, PLACES)
        self._sides = np.stack([left, right], axis=1)
        self._places = _transforms(left, right)

    def near(self, grids: np.ndarray) -> list[Near]:
        """Pairs of the grids (n, GRID, GRID) and the codes that match, each picture with its nearest code."""
        found: list[Near] = []
        if not len(self._codes) or not len(grids):
            return found
        pixels = grids.astype(np.float32)
        pictures, codes, places = self._coarse(pixels)
        sides = np.concatenate(
            [self._sides[places % len(self._sides)], self._sides[places // len(self._sides)]], axis=1
        )
        step = MAX_TRIM / PLACES / 3
        distances = np.zeros(len(pictures))
        for largest in REFINED_DISTANCES:
            sides, distances = self._refined(pixels, pictures, codes, sides, step)
            kept = distances <= largest
            pictures, codes, sides, distances = pictures[kept], codes[kept], sides[kept], distances[kept]
            step /= 3
        order = np.lexsort((distances, pictures))
        for which in order:
            if not found or found[-1].picture != pictures[which]:
                found.append(Near(int(pictures[which]), int(codes[which]), float(distances[which])))
        return found

    def _coarse(self, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Pictures, codes and places of the pairs within COARSE_DISTANCE at the best of the places."""
        vectors = _vectors(pixels, self._places[None], self._places[None])
        pairs: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        at_once = max(PAIRS_AT_ONCE // (vectors.shape[1] * len(self._codes)), 1)
        for start in range(0, len(pixels), at_once):
            likeness = vectors[start : start + at_once] @ self._codes.T
            best = likeness.max(axis=1)
            which, codes = np.nonzero(best >= 1 - COARSE_DISTANCE)
            pairs.append((which + start, codes, likeness[which, :, codes].argmax(axis=1)))
        pictures, codes, places = (np.concatenate(each) for each in zip(*pairs, strict=True))
        return pictures, codes, places

    def _refined(
        self, pixels: np.ndarray, pictures: np.ndarray, codes: np.ndarray, sides: np.ndarray, step: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Better sides (n, 4: left, right, top, bottom) of each pair, moved by up to `step`, and its distance."""
        better, distances = sides.copy(), np.full(len(sides), 2.0)
        moves = np.array([-step, 0.0, step])
        first, second = np.repeat(moves, 3), np.tile(moves, 3)
        for start in range(0, len(sides), 256):
            part = slice(start, start + 256)
            left, right, top, bottom = (np.clip(sides[part, each, None], 0, 1) for each in range(4))
            across = [np.clip(left + first, 0, MAX_TRIM * 1.1), np.clip(right + second, 0, MAX_TRIM * 1.1)]
            down = [np.clip(top + first, 0, MAX_TRIM * 1.1), np.clip(bottom + second, 0, MAX_TRIM * 1.1)]
            vectors = _vectors(pixels[pictures[part]], _transforms(*across), _transforms(*down))
            likeness = np.einsum("npk,nk->np", vectors, self._codes[codes[part]])
            best = likeness.argmax(axis=1)
            rows = np.arange(len(best))
            distances[part] = 1 - likeness[rows, best]
            y, x = best // 9, best % 9
            better[part] = np.stack(
                [across[0][rows, x], across[1][rows, x], down[0][rows, y], down[1][rows, y]], axis=1
            )
        return better, distances


def _transforms(first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Cosine transforms of a row of GRID pixels without its shares `first` and `last`: (…, FREQUENCIES, GRID).

    A pixel is a step of the row: cosines are integrated over its part in the window, so places need not be whole.
    """
    low, high = first[..., None], 1 - last[..., None]
    edges = (np.clip(np.linspace(0, 1, GRID + 1), low, high) - low) / (high - low)
    waves = np.arange(1, FREQUENCIES)[:, None] * np.pi
    integrals = np.sin(waves * edges[..., None, :]) / waves
    return np.concatenate([np.diff(edges)[..., None, :], np.diff(integrals, axis=-1)], axis=-2).astype(np.float32)


def _vectors(pixels: np.ndarray, across: np.ndarray, down: np.ndarray) -> np.ndarray:
    """Unit vectors (n, places, CODE_BYTES) of the places of each picture.

    pixels: (n, GRID, GRID). across, down: transforms (n or 1, windows, FREQUENCIES, GRID) of columns and rows; the
    places are all pairs of windows, those across run fastest.
    """
    windows = across.shape[1]
    flat_across = across.reshape(len(across), -1, GRID)
    flat_down = down.reshape(len(down), -1, GRID)
    waves = np.matmul(np.matmul(flat_down, pixels), flat_across.transpose(0, 2, 1))
    waves = waves.reshape(-1, windows, FREQUENCIES, windows, FREQUENCIES).transpose(0, 1, 3, 2, 4)
    vectors = waves.reshape(len(pixels), windows**2, FREQUENCIES**2)[:, :, _KEPT] * _WEIGHTS
    return vectors / np.maximum(np.linalg.norm(vectors, axis=2, keepdims=True), 1e-6)
