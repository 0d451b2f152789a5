"""What is really on each picture of the sample: `data/web/truth.jsonl`, one line per search result."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from mtf.core.atomic_files import write_bytes
from mtf.sample.plan import PictureKind
from mtf.sample.portrait import Box

FILE = "truth.jsonl"


@dataclass(frozen=True)
class Truth:
    """One search result. `faces` are boxes (x, y, width, height) with the identity each shows; width and height are
    those of the upright picture; `image_id`
    is the sha256 of what the address holds; `repeats` the address of the picture that this one repeats; `license`
    what the source states, `claim` the search filter that finds it.
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
    write_bytes(folder / FILE, b"".join(_LINES.dump_json(truth) + b"\n" for truth in truths))


def read(folder: Path) -> list[Truth]:
    return [_LINES.validate_json(line) for line in (folder / FILE).read_bytes().splitlines()]
