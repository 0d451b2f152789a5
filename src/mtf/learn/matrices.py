"""Picture of confusion matrices: a tile for each group, cells darker for a larger share of their row."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np

MAX_SIDE_PX = 4096
CELL_PX = 56
# Smaller cells have no room for a number or for a label beside them.
WRITTEN_CELL_PX = 28
MIN_CELL_PX = 3
MARGIN_PX = 40
MIN_TILE_PX = 200
LETTER_PX = 8


def picture(matrices: Mapping[str, Any], *, title: str) -> bytes | None:
    """PNG of the matrices that `intersections.confusions` returns, at most `MAX_SIDE_PX` on a side.

    Rows are true labels and columns predicted ones, in the order of `labels`; the number in a cell is its count. Cells
    become smaller, and lose their numbers, with the number of labels. None if even the smallest cells do not fit.
    """
    labels, groups = matrices["labels"], matrices["groups"]
    across = max(1, math.ceil(math.sqrt(len(groups))))
    names_px = _names_px(labels) if len(groups) == 1 else 0
    room = (MAX_SIDE_PX - MARGIN_PX) // across - MARGIN_PX - names_px
    cell = min(CELL_PX, room // len(labels))
    if cell < MIN_CELL_PX:
        return None
    tiles = [_tile(group, labels if names_px else [""] * len(labels), cell, names_px) for group in groups]
    blank = np.full_like(tiles[0], 255)
    rows = [tiles[start : start + across] for start in range(0, len(tiles), across)]
    rows[-1] += [blank] * (across - len(rows[-1]))
    canvas = np.vstack([np.hstack(row) for row in rows])
    head = np.full((MARGIN_PX, canvas.shape[1], 3), 255, np.uint8)
    order = "in the same order" if names_px else ", ".join(labels)
    _write(head, f"{title}: rows true, columns predicted ({order})", (8, 26))
    return cv2.imencode(".png", np.vstack([head, canvas]))[1].tobytes()


def _names_px(labels: Sequence[str]) -> int:
    return min(max(len(label) for label in labels) * LETTER_PX, MAX_SIDE_PX // 4)


def _tile(group: Mapping[str, Any], names: Sequence[str], cell: int, names_px: int) -> np.ndarray:
    side = max(len(names) * cell, MIN_TILE_PX)
    tile = np.full((side + MARGIN_PX, side + names_px + 16, 3), 255, np.uint8)
    _write(tile, f"{' '.join(group['group'].values())}  n={group['n']}".strip(), (4, 24))
    for row, (name, counts) in enumerate(zip(names, group["matrix"], strict=True)):
        y = row * cell + MARGIN_PX
        if cell >= WRITTEN_CELL_PX:
            _write(tile, name, (4, y + cell // 2 + 4))
        for column, count in enumerate(counts):
            x = column * cell + names_px + 4
            _fill(tile, (x, y), cell, share=count / max(sum(counts), 1))
            if cell >= WRITTEN_CELL_PX:
                _write(tile, str(count), (x + cell // 5, y + cell // 2 + 6))
    return tile


def _fill(tile: np.ndarray, corner: tuple[int, int], cell: int, *, share: float) -> None:
    x, y = corner
    side = cell - (2 if cell >= WRITTEN_CELL_PX else 0)
    shade = int(255 * (1 - share))
    tile[y : y + side, x : x + side] = (255, 255 - (255 - shade) // 2, shade)


def _write(canvas: np.ndarray, text: str, place: tuple[int, int]) -> None:
    # OpenCV's fonts have ASCII characters only.
    plain = text.replace("×", "x").encode("ascii", "replace").decode("ascii")
    cv2.putText(canvas, plain, place, cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1, cv2.LINE_AA)
