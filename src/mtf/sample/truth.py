"""Ground truth of the sample's pictures: `data/web/truth.jsonl`, one line per search result."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from mtf.core.atomic_files import write_bytes
from mtf.sample.finds import PictureKind
from mtf.sample.portrait import Box

FILE = "truth.jsonl"


@dataclass(frozen=True)
class Truth:
    """Ground truth of one search result.

    - `identity`, `number`, `kind`: the find;
    - `url`, `page_url`: addresses of the picture and its page;
    - `claim`: search filter that finds it, or None;
    - `license`: SPDX identifier that the source states, or None;
    - `image_id`: sha256 of the address's content;
    - `width`, `height`: of the upright picture in pixels, 0 if there is none;
    - `repeats`: address of the picture that it repeats, or None;
    - `faces`: box (x, y, width, height) and identity of each face.
    """

    identity: str
    number: int
    kind: PictureKind
    url: str
    page_url: str
    claim: str | None
    license: str | None
    image_id: str
    width: int
    height: int
    repeats: str | None
    faces: tuple[tuple[Box, str], ...]


_LINES = TypeAdapter(Truth)


def write(folder: Path, truths: Iterable[Truth]) -> None:
    """Write the truths to FILE in `folder`."""
    write_bytes(folder / FILE, b"".join(_LINES.dump_json(truth) + b"\n" for truth in truths))


def read(folder: Path) -> list[Truth]:
    """Truths of FILE in `folder`."""
    return [_LINES.validate_json(line) for line in (folder / FILE).read_bytes().splitlines()]
