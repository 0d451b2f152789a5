"""Faces in a terminal: drawn where it can (kitty, iTerm, sixel), in coloured blocks elsewhere, and a contact sheet.

The contact sheet of the current page is a file for terminals that draw no pictures. It is removed with its page: a
picture that is taken down must not stay.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from mtf.core.atomic_files import write_bytes
from mtf.core.errors import BadInput
from mtf.review_app.contact_sheet import contact_sheet
from mtf.review_app.engine.face_key import Key
from mtf.review_app.engine.face_pictures import Pictures

COLUMNS = 44
SHEET_WIDTH = "95%"


class TerminalPictures:
    """Pictures of faces for one terminal; call `close` at the end.

    sheet: file of the contact sheet.
    """

    def __init__(self, pictures: Pictures, sheet: Path) -> None:
        self._pictures = pictures
        self._sheet = sheet
        self._is_terminal = sys.stdout.isatty()
        self._drawing = _drawing() if self._is_terminal else None
        self.close()

    def show(self, face: Key) -> None:
        """Draw one face; nothing where the output is no terminal. Raises BadInput if its picture is gone."""
        if not self._is_terminal:
            return
        jpeg = self._of_shards(lambda: self._pictures.crop(face), [face])
        if self._drawing is not None:
            self._draw(jpeg, width=COLUMNS)
        else:
            print(half_blocks(np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB")), columns=COLUMNS))

    def show_page(self, faces: Sequence[Key]) -> None:
        """Draw all faces of a page with their numbers, or print where their contact sheet is. Raises BadInput."""
        jpeg = self._of_shards(lambda: contact_sheet([self._pictures.crop(face) for face in faces]), faces)
        if self._drawing is not None:
            self._draw(jpeg, width=SHEET_WIDTH)
        else:
            write_bytes(self._sheet, jpeg)
            print(f"all {len(faces)} faces of the page: {self._sheet}")

    def forget_page(self) -> None:
        """Remove the contact sheet of a page that is done."""
        self._sheet.unlink(missing_ok=True)

    close = forget_page

    def _of_shards(self, read: Callable[[], bytes], faces: Sequence[Key]) -> bytes:
        self._pictures.check(faces)
        try:
            return read()
        except OSError as error:
            raise BadInput(f"{error.filename}: {error.strerror}; run the stage that makes it (`dvc repro`)") from None

    def _draw(self, jpeg: bytes, *, width: int | str) -> None:
        from rich.console import Console

        assert self._drawing is not None  # noqa: S101 (the callers check it)
        Console().print(self._drawing(Image.open(io.BytesIO(jpeg)), width=width, height="auto"))


def _drawing() -> Any | None:
    """Class of textual-image that draws by the terminal's own protocol; None if it has none.

    The import asks the terminal what it can. A terminal without a size, such as a pipe of `script`, has none either.
    """
    if not os.get_terminal_size(sys.stdout.fileno()).columns:
        return None
    from textual_image.renderable import Image as Drawing
    from textual_image.renderable import SixelImage, TGPImage

    return Drawing if Drawing in (SixelImage, TGPImage) else None


def half_blocks(pixels: np.ndarray, *, columns: int) -> str:
    """Text of `pixels` (height, width, 3; red, green, blue) in 24-bit colour, two rows of pixels per line."""
    height, width = pixels.shape[:2]
    rows = max(2 * round(columns * height / width / 2), 2)
    small = cv2.resize(pixels, (columns, rows), interpolation=cv2.INTER_AREA)
    lines = []
    for upper, lower in zip(small[::2], small[1::2], strict=True):
        cells = (
            f"\x1b[38;2;{a[0]};{a[1]};{a[2]}m\x1b[48;2;{b[0]};{b[1]};{b[2]}m▀"
            for a, b in zip(upper, lower, strict=True)
        )
        lines.append("".join(cells) + "\x1b[0m")
    return "\n".join(lines)
