"""From a planned find to its file, and the faces on it."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import cv2
import numpy as np

from mtf.sample import clutter, files, photograph
from mtf.sample.files import File
from mtf.sample.kinds import Kind
from mtf.sample.people import CAST, RARELY_PICTURED, STRANGERS
from mtf.sample.photograph import Hidden, Photograph
from mtf.sample.plan import Find
from mtf.sample.portrait import Box

SMALL_SIDE_PX = 240
"""For files that compress badly."""
TOO_SMALL_PX = 40
SIGN_IN_PAGE = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body>Please sign in.</body></html>"
_HIDDEN = {Kind.SUNGLASSES: Hidden.SUNGLASSES, Kind.HAND: Hidden.HAND}
_SIDES_PX = {
    Kind.PNG: SMALL_SIDE_PX,
    Kind.PNG_16_BIT: SMALL_SIDE_PX,
    Kind.ANIMATED_GIF: SMALL_SIDE_PX,
    Kind.TOO_SMALL: TOO_SMALL_PX,
}
_EFFECTS = {
    Kind.STRANGE_COLOURS: photograph.strange_colours,
    Kind.OUT_OF_FOCUS: photograph.out_of_focus,
    Kind.PIXELATED: photograph.pixelated,
}
_WRITERS = {
    Kind.PNG: files.png,
    Kind.WEBP: files.webp,
    Kind.GREY: files.grey_jpeg,
    Kind.CMYK: files.cmyk_jpeg,
    Kind.PNG_16_BIT: files.png_16_bit,
    Kind.ROTATED: files.rotated_jpeg,
}
_PEOPLE = {person.identity: person for person in (*CAST, *RARELY_PICTURED, *STRANGERS)}


@dataclass(frozen=True)
class Drawn:
    """The file that a find's address holds; the picture's width and height in pixels (upright; 0 where there is
    none), and the boxes of its faces (x, y, width, height) with whom they show."""

    find: Find
    file: File
    width: int
    height: int
    faces: tuple[tuple[Box, str], ...]


@dataclass(frozen=True)
class Job:
    """One identity's finds. `rights` has the XMP packet of those that carry one, by number."""

    seed: int
    finds: tuple[Find, ...]
    rights: dict[int, str]


def draw(job: Job) -> list[Drawn]:
    """All files of one identity but those taken from others; the same job gives the same bytes."""
    cv2.setNumThreads(1)
    by_number = {find.number: find for find in job.finds}
    return [_drawn(find, job, by_number) for find in job.finds if find.taken_from is None]


def _drawn(find: Find, job: Job, by_number: dict[int, Find]) -> Drawn:
    if find.repeats is not None:
        return _repeated(find, by_number[find.repeats], job)
    taken = _photograph(find, job.seed)
    return _with_file(find, _file(find, taken, job), taken)


def _repeated(find: Find, original: Find, job: Job) -> Drawn:
    taken = _photograph(original, job.seed)
    if taken is None:
        raise ValueError(f"{original} has no picture to repeat")
    if find.kind is Kind.BURST:
        again = photograph.next_frame(taken, _generator(find, job.seed, purpose=2))
        return _with_file(find, files.jpeg(again.pixels, xmp=job.rights.get(find.number)), again)
    file = _file(original, taken, job)
    return _with_file(find, files.resaved(file) if find.kind is Kind.RESAVED else file, taken)


def _with_file(find: Find, file: File, taken: Photograph | None) -> Drawn:
    if taken is None:
        return Drawn(find, file, 0, 0, ())
    height, width = taken.pixels.shape[:2]
    return Drawn(find, file, width, height, taken.faces)


def _generator(find: Find, seed: int, *, purpose: int) -> np.random.Generator:
    return np.random.default_rng([seed, purpose, zlib.crc32(find.identity.encode()), find.number])


def _photograph(find: Find, seed: int) -> Photograph | None:
    """What the camera took; None where there is no picture behind the address."""
    rng = _generator(find, seed, purpose=1)
    if find.kind in (Kind.EMPTY, Kind.HTML, Kind.BOMB):
        return None
    if find.kind is Kind.NO_FACE:
        things = (clutter.landscape, clutter.pattern, clutter.poster)
        return things[find.number % len(things)](rng)
    if find.kind is Kind.FACE_LIKE:
        return clutter.house_front(rng)
    if find.kind is Kind.GROUP:
        return photograph.group([(_PEOPLE[who].look(), who) for who in find.shown], rng)
    return _of_one_person(find, find.shown[0], rng)


def _of_one_person(find: Find, who: str, rng: np.random.Generator) -> Photograph:
    person = _PEOPLE[who]
    look = {Kind.WRONG_AGE: person.at_other_age, Kind.CHILDHOOD: person.as_child}.get(find.kind, person.look)()
    if find.kind is Kind.CARTOON:
        return photograph.cartoon(look, who, rng)
    taken = photograph.portrait(
        look, who, rng, hidden=_HIDDEN.get(find.kind), side_px=_SIDES_PX.get(find.kind, photograph.SIDE_PX)
    )
    effect = _EFFECTS.get(find.kind)
    return effect(taken, rng) if effect else taken


def _file(find: Find, taken: Photograph | None, job: Job) -> File:
    if taken is None:
        return _without_picture(find)
    if find.kind is Kind.ANIMATED_GIF:
        following = photograph.next_frame(taken, _generator(find, job.seed, purpose=2))
        return files.animated_gif([taken.pixels, following.pixels])
    if find.kind in _WRITERS:
        return _WRITERS[find.kind](taken.pixels)
    written = files.jpeg(taken.pixels, xmp=job.rights.get(find.number))
    return files.truncated(written) if find.kind is Kind.TRUNCATED else written


def _without_picture(find: Find) -> File:
    if find.kind is Kind.BOMB:
        return files.bomb()
    return File(SIGN_IN_PAGE if find.kind is Kind.HTML else b"", "jpg")
