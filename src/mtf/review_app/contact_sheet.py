"""Contact sheet: several faces in one picture, each with its number."""

from __future__ import annotations

import cv2
import numpy as np

TILE_PX, COLUMNS = 160, 8
NUMBER_PX = 22


def contact_sheet(crops: list[bytes]) -> bytes:
    """JPEG with the crops (JPEGs) in rows of COLUMNS, each with its number from 1 above it. Raises OSError."""
    tiles = [_tile(crop, number) for number, crop in enumerate(crops, 1)]
    blank = np.full((TILE_PX + NUMBER_PX, TILE_PX, 3), 32, np.uint8)
    tiles += [blank] * (-len(tiles) % COLUMNS)
    rows = [np.hstack(tiles[start : start + COLUMNS]) for start in range(0, len(tiles), COLUMNS)]
    return cv2.imencode(".jpg", np.vstack(rows), [cv2.IMWRITE_JPEG_QUALITY, 88])[1].tobytes()


def _tile(crop: bytes, number: int) -> np.ndarray:
    pixels = cv2.imdecode(np.frombuffer(crop, np.uint8), cv2.IMREAD_COLOR)
    if pixels is None:
        raise OSError("a crop of the shard is not readable as a picture")
    share = TILE_PX / max(pixels.shape[:2])
    size = (max(round(pixels.shape[1] * share), 1), max(round(pixels.shape[0] * share), 1))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA if share < 1 else cv2.INTER_LINEAR)
    tile = np.full((TILE_PX + NUMBER_PX, TILE_PX, 3), 32, np.uint8)
    left = (TILE_PX - size[0]) // 2
    tile[NUMBER_PX : NUMBER_PX + size[1], left : left + size[0]] = small
    cv2.putText(tile, str(number), (4, NUMBER_PX - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255), 1, cv2.LINE_AA)
    return tile
