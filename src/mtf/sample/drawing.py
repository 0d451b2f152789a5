"""From a planned find to its file, and the faces on it."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import cv2
import numpy as np

from mtf.sample import clutter, files, photograph
from mtf.sample.files import File
from mtf.sample.kinds import Kind
from mtf.sample.people import CAST, OLD, RARELY_PICTURED, STRANGERS, YOUNG
from mtf.sample.photograph import Hidden, Photograph
from mtf.sample.plan import Find
from mtf.sample.portrait import Box

SMALL_SIDE_PX = 260
"""For files that compress badly."""
TOO_SMALL_PX = 40
_PEOPLE = {person.identity: person for person in (*CAST, *RARELY_PICTURED, *STRANGERS)}


@dataclass(frozen=True)
class Drawn:
    """The file that a find's address holds, and the boxes of its faces (x, y, width, height; upright) with whom
    they show."""

    find: Find
    file: File
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
    return Drawn(find, _file(find, taken, job), () if taken is None else taken.faces)


def _repeated(find: Find, original: Find, job: Job) -> Drawn:
    taken = _photograph(original, job.seed)
    if taken is None:
        raise ValueError(f"{original} has no picture to repeat")
    if find.kind is Kind.BURST:
        again = photograph.next_frame(taken, _generator(find, job.seed, purpose=2))
        return Drawn(find, files.jpeg(again.pixels, xmp=job.rights.get(find.number)), again.faces)
    file = _file(original, taken, job)
    return Drawn(find, files.resaved(file) if find.kind is Kind.RESAVED else file, taken.faces)


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
    look = person.look()
    match find.kind:
        case Kind.SUNGLASSES:
            return photograph.portrait(look, who, rng, hidden=Hidden.SUNGLASSES)
        case Kind.HAND:
            return photograph.portrait(look, who, rng, hidden=Hidden.HAND)
        case Kind.CARTOON:
            return photograph.cartoon(look, who, rng)
        case Kind.STRANGE_COLOURS:
            return photograph.strange_colours(photograph.portrait(look, who, rng), rng)
        case Kind.OUT_OF_FOCUS:
            return photograph.out_of_focus(photograph.portrait(look, who, rng), rng)
        case Kind.PIXELATED:
            return photograph.pixelated(photograph.portrait(look, who, rng), rng)
        case Kind.WRONG_AGE:
            return photograph.portrait(person.at_age(YOUNG if person.age == OLD else OLD), who, rng)
        case Kind.CHILDHOOD:
            return photograph.portrait(person.as_child(), who, rng)
        case Kind.PNG | Kind.PNG_16_BIT | Kind.ANIMATED_GIF:
            return photograph.portrait(look, who, rng, side_px=SMALL_SIDE_PX)
        case Kind.TOO_SMALL:
            return photograph.portrait(look, who, rng, side_px=TOO_SMALL_PX)
    return photograph.portrait(look, who, rng)


def _file(find: Find, taken: Photograph | None, job: Job) -> File:
    if taken is None:
        return _without_picture(find)
    match find.kind:
        case Kind.PNG:
            return files.png(taken.pixels)
        case Kind.WEBP:
            return files.webp(taken.pixels)
        case Kind.GREY:
            return files.grey_jpeg(taken.pixels)
        case Kind.CMYK:
            return files.cmyk_jpeg(taken.pixels)
        case Kind.PNG_16_BIT:
            return files.png_16_bit(taken.pixels)
        case Kind.ANIMATED_GIF:
            following = photograph.next_frame(taken, _generator(find, job.seed, purpose=2))
            return files.animated_gif([taken.pixels, following.pixels])
        case Kind.ROTATED:
            return files.rotated_jpeg(taken.pixels)
        case Kind.TRUNCATED:
            return files.truncated(files.jpeg(taken.pixels))
    return files.jpeg(taken.pixels, xmp=job.rights.get(find.number))


def _without_picture(find: Find) -> File:
    if find.kind is Kind.BOMB:
        return files.bomb()
    if find.kind is Kind.HTML:
        return File(
            b"<!DOCTYPE html><html><head><title>Sign in</title></head><body>Please sign in.</body></html>", "jpg"
        )
    return File(b"", "jpg")
